"""The embedded S3 server's files: what it says of one that somebody, or a broken disk, cut off."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from nanio.errors import S3Error
from nanio.storage.paths import metadata_path

from dreamlake_pipeline.stack.s3.storage import Storage, make_way, sweep


async def _body(data: bytes) -> AsyncIterator[bytes]:
    yield data


@pytest.mark.parametrize("left", [0, 10, 2000])
def test_an_object_has_the_size_that_it_has_on_the_disk(tmp_path: Path, left: int) -> None:
    storage = Storage(tmp_path, chunk_size=100)
    storage.create_bucket("bucket")
    asyncio.run(storage.put_object("bucket", "folder/a.bin", _body(b"x" * 1000), content_type="text/plain"))
    before = storage.head_object("bucket", "folder/a.bin")
    with (tmp_path / "bucket" / "folder" / "a.bin").open("r+b") as file:
        file.truncate(left)

    async def read() -> bytes:
        found = await storage.get_object("bucket", "folder/a.bin")
        assert found.info.size == left
        return b"".join([block async for block in found.body])

    after = storage.head_object("bucket", "folder/a.bin")
    assert (before.size, after.size, after.content_type) == (1000, left, "text/plain")
    assert len(asyncio.run(read())) == left
    assert [info.size for info in storage.list_objects("bucket", prefix="folder/").contents] == [left]


def test_a_range_ends_where_the_object_does(tmp_path: Path) -> None:
    storage = Storage(tmp_path, chunk_size=100)
    storage.create_bucket("bucket")
    asyncio.run(storage.put_object("bucket", "a.bin", _body(bytes(range(250)))))
    asyncio.run(storage.put_object("bucket", "empty", _body(b"")))

    async def read(start: int, end: int | None) -> bytes:
        found = await storage.get_object("bucket", "a.bin", range_start=start, range_end=end)
        data = b"".join([block async for block in found.body])
        assert (found.range_start, found.range_end) == (start, start + len(data) - 1)
        return data

    for start, end in ((0, 52_428_799), (0, 249), (240, 250), (249, 249), (200, None)):
        assert asyncio.run(read(start, end)) == bytes(range(start, 250))[: None if end is None else end - start + 1]
    for key, start in (("a.bin", 250), ("a.bin", 1000), ("empty", 0)):
        with pytest.raises(S3Error) as caught:
            asyncio.run(storage.get_object("bucket", key, range_start=start, range_end=5000))
        assert (caught.value.http_status, caught.value.code) == (416, "InvalidRange")


def test_what_is_being_written_is_not_listed_and_what_a_killed_server_left_is_deleted(tmp_path: Path) -> None:
    storage = Storage(tmp_path, chunk_size=100)
    storage.create_bucket("bucket")
    folder = tmp_path / "bucket" / "lab" / "staging"
    seen: list[tuple[list[str], list[str]]] = []

    def look() -> None:
        on_disk = [path.name for path in folder.iterdir()]
        seen.append((on_disk, [one.key for one in storage.list_objects("bucket").contents]))

    async def slow() -> AsyncIterator[bytes]:
        yield b"half"
        look()
        yield b"whole"

    asyncio.run(storage.put_object("bucket", "lab/staging/a.wav", slow()))
    look()
    [(unfinished, listed), (finished, listed_then)] = seen
    assert len(unfinished) == 1 and unfinished != finished and listed == []
    assert (finished, listed_then) == (["a.wav"], ["lab/staging/a.wav"])

    old, young, namesake = (folder / name for name in (unfinished[0], f".tmp.{'0' * 32}", ".tmp.notes"))
    for path in (old, young, namesake):
        path.write_bytes(b"half")
    for path in (old, namesake):
        os.utime(path, (0, 0))
    assert [one.key for one in storage.list_objects("bucket").contents] == [
        "lab/staging/.tmp.notes",
        "lab/staging/a.wav",
    ]
    assert sweep(tmp_path) == 1
    assert sorted(path.name for path in folder.iterdir()) == [young.name, namesake.name, "a.wav"]


def test_an_object_can_be_written_again_after_its_server_was_killed_at_it(tmp_path: Path) -> None:
    """nanio's note on an object is written under one name: what is left there is in everybody's way."""
    storage = Storage(tmp_path, chunk_size=100)
    storage.create_bucket("bucket")
    asyncio.run(storage.put_object("bucket", "lab/a.wav", _body(b"one")))
    unfinished = metadata_path(tmp_path, "bucket", "lab/a.wav").with_suffix(".json.tmp")
    assert unfinished.with_suffix("").is_file()
    unfinished.write_bytes(b"{")
    make_way(tmp_path, "bucket", "lab/a.wav")  # somebody may be writing it
    with pytest.raises(FileExistsError):
        asyncio.run(storage.put_object("bucket", "lab/a.wav", _body(b"two")))
    os.utime(unfinished, (0, 0))
    make_way(tmp_path, "bucket", "lab/a.wav")
    asyncio.run(storage.put_object("bucket", "lab/a.wav", _body(b"three")))
    assert storage.head_object("bucket", "lab/a.wav").size == 5
    for key in ("lab/none.wav", "lab/a.wav/below"):
        make_way(tmp_path, "bucket", key)
