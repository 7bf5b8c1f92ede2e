"""The totals of a download, to which its threads add."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from ..events import Progress
from .wanted import Wanted


@dataclass(slots=True)
class Job:
    """A file on its way.

    Of a raw file, `size` and `sha256` (or a prefix of it) are what BSS promises. `url` was signed when it was planned;
    `data` are the bytes, where BSS gave them itself. `counted` are those that the totals have of it.
    """

    wanted: Wanted
    size: int | None = None
    sha256: str | None = None
    url: str = ""
    data: bytes | None = None
    counted: int = 0


@dataclass(slots=True)
class Counters:
    """Totals that several threads add to; see `Progress`. What is fetched of files whose size nobody knows counts as
    found when it arrives."""

    files_found: int = 0
    bytes_found: int = 0
    files_done: int = 0
    bytes_done: int = 0
    bytes_fetched: int = 0
    is_walking: bool = True
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def found(self, *, files: int, size: int) -> None:
        """So many files of so many bytes in all were found."""
        with self._lock:
            self.files_found += files
            self.bytes_found += size

    def passed(self, files: int) -> None:
        """Nothing is done for so many files."""
        with self._lock:
            self.files_done += files

    def fetched(self, job: Job, amount: int) -> None:
        """So many bytes of a file arrived."""
        with self._lock:
            self.bytes_fetched += amount
            self._add(job, amount)

    def had(self, job: Job, amount: int) -> None:
        """So many bytes of a file were there; a negative amount takes back what is fetched anew."""
        with self._lock:
            self._add(job, amount)

    def _add(self, job: Job, amount: int) -> None:
        job.counted += amount
        self.bytes_done += amount
        if not job.wanted.size:
            self.bytes_found += amount

    def done(self, job: Job) -> None:
        """Nothing more happens to this file."""
        with self._lock:
            self.files_done += 1
            self._add(job, job.wanted.size - job.counted if job.wanted.size else 0)

    def progress(self) -> Progress:
        with self._lock:
            return Progress(
                self.files_found,
                self.bytes_found,
                self.files_done,
                self.bytes_done,
                0,
                self.bytes_fetched,
                self.is_walking,
                is_fetching=True,
            )
