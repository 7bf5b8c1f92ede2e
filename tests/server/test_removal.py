"""Removing files from the index: by id and by name, by whom, and beside those who register them."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from dreamlake_pipeline.api.server import AssetRef, BatchAsset
from dreamlake_pipeline.ids import new_id
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.server.index import upsert_assets
from dreamlake_pipeline.server.removal import IndexedFile, remove_files

Make = Callable[..., BatchAsset]


def upsert(engine: Engine, *assets: BatchAsset) -> list[AssetRef]:
    with engine.begin() as connection:
        return upsert_assets(connection, list(assets))


@pytest.fixture
def remove(service: TestClient, owner: str, token: Any) -> Callable[..., int]:
    """Deletes as the writer of this test's namespace; the status of the answer."""

    def request(path: str, /, *, headers: dict[str, str] | None = None, **params: Any) -> int:
        return service.delete(path, params=params, headers=headers or token(owner)).status_code

    return request


def test_by_id(engine: Engine, asset: Make, remove: Any, call: Any) -> None:
    ref, other = upsert(engine, asset("/cam/a.mp4"), asset("/cam/b.mp4"))
    assert remove(f"/assets/audio/{ref.id}") == 404
    assert call("GET", f"/assets/video/{ref.id}")["name"] == "/cam/a.mp4"
    for _ in range(2):
        assert remove(f"/assets/video/{ref.id}") == 204
        call("GET", f"/assets/video/{ref.id}", status=404)
    assert call("GET", f"/assets/video/{other.id}")["name"] == "/cam/b.mp4"


@pytest.mark.parametrize("episode", [None, "run 1"])
def test_by_name(engine: Engine, asset: Make, remove: Any, call: Any, owner: str, episode: str | None) -> None:
    ref, other = upsert(
        engine, asset("/cam/\u00e9.mp4", episode_name=episode), asset("/cam/\u00e9.mp4", episode_name="run 2")
    )
    named: dict[str, Any] = {"namespace": owner, "project": "robots", "path": "/cam/e\u0301.mp4"}
    if episode:
        named["episode"] = episode
    for misses in ({"project": "none"}, {"path": "/cam"}, {"episode": "none"}):
        assert remove("/assets/video", **named | misses) == 204
    assert remove("/assets/audio", **named) == 204
    assert call("GET", f"/assets/video/{ref.id}")
    for _ in range(2):
        assert remove("/assets/video", **named) == 204
        call("GET", f"/assets/video/{ref.id}", status=404)
    assert call("GET", f"/assets/video/{other.id}")


def test_what_holds_no_file_is_not_seen(
    engine: Engine, asset: Make, remove: Any, every_page: Any, call: Any, owner: str
) -> None:
    """Nor is it lost: the row of a folder, an episode or a project is seen again with the next file in it."""
    projects = f"/namespaces/{owner}/projects"

    def seen() -> tuple[list[Any], ...]:
        robots = [name["name"] for name in every_page(projects)]
        if not robots:
            for path in ("robots/episodes", "robots/nodes"):
                call("GET", f"{projects}/{path}", status=404)
            return [], [], [], []
        episodes = [episode["name"] for episode in every_page(f"{projects}/robots/episodes", limit=1)]
        in_run = {"episode": "run 1"} if "run 1" in episodes else {}
        flat = every_page(f"{projects}/robots/nodes", limit=1, **in_run)
        deep = every_page(f"{projects}/robots/nodes", limit=1, recursive=True, **in_run)
        return robots, episodes, [node["path"] for node in flat], [node["path"] for node in deep]

    run = "run 1"
    refs = upsert(
        engine,
        asset("/cam/front/a.mp4", episode_name=run),
        asset("/cam-2/b.mp4", episode_name=run),
        asset("/cam/c.mp4", episode_name=run),
        asset("/d.mp4"),
    )
    whole = ["/cam", "/cam/c.mp4", "/cam/front", "/cam/front/a.mp4", "/cam-2", "/cam-2/b.mp4"]
    assert seen() == (["robots"], [None, run], ["/cam", "/cam-2"], whole)
    assert remove(f"/assets/video/{refs[0].id}") == 204
    assert seen() == (["robots"], [None, run], ["/cam", "/cam-2"], ["/cam", "/cam/c.mp4", "/cam-2", "/cam-2/b.mp4"])
    for recursive in (False, True):
        gone = {"path": "/cam/front", "episode": run, "recursive": recursive}
        call("GET", f"{projects}/robots/nodes", params=gone, status=404)
    assert remove(f"/assets/video/{refs[2].id}") == remove(f"/assets/video/{refs[3].id}") == 204
    assert seen() == (["robots"], [run], ["/cam-2"], ["/cam-2", "/cam-2/b.mp4"])
    assert every_page(f"{projects}/robots/nodes") == []
    assert remove(f"/assets/video/{refs[1].id}") == 204
    assert seen() == ([], [], [], [])
    [again] = upsert(engine, asset("/cam/front/a.mp4", episode_name=run))
    assert (again.node_id, again.episode_id) == (refs[0].node_id, refs[0].episode_id) and again.id != refs[0].id
    assert seen() == (["robots"], [run], ["/cam"], ["/cam", "/cam/front", "/cam/front/a.mp4"])


def test_only_as_long_as_the_name_stands_for_a_record(engine: Engine, asset: Make, remove: Any, owner: str) -> None:
    older, newer = new_id(), new_id()
    [ref] = upsert(engine, asset("/a.mp4", bss=newer))
    named = {"namespace": owner, "project": "robots", "path": "/a.mp4"}
    assert remove("/assets/video", **named, bssId=older) == remove(f"/assets/video/{ref.id}", bssId=older) == 204
    assert upsert(engine, asset("/a.mp4", bss=newer)) == [ref]
    assert remove("/assets/video", **named, bssId=newer) == 204
    assert upsert(engine, asset("/a.mp4", bss=newer)) != [ref]


def test_who_may(engine: Engine, asset: Make, remove: Any, token: Any, owner: str) -> None:
    [ref] = upsert(engine, asset("/a.mp4"))
    named = {"namespace": owner, "project": "robots", "path": "/a.mp4"}
    # Of a file that the caller does not reach he does not even learn that it is there.
    assert remove(f"/assets/video/{ref.id}", headers=token("other")) == 204
    assert remove("/assets/video", headers=token("other"), **named) == 403
    for headers, status in (
        (token(owner, scope="read"), 403),
        (token(owner, scope="play"), 403),
        ({"Authorization": "Bearer nonsense"}, 401),
    ):
        assert remove(f"/assets/video/{ref.id}", headers=headers) == status
        assert remove("/assets/video", headers=headers, **named) == status
    assert upsert(engine, asset("/a.mp4", bss=new_id()))[0].id == ref.id
    assert remove("/assets/video", headers=token("*"), **named) == 204


def test_removal_beside_registration(engine: Engine, asset: Make, owner: str) -> None:
    """Files that are registered, taken by other records and removed at the same time, in any order."""
    names, records = [f"/{n}.mp4" for n in range(20)], sorted(new_id() for _ in range(3))

    def work(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(15):
            some = chance.sample(names, 12)
            if seed % 2:
                assets = [asset(name, bss=chance.choice(records)) for name in some]
                assert len(upsert(engine, *assets)) == len(assets)
            else:
                files = [IndexedFile(Kind.VIDEO, owner, "robots", None, name) for name in some]
                with engine.begin() as connection:
                    remove_files(connection, files)

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(work, range(6)))
    refs = upsert(engine, *(asset(name, bss=records[-1]) for name in names))
    with engine.begin() as connection:
        assert remove_files(connection, [IndexedFile(Kind.VIDEO, owner, "robots", None, name) for name in names]) == 20
    assert len({ref.id for ref in refs}) == 20
