"""The folders of purged records: playlists, pictures, data, meta.json."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, text

from ... import layout
from ...api.garbage import Garbage
from ...crashpoints import CrashPoint, reached
from ...kinds import Kind
from ...storage import ObjectInfo
from ..side_by_side import side_by_side
from .collector import EXPIRED, Collector, Work, freed, refused

_AT_ONCE = 100

# A run may write for a day (MAX_RUNTIME of the job `process_batch`), also into the folder of a record that was purged
# meanwhile: so long, the record's row stays as a mark, and then the folder is emptied once more.
MARKED_SECONDS = 25 * 3600


def empty(collector: Collector, position: str) -> Work:
    """Empty the folders of records that were purged; those of the last day twice."""
    with collector.database.connect() as connection:
        found = connection.execute(
            text(f"""
            SELECT d.id, d.owner, d.project, d.kind FROM deleted_records d WHERE d.id > :after AND (
                (d.purged_at IS NOT NULL AND d.freed_at IS NULL)
                OR d.freed_at < now() - make_interval(secs => :marked) OR (:dry AND d.purged_at IS NULL AND {EXPIRED}))
            ORDER BY d.id LIMIT :limit"""),  # noqa: S608 (spelled there)
            collector.ages | {"after": position, "limit": _AT_ONCE, "marked": MARKED_SECONDS, "dry": collector.dry_run},
        ).all()
    listed = side_by_side(lambda row: _listed(collector, row), found)
    objects = [info for folder in listed for info in folder]
    kept: dict[str, str] = {}
    if found and not collector.dry_run:
        kept = collector.store.delete(info.key for info in objects)
        reached(CrashPoint.FOLDERS_EMPTIED)
        full = {row.id for row, folder in zip(found, listed, strict=True) if any(info.key in kept for info in folder)}
        _mark(collector, [row.id for row in found if row.id not in full])
    gone = [info for info in objects if info.key not in kept]
    tally = freed(Garbage.FILES, len(gone), sum(info.size for info in gone))
    tally.add(refused(kept))
    return Work(found[-1].id if len(found) == _AT_ONCE else None, tally)


def _listed(collector: Collector, row: Row[Any]) -> list[ObjectInfo]:
    return list(collector.store.list_all(layout.asset_prefix(row.owner, row.project, Kind(row.kind), row.id)))


def _mark(collector: Collector, ids: Sequence[str]) -> None:
    """These folders are empty. Who was marked for long enough is forgotten."""
    with collector.database.begin() as connection:
        connection.execute(
            text("""
            DELETE FROM deleted_records WHERE id = ANY(:ids) AND freed_at < now() - make_interval(secs => :marked)"""),
            {"ids": list(ids), "marked": MARKED_SECONDS},
        )
        connection.execute(
            text("UPDATE deleted_records SET freed_at = now() WHERE id = ANY(:ids) AND freed_at IS NULL"),
            {"ids": list(ids)},
        )
