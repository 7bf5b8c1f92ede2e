"""The totals of an upload, to which its threads add."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice

from ..events import MOST_NAMES, Progress
from .job import Job


@dataclass(slots=True)
class Counters:
    """Totals that several threads add to; see `Progress` for what each counts."""

    files_found: int = 0
    bytes_found: int = 0
    files_done: int = 0
    bytes_done: int = 0
    bytes_read: int = 0
    bytes_sent: int = 0
    is_walking: bool = True
    _sending: dict[int, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def sending(self, job: Job) -> Iterator[None]:
        """The file is being sent meanwhile."""
        file = job.file
        with self._lock:
            self._sending[id(job)] = f"{file.episode}:{file.name}" if file.episode else file.name
        try:
            yield
        finally:
            with self._lock:
                del self._sending[id(job)]

    def found(self, *, files: int, size: int) -> None:
        """So many files of so many bytes in all were found."""
        with self._lock:
            self.files_found += files
            self.bytes_found += size

    def read(self, amount: int) -> None:
        """So many bytes were read and hashed."""
        with self._lock:
            self.bytes_read += amount

    def arrived(self, job: Job, amount: int) -> None:
        """So many bytes of a file turned out to be in the store, those that were sent before included."""
        with self._lock:
            new = max(0, amount - job.bytes_counted)
            job.bytes_counted += new
            self.bytes_done += new

    def sent(self, job: Job, amount: int) -> None:
        """So many bytes of a file were sent; a negative amount takes back what a retry sends again."""
        with self._lock:
            job.bytes_counted += amount
            self.bytes_done += amount
            self.bytes_sent += amount

    def done(self, jobs: Sequence[Job]) -> None:
        """Nothing more happens to these files."""
        with self._lock:
            self.files_done += len(jobs)
            for job in jobs:
                self.bytes_done += job.file.size - job.bytes_counted
                job.bytes_counted = job.file.size

    def passed(self, *, files: int, size: int) -> None:
        """Nothing more happens to so many files of so many bytes in all, which became no jobs."""
        with self._lock:
            self.files_done += files
            self.bytes_done += size

    def progress(self) -> Progress:
        with self._lock:
            return Progress(
                self.files_found,
                self.bytes_found,
                self.files_done,
                self.bytes_done,
                self.bytes_read,
                self.bytes_sent,
                self.is_walking,
                names=tuple(islice(self._sending.values(), MOST_NAMES)),
            )
