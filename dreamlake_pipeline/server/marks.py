"""What people say of what is stored: flags and notes of episodes, and by how much a file is later than its own times.

All of it belongs to a name. Whatever is uploaded under it keeps it, and so does what is deleted and restored; what gets
another name takes it along (carrying.py).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, text

from ..api.server import AssetChange, EpisodeChange
from .places import find_root

_CHANGE_EPISODE = text("""
    UPDATE episodes SET flag = CASE WHEN :is_flagged THEN :flag ELSE flag END,
                        note = CASE WHEN :is_noted THEN :note ELSE note END
    WHERE id = (SELECT episode_id FROM nodes WHERE id = :root_id)
""")
_SET_OFFSET = text("""
    INSERT INTO time_offsets (root_id, path, time_offset_sec)
    SELECT root_id, path, :seconds FROM assets WHERE id = :id
    ON CONFLICT (root_id, path) DO UPDATE SET time_offset_sec = excluded.time_offset_sec
""")
_TAKE_OFFSET = text("""
    DELETE FROM time_offsets USING assets
    WHERE assets.id = :id AND time_offsets.root_id = assets.root_id AND time_offsets.path = assets.path
""")


def change_episode(connection: Connection, namespace: str, project: str, episode: str, change: EpisodeChange) -> None:
    """Set the flag or the note of an episode, or both, as far as the change names them. Raises NOT_FOUND."""
    given: dict[str, Any] = {
        "root_id": find_root(connection, namespace, project, episode),
        "is_flagged": "flag" in change.model_fields_set,
        "flag": change.flag,
        "is_noted": "note" in change.model_fields_set,
        "note": (change.note or "").strip() or None,
    }
    connection.execute(_CHANGE_EPISODE, given)


def change_asset(connection: Connection, asset_id: str, change: AssetChange) -> None:
    """Set the offset of a file, or take it away."""
    if change.time_offset_sec is None:
        connection.execute(_TAKE_OFFSET, {"id": asset_id})
    else:
        connection.execute(_SET_OFFSET, {"id": asset_id, "seconds": change.time_offset_sec})
