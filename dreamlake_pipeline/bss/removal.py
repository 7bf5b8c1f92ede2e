"""Deleting and restoring records, with what has to be asked of the object store for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Engine

from .. import layout, names
from ..crashpoints import CrashPoint, reached
from ..storage import ObjectStore
from . import deletions, heads, journal


def delete(database: Engine, store: ObjectStore, ids: Sequence[str], *, by: str) -> list[str]:
    """Delete the records of these ids; those that were there. See `deletions.delete`.

    A staged object whose key is a hash is known by it. Of one that another uploader named, the ETag is remembered,
    as far as the store shows it.
    """
    with database.connect() as connection:
        keys = deletions.staged_keys(connection, ids)
    etags = etags_of_foreign(store, keys.values())
    with database.begin() as connection:
        deleted = deletions.delete(connection, list(keys), by=by, etags=etags)
        reached(CrashPoint.DELETION_WRITTEN)
    reached(CrashPoint.DELETION_COMMITTED)
    journal.note_deleted(database, store, deleted)
    return deleted


def etags_of_foreign(store: ObjectStore, keys: Iterable[str]) -> dict[str, str]:
    """The ETags of those of the staged objects whose keys are not their hashes, as far as the store shows them."""
    foreign = sorted({key for key in keys if not _is_named_by_hash(key)})
    return {key: info.etag for key, info in heads.look(store, foreign).found.items() if info is not None}


def _is_named_by_hash(key: str) -> bool:
    parts = layout.parse_staging_key(key)
    return parts is not None and names.is_hash(parts.rest)
