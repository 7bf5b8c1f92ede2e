"""The cues of subtitle tracks and the segments of playlists, indexed by time and kept for the next request.

A player asks for a segment every few seconds, and a track may have ten megabytes: it is read and parsed once. What is
kept is one text of all cues with numbers that say where each of them is, and it is bounded in bytes.
"""

from __future__ import annotations

import threading
from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Hashable
from fractions import Fraction
from itertools import accumulate
from typing import Any, TypeVar

from .. import layout, webvtt
from ..errors import Code, DreamlakeError
from . import playlists

_CACHE_BYTES = 64 * 2**20
_MOST_WAITING = 16  # of the 40 threads in which requests are answered


class Cues:
    """A track.vtt whose cues were moved by `shift` milliseconds, for a look at any span of its own time.

    `head` are its blocks of styles and regions.
    """

    def __init__(self, track: str, shift: int) -> None:
        head, starts, ends = [], array("q"), array("q")
        text, offsets = bytearray(), array("q", [0])
        for block in track.rstrip("\n").split("\n\n")[1:]:
            if cue := webvtt.move_cue(block, shift):
                starts.append(cue.start)
                ends.append(cue.end)
                text += cue.text.encode()
                offsets.append(len(text))
            elif block.startswith(("STYLE", "REGION")):
                head.append(block)
        self.head = "\n\n".join(head).encode()
        # By their starts, and of one start in their order in the file.
        order = sorted(range(len(starts)), key=starts.__getitem__)
        self._places = array("q", order)
        self._starts = array("q", map(starts.__getitem__, order))
        self._ends = array("q", map(ends.__getitem__, order))
        # Of each cue and all before it, the latest end: a sorted list.
        self._latest_ends = array("q", accumulate(self._ends, max))
        self._text, self._offsets = bytes(text), offsets

    @property
    def size(self) -> int:
        """Bytes that this takes."""
        return len(self._text) + len(self.head) + 40 * (len(self._starts) + 10)

    def between(self, start: float, end: float) -> list[bytes]:
        """Every cue that is shown at some time from `start` to `end` (milliseconds), in their order in the file."""
        first, last = bisect_right(self._latest_ends, start), bisect_left(self._starts, end)
        places = sorted(self._places[n] for n in range(first, last) if self._ends[n] > start)
        return [self._text[self._offsets[n] : self._offsets[n + 1]] for n in places]


class Segments:
    """When the segments of a media playlist start and end."""

    def __init__(self, playlist: str) -> None:
        milliseconds = (seconds * 1000 for seconds in playlists.durations(playlist))
        # Exact sums: a thousand roundings of 5.994 would move the last segments.
        self._bounds = array("d", map(float, accumulate(milliseconds, initial=Fraction(0))))

    @property
    def size(self) -> int:
        """Bytes that this takes."""
        return 8 * len(self._bounds) + 200

    def span(self, number: int) -> tuple[float, float] | None:
        """From when to when (milliseconds) segment `number` is shown, counted from 0; None when there is no such."""
        if number >= len(self._bounds) - 1:
            return None
        return self._bounds[number], self._bounds[number + 1]


class NamedChunks:
    """The chunks that a media playlist names, by their hashes."""

    def __init__(self, playlist: str) -> None:
        self.hashes = frozenset(map(layout.chunk_of_uri, layout.chunk_uris(playlist)))

    @property
    def size(self) -> int:
        """Bytes that this takes."""
        return 200 * (len(self.hashes) + 1)


Kept = TypeVar("Kept", Cues, Segments, NamedChunks)


class TimelineCache:
    """The tracks and playlists that were asked for last. Safe to share between threads; one parses at a time, and so
    many may wait for it that threads are left for everything else."""

    def __init__(self, most_bytes: int = _CACHE_BYTES) -> None:
        self._most_bytes = most_bytes
        self._lock, self._parsing = threading.Lock(), threading.Lock()
        self._waiting = threading.BoundedSemaphore(_MOST_WAITING)
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._bytes = 0

    def get(self, key: Hashable, read: Callable[[], Kept]) -> Kept:
        """What this key stands for, always the same; `read` gives it when it is not kept. Raises OVERLOADED."""
        found: Kept | None = self._find(key)
        if found is not None:
            return found
        if not self._waiting.acquire(blocking=False):
            raise DreamlakeError(Code.OVERLOADED, "Too many subtitles are being read; try again later.")
        try:
            with self._parsing:
                found = self._find(key)
                if found is None:
                    found = read()
                    self._keep(key, found)
                return found
        finally:
            self._waiting.release()

    def _find(self, key: Hashable) -> Any:
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def _keep(self, key: Hashable, kept: Any) -> None:
        with self._lock:
            self._kept[key] = kept
            self._bytes += kept.size
            while self._bytes > self._most_bytes:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= dropped.size
