"""What only Postgres would know of a project's records, written into the bucket as it happens.

A staged object tells the name of one file, and a meta.json tells of a file that was processed. What else is needed to
make the records again (`rebuild/`) is a line of a journal: that a file was registered, under which name and id; that it
failed, and why; that it was deleted; what its owner decided about the project. A call writes one object, however many
records it concerns, after its transaction and before its answer: what was acknowledged is in both places. When the
object store refuses it, the call fails, and is made again as any other.

A line says what the database said when it was asked, and when that was, by the database's clock: of two lines about a
record, the later one tells what came last, whichever replica wrote it and whenever its transaction began.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from sqlalchemy import Engine, text

from .. import layout
from ..api.bss import ProjectSettings, Record
from ..api.stored import Meta, Noted
from ..storage import ObjectStore

_TYPE = "application/jsonl"
_COLUMNS = ", ".join(f"r.{name}" for name in Record.model_fields if name not in ("metadata", "waiting"))


def note(database: Engine, store: ObjectStore, ids: Sequence[str]) -> None:
    """Write down these records as they are now; of several projects, into the journal of each."""
    if not ids:
        return
    with database.connect() as connection:
        rows = connection.execute(
            text(f"""
            SELECT {_COLUMNS}, r.recipe, statement_timestamp() AS at FROM records r WHERE r.id = ANY(:ids)
            ORDER BY r.owner, r.project, r.id"""),  # noqa: S608 (spelled above)
            {"ids": sorted(set(ids))},
        )
        lines = [Noted(at=row["at"], record=Meta.model_validate(dict(row))) for row in rows.mappings()]
    _write(store, [(line.record.owner, line.record.project, line) for line in lines if line.record is not None])


def note_deleted(database: Engine, store: ObjectStore, ids: Sequence[str]) -> None:
    """Write down that these records are deleted."""
    if not ids:
        return
    with database.connect() as connection:
        rows = connection.execute(
            text("""
            SELECT id, owner, project, statement_timestamp() AS at FROM deleted_records WHERE id = ANY(:ids)
            ORDER BY owner, project, id"""),
            {"ids": sorted(set(ids))},
        ).all()
    _write(store, [(row.owner, row.project, Noted(at=row.at, deleted=row.id)) for row in rows])


def note_settings(database: Engine, store: ObjectStore, owner: str, project: str) -> None:
    """Write down what is decided about a project now."""
    with database.connect() as connection:
        row = connection.execute(
            text("""
            SELECT ladder, playback, csv, types, statement_timestamp() AS at FROM projects
            WHERE owner = :owner AND project = :project"""),
            {"owner": owner, "project": project},
        ).one_or_none()
    if row is not None:
        fields = {name: getattr(row, name) for name in ProjectSettings.model_fields}
        settings = ProjectSettings.model_validate(fields)
        _write(store, [(owner, project, Noted(at=row.at, settings=settings))])


def _write(store: ObjectStore, lines: Iterable[tuple[str, str, Noted]]) -> None:
    by_project: dict[tuple[str, str], list[bytes]] = {}
    for owner, project, line in lines:
        by_project.setdefault((owner, project), []).append(line.wire_json())
    for (owner, project), written in by_project.items():
        # Keys sort by time, and no two writers have the same.
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}.jsonl"
        store.put(layout.journal_prefix(owner, project) + name, b"\n".join(written) + b"\n", content_type=_TYPE)
