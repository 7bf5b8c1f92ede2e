"""A rebuild reads what anybody may have written who has keys to a part of the bucket. What cannot be true of a project
is told and passed over, gives nobody anything of another project, and keeps nobody else from being made again."""

from __future__ import annotations

import copy
import json
import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from dreamlake_pipeline import layout
from dreamlake_pipeline.bss.rebuild import reading
from dreamlake_pipeline.client.rebuild import Rebuilt
from dreamlake_pipeline.ids import new_id
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.storage import ObjectStore, open_client

from .conftest import OWNER, World, labels, running, sound, srt

EVIL = "evil"


class Scene:
    """A bucket with an honest project, and what was known of it; a hand that writes into another's folders."""

    def __init__(self, store: ObjectStore, honest: dict[str, Any]) -> None:
        self.store, self.honest = store, honest

    def meta(self, name: str) -> dict[str, Any]:
        record = self.honest[name]
        return json.loads(self.store.read(layout.meta_key(OWNER, "robot", record.kind, record.id)))

    def forge(self, meta: dict[str, Any], owner: str = EVIL, project: str = "p", **files: bytes) -> str:
        """A folder with this meta.json as this owner's; its record's id."""
        forged = {"id": new_id(), "owner": owner, "project": project} | meta
        folder = layout.asset_prefix(owner, project, Kind(forged["kind"]), forged["id"])
        self.put(folder + "meta.json", json.dumps(forged).encode())
        for filename, data in files.items():
            self.put(folder + filename, data)
        return str(forged["id"])

    def put(self, key: str, data: bytes) -> None:
        self.store.put(key, data, content_type="application/octet-stream")

    def note(self, *lines: dict[str, Any] | bytes, owner: str = EVIL, project: str = "p") -> str:
        """An object of a journal."""
        text = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
        key = f"{layout.journal_prefix(owner, project)}29991231T000000-{secrets.token_hex(4)}.jsonl"
        self.put(key, text + b"\n")
        return key


@pytest.fixture
def scene(
    new_database: Callable[[], str],
    s3_server: str,
    serve: Callable[..., AbstractContextManager[str]],
    clip: bytes,
    tmp_path: Path,
) -> Scene:
    store = ObjectStore(open_client(), f"hostile-{secrets.token_hex(4)}")
    store.create_bucket()
    with running(new_database(), store, serve) as world:
        files = {"/a.mp4": clip, "/b.wav": sound(1), "/c.srt": srt("private"), "/d.jsonl": labels(1)}
        world.ingest(files, tmp_path)
        world.process()
        return Scene(store, world.records())


@pytest.fixture
def rebuilt(new_database: Callable[[], str], serve: Callable[..., AbstractContextManager[str]]) -> Any:
    """Rebuild from the scene's bucket into a new database; its world, and the problems that were told."""
    contexts = []

    def run(scene: Scene) -> tuple[World, list[str]]:
        context = running(new_database(), scene.store, serve)
        world = context.__enter__()
        contexts.append(context)
        said = [one for one in world.lake.rebuild_events() if isinstance(one, Rebuilt)]
        return world, [problem for one in said for problem in one.problems]

    yield run
    for context in contexts:
        context.__exit__(None, None, None)


def _is_honest(world: World, scene: Scene) -> bool:
    """Whether the honest project is as it was."""
    now = world.records()
    return {name: (one.id, one.status, one.staging_key, one.sha256) for name, one in now.items()} == {
        name: (one.id, one.status, one.staging_key, one.sha256) for name, one in scene.honest.items()
    }


def test_nothing_of_another_project_is_given_or_taken(scene: Scene, rebuilt: Any) -> None:
    video, text = scene.honest["/a.mp4"], scene.honest["/c.srt"]
    meta = scene.meta("/c.srt")
    at = "2999-01-01T00:00:00Z"
    # Somebody else's bytes, our journal, the catalog and the pool as one's own file.
    for key in (text.staging_key, "catalog/assets.parquet", f"{EVIL}/q/staging/x", f"{EVIL}/p/journal/x", "", "/"):
        scene.forge(meta | {"stagingKey": key, "name": "/stolen.srt"})
        taken = {**meta, "id": new_id(), "owner": EVIL, "project": "p", "stagingKey": key, "status": "queued"}
        scene.note({"at": at, "record": taken})
    # Somebody else's id as one's own, with their result; their file as deleted.
    mine = layout.staging_key(EVIL, "p", text.staging_hash)
    scene.put(mine, srt("mine"))
    scene.note(
        {"at": at, "record": {**meta, "owner": EVIL, "project": "p", "stagingKey": mine, "name": "/taken.srt"}},
        {"at": at, "deleted": video.id},
        {"at": at, "deleted": text.id},
    )
    # A line about another project, a meta.json in a folder of another kind.
    scene.note({"at": at, "record": {**meta, "name": "/renamed.srt"}})
    other = layout.asset_prefix(EVIL, "p", Kind.VIDEO, text.id)
    scene.put(other + "meta.json", json.dumps(meta).encode())

    world, problems = rebuilt(scene)
    assert _is_honest(world, scene)
    assert world.sql("SELECT count(*) FROM deleted_records") == [(0,)]
    strangers = world.sql("SELECT staging_key FROM records WHERE owner = 'evil'")
    assert all(row.staging_key.startswith(f"{EVIL}/p/staging/") for row in strangers)
    assert world.sql("SELECT name FROM records WHERE owner = 'evil' AND metadata IS NOT NULL") == []
    assert len(problems) >= 7


def _bent(scene: Scene) -> dict[str, dict[str, Any]]:
    """Records that can't be, by what is wrong with them, each in the place of an honest one's copy."""
    meta = scene.meta("/b.wav")
    deep: Any = 1
    for _ in range(150):
        deep = [deep]
    own = {"stagingKey": f"{EVIL}/p/staging/{meta['stagingHash']}"}
    bent: dict[str, dict[str, Any]] = {
        "nul": {"name": "/a\0b.wav"},
        "surrogate": {"name": "/a\ud800b.wav"},
        "control": {"name": "/a\x1b[2Jb.wav"},
        "climbs": {"name": "/../../../etc/passwd"},
        "relative": {"name": "a.wav"},
        "long": {"name": "/" + "x" * 5000},
        "episode": {"episode": " \n"},
        "size": {"size": 10**30},
        "negative": {"size": -1},
        "attempts": {"attempts": 10**12},
        "hash": {"stagingHash": "00" * 32},
        "sha": {"sha256": "nope"},
        "naive time": {"uploadedAt": "2026-01-01T00:00:00"},
        "far time": {"uploadedAt": "9999-12-31T23:59:59Z"},
        "ladder": {"ladder": [10**12]},
        "csv": {"csv": {"delimiter": "\0"}},
        "type": {"contentType": "text/html\r\nX: y"},
        "streams": {"metadata": {**meta["metadata"], "streams": 5}},
        "no streams": {"metadata": {**meta["metadata"], "streams": None}},
        "strange streams": {"metadata": {**meta["metadata"], "streams": [{"a": 1}, "../../../x", 7]}},
        "many streams": {"metadata": {**meta["metadata"], "streams": ["ab" * 32] * 100_000}},
        "list": {"metadata": []},
        "warnings": {"warnings": {"a": 1}},
        "error": {"error": {"code": "\0", "message": "\0"}, "status": "failed"},
        "nothing": {"kind": "audio", "name": None},
        "deep": {"metadata": {**meta["metadata"], "streams": [], "deep": deep}},
        "huge": {"metadata": {**meta["metadata"], "streams": [], "huge": 10**4000}},
        "nul inside": {"metadata": {**meta["metadata"], "streams": [], "\0": "\0\ud800"}},
        "recipe": {"recipe": "\0"},
        "request": {"requestId": "a\nb\0"},
    }
    return {why: {**copy.deepcopy(meta), **own, **fields} for why, fields in bent.items()}


def test_what_cannot_be_is_passed_over(scene: Scene, rebuilt: Any) -> None:
    for meta in _bent(scene).values():
        scene.forge({name: value for name, value in meta.items() if name not in ("id", "owner", "project")})
        record = {**meta, "id": new_id(), "owner": EVIL, "project": "p"}
        scene.note({"at": "2026-01-01T00:00:00Z", "record": record})
        record = {**meta, "id": new_id(), "owner": EVIL, "project": "p", "metadata": None}
        scene.note({"at": "2026-01-01T00:00:00", "record": record})
    for line in (b"", b"[" * 60_000, b"NaN", b"\xff\xfe", b"1e999999", b'{"at":"x"}', b"9" * 100_000, b"{}", b"null"):
        scene.note(line, line)
        scene.put(f"{EVIL}/p/videos/{new_id()}/meta.json", line)
    scene.note(
        {"at": "2026-01-01T00:00:00", "settings": {"ladder": [10**9]}},
        {"at": "9999-12-31T23:59:59Z", "settings": {"csv": {"delimiter": "\0"}}},
        {"at": "2026-01-01T00:00:00Z", "deleted": "x"},
    )
    # Playlists that name what is no segment, and a cut one.
    for playlist in (b"#EXTM3U\n../x\0.ts\n#EXT-X-ENDLIST\n", b"#EXTM3U\n\xff\n#EXT-X-ENDLIST\n", b"#EXTM3U\n"):
        meta = {**scene.meta("/b.wav"), "stagingKey": f"{EVIL}/p/staging/{'ab' * 32}", "stagingHash": "ab" * 32}
        meta["metadata"] = {**meta["metadata"], "streams": ["ef" * 32]}
        files = {f"stream/{'ef' * 32}.m3u8": playlist}
        scene.forge({name: value for name, value in meta.items() if name not in ("id", "owner", "project")}, **files)

    world, problems = rebuilt(scene)
    assert _is_honest(world, scene)
    names = [row.name for row in world.sql("SELECT name FROM records WHERE owner = 'evil'")]
    assert all(name.startswith("/") and name.isprintable() and ".." not in name for name in names)
    assert problems
    assert world.fsck(f"robot@{OWNER}") == []


def test_one_large_object_is_passed_over(scene: Scene, rebuilt: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is larger than anything that is written there is not read."""
    monkeypatch.setattr(reading, "_LARGEST_META", 200_000)
    monkeypatch.setattr(reading, "_LARGEST_JOURNAL", 200_000)
    large = scene.note(b" " * 200_001)
    scene.put(f"{EVIL}/p/videos/{new_id()}/meta.json", b" " * 200_001)
    world, problems = rebuilt(scene)
    assert _is_honest(world, scene)
    assert sum("larger" in problem for problem in problems) == 2
    assert any(large in problem for problem in problems)
