"""Presigned URLs of raw files and of results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, text

from .. import layout
from ..api.bss import FileUrl, Status
from ..api.common import ErrorBody
from ..auth import Principal
from ..errors import Code
from ..kinds import Kind
from ..names import split_name
from ..storage import ObjectStore
from . import records

RAW = "raw"

# Raw files are what strangers made. A browser would run what is in one of type text/html or image/svg+xml.
_RAW_TYPE = "application/octet-stream"


class Stored(NamedTuple):
    """What the URL of a record's files is made from. `sha256` may be a prefix of it: what was promised at upload."""

    id: str
    kind: Kind
    owner: str
    project: str
    name: str
    staging_key: str
    size: int | None
    sha256: str | None
    status: Status
    is_playable: bool
    error: str | None


def find(connection: Connection, ids: Sequence[str], caller: Principal) -> list[Stored]:
    """Those of the records that exist and lie in a namespace that the caller reaches, in the order of `ids`."""
    rows = connection.execute(
        text(f"""
        SELECT r.id, r.kind, r.owner, r.project, r.name, r.staging_key, r.size,
            coalesce(r.sha256, r.staging_hash) AS sha256, r.status, {records.IS_PLAYABLE} AS is_playable,
            r.error->>'message' AS error
        FROM unnest(CAST(:ids AS text[])) WITH ORDINALITY AS asked(id, n) JOIN records r USING (id)
        WHERE :everywhere OR r.owner = ANY(:namespaces)
        ORDER BY asked.n"""),  # noqa: S608 (spelled in records.py)
        {"ids": list(dict.fromkeys(ids))} | records.reach(caller),
    )
    return [Stored(**{**row, "kind": Kind(row["kind"]), "status": Status(row["status"])}) for row in rows.mappings()]


def sign(store: ObjectStore, stored: Stored, file: str, *, expires: int) -> FileUrl:
    """The URL of the raw file or of a result by its filename, for `expires` seconds; or why there is none."""
    if file == RAW:
        return FileUrl(
            id=stored.id,
            url=raw_url(store, stored.staging_key, stored.name, expires),
            size=stored.size,
            sha256=stored.sha256,
        )
    content_type = layout.RESULT_FILES[stored.kind].get(file)
    if content_type is None:
        return _refused(stored, Code.NOT_FOUND, f"{stored.name} has no {file}: {stored.kind.spec.label} have none.")
    if not stored.is_playable:
        reason = f" ({stored.error})" if stored.error else ""
        return _refused(stored, Code.NOT_READY, f"{stored.name} is {stored.status}, not ready{reason}.")
    key = layout.result_key(stored.owner, stored.project, stored.kind, stored.id, file)
    return FileUrl(id=stored.id, url=store.presign_get(key, expires=expires, content_type=content_type))


def raw_url(store: ObjectStore, staging_key: str, name: str, expires: int) -> str:
    """A URL of the bytes, for `expires` seconds, as a download of the file's own name: no browser shows them."""
    return store.presign_get(staging_key, expires=expires, filename=split_name(name).filename, content_type=_RAW_TYPE)


def _refused(stored: Stored, code: Code, message: str) -> FileUrl:
    return FileUrl(id=stored.id, error=ErrorBody(code=str(code), message=message))
