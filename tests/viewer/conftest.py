"""The viewer before both services, as a browser reaches it; and Debian's Chromium, in which a page that has an error
fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from dreamlake_pipeline.auth import Scope
from dreamlake_pipeline.remote.services import Services as Clients
from dreamlake_pipeline.settings import Settings
from dreamlake_pipeline.storage import ObjectStore
from dreamlake_pipeline.viewer.app import create_app
from tests import chromium
from tests.conftest import Services, serving

from .cameras import make_all, make_sounds
from .ingest import Lab

VIEWER_SECRET = "a secret of the viewer, for tests only"

PATIENCE = 60_000  # milliseconds, for a machine that has other things to do
expect.set_options(timeout=PATIENCE)

# Reports of the Content Security Policy, kept where a test can read them; the page itself can't be told by a script in
# it, which the policy would refuse.
LISTEN = """addEventListener("securitypolicyviolation", event => {
    console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
});"""


@dataclass(frozen=True)
class Seen:
    """The viewer, listening, and the services behind it."""

    url: str
    services: Services

    def link(self, path: str = "/", *, key: str | None = None) -> str:
        """A link that logs in once, with a key that writes everywhere unless another one is given."""
        answer = httpx.post(
            f"{self.url}/login/links",
            json={"next": path},
            headers={"Authorization": f"Bearer {key or self.services.token('*')}"},
        )
        answer.raise_for_status()
        return str(answer.json()["url"])

    @contextmanager
    def browser(self, key: str | None = None) -> Iterator[httpx.Client]:
        """A client that asks as a browser does, and is logged in if there is a key."""
        with httpx.Client(base_url=self.url, headers={"Accept": "text/html"}, timeout=60) as client:
            if key is not None:
                done = client.post("/login", data={"key": key})
                assert done.status_code == 303, done.text
            yield client

    def reader(self, *namespaces: str) -> str:
        """A key that only reads."""
        return self.services.token(*namespaces, scope=Scope.READ)


def viewer_settings(services: Services, **more: Any) -> Settings:
    return Settings(**({"remote": services.remote, "bss_url": services.bss_url, "viewer_secret": VIEWER_SECRET} | more))


@pytest.fixture(scope="session")
def viewer(services: Services) -> Iterator[Seen]:
    with serving(create_app(viewer_settings(services))) as url:
        yield Seen(url, services)


@pytest.fixture(scope="session")
def playwright_() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE)
        yield playwright


@pytest.fixture(scope="session")
def browser(playwright_: Playwright) -> Iterator[Browser]:
    with chromium.launched(playwright_, patience=PATIENCE) as browser:
        yield browser


@contextmanager
def watched(context: BrowserContext) -> Iterator[Page]:
    """A page of this context; a console error, a fault of a script or a CSP report fails the test."""
    context.set_default_timeout(PATIENCE)
    context.add_init_script(LISTEN)
    problems: list[str] = []
    page = context.new_page()
    page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda fault: problems.append(str(fault)))
    page.problems = problems  # type: ignore[attr-defined] - a test that expects some clears it
    yield page
    assert not problems, problems


@pytest.fixture
def new_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """`new_page(width=1280, height=800, color_scheme="dark")`: a page in a context of its own."""
    open_contexts = []

    def make(**options: Any) -> Page:
        size = {"width": options.pop("width", 1280), "height": options.pop("height", 800)}
        context = browser.new_context(viewport=size, **options)  # type: ignore[arg-type]
        manager = watched(context)
        open_contexts.append((context, manager))
        return manager.__enter__()

    yield make
    for context, manager in open_contexts:
        try:
            manager.__exit__(None, None, None)
        finally:
            context.close()


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    """A page, 1280 x 800, that is not logged in: `page.goto(viewer.link("/p/…"))`."""
    return new_page()


@pytest.fixture(scope="session")
def cameras(services: Services, object_store: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab whose episode `run-1` has the cameras of CAMERAS, and `heard` one of them and two microphones."""
    folder = tmp_path_factory.mktemp("cameras")
    with closing(Clients(remote=services.remote, bss_url=services.bss_url, api_key=services.token("*"))) as clients:
        lab = Lab(services, object_store, clients)
        files = make_all(folder)
        lab.ingest(files)
        lab.ingest({"/seen.mp4": files["/camera/left.mp4"]} | make_sounds(folder), "heard")
        yield lab


@pytest.fixture
def lab(services: Services, object_store: ObjectStore) -> Iterator[Lab]:
    """A namespace of this test's own, into which it ingests files."""
    with closing(Clients(remote=services.remote, bss_url=services.bss_url, api_key=services.token("*"))) as clients:
        yield Lab(services, object_store, clients)
