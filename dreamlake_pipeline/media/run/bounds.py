"""What one call of a worker may take, by what it is for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .values import MOST_TEXT

_GIB = 2**30

MEMORY = 16 * _GIB  # most address space of a process, which is several times what it really touches
RESIDENT = 6 * _GIB  # what all processes of a worker may keep in memory, and in files without a name, together
OPEN_FILES = 512  # of a process


@dataclass(frozen=True, slots=True)
class Bounds:
    """`seconds` of wall-clock time; `memory`, bytes of address space of the worker process itself (ffmpeg has its
    own); `output` bytes and `files` in the worker's folder, and as many that are taken out of it; `answer`, bytes of
    JSON that it may say at a time."""

    seconds: float
    memory: int = 4 * _GIB
    output: int = 2 * _GIB
    files: int = 1000
    answer: int = MOST_TEXT

    def within(self, seconds: float) -> Bounds:
        """The same with at most so many seconds."""
        return replace(self, seconds=min(self.seconds, seconds))

    def of(self, size: int) -> Bounds:
        """The same for a source of so many bytes: what comes out of a small one is no disk full."""
        return replace(self, output=min(self.output, 2 * _GIB + 40 * size))


# A transcode may take long; the setting `file_seconds` says how long at most. ffmpeg's own limits (seconds, bytes) are
# by the file's length and far below in all but odd cases: these hold when what sets them has been taken over.
VIDEO = Bounds(seconds=7 * 86_400, memory=4 * _GIB, output=1024 * _GIB, files=250_000)
AUDIO = Bounds(seconds=7 * 86_400, memory=4 * _GIB, output=128 * _GIB, files=50_000)
# A short video that is copied takes a tenth of a second, or some where its pictures are many and large.
SHORT_VIDEO = Bounds(seconds=300, memory=4 * _GIB, output=64 * 2**20, files=10, answer=4 * 2**20)
# A short sound takes milliseconds.
SHORT_AUDIO = Bounds(seconds=60, memory=2 * _GIB, output=64 * 2**20, files=10, answer=2**20)
LABELS = Bounds(seconds=4 * 3600, memory=8 * _GIB, output=64 * _GIB, files=10)
TEXT = Bounds(seconds=600, memory=4 * _GIB, output=2 * _GIB, files=10)
LOOK = Bounds(seconds=60, memory=2 * _GIB, output=0, files=0, answer=2**16)  # at the first bytes of a staged object
