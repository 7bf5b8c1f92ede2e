"""Pages of the viewer, as a browser asks for them: from the request to the last byte of HTML."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx

from dreamlake_pipeline.api.server import BatchAsset
from dreamlake_pipeline.ids import new_id
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.remote.bss import in_slices

from .home import Home
from .measure import BenchmarkError

_GOES = 15


def project_seconds(home: Home, *, episodes: int, files: int) -> list[float]:
    """The page of a project of so many episodes, and files in all of them, with all that is on it; once before it
    counts."""
    target = home.new_project()
    project, _, namespace = target.partition("@")
    with home.client() as lake:
        for some in in_slices(list(_assets(namespace, project, episodes, files // episodes))):
            lake.index.register_batch(some)
    return page_seconds(home, target, episodes=episodes, goes=_GOES)


def page_seconds(home: Home, target: str, *, episodes: int, goes: int) -> list[float]:
    """The page of a `project@namespace` of so many episodes or more, so often; once before it counts."""
    project, _, namespace = target.partition("@")
    with httpx.Client(base_url=str(home.stack.url_of("viewer")), timeout=60) as browser:
        browser.post("/login", data={"key": home.environment["DREAMLAKE_API_KEY"]})
        seconds = []
        for _ in range(1 + goes):
            begun = time.perf_counter()
            page = browser.get(f"/p/{namespace}/{project}", headers={"Accept": "text/html"})
            seconds.append(time.perf_counter() - begun)
            if page.status_code != 200 or page.text.count("<tr>") < min(50, episodes):
                raise BenchmarkError(f"The page of the project is not there: {page.status_code} {page.text[:200]}")
    return seconds[1:]


def _assets(namespace: str, project: str, episodes: int, files: int) -> Iterator[BatchAsset]:
    for episode in range(episodes):
        for file in range(files):
            kind, name = (Kind.VIDEO, f"/camera/{file}.mp4") if file % 10 == 0 else (Kind.LABEL_TRACK, f"/{file}.csv")
            yield BatchAsset.model_validate(
                {
                    "namespace": namespace,
                    "project": project,
                    "episode_name": f"run-{episode:04}",
                    "name": name,
                    "kind": kind,
                    kind.spec.bss_id_field: new_id(),
                    "status": "failed" if file == 7 and episode % 9 == 0 else "ready",
                    "size": 1_000_000,
                    "metadata": {"durationSec": 30.0, "posterUrl": "poster.jpg"} if kind is Kind.VIDEO else {},
                }
            )
