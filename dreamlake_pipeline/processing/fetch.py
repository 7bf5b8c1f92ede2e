"""Bring a staged object to the local disk, and verify that its bytes are those that its hash promised."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .. import names
from ..api.bss import Record
from ..errors import Code, DreamlakeError
from ..objectstore import ObjectStore


@dataclass(frozen=True, slots=True)
class Source:
    """A verified file on the local disk. `name` is its name in the tree; `path` has a name of our own choosing."""

    path: Path
    name: str
    sha256: str
    size: int


def fetch(store: ObjectStore, record: Record, folder: Path) -> Source:
    """Download the record's raw file into `folder`, hashing it on the way.

    Raises STAGED_OBJECT_MISSING, FILE_EMPTY, or HASH_MISMATCH when the bytes are not those that were promised.
    """
    # The file's own name never reaches a command line: it may hold anything.
    path = folder / "source"
    try:
        sha256 = store.download(record.staging_key, path)
    except DreamlakeError as error:
        if error.code is not Code.NOT_FOUND:
            raise
        raise DreamlakeError(
            Code.STAGED_OBJECT_MISSING,
            f"The raw bytes of {record.name} are not in the object store any more.",
            hint="Upload the file again.",
        ) from error
    size = path.stat().st_size
    if size == 0:
        raise DreamlakeError(Code.FILE_EMPTY, f"{record.name} is empty: it holds no bytes.")
    if record.staging_hash and names.is_hash(record.staging_hash) and not sha256.startswith(record.staging_hash):
        raise DreamlakeError(
            Code.HASH_MISMATCH,
            f"The stored bytes of {record.name} have SHA-256 {sha256[:16]}…, "
            f"but {record.staging_hash[:16]}… was promised at upload.",
            hint="Upload the file again.",
        )
    return Source(path, record.name, sha256, size)
