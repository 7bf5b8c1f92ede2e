"""What is published of a record in the object store."""

from __future__ import annotations

from .. import layout
from ..api.bss import Record
from ..objectstore import ObjectStore


def names_chunk(store: ObjectStore, record: Record, sha256: str) -> bool:
    """Whether a media playlist of the record names this chunk, though the record does not refer to it in the pool.

    So it is between the publication of a new result and its report, and for a player that still follows a playlist of
    the result before. Reads every media playlist of the record: for the few requests that the tables can't answer.
    """
    folder = layout.stream_prefix(record.owner, record.project, record.kind, record.id)
    uri = layout.chunk_uri(sha256)
    return any(
        uri in store.read(item.key).decode()
        for item in store.list_all(folder)
        if item.key.endswith(".m3u8") and not item.key.endswith(f"/{layout.MASTER_PLAYLIST}")
    )
