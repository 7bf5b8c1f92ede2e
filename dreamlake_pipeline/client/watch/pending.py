"""Files that are not sent yet: each is due when it has stayed the same for a while, and nobody has it open to write."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..selection import LocalFile
from ..walk import Version
from .writers import writers

MOST = 50_000  # files, of about 700 bytes each; a look at the folder finds the others when there is room again

_FIRST_PAUSE, _LONGEST_PAUSE = 60.0, 3600.0  # seconds after which what failed is tried again
_TOLD_AFTER = 60.0  # seconds for which a settled file is held open before that is told


@dataclass(slots=True)
class Pending:
    """A file, as it was found last. Times are of the monotonic clock: `since` it is as it is, not sent `before` one."""

    file: LocalFile
    since: float
    before: float = 0.0
    tries: int = 0
    held_since: float | None = None
    is_told: bool = False  # that somebody holds it open


@dataclass(frozen=True, slots=True)
class Held:
    """A file that would be due, had not a process it open to write."""

    file: LocalFile
    by: str


class PendingFiles:
    """By paths below the folder that is watched. `settle` is for how many seconds a file must have stayed the same."""

    def __init__(self, settle: float) -> None:
        self._settle = settle
        self._files: dict[str, Pending] = {}

    def __len__(self) -> int:
        return len(self._files)

    @property
    def is_full(self) -> bool:
        return len(self._files) >= MOST

    def found(self, path: str, file: LocalFile) -> None:
        """A file was seen, that is not sent in this version."""
        known = self._files.get(path)
        if known is None:
            if not self.is_full:
                self._files[path] = Pending(file, time.monotonic())
        elif known.file.version != file.version:
            self._files[path] = Pending(file, time.monotonic())

    def drop(self, path: str) -> None:
        self._files.pop(path, None)

    def changed(self, path: str) -> None:
        """It was written to while it was read: it has to settle again."""
        if known := self._files.get(path):
            known.since = time.monotonic()

    def failed(self, path: str) -> bool:
        """It could not be sent, which may pass: it is tried again, later each time. Whether that is the first time."""
        if (known := self._files.get(path)) is None:
            return True
        known.tries += 1
        known.before = time.monotonic() + min(_FIRST_PAUSE * 2 ** min(known.tries - 1, 16), _LONGEST_PAUSE)
        return known.tries == 1

    def next_due(self) -> float:
        """The time of the monotonic clock at which the next one is due, if it stays the same; infinite without any."""
        return min((max(one.since + self._settle, one.before) for one in self._files.values()), default=float("inf"))

    def due(self, most: int) -> Iterator[tuple[str, LocalFile] | LocalFile | Held]:
        """Up to `most` files that are to be sent now, with their paths.

        Between them come files that are gone, which are forgotten, and files that have been held open for long, once.
        """
        now = time.monotonic()
        due: dict[str, Pending] = {}
        for path, one in self._files.items():
            if max(one.since + self._settle, one.before) <= now and len(due) < most:
                due[path] = one
        for path, one in list(due.items()):
            version = _version_of(one.file.path)
            if version is None:
                del due[path], self._files[path]
                yield one.file
            elif version != one.file.version:
                del due[path]
                one.file, one.since = replace(one.file, version=version), now
        holders = writers([one.file.path for one in due.values()]) if due else {}
        for path, one in due.items():
            if (by := holders.get(one.file.path)) is None:
                yield path, one.file
                continue
            # It settles anew, so that it is not looked at all the time.
            one.since, one.held_since = now, one.held_since or now
            if now - one.held_since >= _TOLD_AFTER and not one.is_told:
                one.is_told = True
                yield Held(one.file, by)


def _version_of(path: str) -> Version | None:
    """As it is now; None when it is not there. Raises nothing: what can't be looked at is found out when it is read."""
    try:
        return Version.of(os.stat(path))  # noqa: PTH116
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        return None
    except OSError:
        return Version(0, 0, 0)
