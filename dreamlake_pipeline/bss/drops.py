"""What became of staged objects: which are ignored, and why, and which became files."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Engine, text

from .. import layout
from ..api.common import Listing
from ..api.staging import Fate, StagedFile
from ..errors import Code, DreamlakeError
from ..storage import ObjectInfo, ObjectStore
from . import heads
from .values import to_jsonb

_HINTS: dict[str, str] = {
    Code.UNKNOWN_KIND: (
        "Lay it there again under a name with an extension that is known, such as .mp4, .wav, .srt or .csv, or with "
        "the user metadata `kind`; or delete it."
    ),
    Code.FILE_EMPTY: "Lay it there again with its content, or delete it.",
    Code.SYSTEM_FILE: "Nothing is to be done: it is nobody's data.",
    Code.INVALID_NAME: "Lay it there again under a key, or with user metadata, of the form that docs/staging.md has.",
}


def ignored(
    database: Engine, store: ObjectStore, owner: str, project: str | None, *, cursor: str | None, limit: int
) -> Listing[StagedFile]:
    """One page of the staged objects that are ignored, in the order of their keys, of a project or of all folders of a
    namespace. What went away, or has other content by now, is left out, so that a page may be short.

    Raises INVALID_REQUEST for a cursor that is none, STORAGE_FAILED when the store can't be asked.
    """
    prefix = f"{owner}/" if project is None else layout.staging_prefix(owner, project)
    with database.connect() as connection:
        rows = connection.execute(
            text("""
            SELECT DISTINCT ON (staging_key COLLATE "C") staging_key, etag, size, code, reason, created_at
            FROM ignored_objects i
            WHERE staging_key COLLATE "C" > :after AND staging_key COLLATE "C" < :end
                AND NOT EXISTS (SELECT FROM records r WHERE r.staging_key = i.staging_key)
            ORDER BY staging_key COLLATE "C", created_at DESC LIMIT :limit"""),
            {"after": max(prefix, _read_cursor(cursor)), "end": prefix[:-1] + "0", "limit": limit + 1},
        ).all()
    page, more = rows[:limit], len(rows) > limit
    seen = heads.look(store, [row.staging_key for row in page])
    there = [row for row in page if row.staging_key in seen.refused or _is_same(seen.found[row.staging_key], row.etag)]
    items = [_ignored(row) for row in there]
    return Listing[StagedFile](items=items, cursor=_make_cursor(page[-1].staging_key) if more else None)


def everything(
    database: Engine, store: ObjectStore, owner: str, project: str, *, cursor: str | None, limit: int
) -> Listing[StagedFile]:
    """One page of all objects under a project's staging prefix, in the order of their keys, and what became of each.

    Raises as `ignored` does.
    """
    prefix = layout.staging_prefix(owner, project)
    page = store.list_page(prefix, after=_read_cursor(cursor), limit=limit)
    with database.connect() as connection:
        found = _known(connection, page.objects)
    items = [
        StagedFile.model_validate(
            {"key": one.key, "namespace": owner, "project": project, "size": one.size, "fate": Fate.WAITING}
            | found.get(one.key, {})
        )
        for one in page.objects
    ]
    is_cut = page.truncated and page.objects
    return Listing[StagedFile](items=items, cursor=_make_cursor(page.objects[-1].key) if is_cut else None)


def _known(connection: Connection, objects: Sequence[ObjectInfo]) -> dict[str, dict[str, Any]]:
    """What is known of objects, by their keys."""
    asked = to_jsonb([{"key": one.key, "etag": one.etag} for one in objects])
    rows = connection.execute(
        text("""
        SELECT a.key, r.id, r.kind, r.name, r.episode, r.status, r.created_at,
            coalesce(r.error, r.last_error) AS error,
            i.code, i.reason, i.created_at AS ignored_at, d.deleted_at
        FROM jsonb_to_recordset(CAST(:asked AS jsonb)) AS a(key text, etag text)
        LEFT JOIN LATERAL (SELECT * FROM records WHERE staging_key = a.key
            ORDER BY uploaded_at DESC, id DESC LIMIT 1) r ON true
        LEFT JOIN LATERAL (SELECT * FROM ignored_objects WHERE staging_key = a.key
            AND (a.etag IS NULL OR etag = a.etag) LIMIT 1) i ON true
        LEFT JOIN LATERAL (SELECT deleted_at FROM deleted_records WHERE staging_key = a.key AND purged_at IS NULL
            AND (a.etag IS NULL OR etag IS NULL OR etag = a.etag) LIMIT 1) d ON true"""),
        {"asked": asked},
    )
    return {row.key: fate for row in rows if (fate := _fate(row))}


def _fate(row: Any) -> dict[str, Any]:
    if row.id is not None:
        error = row.error or {}
        return {
            "fate": Fate.REGISTERED,
            "seen_at": row.created_at,
            "bss_id": row.id,
            "kind": row.kind,
            "name": row.name,
            "episode": row.episode,
            "status": row.status,
            "code": error.get("code"),
            "reason": error.get("message"),
            "hint": error.get("hint"),
        }
    if row.deleted_at is not None:
        return {"fate": Fate.DELETED, "seen_at": row.deleted_at}
    if row.reason is not None:
        return _why(row.key, row.code, row.reason) | {"fate": Fate.IGNORED, "seen_at": row.ignored_at}
    return {}


def _ignored(row: Any) -> StagedFile:
    owner, project, _ = row.staging_key.split("/", 2)
    return StagedFile.model_validate(
        {"key": row.staging_key, "namespace": owner, "project": project, "size": row.size, "fate": Fate.IGNORED}
        | {"seen_at": row.created_at}
        | _why(row.staging_key, row.code, row.reason)
    )


def _why(key: str, code: str | None, reason: str) -> dict[str, str | None]:
    # Before there were codes, a reason began with the key.
    said = reason.removeprefix(key).strip()
    return {"code": code, "reason": said, "hint": _HINTS.get(code or "")}


def _is_same(found: ObjectInfo | None, etag: str) -> bool:
    return found is not None and (found.etag == etag or found.etag is None)


def _make_cursor(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _read_cursor(cursor: str | None) -> str:
    if not cursor:
        return ""
    try:
        return base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise DreamlakeError(Code.INVALID_REQUEST, "cursor: this is not one that a listing gave.") from None
