"""What is known of local files that were hashed before, so that a tree that did not change is not read again.

One SQLite file per user and machine, shared by all processes. It saves time and is never needed: one that cannot be
read or written counts as empty, and it may be deleted at any moment.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

from ..kinds import Kind
from .digest import Digest
from .walk import Version

_FILE = "hashes-2.sqlite"  # the number is that of the table's form
_PER_STATEMENT = 1000
_BUSY_SECONDS = 2.0

# A file that was written to this shortly before it was read may be written to again and keep its modification time:
# clocks of filesystems tick in steps, of up to 2 s on FAT (Git's Documentation/technical/racy-git).
RACY_NS = 2_000_000_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS hashes (
    path BLOB PRIMARY KEY,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    part_size INTEGER NOT NULL,
    parts BLOB NOT NULL,
    content_kind TEXT
) WITHOUT ROWID"""

_BY_INODE = "CREATE INDEX IF NOT EXISTS hashes_by_inode ON hashes (inode)"

_SHA256_BYTES = 32

Reply = TypeVar("Reply")
Row = tuple[bytes, int, int, int, bytes, int, bytes, str | None]


class HashCache:
    """Digests of files by absolute path, valid for one `Version` each. Safe to share between threads; never raises."""

    def __init__(self, folder: Path | None) -> None:
        """Kept in `folder`, which is made when it is not there; without one, nothing is remembered."""
        self._lock = threading.Lock()
        self._database = None if folder is None else _open(folder / _FILE)

    def recall(self, files: Sequence[tuple[str, Version]]) -> list[Digest | None]:
        """The digest of each file, in order; None where it is not known for exactly this version."""
        keys = _keys(path for path, _ in files)
        found: dict[bytes, Row] = {}
        for start in range(0, len(keys), _PER_STATEMENT):
            some = keys[start : start + _PER_STATEMENT]
            rows = self._try(partial(_select, column="path", keys=some))
            found |= {row[0]: row for row in rows or ()}
        return [
            _digest(found[key], version) if key in found else None
            for key, (_, version) in zip(keys, files, strict=True)
        ]

    def recall_renamed(self, versions: Sequence[Version]) -> list[Digest | None]:
        """The digest that a file of each version had under another path: one that was renamed, or in a folder that was.

        For telling what would be done; whatever is stored is read under its own name.
        """
        found: dict[tuple[int, int, int], Row] = {}
        inodes = [version.inode for version in versions]
        for start in range(0, len(inodes), _PER_STATEMENT):
            rows = self._try(partial(_select, column="inode", keys=inodes[start : start + _PER_STATEMENT]))
            found |= {(size, mtime_ns, inode): row for row in rows or () for _, size, mtime_ns, inode, *_ in [row]}
        keys = [(version.size, version.mtime_ns, version.inode) for version in versions]
        return [
            _digest(found[key], version) if key in found else None for key, version in zip(keys, versions, strict=True)
        ]

    def remember(self, digests: Sequence[tuple[str, Digest]]) -> None:
        """Keep the digests of files, except of those that had been written to just before they were read."""
        quiet = [(path, digest) for path, digest in digests if digest.version.mtime_ns < digest.read_at_ns - RACY_NS]
        keys = _keys(path for path, _ in quiet)
        rows = [_row(key, digest) for key, (_, digest) in zip(keys, quiet, strict=True)]

        def write(database: sqlite3.Connection) -> None:
            with database:
                for start in range(0, len(rows), _PER_STATEMENT):
                    some = rows[start : start + _PER_STATEMENT]
                    database.executemany("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?, ?, ?, ?, ?)", some)

        if rows:
            self._try(write)

    def close(self) -> None:
        self._try(lambda database: database.close())
        self._database = None

    def __enter__(self) -> HashCache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _try(self, ask: Callable[[sqlite3.Connection], Reply]) -> Reply | None:
        """The answer, one thread at a time; None where the database has a fault, which costs time and nothing else."""
        with self._lock:
            if self._database is None:
                return None
            try:
                return ask(self._database)
            except sqlite3.Error as fault:
                # Somebody else writes for long: that passes. A full disk or a damaged file does not.
                if getattr(fault, "sqlite_errorcode", None) not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                    with contextlib.suppress(sqlite3.Error):
                        self._database.close()
                    self._database = None
                return None


def _open(path: Path) -> sqlite3.Connection | None:
    """The database, made new when it is damaged; None where there can be none."""
    for _ in range(2):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            database = sqlite3.connect(path, timeout=_BUSY_SECONDS, check_same_thread=False)
            try:
                database.execute("PRAGMA journal_mode = WAL")
                database.execute("PRAGMA synchronous = NORMAL")
                database.execute(_SCHEMA)
                database.execute(_BY_INODE)
                return database
            except sqlite3.DatabaseError as fault:
                database.close()
                if fault.sqlite_errorcode not in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
                    return None
                for suffix in ("", "-wal", "-shm"):
                    path.with_name(path.name + suffix).unlink(missing_ok=True)
        except (OSError, sqlite3.Error):
            return None
    return None


def _select(
    database: sqlite3.Connection, column: Literal["path", "inode"], keys: Sequence[bytes] | Sequence[int]
) -> list[Row]:
    marks = ",".join("?" * len(keys))
    return database.execute(f"SELECT * FROM hashes WHERE {column} IN ({marks})", keys).fetchall()  # noqa: S608


def _keys(paths: Iterable[str]) -> list[bytes]:
    """The absolute path of each file. Folders are made absolute once, since many files lie in each."""
    folders: dict[str, str] = {}
    keys = []
    for path in paths:
        folder, slash, name = path.rpartition("/")
        if name in ("", ".", ".."):
            folder, slash, name = os.path.abspath(path).rpartition("/")  # noqa: PTH100 - links are not to be resolved
        if (absolute := folders.get(folder)) is None:
            absolute = folders[folder] = os.path.abspath(folder + slash).rstrip("/")  # noqa: PTH100 - as above
        keys.append(os.fsencode(f"{absolute}/{name}"))
    return keys


def _row(key: bytes, digest: Digest) -> Row:
    version = digest.version
    parts = b"".join(map(bytes.fromhex, digest.parts))
    sha256 = bytes.fromhex(digest.sha256)
    return key, version.size, version.mtime_ns, version.inode, sha256, digest.part_size, parts, digest.content_kind


def _digest(row: Row, version: Version) -> Digest | None:
    _, size, mtime_ns, inode, sha256, part_size, parts, kind = row
    if (size, mtime_ns, inode) != (version.size, version.mtime_ns, version.inode) or len(sha256) != _SHA256_BYTES:
        return None
    hashes = tuple(parts[at : at + _SHA256_BYTES].hex() for at in range(0, len(parts), _SHA256_BYTES))
    return Digest(version, sha256.hex(), part_size, hashes, content_kind=Kind(kind) if kind else None)
