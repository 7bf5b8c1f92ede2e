"""Giving records other names, within their projects. No byte is touched.

A record that is moved counts as uploaded now under its new name: it holds that name whatever was there before, and
whoever tells the index of it is right against all that is told of its past. Records of one name (earlier content) that
are moved together keep their order.

What is being processed leaves its batch, whose run knows it by its old name, and is queued anew.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Engine, text

from ..api.bss import Move, Moved, Taken
from ..storage import ObjectStore
from . import deletions, journal, removal
from .records import PLACE
from .values import to_jsonb

# Each record with its new place; `f` is what PLACE is said of, `n` the order of the uploads.
_MOVES = f"""
    SELECT f.*, {PLACE} AS new_place FROM (
        SELECT r.id, r.owner, r.project, m.episode, m.name, r.place AS old_place,
            row_number() OVER (ORDER BY r.uploaded_at, r.id) AS n
        FROM jsonb_to_recordset(CAST(:moves AS jsonb)) AS m(id text, episode text, name text)
        JOIN records r USING (id)) f"""  # noqa: S608 (spelled in records.py)


def move(database: Engine, store: ObjectStore, moves: Sequence[Move], *, replace: bool, by: str) -> Moved:
    """Give records other names. One whose new name is taken stays as it is; with `replace`, what has it is deleted.

    `by`: who asks. Records that are not there are passed over.
    """
    etags: dict[str, str] = {}
    if replace:
        with database.connect() as connection:
            in_the_way = [other for others in _taken(connection, moves).values() for other in others]
            keys = deletions.staged_keys(connection, in_the_way)
        etags = removal.etags_of_foreign(store, keys.values())
    with database.begin() as connection:
        connection.execute(
            text("SELECT FROM records WHERE id = ANY(:ids) ORDER BY id FOR UPDATE"),
            {"ids": sorted({one.id for one in moves})},
        )
        taken = _taken(connection, moves)
        replaced: list[str] = []
        if replace and taken:
            in_the_way = sorted({other for others in taken.values() for other in others})
            replaced, taken = deletions.delete(connection, in_the_way, by=by, etags=etags), {}
        moved = _write(connection, [one for one in moves if one.id not in taken])
    journal.note(database, store, moved)
    journal.note_deleted(database, store, replaced)
    return Moved(
        ids=moved, taken=[Taken(id=one, by=others[-1]) for one, others in sorted(taken.items())], replaced=replaced
    )


def _taken(connection: Connection, moves: Sequence[Move]) -> dict[str, list[str]]:
    """By the ids of records whose new name others have, the ids of those, the last uploaded last."""
    rows = connection.execute(
        text(f"""
        SELECT m.id, array_agg(o.id ORDER BY o.uploaded_at, o.id) AS others
        FROM ({_MOVES}) m JOIN records o ON o.place = m.new_place
        WHERE m.new_place <> m.old_place GROUP BY m.id"""),  # noqa: S608 (spelled above)
        {"moves": _json(moves)},
    )
    return {row.id: row.others for row in rows}


def _write(connection: Connection, moves: Sequence[Move]) -> list[str]:
    """Write the new names, and note that the index is to be told; the ids of those that have them then, sorted."""
    given = {"moves": _json(moves)}
    # The name that the index has is noted: whoever wrote it there meanwhile, it goes (processing/deletions.py).
    connection.execute(
        text(f"""
        INSERT INTO deletions (record_id, kind, owner, project, episode, name, restored)
        SELECT r.id, r.kind, r.owner, r.project, r.episode, r.name, true
        FROM ({_MOVES}) m JOIN records r USING (id) WHERE m.new_place <> m.old_place ORDER BY r.id
        ON CONFLICT (record_id) DO UPDATE SET restored = true, deleted_at = now()"""),  # noqa: S608
        given,
    )
    connection.execute(
        text(f"""
        UPDATE records r SET episode = m.episode, name = m.name, moved_at = now(), updated_at = now(),
            uploaded_at = greatest(statement_timestamp(), r.uploaded_at) + m.n * interval '1 microsecond',
            status = CASE r.status WHEN 'processing' THEN 'queued' ELSE r.status END,
            partition = CASE r.status WHEN 'processing' THEN NULL ELSE r.partition END,
            reported_at = CASE r.status WHEN 'processing' THEN NULL ELSE r.reported_at END
        FROM ({_MOVES}) m WHERE r.id = m.id AND m.new_place <> m.old_place"""),  # noqa: S608
        given,
    )
    there = connection.execute(text(f"SELECT id FROM ({_MOVES}) m WHERE new_place = old_place ORDER BY id"), given)  # noqa: S608
    return list(there.scalars())


def _json(moves: Sequence[Move]) -> str:
    return to_jsonb([one.model_dump(mode="json") for one in moves])
