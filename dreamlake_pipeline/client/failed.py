"""Which local files failed the last time, so that a run that stops at failures gets past those that it knows.

One SQLite file beside the hashes of cache.py, and like these never needed: one that cannot be read or written counts as
empty, and it may be deleted at any moment.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from .events import FileEvent, FileStatus

_FILE = "failed-1.sqlite"  # the number is that of the table's form
_BUSY_SECONDS = 2.0
_MOST = 100_000  # files of one target are remembered

_SCHEMA = "CREATE TABLE IF NOT EXISTS failed (target TEXT, path TEXT, code TEXT, PRIMARY KEY (target, path))"


class FailedBefore:
    """The failures of one target's last runs, by local path. Never raises; for one thread."""

    def __init__(self, folder: Path | None, target: str) -> None:
        """Kept in `folder`, which is made when it is not there; without one, nothing is remembered."""
        self._target = target
        self._changed: dict[str, str | None] = {}  # None: it did not fail again
        self._database = None if folder is None else _open(folder / _FILE)
        self._known = self._load()

    @property
    def is_remembering(self) -> bool:
        """Whether the next run will know what fails in this one."""
        return self._database is not None

    def __contains__(self, path: object) -> bool:
        return path in self._known

    def note(self, event: FileEvent) -> bool:
        """Remember how a file ended; whether it failed, and failed so the last time as well."""
        if event.path is None or event.status is FileStatus.SKIPPED:
            return False
        if event.status is not FileStatus.FAILED:
            if event.path in self._known:
                self._changed[event.path] = None
            return False
        code = event.code or ""
        self._changed[event.path] = code
        return self._known.get(event.path) == code

    def close(self) -> None:
        """Write down what was noted."""
        if self._database is None:
            return
        with contextlib.suppress(sqlite3.Error), self._database:
            gone = [(self._target, path) for path, code in self._changed.items() if code is None]
            self._database.executemany("DELETE FROM failed WHERE target = ? AND path = ?", gone)
            failed = [(self._target, path, code) for path, code in self._changed.items() if code is not None]
            self._database.executemany("INSERT OR REPLACE INTO failed VALUES (?, ?, ?)", failed[:_MOST])
            self._database.execute(
                "DELETE FROM failed WHERE target = ? AND rowid NOT IN "
                "(SELECT rowid FROM failed WHERE target = ? ORDER BY rowid DESC LIMIT ?)",
                (self._target, self._target, _MOST),
            )
        with contextlib.suppress(sqlite3.Error):
            self._database.close()
        self._database = None

    def __enter__(self) -> FailedBefore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _load(self) -> dict[str, str]:
        if self._database is None:
            return {}
        try:
            rows = self._database.execute("SELECT path, code FROM failed WHERE target = ?", (self._target,))
            return dict(rows.fetchall())
        except sqlite3.Error:
            self._database = None
            return {}


def _open(path: Path) -> sqlite3.Connection | None:
    """The database; None where there can be none."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(path, timeout=_BUSY_SECONDS, check_same_thread=False)
        database.execute(_SCHEMA)
        return database
    except (OSError, sqlite3.Error):
        return None
