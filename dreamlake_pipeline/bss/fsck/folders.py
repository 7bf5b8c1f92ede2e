"""Folders of the bucket: does a record account for what lies in them?"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import text

from ... import layout
from ...api.integrity import Found
from ...findings import Finding
from ...ids import is_id
from ...kinds import Kind
from .. import deletions, staged
from .world import Progress, World

_GRACE_SECONDS = 3600.0
_PAGE = 1000


def check(world: World, after: str) -> Progress:
    """The folders of one kind of one project; `after` is the last one of them, or the last project and kind."""
    place = next((one for one in _places(world) if one >= after.rpartition(" ")[0]), None)
    if place is None:
        return Progress()
    owner, project, kind = place.split("/")
    last = after.rpartition(" ")[2] if after.startswith(f"{place} ") else ""
    prefix = layout.asset_prefix(owner, project, Kind(kind), "")[:-1]
    page = world.store.list_page(prefix, after=f"{prefix}{last}0" if last else "", delimiter="/", limit=_PAGE)
    ids = sorted({folder.removeprefix(prefix).rstrip("/") for folder in page.prefixes})
    ids = [one for one in ids if one > last]
    done = Progress()
    done.checked["folders"] += len(ids)
    for record_id in _unknown(world, [one for one in ids if is_id(one)]):
        folder = layout.asset_prefix(owner, project, Kind(kind), record_id)
        # What is being freed just now is gone by now.
        if next(world.store.list_all(folder), None) is not None:
            done.findings.append(
                Found(
                    code=Finding.FOLDER_WITHOUT_RECORD,
                    what=folder,
                    detail="BSS has no record of this id",
                    id=record_id,
                    kind=Kind(kind),
                    owner=owner,
                    project=project,
                )
            )
    if page.truncated and ids:
        done.after = f"{place} {ids[-1]}"
    else:
        following = next((one for one in _places(world) if one > place), None)
        done.after = f"{following} " if following is not None else None
    return done


def check_staging(world: World, after: str) -> Progress:
    """A page of the staged objects of one project; `after` is the last key, or the project's own."""
    places = [layout.staging_prefix(*one) for one in world.projects]
    prefix = next((one for one in sorted(places) if one >= after or after.startswith(one)), None)
    if prefix is None:
        return Progress()
    page = world.store.list_page(prefix, after=after if after.startswith(prefix) else "", limit=_PAGE)
    now = datetime.now(UTC)
    old = [item for item in page.objects if (now - item.last_modified).total_seconds() > _GRACE_SECONDS]
    done = Progress()
    done.checked["staged objects"] += len(page.objects)
    with world.database.connect() as connection:
        keys = [item.key for item in old if not item.key.endswith("/")]
        unknown = staged.unknown(connection, keys) if keys else []
    for key in unknown:
        if world.store.head(key) is not None:
            done.findings.append(Found(code=Finding.STAGED_UNACCOUNTED, what=key, detail="nobody registered it"))
    if page.truncated and page.objects:
        done.after = page.objects[-1].key
    else:
        done.after = next((one for one in sorted(places) if one > prefix), None)
    return done


def _places(world: World) -> list[str]:
    """Owner, project and kind of everything in scope, as texts that sort."""
    found = world.projects
    return sorted(f"{owner}/{project}/{kind}" for owner, project in found for kind in Kind)


def _unknown(world: World, ids: list[str]) -> list[str]:
    """Those of the ids that no record has, and no deleted one had."""
    if not ids:
        return []
    with world.database.connect() as connection:
        known = set(
            connection.execute(text("SELECT id FROM records WHERE id = ANY(:ids)"), {"ids": ids}).scalars()
        ) | deletions.among(connection, ids)
    return [one for one in ids if one not in known]
