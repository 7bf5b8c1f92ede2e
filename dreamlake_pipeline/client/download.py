"""A raw file from BSS to disk: verified, and there whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from ..api.bss import Record
from ..errors import Code, DreamlakeError
from .bss import BssClient
from .patience import Patience
from .refusal import StoreAway
from .transfer import STORE, Transfer

_FULL = (errno.ENOSPC, errno.EDQUOT)


def download(
    bss: BssClient, record: Record, path: Path, patience: Patience, on_bytes: Callable[[int], None] = lambda _: None
) -> str:
    """Write the raw bytes of `record` to `path`, replacing what is there; their SHA-256 (hex).

    They go to a temporary file beside it, which takes its place once the hash is right. A connection that breaks is
    taken up where it broke, as long as `patience` lasts; more bytes than the record has are not taken.
    Raises HASH_MISMATCH, NOT_FOUND, FILE_UNREADABLE when `path` cannot be written, STORAGE_FULL when the disk is full,
    STORAGE_FAILED, UNREACHABLE.
    """
    partial = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.part")
    transfer = Transfer(1)
    try:
        with partial.open("xb") as out:
            digest = hashlib.sha256()
            written = 0

            def is_whole() -> bool:
                """Fetch what is left; False when the connection broke after some of it."""
                nonlocal written
                before = written
                try:
                    for block in transfer.get(bss.raw_url(record.kind, record.id), start=written):
                        if record.size is not None and written + len(block) > record.size:
                            raise _too_long(record)
                        out.write(block)
                        digest.update(block)
                        written += len(block)
                        on_bytes(len(block))
                except StoreAway:
                    if written > before:
                        return False
                    raise
                return True

            while not patience.call(STORE, is_whole):
                pass
            out.flush()
            os.fsync(out.fileno())
        promised = record.sha256 or record.staging_hash
        if promised and not digest.hexdigest().startswith(promised):
            raise DreamlakeError(
                Code.HASH_MISMATCH,
                f"What is stored for {record.name} has SHA-256 {digest.hexdigest()}, not {promised} as promised.",
                hint="The stored bytes are damaged; upload the file again.",
            )
        partial.replace(path)
        return digest.hexdigest()
    except OSError as fault:
        code = Code.STORAGE_FULL if fault.errno in _FULL else Code.FILE_UNREADABLE
        raise DreamlakeError(code, f"{path} cannot be written: {fault.strerror or fault}.") from None
    finally:
        transfer.close()
        partial.unlink(missing_ok=True)


def _too_long(record: Record) -> DreamlakeError:
    return DreamlakeError(
        Code.HASH_MISMATCH,
        f"What is stored for {record.name} has more than its {record.size:,} bytes.",
        hint="The stored bytes are not those that were uploaded; upload the file again.",
    )
