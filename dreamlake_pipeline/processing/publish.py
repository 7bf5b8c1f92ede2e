"""Put what was made of one record where everybody finds it.

The order of writes is chunks, playlists, pictures and data, meta.json, and then (batch.py) the report to BSS, the
index, and the status. Nothing names what is not stored yet, so a crash between two steps leaves files that no
record refers to, and the next attempt writes the same keys again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import layout
from ..api.bss import Record, Status
from ..api.pipeline import ItemResult
from ..crashpoints import CrashPoint, reached
from ..errors import Code, DreamlakeError
from ..media.hls.playlist import master_playlist, media_playlist
from ..media.results import AudioRendition, Stream
from ..objectstore import ObjectStore

PLAYLIST_TYPE = "application/vnd.apple.mpegurl"
_UNSAYABLE = re.compile(r'["\x00-\x1f\x7f\x85\u2028\u2029]')


def prefix_of(record: Record) -> str:
    return layout.asset_prefix(record.owner, record.project, record.kind, record.id)


def publish_streams(
    store: ObjectStore, record: Record, streams: Sequence[Stream], audio: Sequence[AudioRendition] = ()
) -> None:
    """Store a media playlist per stream and other sound track, and the master that names them.

    Their chunks must be in the pool. Raises OUTPUT_INVALID for text that no playlist can hold.
    """
    for text in (*(stream.codecs for stream in streams), *(f"{one.name}{one.language}" for one in audio)):
        if _UNSAYABLE.search(text):  # the line would end there, and another one could name what is not the record's
            raise DreamlakeError(Code.OUTPUT_INVALID, f"{record.name} has a stream whose name can't be written.")
    where = (record.owner, record.project, record.kind, record.id)
    for stream in [*streams, *(track.stream for track in audio if track.stream is not None)]:
        playlist = media_playlist(stream, layout.chunk_uri)
        store.put(layout.stream_key(*where, stream.hash), playlist.encode(), content_type=PLAYLIST_TYPE)
    master = master_playlist(streams, lambda stream_hash: f"{stream_hash}.m3u8", audio)
    store.put(layout.master_key(*where), master.encode(), content_type=PLAYLIST_TYPE)
    reached(CrashPoint.PLAYLISTS_PUBLISHED)


def publish_files(store: ObjectStore, record: Record, files: Mapping[str, Path | bytes | None]) -> None:
    """Store those of the kind's result files (layout.RESULT_FILES) that were made, on the disk or in memory."""
    for name, made in files.items():
        if made is None:
            continue
        key = layout.result_key(record.owner, record.project, record.kind, record.id, name)
        content_type = layout.RESULT_FILES[record.kind][name]
        if isinstance(made, bytes):
            store.put(key, made, content_type=content_type)
        else:
            store.upload(key, made, content_type=content_type)
    reached(CrashPoint.FILES_PUBLISHED)


def url_of(record: Record, name: str) -> str:
    """BSS's route of a result file: a path, since a record outlives the address of its service."""
    return f"/{record.kind.spec.route}/{record.id}/{name}"


def publish_meta(store: ObjectStore, record: Record, result: ItemResult) -> None:
    """Store meta.json, the whole record as it is once it is ready: records can be rebuilt from the bucket alone."""
    found = {field: getattr(result, field) for field in ("sha256", "size", "metadata", "warnings")}
    whole = record.model_copy(update=found | {"status": Status.READY, "error": None})
    body = whole.model_dump_json(by_alias=True, exclude_none=True, indent=2)
    where = (record.owner, record.project, record.kind, record.id)
    store.put(layout.meta_key(*where), body.encode(), content_type="application/json")
    reached(CrashPoint.META_PUBLISHED)


def copy_outputs(store: ObjectStore, source: Record, target: Record, metadata: Mapping[str, Any]) -> None:
    """Copy what was published for `source`, as `metadata` says, on the object store's side. Raises NOT_FOUND."""
    playlists = [layout.MASTER_PLAYLIST, *(f"{stream}.m3u8" for stream in metadata["streams"])]
    files = [url.rsplit("/", 1)[-1] for url in result_urls(metadata).values()]
    for name in [*(f"stream/{playlist}" for playlist in playlists), *files]:
        store.copy(prefix_of(source) + name, prefix_of(target) + name)


def result_urls(metadata: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a record's metadata that are URLs of its result files (see `url_of`)."""
    return {field: value for field, value in metadata.items() if field.endswith("Url") and value}


def read_chunks(store: ObjectStore, record: Record, metadata: Mapping[str, Any]) -> list[str]:
    """The chunks that the published playlists of a record name, each once. Raises NOT_FOUND."""
    where = (record.owner, record.project, record.kind, record.id)
    playlists = (store.read(layout.stream_key(*where, stream)).decode() for stream in metadata["streams"])
    uris = (line for playlist in playlists for line in playlist.splitlines() if line and not line.startswith("#"))
    return list(dict.fromkeys(layout.chunk_of_uri(uri) for uri in uris))
