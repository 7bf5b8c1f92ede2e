"""What a watch has sent, across restarts: which version of which file, so that none is sent or told twice.

One SQLite file beside the cache of hashes. Whoever deletes it loses time: everything is compared with the services once
more. Names that were deleted there meanwhile come back by that, which is why the cache of hashes alone is not enough.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path

from ...errors import Code, DreamlakeError
from ..walk import Version

_FILE = "watched-1.sqlite"  # the number is that of the table's form
_PER_STATEMENT = 500
_UNWRITTEN = 200  # rows that wait to be written together
_BUSY_SECONDS = 30.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    watch BLOB NOT NULL,
    path BLOB NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (watch, path)
) WITHOUT ROWID"""


class Ledger:
    """The files of one watch by their paths below its folder. For one thread at a time."""

    def __init__(self, folder: Path | None, watch: Sequence[str]) -> None:
        """Kept in `folder`, or in memory. `watch` are the words that tell this watch from others: where to, from where.

        Raises STORAGE_FAILED when the file cannot be used.
        """
        self._watch = hashlib.blake2b("\0".join(watch).encode("utf-8", "surrogateescape"), digest_size=16).digest()
        self._unwritten: dict[str, tuple[Version, bool]] = {}
        path = None if folder is None else folder / _FILE
        try:
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path or ":memory:", timeout=_BUSY_SECONDS, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.execute(_SCHEMA)
        except (OSError, sqlite3.Error) as fault:
            raise _unusable(path, fault) from None
        self._path = path

    def unknown(self, versions: dict[str, Version]) -> Iterator[str]:
        """Those paths of which not exactly this version was sent or refused. Raises STORAGE_FAILED, as all do."""
        paths = list(versions)
        for start in range(0, len(paths), _PER_STATEMENT):
            some = paths[start : start + _PER_STATEMENT]
            known = self._known(some)
            for path in some:
                if (row := self._unwritten.get(path)) is not None:
                    if row[0] != versions[path]:
                        yield path
                elif known.get(_key(path)) != versions[path]:
                    yield path

    def sent(self, path: str, version: Version) -> None:
        """Note that this version is stored."""
        self._note(path, version, False)

    def refused(self, path: str, version: Version) -> None:
        """Note that this version will never be stored, and that somebody was told so."""
        self._note(path, version, True)

    def flush(self) -> None:
        """Write what was noted. Raises STORAGE_FAILED."""
        rows, now = self._unwritten, int(time.time())
        with self._using(), self._database:
            self._database.executemany(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (self._watch, _key(path), *astuple(version), refused, now)
                    for path, (version, refused) in rows.items()
                ],
            )
        self._unwritten = {}

    def forget(self, *, only_refused: bool = False) -> None:
        """Forget all files of this watch, or those that were refused."""
        where = "watch = ? AND refused" if only_refused else "watch = ?"
        with self._using(), self._database:
            self._database.execute(f"DELETE FROM files WHERE {where}", (self._watch,))  # noqa: S608

    def forget_gone(self, root: Path, *, before: float) -> None:
        """Forget files that are no longer below `root` and were noted before a time (seconds since 1970)."""
        with self._using(), self._database:
            rows = self._database.execute(
                "SELECT path FROM files WHERE watch = ? AND at < ?", (self._watch, int(before))
            )
            gone = [key for (key,) in rows if not (root / key.decode("utf-8", "surrogateescape")).exists()]
            self._database.executemany(
                "DELETE FROM files WHERE watch = ? AND path = ?", [(self._watch, key) for key in gone]
            )

    def close(self) -> None:
        self._database.close()

    def _note(self, path: str, version: Version, refused: bool) -> None:
        self._unwritten[path] = (version, refused)
        if len(self._unwritten) >= _UNWRITTEN:
            self.flush()

    def _known(self, paths: Sequence[str]) -> dict[bytes, Version]:
        marks = ",".join("?" * len(paths))
        query = f"SELECT path, size, mtime_ns, inode FROM files WHERE watch = ? AND path IN ({marks})"  # noqa: S608
        with self._using():
            rows = self._database.execute(query, [self._watch, *map(_key, paths)])
            return {path: Version(size, mtime_ns, inode) for path, size, mtime_ns, inode in rows}

    @contextmanager
    def _using(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as fault:
            raise _unusable(self._path, fault) from None


def _key(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _unusable(path: Path | None, fault: Exception) -> DreamlakeError:
    return DreamlakeError(
        Code.STORAGE_FAILED,
        f"{path} cannot be used, in which is kept what was sent: {fault}.",
        hint="Free space there, delete the file, or set DREAMLAKE_CACHE to another folder.",
    )
