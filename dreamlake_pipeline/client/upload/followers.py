"""Files with the content of one that is being sent: they wait for it, since the bytes are sent once."""

from __future__ import annotations

import threading

from .job import Job


class Followers:
    """Who waits for which content. Safe to share between threads."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Job]] = {}
        self._lock = threading.Lock()

    def is_following(self, job: Job) -> bool:
        """Whether a file with the same content is being sent; then this one waits for it."""
        with self._lock:
            waiting = self._waiting.get(job.digest.sha256)
            if waiting is None:
                self._waiting[job.digest.sha256] = []
                return False
            waiting.append(job)
            return True

    def release(self, sha256: str) -> list[Job]:
        """Those that waited for this content, to be dealt with now; none ends the waiting."""
        with self._lock:
            waiting = self._waiting.get(sha256)
            if waiting:
                self._waiting[sha256] = []
                return waiting
            self._waiting.pop(sha256, None)
            return []
