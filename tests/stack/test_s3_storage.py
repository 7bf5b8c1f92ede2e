"""The embedded S3 server's files: what it says of one that somebody, or a broken disk, cut off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dreamlake_pipeline.stack.s3.storage import Storage


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
