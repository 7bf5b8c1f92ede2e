"""What routes are given: the session of whoever asks, and the services as that one reaches them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi import Path as InPath
from starlette.responses import Response

from ..admission import Gate, caller_of, let_in
from ..errors import Code, DreamlakeError
from ..ids import ID_PATTERN
from ..names import is_slug
from ..remote.services import Services
from .attempts import Attempts
from .ingest import Progress
from .onetime import OnceCodes
from .pages import Pages
from .session import Session, Sessions
from .statics import Statics
from .upstream import Upstream

# A header that a page of another origin can't send without being allowed to (Fetch, CORS-safelisted request-header).
SCRIPT_HEADER = "X-Requested-With"
SCRIPT_VALUE = "dreamlake"


@dataclass(frozen=True, slots=True)
class Viewer:
    """What the application consists of. `url` is where browsers find it, `dagster_url` where they find Dagster."""

    pages: Pages
    sessions: Sessions
    statics: Statics
    upstream: Upstream
    codes: OnceCodes
    attempts: Attempts
    progress: Progress
    url: str | None
    dagster_url: str | None


def viewer_of(request: Request) -> Viewer:
    found: Viewer = request.app.state.viewer
    return found


class _SessionGate(Gate):
    """Lets in who has a session, and gives it. `writes`: whose key may write, and only a script of the viewer's own
    pages."""

    def __init__(self, *, writes: bool = False) -> None:
        self.writes = writes

    async def __call__(self, request: Request) -> Session:
        session = caller_of(request.scope)
        assert isinstance(session, Session)
        return session

    async def admit(self, request: Request) -> None:
        session = viewer_of(request).sessions.of(request)
        if session is None:
            raise DreamlakeError(Code.UNAUTHENTICATED, "You are not logged in.", hint="Log in at /login.")
        let_in(request, session)
        if not self.writes:
            return
        if request.headers.get(SCRIPT_HEADER) != SCRIPT_VALUE:
            raise DreamlakeError(Code.FORBIDDEN, f"The header {SCRIPT_HEADER}: {SCRIPT_VALUE} is missing.")
        if not session.can_write:
            raise DreamlakeError(Code.FORBIDDEN, "This key may only read.")


Visitor = Annotated[Session, Depends(_SessionGate())]
# Who may change something; the request is a script's of the viewer's own pages.
Editor = Annotated[Session, Depends(_SessionGate(writes=True))]


async def _services_of(request: Request) -> AsyncIterator[Services]:
    session = caller_of(request.scope)
    assert isinstance(session, Session)
    with viewer_of(request).upstream.services(session.key) as services:
        yield services


# The services, for a route that asks for a session, too.
Lake = Annotated[Services, Depends(_services_of)]

Id = Annotated[str, InPath(pattern=ID_PATTERN)]


def check_project(namespace: str, project: str) -> None:
    """Raises NOT_FOUND where an address names what can be no project: nothing is asked of the services then."""
    if not (is_slug(namespace) and is_slug(project)):
        raise DreamlakeError(Code.NOT_FOUND, f"There is no project {namespace[:80]!r} / {project[:80]!r}.")


def private(response: Response, seconds: int) -> Response:
    """The answer, which the browser of who asked may keep for so long, and gives to nobody who logs in after that."""
    response.headers["Cache-Control"] = f"private, max-age={seconds}"
    response.headers["Vary"] = "Cookie"
    return response
