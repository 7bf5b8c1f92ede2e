"""Bytes of what is stored, block by block, past connections that break; and the segments of a stream in their order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..api.bss import Record
from ..remote.patience import Patience
from ..remote.refusal import StoreAway
from ..remote.services import Services
from .transfer import STORE, Transfer

_MAP = re.compile(r'#EXT-X-MAP:.*\bURI="([^"]*)"')  # RFC 8216 4.3.2.5
_SECONDS = 120.0  # that a read waits for a store that is away


def read_blocks(url: str, transfer: Transfer, patience: Patience) -> Iterator[bytes]:
    """The object's bytes; a connection that breaks is taken up where it broke.

    Raises NOT_FOUND, STORAGE_FAILED, UNREACHABLE.
    """
    got, blocks = 0, transfer.get(url)

    def next_block() -> bytes | None:
        nonlocal blocks
        try:
            return next(blocks, None)
        except StoreAway:
            blocks = transfer.get(url, start=got)
            raise

    while (block := patience.call(STORE, next_block)) is not None:
        got += len(block)
        yield block


def read_url(url: str) -> bytes:
    """The whole object. Raises NOT_FOUND, STORAGE_FAILED, UNREACHABLE."""
    with Reading([url]) as reading:
        return reading.read()


class Reading:
    """The bytes of one object after another, as a file that is read once from its beginning to its end.

    A context. Raises NOT_FOUND, STORAGE_FAILED, UNREACHABLE.
    """

    def __init__(self, urls: Iterable[str]) -> None:
        patience, self._transfer = Patience(_SECONDS), Transfer(1)
        self._blocks = (block for url in urls for block in read_blocks(url, self._transfer, patience))
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, all that are left without it; none at the end."""
        if size < 0:
            whole, self._rest = b"".join((self._rest, *self._blocks)), b""
            return whole
        if not self._rest:
            self._rest = next(self._blocks, b"")
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece

    def __enter__(self) -> Reading:
        return self

    def __exit__(self, *_: object) -> None:
        self._blocks.close()
        self._transfer.close()


class Segment(NamedTuple):
    """A segment of a stream: when it is played, in seconds, and where its bytes are. `init` is where those are that
    come before the first segment of fragmented MP4; None for MPEG-TS."""

    start: float
    end: float
    url: str
    init: str | None = None


def segments_of(services: Services, record: Record, stream: str, *, start: float, end: float) -> list[Segment]:
    """The segments of a record's stream, by its hash, that are played between `start` and `end`; the last one when it
    ends before. Raises NOT_FOUND."""
    segments = list(_parse(services.bss.media_playlist(record.kind, record.id, stream)))
    return [one for one in segments if one.end > start and one.start < end] or segments[-1:]


def _parse(playlist: str) -> Iterator[Segment]:
    """The segments of a media playlist, whose duration is on the line before each (RFC 8216 4.3.2.1)."""
    at, duration, init = 0.0, 0.0, None
    for line in playlist.splitlines():
        if found := _MAP.match(line):
            init = found[1]
        elif line.startswith("#EXTINF:"):
            duration = float(line.removeprefix("#EXTINF:").partition(",")[0])
        elif line and not line.startswith("#"):
            yield Segment(at, at + duration, line, init)
            at += duration
