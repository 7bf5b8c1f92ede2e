"""Where everything lies in the bucket: the one place that builds or reads an S3 key."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import quote, unquote

from . import names
from .kinds import Kind

CHUNK_PREFIX = "chunks/"
CATALOG_PREFIX = "catalog/"
CATALOG_KEY = CATALOG_PREFIX + "assets.parquet"
EPISODES_KEY = CATALOG_PREFIX + "episodes.parquet"
MASTER_PLAYLIST = "master.m3u8"
CHUNK_TYPE = "video/mp2t"

# S3 allows 2 KiB of user metadata per object; names are left out (meta.json has them) before that is reached.
_USER_METADATA_BYTES = 1800


# In the key of a foreign uploader, what ends the episode: `{owner}/{project}/staging/{episode}@@/{path}`. An episode
# may hold a slash, so that a slash alone does not end it, and nobody calls a folder so by accident.
EPISODE_END = "@@/"


class StagingKey(NamedTuple):
    """A staging key, taken apart. `rest` is a hash for our own uploads; anything for a foreign uploader's."""

    owner: str
    project: str
    rest: str


def project_prefix(owner: str, project: str) -> str:
    return f"{owner}/{project}/"


def staging_prefix(owner: str, project: str) -> str:
    return f"{owner}/{project}/staging/"


def staging_key(owner: str, project: str, content_hash: str) -> str:
    return staging_prefix(owner, project) + content_hash


def journal_prefix(owner: str, project: str) -> str:
    """The folder of a project's journal (bss/journal.py), whose objects sort by time."""
    return f"{owner}/{project}/journal/"


def parse_staging_key(key: str) -> StagingKey | None:
    """The parts of a key under a staging prefix; None for any other key."""
    parts = key.split("/", 3)
    if len(parts) != 4 or parts[2] != "staging" or not parts[3]:
        return None
    return StagingKey(parts[0], parts[1], parts[3])


def split_episode(rest: str) -> tuple[str | None, str]:
    """The episode that a staging key names, and the path in it; None, and all of it, for a key that names none. The
    first `@@/` is the one that counts."""
    episode, end, path = rest.partition(EPISODE_END)
    return (episode, path) if end else (None, rest)


def asset_prefix(owner: str, project: str, kind: Kind, asset_id: str) -> str:
    """The folder of everything made from one record, with its trailing slash."""
    return f"{owner}/{project}/{kind.spec.route}/{asset_id}/"


def meta_key(owner: str, project: str, kind: Kind, asset_id: str) -> str:
    return asset_prefix(owner, project, kind, asset_id) + "meta.json"


def stream_prefix(owner: str, project: str, kind: Kind, asset_id: str) -> str:
    """The folder of a record's playlists, with its trailing slash."""
    return asset_prefix(owner, project, kind, asset_id) + "stream/"


def master_key(owner: str, project: str, kind: Kind, asset_id: str) -> str:
    return stream_prefix(owner, project, kind, asset_id) + MASTER_PLAYLIST


def stream_key(owner: str, project: str, kind: Kind, asset_id: str, stream_hash: str) -> str:
    return stream_prefix(owner, project, kind, asset_id) + f"{stream_hash}.m3u8"


_WAVEFORM = {"waveform.png": "image/png", "waveform.json": "application/json"}

# What a processed record of each kind offers beside its streams, with the content type it is stored and served under.
# The first of a kind without streams is the thing itself.
RESULT_FILES: dict[Kind, dict[str, str]] = {
    Kind.VIDEO: {"poster.jpg": "image/jpeg", "contact-sheet.jpg": "image/jpeg", **_WAVEFORM},  # either, or sound only
    Kind.AUDIO: _WAVEFORM,
    Kind.TEXT_TRACK: {"track.vtt": "text/vtt; charset=utf-8", "data.parquet": "application/vnd.apache.parquet"},
    Kind.LABEL_TRACK: {
        "data.parquet": "application/vnd.apache.parquet",
        "series.parquet": "application/vnd.apache.parquet",
        "plot.png": "image/png",
        "fields.json": "application/json",
    },
}


def result_key(owner: str, project: str, kind: Kind, asset_id: str, filename: str) -> str:
    """Where a file of `RESULT_FILES` lies."""
    return asset_prefix(owner, project, kind, asset_id) + filename


class ChunkForm(StrEnum):
    """What a chunk is, as its name ends: a segment of MPEG-TS, one of fragmented MP4, an initialization segment."""

    TS = "ts"
    FRAGMENT = "m4s"
    INIT = "mp4"

    @property
    def content_type(self) -> str:
        return _CHUNK_TYPES[self]


_CHUNK_TYPES = {ChunkForm.TS: CHUNK_TYPE, ChunkForm.FRAGMENT: "video/iso.segment", ChunkForm.INIT: "video/mp4"}
CHUNK_HEAD = 8  # bytes that tell the form of a chunk
_URI = re.compile(r'^(?!#)(.+)$|^#EXT-X-MAP:.*URI="([^"]*)"', re.MULTILINE)


def chunk_form(head: bytes) -> ChunkForm:
    """The form of a chunk by its first CHUNK_HEAD bytes: equal bytes have one name. Whatever begins with none of the
    boxes that MP4 is made of here is taken for MPEG-TS."""
    return {b"ftyp": ChunkForm.INIT, b"moof": ChunkForm.FRAGMENT}.get(head[4:8], ChunkForm.TS)


def chunk_key(sha256: str, form: ChunkForm = ChunkForm.TS) -> str:
    return f"{CHUNK_PREFIX}{sha256}.{form}"


def chunk_uri(name: str) -> str:
    """How a stored media playlist names a chunk, `{sha256}.ts`: relative to itself, so that it plays from any bucket or
    CDN."""
    # {owner}/{project}/{route}/{id}/stream/{h}.m3u8 lies five folders below the bucket's root.
    return "../" * 5 + CHUNK_PREFIX + name


def parse_chunk(uri: str) -> tuple[str, ChunkForm] | None:
    """The SHA-256 and the form of the chunk that a URI of a stored playlist, or a key, names; None for any other."""
    sha256, _, form = uri.rsplit("/", 1)[-1].partition(".")
    return (sha256, ChunkForm(form)) if names.is_sha256(sha256) and form in _CHUNK_TYPES else None


def chunk_of_uri(uri: str) -> str:
    """The SHA-256 that a chunk URI of a stored playlist names; the URI's last part where it names none."""
    found = parse_chunk(uri)
    return uri.rsplit("/", 1)[-1] if found is None else found[0]


def chunk_uris(playlist: str) -> list[str]:
    """The URIs of all chunks that a stored media playlist names, with those of initialization segments (EXT-X-MAP)."""
    return [segment or init for segment, init in _URI.findall(playlist.replace("\r\n", "\n"))]


def staging_metadata(*, kind: Kind | None, name: str | None, episode: str | None, content_hash: str) -> dict[str, str]:
    """S3 user metadata of a staging object; values are percent-encoded, since headers carry ASCII only.

    A name or episode that would pass S3's limit of 2 KiB is left out.
    """
    values = {"kind": kind and str(kind), "hash": content_hash, "name": name, "episode": episode}
    metadata: dict[str, str] = {}
    size = 0
    for field, value in values.items():
        if not value:
            continue
        encoded = quote(value, safe="/")
        if size + len(field) + len(encoded) <= _USER_METADATA_BYTES:
            size += len(field) + len(encoded)
            metadata[field] = encoded
    return metadata


def read_staging_metadata(metadata: dict[str, str]) -> dict[str, str]:
    """The values that `staging_metadata` wrote, decoded; unknown fields are left out."""
    return {field: unquote(metadata[field]) for field in ("kind", "hash", "name", "episode") if metadata.get(field)}
