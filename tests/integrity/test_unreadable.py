"""Objects that the store announces and does not give: each is told, and is no reason to wait for long or to end."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from dreamlake_pipeline import layout
from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.findings import Finding
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.storage import ObjectStore, open_client

from .conftest import OWNER, World, running, sound
from .cutter import Cutter
from .test_fsck import damage

PROJECT = f"robot@{OWNER}"
HEAD = 1000  # bytes: no answer's head has more


@pytest.fixture
def cutter(s3_server: str) -> Iterator[Cutter]:
    with Cutter(int(s3_server.rpartition(":")[2])) as cutter:
        yield cutter


@pytest.fixture
def world(
    cutter: Cutter,
    new_database: Callable[[], str],
    serve: Callable[..., AbstractContextManager[str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[World]:
    """Three sounds, in an object store that everybody reaches through the cutter; all are large, by their limit."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", cutter.url)
    monkeypatch.setattr("dreamlake_pipeline.bss.fsck.records.LARGE", 10_000)
    monkeypatch.setattr("dreamlake_pipeline.client.fsck._WITHHELD_SECONDS", 1.0)
    store = ObjectStore(open_client(), f"unreadable-{secrets.token_hex(4)}")
    store.create_bucket()
    with running(new_database(), store, serve) as world:
        world.ingest({f"/{name}.wav": sound(n) for n, name in enumerate("abc", 1)}, tmp_path)
        world.process()
        assert world.fsck(PROJECT) == []
        yield world


def key_of(world: World, name: str) -> str:
    return world.records()[name].staging_key


@pytest.mark.parametrize("after", [0, 100, HEAD + 5000], ids=["without an answer", "in its head", "in its bytes"])
def test_what_breaks_off_again_and_again_is_told_and_the_others_are_checked(
    world: World, cutter: Cutter, after: int
) -> None:
    damage(world, key_of(world, "/c.wav"), "altered")
    cutter.after = {key_of(world, f"/{name}.wav"): after for name in "ab"}
    begun = time.monotonic()
    found = {one.name: one for one in world.fsck(PROJECT)}
    assert time.monotonic() - begun < 600  # and not the hour for which a store that is away is waited for
    assert cutter.cuts >= 2 * 5
    wanted = {"/a.wav": Finding.UNREADABLE, "/b.wav": Finding.UNREADABLE, "/c.wav": Finding.RAW_ALTERED}
    assert {name: one.code for name, one in found.items()} == wanted
    unread = found["/a.wav"]
    assert unread.what == key_of(world, "/a.wav") and unread.is_damage
    assert "of its 12,044 bytes came" in unread.detail and "broke off" in unread.detail

    # A repair does not touch it: its bytes may well be there.
    before = world.records()["/a.wav"]
    assert world.lake.repair([unread]).left == [unread]
    assert world.records()["/a.wav"] == before
    cutter.after = {}
    assert {one.name for one in world.fsck(PROJECT)} == {"/c.wav"}


def test_a_way_that_carries_little_at_a_time_is_enough(
    world: World, cutter: Cutter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dreamlake_pipeline.client.fsck._PIECE", 10_000)
    monkeypatch.setattr("dreamlake_pipeline.client.fsck._SMALL_PIECE", 2500)
    cutter.after = {key_of(world, "/a.wav"): HEAD + 5000}
    assert world.fsck(PROJECT) == []
    assert cutter.cuts > 0


def test_a_store_that_does_not_answer_is_waited_for(
    world: World, cutter: Cutter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be away for much longer than one waits for an object, which says nothing of any object."""
    monkeypatch.setattr("dreamlake_pipeline.client.fsck._WITHHELD_SECONDS", 0.1)
    monkeypatch.setattr("dreamlake_pipeline.client.fsck._WITHHELD_ATTEMPTS", 2)
    monkeypatch.setattr("dreamlake_pipeline.client.fsck._PIECE", 10_000)
    monkeypatch.setattr("dreamlake_pipeline.client.fsck._SMALL_PIECE", 2500)
    cutter.after, cutter.refuses = {key_of(world, "/a.wav"): HEAD + 5000}, 4.0
    assert world.fsck(PROJECT) == []
    assert cutter.cuts > 0 and not cutter.refuses


def test_what_broke_off_is_looked_at_again_at_the_end(
    world: World, cutter: Cutter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dreamlake_pipeline.client.fsck._WITHHELD_SECONDS", 0.0)
    cutter.after, cutter.most = {key_of(world, "/a.wav"): HEAD}, 5
    assert world.fsck(PROJECT) == []
    assert cutter.cuts == 5


def test_an_object_that_the_store_refuses_is_told_and_the_others_are_checked(
    world: World, cutter: Cutter, clip: bytes, tmp_path: Path
) -> None:
    """As SSE-C or a key of encryption that is gone does: small files, files that were made, segments, playlists."""
    world.ingest({"/clip.mp4": clip}, tmp_path)
    world.process()
    record = world.records()["/clip.mp4"]
    folder = layout.asset_prefix(OWNER, "robot", Kind.VIDEO, record.id)
    playlist = next(item.key for item in world.store.list_all(folder) if item.key.endswith(".m3u8"))
    segment = next(world.store.list_all(layout.CHUNK_PREFIX)).key
    damage(world, key_of(world, "/c.wav"), "altered")
    cutter.denied = {key_of(world, "/a.wav"), playlist, segment}
    found = world.fsck(PROJECT)
    assert {(one.code, one.what) for one in found} == {
        *((Finding.UNREADABLE, key) for key in (key_of(world, "/a.wav"), segment)),
        (Finding.UNREADABLE, playlist.removeprefix(folder)),
        (Finding.RAW_ALTERED, key_of(world, "/c.wav")),
    }
    assert all("AccessDenied" in one.detail or "403" in one.detail for one in found if one.code is Finding.UNREADABLE)
    cutter.denied = set()
    assert {one.name for one in world.fsck(PROJECT)} == {"/c.wav"}


def test_a_store_that_refuses_everything_says_nothing_of_an_object(world: World, cutter: Cutter) -> None:
    cutter.denied = {world.store.bucket}
    with pytest.raises(DreamlakeError) as refusal:
        world.fsck(PROJECT)
    assert refusal.value.code is Code.STORAGE_FAILED
