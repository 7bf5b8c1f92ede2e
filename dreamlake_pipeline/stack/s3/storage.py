"""Where the embedded S3 server keeps objects: nanio's files, each of the size that it has on the disk.

nanio notes the size of an object beside it, and announces that. Of a file that a full or broken disk cut off, S3's
clients would be told another length than comes. And nanio writes an object beside its place, under a name of its own
that it lists as any other: while bytes arrive, and for ever when the server was killed meanwhile. What it notes is
written under one name for all who write the object: nobody can any more, when the server was killed meanwhile. And it
refuses a range that ends beyond the object, as other clients than ours ask for of an object whose size they do not
know.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from nanio.storage.backend import GetObjectResult, ListResult, ObjectInfo
from nanio.storage.filesystem import FilesystemStorage
from nanio.storage.paths import metadata_path

from .refusals import refusal

# What `FilesystemStorage.put_object` calls an object that is being written. A key that ends so is not listed either.
_UNFINISHED = re.compile(r"\.tmp\.[0-9a-f]{32}")
_ABANDONED_AFTER = 3600.0  # seconds without another byte
_NOTED_AFTER = 10.0  # seconds in which a note of some hundred bytes is written, on a disk that has much else to do


class Storage(FilesystemStorage):
    """nanio's storage, whose sizes are those of the files, whose lists have objects alone, and whose ranges end where
    the object does."""

    def _read_or_synthesize_metadata(self, bucket: str, key: str, opath: Path) -> ObjectInfo:
        info = super()._read_or_synthesize_metadata(bucket, key, opath)
        size = opath.stat(follow_symlinks=False).st_size
        return info if info.size == size else replace(info, size=size)

    async def get_object(
        self, bucket: str, key: str, *, range_start: int | None = None, range_end: int | None = None
    ) -> GetObjectResult:
        """An object, or a range of it: to its end, where the range ends beyond (RFC 9110, 14.1.2). Raises S3Error: 416
        where it begins there (15.5.17)."""
        if range_start is not None and range_end is not None:
            size = self.head_object(bucket, key).size
            if range_start >= size:
                raise refusal(416, "InvalidRange", "The requested range is not satisfiable")
            range_end = min(range_end, size - 1)
        return await super().get_object(bucket, key, range_start=range_start, range_end=range_end)

    def list_objects(self, bucket: str, **asked: Any) -> ListResult:
        listed = super().list_objects(bucket, **asked)
        return replace(listed, contents=[one for one in listed.contents if not _is_unfinished(one.key.split("/")[-1])])


def make_way(objects: Path, bucket: str, key: str) -> None:
    """Delete what a killed server left of a note on this object, so that the object can be written."""
    path = metadata_path(objects, bucket, key)
    unfinished = path.with_suffix(f"{path.suffix}.tmp")
    with suppress(OSError):  # where it can't be looked at, nanio says why it can't be written
        if time.time() - unfinished.lstat().st_mtime > _NOTED_AFTER:
            unfinished.unlink()


def sweep(objects: Path) -> int:
    """Delete what a killed server left unfinished, unless another process of it does so now; how many files."""
    folder = os.open(objects, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return sum(_delete_abandoned(place, names) for place, _, names in os.walk(objects))
    except BlockingIOError:
        return 0
    finally:
        os.close(folder)


def _delete_abandoned(place: str, names: list[str]) -> int:
    deleted = 0
    for name in filter(_is_unfinished, names):
        path = Path(place, name)
        with suppress(FileNotFoundError):
            if time.time() - path.lstat().st_mtime > _ABANDONED_AFTER:
                path.unlink()
                deleted += 1
    return deleted


def _is_unfinished(name: str) -> bool:
    return _UNFINISHED.fullmatch(name) is not None
