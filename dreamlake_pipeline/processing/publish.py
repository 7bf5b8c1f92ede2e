"""Put what was made of one record where everybody finds it.

The order of writes is chunks, playlists, pictures and data, meta.json, and then (batch.py) the report to BSS, the
index, and the status. Nothing names what is not stored yet, so a crash between two steps leaves files that no
record refers to, and the next attempt writes the same keys again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from .. import layout
from ..api.bss import Record, Status
from ..api.pipeline import ItemResult
from ..api.stored import META, Meta, Output, Outputs
from ..crashpoints import CrashPoint, reached
from ..errors import Code, DreamlakeError
from ..media.hls.playlist import master_playlist, media_playlist
from ..media.results import AudioRendition, Stream
from ..storage import ObjectStore

PLAYLIST_TYPE = "application/vnd.apple.mpegurl"
_UNSAYABLE = re.compile(r'["\x00-\x1f\x7f\x85\u2028\u2029]')


def prefix_of(record: Record) -> str:
    return layout.asset_prefix(record.owner, record.project, record.kind, record.id)


def publish_streams(
    store: ObjectStore, record: Record, streams: Sequence[Stream], audio: Sequence[AudioRendition] = ()
) -> Outputs:
    """Store a media playlist per stream and other sound track, and the master that names them; what was stored.

    Their chunks must be in the pool. Raises OUTPUT_INVALID for text that no playlist can hold.
    """
    for text in (*(stream.codecs for stream in streams), *(f"{one.name}{one.language}" for one in audio)):
        if _UNSAYABLE.search(text):  # the line would end there, and another one could name what is not the record's
            raise DreamlakeError(Code.OUTPUT_INVALID, f"{record.name} has a stream whose name can't be written.")
    playlists = {
        f"{stream.hash}.m3u8": media_playlist(stream, layout.chunk_uri)
        for stream in [*streams, *(track.stream for track in audio if track.stream is not None)]
    }
    playlists[layout.MASTER_PLAYLIST] = master_playlist(streams, lambda stream_hash: f"{stream_hash}.m3u8", audio)
    stored = {
        f"stream/{name}": _put(store, record, f"stream/{name}", playlist.encode(), PLAYLIST_TYPE)
        for name, playlist in playlists.items()
    }
    reached(CrashPoint.PLAYLISTS_PUBLISHED)
    return stored


def publish_files(store: ObjectStore, record: Record, files: Mapping[str, Path | bytes | None]) -> Outputs:
    """Store those of the kind's result files (layout.RESULT_FILES) that were made, on the disk or in memory; what was
    stored."""
    stored: Outputs = {}
    for name, made in files.items():
        if made is None:
            continue
        content_type = layout.RESULT_FILES[record.kind][name]
        if isinstance(made, bytes):
            stored[name] = _put(store, record, name, made, content_type)
            continue
        with made.open("rb") as file:
            output = Output(size=made.stat().st_size, sha256=hashlib.file_digest(file, "sha256").hexdigest())
        store.upload(prefix_of(record) + name, made, content_type=content_type)
        stored[name] = output
    reached(CrashPoint.FILES_PUBLISHED)
    return stored


def _put(store: ObjectStore, record: Record, name: str, data: bytes, content_type: str) -> Output:
    store.put(prefix_of(record) + name, data, content_type=content_type)
    return Output(size=len(data), sha256=hashlib.sha256(data).hexdigest())


def url_of(record: Record, name: str) -> str:
    """BSS's route of a result file: a path, since a record outlives the address of its service."""
    return f"/{record.kind.spec.route}/{record.id}/{name}"


def publish_meta(store: ObjectStore, record: Record, result: ItemResult) -> ItemResult:
    """Store meta.json, the whole record as it is once it is ready: records can be rebuilt from the bucket alone.

    Returns the result with meta.json among its outputs.
    """
    found = {field: getattr(result, field) for field in ("sha256", "size", "metadata", "warnings", "recipe", "outputs")}
    now = datetime.now(UTC)
    standing = {
        "status": Status.READY,
        "error": None,
        "last_error": None,
        "waiting": None,
        "reported_at": now,
        "ready_at": now,
    }
    meta = Meta.model_construct(**dict(record) | found | standing)
    body = meta.model_dump_json(by_alias=True, exclude_none=True, indent=2)
    stored = _put(store, record, META, body.encode(), "application/json")
    reached(CrashPoint.META_PUBLISHED)
    return result.model_copy(update={"outputs": result.outputs | {META: stored}})


def read_outputs(store: ObjectStore, record: Record) -> Outputs:
    """What lies in the folder of a ready record, as its meta.json says, without that. Raises NOT_FOUND where it says
    nothing that can be read."""
    body = store.read(prefix_of(record) + META)
    try:
        outputs = Meta.model_validate_json(body).outputs
    except ValidationError:
        outputs = {}
    if not outputs:
        raise DreamlakeError(Code.NOT_FOUND, f"The meta.json of {record.name} does not say what was made.")
    return outputs


def copy_outputs(store: ObjectStore, source: Record, target: Record, outputs: Outputs) -> None:
    """Copy these outputs of `source`, on the object store's side. Raises NOT_FOUND."""
    for name in outputs:
        store.copy(prefix_of(source) + name, prefix_of(target) + name)


def result_urls(metadata: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a record's metadata that are URLs of its result files (see `url_of`)."""
    return {field: value for field, value in metadata.items() if field.endswith("Url") and value}


def read_chunks(store: ObjectStore, record: Record, metadata: Mapping[str, Any], outputs: Outputs) -> list[str]:
    """The chunks that the published playlists of a record name, each once. Raises NOT_FOUND, also where a playlist is
    not the one that was published."""
    uris: list[str] = []
    for name in (f"stream/{stream}.m3u8" for stream in metadata["streams"]):
        playlist = store.read(prefix_of(record) + name)
        if name not in outputs or hashlib.sha256(playlist).hexdigest() != outputs[name].sha256:
            raise DreamlakeError(Code.NOT_FOUND, f"{name} of {record.name} is not what was published.")
        uris += layout.chunk_uris(playlist.decode())
    return list(dict.fromkeys(layout.chunk_of_uri(uri) for uri in uris))
