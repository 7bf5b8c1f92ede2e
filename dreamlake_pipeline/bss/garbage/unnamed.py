"""What is in the bucket and no record names: folders of records that are not there, and playlists of earlier results.

A folder may be all that is left of a record whose database was lost. So one with a meta.json is freed only when
another record has the same staged bytes: they can be processed again, and were.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from pydantic_core import from_json
from sqlalchemy import Row, text

from ... import layout, names
from ...api.garbage import Garbage, Tally
from ...errors import DreamlakeError
from ...ids import is_id, made_at
from ...kinds import KINDS, Kind
from ...storage import ObjectInfo
from ..side_by_side import side_by_side
from .collector import Collector, Work, freed, refused

_FOLDERS_AT_ONCE = 500
_RECORDS_AT_ONCE = 100
_LARGEST_META = 16 * 2**20

# A run may write for a day, and what it writes belongs to a record that was there when it began.
_AGE = timedelta(hours=25)

_ROUTES = {spec.route for spec in KINDS.values()}


class _Folder(NamedTuple):
    prefix: str
    record_id: str


def free(collector: Collector, position: str) -> Work:
    """Empty folders of records that are not there."""
    folders = _next_folders(collector, position)
    if not folders:
        return Work(None, Tally())
    ids = [folder.record_id for folder in folders if is_id(folder.record_id)]
    with collector.database.connect() as connection:
        known = set(
            connection.execute(
                text("""
                SELECT id FROM records WHERE id = ANY(:ids)
                UNION ALL SELECT id FROM deleted_records WHERE id = ANY(:ids)"""),
                {"ids": ids},
            ).scalars()
        )
    old = datetime.now(UTC) - _AGE
    strange = [folder for folder in folders if is_id(folder.record_id) and folder.record_id not in known]
    tally = Tally()
    for folder in strange:
        if made_at(folder.record_id) < old:
            tally.add(_empty(collector, folder, old))
    return Work(folders[-1].prefix, tally)


def _empty(collector: Collector, folder: _Folder, old: datetime) -> Tally:
    objects = list(collector.store.list_all(folder.prefix))
    if any(info.last_modified > old for info in objects):
        return Tally()
    if not _is_expendable(collector, folder, objects):
        return Tally(unknown=1)
    return _delete(collector, objects)


def _delete(collector: Collector, objects: Sequence[ObjectInfo]) -> Tally:
    kept = {} if collector.dry_run else collector.store.delete(info.key for info in objects)
    gone = [info for info in objects if info.key not in kept]
    tally = freed(Garbage.FILES, len(gone), sum(info.size for info in gone))
    tally.add(refused(kept))
    return tally


def _is_expendable(collector: Collector, folder: _Folder, objects: Sequence[ObjectInfo]) -> bool:
    """Whether the folder is of no use to whoever makes records again from the bucket."""
    meta = f"{folder.prefix}meta.json"
    if all(info.key != meta for info in objects):
        return True
    try:
        key = from_json(collector.store.read_small(meta, _LARGEST_META) or b"")["stagingKey"]
    except (DreamlakeError, ValueError, KeyError, TypeError):
        return False
    if not isinstance(key, str) or "\x00" in key or not key.startswith(_staging_prefix(folder)):
        return False  # whoever wrote it, BSS did not
    with collector.database.connect() as connection:
        return bool(
            connection.execute(
                text("SELECT EXISTS (SELECT FROM records WHERE staging_key = :key)"), {"key": key}
            ).scalar()
        )


def _staging_prefix(folder: _Folder) -> str:
    owner, project, _ = folder.prefix.split("/", 2)
    return layout.staging_prefix(owner, project)


def _next_folders(collector: Collector, position: str) -> list[_Folder]:
    """Some folders of records that follow `position` in the bucket, in order: all of them of one project and kind."""
    for prefix in _record_roots(collector, position):
        found = [
            _Folder(one, one.removesuffix("/").rsplit("/", 1)[-1])
            for one in _children(collector, prefix, position if position.startswith(prefix) else "")
            if one > position
        ][:_FOLDERS_AT_ONCE]
        if found:
            return found
    return []


def _record_roots(collector: Collector, position: str) -> Iterator[str]:
    """The folders `{owner}/{project}/{route}/` that follow `position`, or have it in them, in order. What is not of our
    layout is passed over."""

    def follows(prefix: str) -> bool:
        return prefix > position or position.startswith(prefix)

    for owner in filter(follows, _children(collector, "", "")):
        for project in filter(follows, _children(collector, owner, "")):
            if all(names.is_slug(part) for part in project.split("/")[:2]):
                for route in sorted(_ROUTES):
                    if follows(prefix := f"{project}{route}/"):
                        yield prefix


def _children(collector: Collector, prefix: str, after: str) -> Iterator[str]:
    """The folders right inside a folder, in order, from `after` on."""
    last = after
    while True:
        page = collector.store.list_page(prefix, after=last, delimiter="/", limit=1000)
        new = [one for one in page.prefixes if one > last]
        yield from new
        if not page.truncated:
            return
        furthest = max([*new, *(info.key for info in page.objects)], default=last)
        if furthest <= last:
            return
        last = furthest


def free_playlists(collector: Collector, position: str) -> Work:
    """Delete media playlists of earlier results, which neither the record nor its master playlist names."""
    with collector.database.connect() as connection:
        rows = connection.execute(
            text("""
            SELECT id, owner, project, kind, metadata->'streams' AS streams FROM records
            WHERE id > :after AND status = 'ready' AND attempts > 1 AND kind IN ('video', 'audio')
                AND ready_at < now() - make_interval(secs => :wait) ORDER BY id LIMIT :limit"""),
            collector.ages | {"after": position, "limit": _RECORDS_AT_ONCE},
        ).all()
    old = datetime.now(UTC) - timedelta(seconds=collector.wait)

    def earlier(row: Row[Any]) -> list[ObjectInfo]:
        where = (row.owner, row.project, Kind(row.kind), row.id)
        playlists = [
            info for info in collector.store.list_all(layout.stream_prefix(*where)) if info.last_modified < old
        ]
        named = {layout.stream_key(*where, stream) for stream in row.streams or ()} | {layout.master_key(*where)}
        unnamed = [info for info in playlists if info.key.endswith(".m3u8") and info.key not in named]
        if not unnamed:
            return []
        try:
            master = collector.store.read(layout.master_key(*where)).decode()
        except (DreamlakeError, UnicodeDecodeError):
            return []
        return [info for info in unnamed if info.key.rsplit("/", 1)[-1] not in master]

    found = [info for some in side_by_side(earlier, rows) for info in some]
    return Work(rows[-1].id if len(rows) == _RECORDS_AT_ONCE else None, _delete(collector, found))
