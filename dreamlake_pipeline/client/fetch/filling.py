"""A partial file is filled with the rest of its bytes, which are held to their hash."""

from __future__ import annotations

from collections.abc import Callable

from ...api.bss import FileUrl
from ...errors import Code, DreamlakeError
from ...remote.bss import BssClient
from .partial import Partial
from .source import Source, Url
from .what import What


def fill(
    partial: Partial,
    source: Source,
    url: Url,
    *,
    name: str,
    size: int | None,
    sha256: str | None,
    can_resume: bool,
    on_had: Callable[[int], None] = lambda _: None,
    on_bytes: Callable[[int], None] = lambda _: None,
) -> None:
    """Fetch what `partial` lacks of the file `name`, which has `size` bytes and a hash that begins with `sha256` (hex;
    None: not known).

    `on_had` hears how much was there before, and, as a negative amount, of what has to be fetched anew.
    Raises HASH_MISMATCH, NOT_FOUND, STORAGE_FAILED, StoreAway, Stopped, OSError when it cannot be written.
    """
    if can_resume and size is not None:
        partial.recover(size)
    else:
        partial.start_anew()
    had = partial.written
    on_had(had)

    def arrived(at: int, block: memoryview) -> None:
        partial.place(at, block)
        on_bytes(len(block))

    while True:
        try:
            source.read(url, partial.written, size, arrived, partial.follow)
        except DreamlakeError as error:
            if error.code is not Code.HASH_MISMATCH:
                raise
            partial.discard()
            raise _mismatch(name, error.message) from None
        digest = partial.digest.hexdigest()
        if not sha256 or digest.startswith(sha256):
            return
        if not had:
            partial.discard()
            raise _mismatch(name, f"has SHA-256 {digest}, not {sha256} as promised")
        on_had(-partial.written)  # what was there may be what is wrong
        partial.start_anew()
        had = 0


def signed_url(bss: BssClient, record_id: str, name: str, what: What) -> FileUrl:
    """Where a raw file or stored result is read now. Raises NOT_FOUND, NOT_READY."""
    found = bss.file_urls([record_id], what.stored_as)
    if not found:
        raise DreamlakeError(Code.NOT_FOUND, f"{name} is no longer there.")
    [one] = found
    if one.error is not None:
        raise DreamlakeError(Code(one.error.code), one.error.message)
    return one


def has_none(name: str, what: What) -> DreamlakeError:
    """The error for a file whose content has no such result."""
    return DreamlakeError(Code.NOT_FOUND, f"{name} has no {what}.")


def _mismatch(name: str, what: str) -> DreamlakeError:
    return DreamlakeError(
        Code.HASH_MISMATCH,
        f"What is stored for {name} {what}.",
        hint="The stored bytes are not those that were uploaded; upload the file again.",
    )
