"""Bring a staged object here, and verify that its bytes are those that its hash promised.

Small sounds and short videos come by the thousand and stay in memory: to create files and to delete them takes longer
than to read them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .. import names
from ..api.bss import Record
from ..crashpoints import CrashPoint, reached
from ..errors import Code, DreamlakeError
from ..kinds import Kind
from ..media.audio import short as short_sound
from ..media.video import short as short_video
from ..storage import ObjectStore


@dataclass(frozen=True)
class Source:
    """A verified file. `name` is its name in the tree; `data` are its bytes, or None: then it is in the file `place`,
    whose name is one of our own choosing."""

    name: str
    sha256: str
    size: int
    place: Path
    data: bytes | None = None

    @cached_property
    def path(self) -> Path:
        """The file on the local disk, where it is now at the latest."""
        if self.data is not None:
            self.place.write_bytes(self.data)
        return self.place

    def read(self) -> bytes:
        """All of its bytes, which may be many."""
        return self.place.read_bytes() if self.data is None else self.data


_SMALL = {Kind.AUDIO: short_sound.MOST_BYTES, Kind.VIDEO: short_video.MOST_BYTES}


def is_small(record: Record) -> bool:
    """Whether the record is a small sound, or a small video."""
    return record.size is not None and record.size <= _SMALL.get(record.kind, 0)


def fetch(store: ObjectStore, record: Record, folder: Path) -> Source:
    """Get the record's raw file, hashing it on the way; if it needs a place on the disk, it is in `folder`.

    Raises STAGED_OBJECT_MISSING, FILE_EMPTY, or HASH_MISMATCH when the bytes are not those that were promised.
    """
    # The file's own name never reaches a command line: it may hold anything.
    place = folder / f"{record.id}.source"
    try:
        source = _fetch(store, record, place)
    except DreamlakeError as error:
        if error.code is not Code.NOT_FOUND:
            raise
        raise DreamlakeError(
            Code.STAGED_OBJECT_MISSING,
            f"The raw bytes of {record.name} are not in the object store any more.",
            hint="Upload the file again.",
        ) from error
    reached(CrashPoint.SOURCE_FETCHED)
    if source.size == 0:
        raise DreamlakeError(Code.FILE_EMPTY, f"{record.name} is empty: it holds no bytes.")
    promised = _promised(record)
    if promised and not source.sha256.startswith(promised):
        raise DreamlakeError(
            Code.HASH_MISMATCH,
            f"The stored bytes of {record.name} have SHA-256 {source.sha256[:16]}…, "
            f"but {promised[:16]}… was promised at upload.",
            hint="Upload the file again.",
        )
    return source


def _promised(record: Record) -> str | None:
    """The hash that the bytes must have, if any."""
    return record.staging_hash if record.staging_hash and names.is_hash(record.staging_hash) else None


def _fetch(store: ObjectStore, record: Record, place: Path) -> Source:
    if is_small(record) and record.size and _promised(record):
        # However much is stored there by now, no more than was promised comes into memory.
        data = store.read_small(record.staging_key, record.size)
        if data is not None:
            return Source(record.name, hashlib.sha256(data).hexdigest(), len(data), place, data)
    sha256 = store.download(record.staging_key, place)
    return Source(record.name, sha256, place.stat().st_size, place)
