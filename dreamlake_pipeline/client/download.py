"""A raw file from BSS to disk: verified, and there whole or not at all."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

from ..api.bss import Record
from ..errors import Code, DreamlakeError
from ..remote.bss import BssClient
from ..remote.patience import Patience
from .fetch.filling import fill
from .fetch.partial import Partial
from .fetch.source import Source
from .transfer import Transfer

_FULL = (errno.ENOSPC, errno.EDQUOT)


def download(
    bss: BssClient, record: Record, path: Path, patience: Patience, on_bytes: Callable[[int], None] = lambda _: None
) -> str:
    """Write the raw bytes of `record` to `path`, replacing what is there; their SHA-256 (hex).

    They go to a partial file beside it (`fetch/partial.py`), which takes its place once the hash is right, and which a
    later call goes on with. A connection that breaks is taken up where it broke, as long as `patience` lasts; more
    bytes than the record has are not taken. `on_bytes` hears of every block that arrives.
    Raises HASH_MISMATCH, NOT_FOUND, FILE_UNREADABLE when `path` cannot be written, STORAGE_FULL when the disk is full,
    STORAGE_FAILED, UNREACHABLE.
    """
    transfer = Transfer(1, patience)
    try:
        with Partial(str(path), record.id) as partial:
            fill(
                partial,
                Source(transfer, patience),
                lambda _: bss.raw_url(record.kind, record.id),
                name=record.name,
                size=record.size,
                sha256=record.sha256 or record.staging_hash,
                can_resume=True,
                on_bytes=on_bytes,
            )
            partial.put_in_place(replace=True)
            return partial.digest.hexdigest()
    except OSError as fault:
        code = Code.STORAGE_FULL if fault.errno in _FULL else Code.FILE_UNREADABLE
        raise DreamlakeError(code, f"{path} cannot be written: {fault.strerror or fault}.") from None
    finally:
        transfer.close()
