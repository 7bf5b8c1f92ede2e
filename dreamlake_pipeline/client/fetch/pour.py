"""One file into a stream, such as standard output."""

from __future__ import annotations

import hashlib
from typing import Protocol, runtime_checkable

from ...api.common import storable_json
from ...errors import Code, DreamlakeError
from ...remote.bss import BssClient
from ...remote.patience import Patience
from ..transfer import Transfer
from .filling import has_none, signed_url
from .playlist import playlist
from .source import Source
from .wanted import Stored
from .what import What


@runtime_checkable
class Writable(Protocol):
    """A stream of bytes, by the one method that is needed of it."""

    def write(self, data: bytes | bytearray, /) -> object: ...


def pour(bss: BssClient, stored: Stored, what: What, out: Writable, patience: Patience) -> None:
    """Write the bytes to `out` as they come. What was wrong about them is known, and raised, at their end.

    Raises HASH_MISMATCH, NOT_FOUND, NOT_READY, STORAGE_FAILED, UNREACHABLE, OSError.
    """
    if what is What.META:
        [record] = bss.query([stored.id])
        out.write(storable_json(record.wire()).encode() + b"\n")
        return
    transfer = Transfer(1, patience)
    try:
        if what is What.PLAYLIST:
            out.write(playlist(bss, transfer, patience, stored.kind, stored.id))
            return
        digest, found = hashlib.sha256(), signed_url(bss, stored.id, stored.name, what)

        def arrived(_: int, block: memoryview) -> None:
            digest.update(block)
            out.write(bytes(block))  # which a stream may keep

        def url(attempt: int) -> str:
            return (found if attempt == 0 else signed_url(bss, stored.id, stored.name, what)).url or ""

        try:
            Source(transfer, patience).read(url, 0, found.size, arrived)
        except DreamlakeError as error:
            if error.code is Code.NOT_FOUND and what is not What.RAW:
                raise has_none(stored.name, what) from None
            if error.code is Code.HASH_MISMATCH:
                raise DreamlakeError(error.code, f"What is stored for {stored.name} {error.message}.") from None
            raise
        if found.sha256 and not digest.hexdigest().startswith(found.sha256):
            raise DreamlakeError(
                Code.HASH_MISMATCH,
                f"What was written of {stored.name} has SHA-256 {digest.hexdigest()}, not {found.sha256} as promised.",
                hint="The stored bytes are not those that were uploaded; upload the file again.",
            )
    finally:
        transfer.close()
