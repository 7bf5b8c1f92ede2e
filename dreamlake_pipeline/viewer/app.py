"""The viewer as an ASGI application: `uvicorn --loop asyncio --http dreamlake_pipeline.connections:Connection --factory
dreamlake_pipeline.viewer.app:create_app`."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote, urlsplit

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response

from ..errors import Code, DreamlakeError
from ..origin import is_foreign, is_navigation
from ..settings import Settings
from ..web import create_service
from .advice import of_pages
from .attempts import Attempts
from .context import Viewer, viewer_of
from .headers import Guard, security_headers
from .ingest import Progress
from .onetime import OnceCodes
from .pages import Pages
from .routes import actions, episodes, failed, files, ingest, login, nowhere, projects, results, static
from .session import Sessions
from .statics import Statics
from .upstream import Upstream
from .urls import asked_url, is_data, local_path

log = logging.getLogger(__name__)


def create_app(settings: Settings | None = None) -> FastAPI:
    """The viewer.

    Raises DreamlakeError(USAGE) when DREAMLAKE_VIEWER_SECRET, DREAMLAKE_REMOTE or DREAMLAKE_BSS_URL is not set, or
    one of the URLs is none.
    """
    settings = settings or Settings()
    secret, bss_url = settings.require("viewer_secret"), _url("DREAMLAKE_BSS_URL", settings.require("bss_url"))
    remote = _url("DREAMLAKE_REMOTE", settings.require("remote"))
    url = _url("DREAMLAKE_VIEWER_URL", settings.viewer_url) if settings.viewer_url else None
    headers = security_headers(bss_url)
    statics = Statics()
    sessions = Sessions(secret, secure=(url or "").startswith("https://"))
    viewer = Viewer(
        pages=Pages(statics, sessions, headers),
        sessions=sessions,
        statics=statics,
        upstream=Upstream(remote=remote, bss_url=bss_url),
        codes=OnceCodes(secret),
        attempts=Attempts(),
        progress=Progress(),
        url=url,
        dagster_url=settings.dagster_url.rstrip("/") if settings.dagster_url else None,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if missing := statics.missing_libraries():
            log.warning("%s missing: no video and no plot is shown. Run `make setup`.", " and ".join(missing))
        yield
        viewer.upstream.close()

    service = create_service(
        title="Viewer",
        description="Pages that show what was ingested.",
        keys=(),
        is_healthy=lambda: None,
        lifespan=lifespan,
        metrics_token=settings.optional("metrics_token"),
        documented=False,
        show_error=_error_page,
        worded=of_pages,
    )
    service.state.viewer = viewer
    service.add_middleware(Guard, headers=headers, host=urlsplit(url).netloc.lower() if url else None)
    for routes in (login, projects, episodes, files, failed, ingest, results, actions, static, nowhere):
        service.include_router(routes.router)
    return service


def _error_page(request: Request, error: DreamlakeError) -> Response | None:
    """An error as a page, for who looks at pages; None for programs and scripts, which are told by JSON."""
    if "text/html" not in request.headers.get("accept", "") or is_data(request):
        return None
    viewer = viewer_of(request)
    if error.code is Code.UNAUTHENTICATED:
        return _log_in_first(request, viewer)
    return viewer.pages.render(
        request, "error.html", session=viewer.sessions.of(request), status=error.spec.status, error=error
    )


def _log_in_first(request: Request, viewer: Viewer) -> Response:
    """The login form for who has no session, or one whose key the services do not take any more."""
    target = local_path(asked_url(request) if request.method == "GET" else None)
    headers = request.headers
    if is_navigation(headers) and is_foreign(headers, headers.get("host", "").lower()):
        # A link of another site was followed, with which browsers send no SameSite=Strict cookie: here anew.
        return viewer.pages.render(request, "lead_on.html", session=None, next=target)
    response = RedirectResponse(f"/login?next={quote(target, safe='')}", 303)
    viewer.sessions.close(response)
    return response


def _url(variable: str, url: str) -> str:
    """The URL without a slash at its end. Raises DreamlakeError(USAGE) for one that is none."""
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise DreamlakeError(Code.USAGE, f"{variable} cannot be used: {url!r} is no URL with http:// or https://.")
    return url.strip().rstrip("/")
