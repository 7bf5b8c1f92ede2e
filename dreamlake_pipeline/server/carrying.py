"""What people said of files and episodes goes along when these get other names: a file takes its offset, and the last
files of an episode its flag and note."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, text

from ..api.common import MOST_NOTE_CHARS, storable_json
from .treekey import tree_key


class Moved(NamedTuple):
    """A record that had another name in its project until now, and its new place."""

    bss_id: str
    project_id: str
    episode: str | None
    name: str
    new_root_id: str
    new_name: str


# Those that the index still has under their old names; whether it has the new ones already. Each root is looked up by
# its keys, as in folders.py.
_MOVED = text("""
    SELECT old.root_id, old.path, old.episode_id,
           move.new_root_id, move.new_path, new_root.episode_id AS new_episode_id,
           EXISTS (SELECT FROM assets AS new WHERE new.root_id = move.new_root_id AND new.tree_key = move.new_key
                   AND new.bss_id = move.bss_id) AS is_told
    FROM jsonb_to_recordset(CAST(:moves AS jsonb))
         AS move (bss_id text, project_id text, episode text, key text, new_root_id text, new_path text, new_key text)
    LEFT JOIN LATERAL (
        SELECT id FROM episodes WHERE project_id = move.project_id AND name = move.episode LIMIT 1
    ) AS episode ON true
    CROSS JOIN LATERAL (
        SELECT id FROM nodes
        WHERE project_id = move.project_id AND coalesce(episode_id, '') = coalesce(episode.id, '') AND parent_id IS NULL
        LIMIT 1
    ) AS root
    JOIN assets AS old ON old.root_id = root.id AND old.tree_key = move.key AND old.bss_id = move.bss_id
    JOIN nodes AS new_root ON new_root.id = move.new_root_id
    WHERE (move.episode IS NULL OR episode.id IS NOT NULL)
      AND (old.root_id, old.path) <> (move.new_root_id, move.new_path)
""")

_TAKE_OFFSETS = text("""
    DELETE FROM time_offsets WHERE (root_id, path) IN (
        SELECT root_id, path
        FROM unnest(CAST(:roots AS text[]), CAST(:paths AS text[])) AS place (root_id, path)
        JOIN time_offsets USING (root_id, path)
        ORDER BY root_id, path FOR UPDATE OF time_offsets)
    RETURNING root_id, path, time_offset_sec
""")
_GIVE_OFFSETS = text("""
    INSERT INTO time_offsets (root_id, path, time_offset_sec)
    SELECT * FROM jsonb_to_recordset(CAST(:offsets AS jsonb)) AS new (root_id text, path text, time_offset_sec float8)
    ORDER BY root_id COLLATE "C", path COLLATE "C"
    ON CONFLICT (root_id, path) DO UPDATE SET time_offset_sec = excluded.time_offset_sec
""")

_MARKED = text("""
    SELECT id FROM episodes WHERE id = ANY (CAST(:ids AS text[])) AND (flag IS NOT NULL OR note IS NOT NULL)
""")
_LEFT = text("""
    SELECT episode_id FROM unnest(CAST(:ids AS text[]), CAST(:counts AS int[])) AS place (episode_id, moved)
    WHERE (SELECT count(*) FROM (
        SELECT FROM assets WHERE assets.episode_id = place.episode_id LIMIT place.moved + 1) AS first) <= place.moved
""")
_MARKS = text("""
    SELECT id, flag, note FROM episodes WHERE id = ANY (CAST(:ids AS text[])) ORDER BY id FOR NO KEY UPDATE
""")
_SET_MARKS = text("""
    UPDATE episodes SET flag = new.flag, note = new.note
    FROM jsonb_to_recordset(CAST(:marks AS jsonb)) AS new (id text, flag text, note text) WHERE episodes.id = new.id
""")


def carry(connection: Connection, moves: Collection[Moved]) -> None:
    """Take along what was said of records that are about to get other names in the index, in the transaction in which
    they get them. A call that is repeated changes nothing."""
    asked = [
        {
            "bss_id": one.bss_id,
            "project_id": one.project_id,
            "episode": one.episode,
            "key": tree_key(one.name),
            "new_root_id": one.new_root_id,
            "new_path": one.new_name,
            "new_key": tree_key(one.new_name),
        }
        for one in moves
    ]
    moved = connection.execute(_MOVED, {"moves": storable_json(asked)}).all()
    if moved:
        _carry_marks(connection, moved)
        _carry_offsets(connection, moved)


def _carry_offsets(connection: Connection, moved: Sequence[Row[Any]]) -> None:
    """A file takes its offset along; without one, it has none under its new name either."""
    new = {(one.root_id, one.path): (one.new_root_id, one.new_path) for one in moved}
    places = [*new, *((one.new_root_id, one.new_path) for one in moved if not one.is_told)]
    roots, paths = zip(*places, strict=True)
    taken = connection.execute(_TAKE_OFFSETS, {"roots": list(roots), "paths": list(paths)}).all()
    given = [
        {"root_id": root_id, "path": path, "time_offset_sec": one.time_offset_sec}
        for one in taken
        if (one.root_id, one.path) in new
        for root_id, path in [new[one.root_id, one.path]]
    ]
    if given:
        connection.execute(_GIVE_OFFSETS, {"offsets": storable_json(given)})


def _carry_marks(connection: Connection, moved: Sequence[Row[Any]]) -> None:
    """An episode that all files leave gives its flag and note to the one where they go: its flag where that one has
    none, its note below that one's."""
    leaving = [one for one in moved if None not in (one.episode_id, one.new_episode_id)]
    leaving = [one for one in leaving if one.episode_id != one.new_episode_id]
    new = {one.episode_id: one.new_episode_id for one in leaving}
    marked = list(connection.execute(_MARKED, {"ids": list(new)}).scalars()) if new else []
    if not marked:
        return
    counts = Counter(one.episode_id for one in leaving)
    given = {"ids": marked, "counts": [counts[one] for one in marked]}
    emptied = sorted(connection.execute(_LEFT, given).scalars())
    if not emptied:
        return
    rows = connection.execute(_MARKS, {"ids": sorted({*emptied, *(new[one] for one in emptied)})}).all()
    before = {row.id: (row.flag, row.note) for row in rows}
    after: dict[str, tuple[str | None, str | None]] = before | dict.fromkeys(emptied, (None, None))
    for episode in emptied:
        flags, notes = zip(after[new[episode]], before[episode], strict=True)
        note = "\n".join(one for one in notes if one is not None)[:MOST_NOTE_CHARS]
        after[new[episode]] = flags[0] or flags[1], note or None
    marks = [{"id": one, "flag": flag, "note": note} for one, (flag, note) in after.items()]
    connection.execute(_SET_MARKS, {"marks": storable_json(marks)})
