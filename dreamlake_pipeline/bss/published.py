"""What is published of a record in the object store."""

from __future__ import annotations

from .. import layout
from ..api.bss import Record
from ..storage import ObjectInfo, ObjectStore
from .timelines import NamedChunks, TimelineCache


def names_chunk(store: ObjectStore, kept: TimelineCache, record: Record, sha256: str) -> bool:
    """Whether a media playlist of the record names this chunk, though the record does not refer to it in the pool.

    So it is between the publication of a new result and its report, and for a player that still follows a playlist of
    the result before. Lists the playlists of the record, and reads each of them once: `kept` has what it named.
    """
    folder = layout.stream_prefix(record.owner, record.project, record.kind, record.id)
    return any(
        sha256 in _named(store, kept, item).hashes
        for item in store.list_all(folder)
        if item.key.endswith(".m3u8") and not item.key.endswith(f"/{layout.MASTER_PLAYLIST}")
    )


def _named(store: ObjectStore, kept: TimelineCache, playlist: ObjectInfo) -> NamedChunks:
    return kept.get((playlist.key, playlist.etag), lambda: NamedChunks(store.read(playlist.key).decode()))
