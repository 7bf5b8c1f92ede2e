"""Records: are the raw bytes there, and everything that was made from them?"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import ValidationError
from sqlalchemy import text

from ... import layout
from ...api.integrity import Found, LargeObject
from ...api.stored import META, Meta, Output
from ...errors import Code, DreamlakeError
from ...findings import Finding
from ...kinds import Kind
from .. import chunks
from ..damaged import is_refused, read_small, sha256_of
from ..side_by_side import side_by_side
from . import listing
from .world import CUT, LARGE, Progress, World, size_fault

_PAGE = 256
_DEEP_PAGE = 8  # each of which may be as large as LARGE, many times
_LARGEST_TEXT = 32 * 2**20
_KINDS = [str(kind) for kind in Kind]

_ROWS = """
    SELECT r.id, r.kind, r.owner, r.project, r.episode, r.name, r.staging_key, r.staging_hash, r.sha256, r.size,
        r.status, r.metadata, r.warnings, r.recipe, r.outputs, r.updated_at, r.moved_at, r.ready_at,
        ARRAY(SELECT sha256 FROM chunk_refs c WHERE c.record_id = r.id) AS chunks
    FROM records r"""


@dataclass(frozen=True, slots=True)
class Row:
    """A record with what is noted of it beside what the wire tells."""

    id: str
    kind: Kind
    owner: str
    project: str
    episode: str | None
    name: str
    staging_key: str
    staging_hash: str | None
    sha256: str | None
    size: int | None
    status: str
    metadata: dict[str, Any] | None
    warnings: list[str]
    recipe: str | None
    outputs: dict[str, Any] | None
    updated_at: Any
    moved_at: Any
    ready_at: Any
    chunks: list[str]

    @property
    def folder(self) -> str:
        return layout.asset_prefix(self.owner, self.project, self.kind, self.id)

    @property
    def has_result(self) -> bool:
        """Whether something is published that no run replaces just now."""
        return self.status != "processing" and self.ready_at is not None and self.metadata is not None

    @property
    def files(self) -> dict[str, Output | None]:
        """What must lie in its folder. Of a record that was made before outputs were noted, sizes are not known."""
        if self.outputs:
            return {name: Output.model_validate(noted) for name, noted in self.outputs.items()}
        metadata = self.metadata or {}
        names = [META]
        if streams := metadata.get("streams"):
            names += [f"stream/{layout.MASTER_PLAYLIST}", *(f"stream/{stream}.m3u8" for stream in streams)]
        elif known := layout.RESULT_FILES[self.kind]:
            names.append(next(iter(known)))
        names += [url.rsplit("/", 1)[-1] for field, url in metadata.items() if field.endswith("Url") and url]
        return dict.fromkeys(names)

    def found(self, code: Finding, what: str | None, detail: str) -> Found:
        return Found(
            code=code,
            what=what,
            detail=detail,
            id=self.id,
            kind=self.kind,
            owner=self.owner,
            project=self.project,
            episode=self.episode,
            name=self.name,
        )


def check(world: World, after: str) -> Progress:
    """A page of records; `after` is the kind and the id of the last one that was checked."""
    kind, _, last = (after or f"{_KINDS[0]} ").partition(" ")
    if kind not in _KINDS:
        return Progress()
    rows = _page(world, kind, last)
    listed = {} if world.deep else listing.in_folders(world, [row.folder for row in rows if row.has_result])
    looks = side_by_side(lambda row: _look(world, row, listed), rows)
    done = Progress()
    suspected: list[Found] = []
    for look in looks:
        suspected += look.findings
        look.findings = []
        done.add(look)
    done.findings = _confirmed(world, rows, suspected)
    done.checked["records"] += len(rows)
    if len(rows) == _size(world):
        done.after = f"{kind} {rows[-1].id}"
    elif kind != _KINDS[-1]:
        done.after = f"{_KINDS[_KINDS.index(kind) + 1]} "
    return done


def _size(world: World) -> int:
    return _DEEP_PAGE if world.deep else _PAGE


def _page(world: World, kind: str, last: str) -> list[Row]:
    with world.database.connect() as connection:
        rows = connection.execute(
            text(f"{_ROWS} WHERE r.kind = :kind AND r.id > :last AND {world.where('r')} ORDER BY r.id LIMIT :limit"),
            world.bounds() | {"kind": kind, "last": last, "limit": _size(world)},
        )
        return [_row(row) for row in rows.mappings()]


def _row(row: Any) -> Row:
    return Row(**dict(row) | {"kind": Kind(row["kind"])})


def _confirmed(world: World, rows: Sequence[Row], suspected: list[Found]) -> list[Found]:
    """Those of the findings whose records are as they were before the look at the bucket."""
    if not suspected:
        return []
    before = {row.id: (row.updated_at, row.status) for row in rows}
    with world.database.connect() as connection:
        now = {
            row.id: (row.updated_at, row.status)
            for row in connection.execute(
                text("SELECT id, updated_at, status FROM records WHERE id = ANY(:ids)"),
                {"ids": sorted({found.id for found in suspected if found.id})},
            )
        }
    return [found for found in suspected if found.id and now.get(found.id) == before[found.id]]


def _look(world: World, row: Row, listed: Mapping[str, int]) -> Progress:
    """What is wrong with one record, as far as one look tells; `listed` are sizes of objects that are known to lie in
    the bucket."""
    done = Progress()
    done.findings += _told(world, row, row.staging_key, row.staging_key, _check_raw(world, row, done))
    if not row.has_result:
        if row.status == "ready":
            done.findings.append(row.found(Finding.READY_WITHOUT_RESULT, None, "it has no metadata"))
        return done
    if row.sha256 is None or row.recipe is None:
        missing = "SHA-256" if row.sha256 is None else "recipe"
        done.findings.append(row.found(Finding.READY_WITHOUT_RESULT, None, f"it has no {missing}"))
    for name, output in row.files.items():
        done.checked["files made"] += 1
        size = listed.get(row.folder + name)
        if size is None or (output is not None and size != output.size):
            checked = _check_output(world, row, name, output, done)
            done.findings += _told(world, row, name, row.folder + name, checked)
    done.findings += _check_references(world, row)
    return done


def _told(world: World, row: Row, what: str, key: str, checked: Iterator[Found]) -> Iterator[Found]:
    """What was found of an object, and that the store refuses it, where it does."""
    try:
        yield from checked
    except DreamlakeError as error:
        if not is_refused(world.store, key, error):
            raise
        yield row.found(Finding.UNREADABLE, what, str(error))


def _check_raw(world: World, row: Row, done: Progress) -> Iterator[Found]:
    done.checked["raw files"] += 1
    stored = world.store.head(row.staging_key)
    if stored is None:
        yield row.found(Finding.RAW_MISSING, row.staging_key, "nothing is stored under its key")
        return
    if row.size is not None and (fault := size_fault(stored, row.size)):
        meta = _meta(world, row)
        if meta is not None and meta.size == stored.size:
            yield row.found(Finding.RECORD_DIFFERS, META, "its size is another one in meta.json, and in the bucket")
        else:
            yield row.found(Finding.RAW_WRONG_SIZE, row.staging_key, fault)
        return
    promised = row.sha256 or row.staging_hash
    if not world.deep or promised is None:
        return
    altered = row.found(Finding.RAW_ALTERED, row.staging_key, f"its SHA-256 is not {promised[:16]}…")
    if stored.size > LARGE:
        path = f"/{row.kind.spec.route}/{row.id}/raw"
        done.large.append(LargeObject(found=altered, path=path, size=stored.size, sha256=promised))
        return
    done.bytes += stored.size
    sha256 = _hash(world, row.staging_key)
    if sha256 is None:
        yield row.found(Finding.RAW_ALTERED, row.staging_key, CUT)
        return
    if sha256.startswith(promised):
        return
    if row.sha256 is not None and row.staging_hash is not None and sha256.startswith(row.staging_hash):
        yield row.found(Finding.RECORD_DIFFERS, META, "its sha256 is not that of its bytes, which are as uploaded")
    else:
        yield altered


def _check_output(world: World, row: Row, name: str, output: Output | None, done: Progress) -> Iterator[Found]:
    key = row.folder + name
    stored = world.store.head(key)
    if stored is None:
        yield row.found(Finding.OUTPUT_MISSING, name, "nothing is stored under its key")
        return
    if output is not None and (fault := size_fault(stored, output.size)):
        yield row.found(Finding.OUTPUT_WRONG_SIZE, name, fault)
        return
    if not world.deep:
        return
    altered = row.found(Finding.OUTPUT_ALTERED, name, "its SHA-256 is another one than was noted")
    if output is not None and stored.size > LARGE and name in layout.RESULT_FILES[row.kind]:  # others have no URL
        path = f"/{row.kind.spec.route}/{row.id}/{name}"
        done.large.append(LargeObject(found=altered, path=path, size=stored.size, sha256=output.sha256))
        return
    done.bytes += stored.size
    if output is not None and (sha256 := _hash(world, key)) != output.sha256:
        yield altered if sha256 else row.found(Finding.OUTPUT_ALTERED, name, CUT)
    elif name.endswith(".m3u8"):
        yield from _check_playlist(world, row, name)
    elif name == META:
        yield from _check_meta(world, row)


def _check_playlist(world: World, row: Row, name: str) -> Iterator[Found]:
    """RFC 8216 4.3.1.1, 4.3.3.4: what a playlist begins with, and how one ends that is whole."""
    playlist = _read(world, row.folder + name)
    lines = playlist.splitlines()
    is_master = name.endswith(layout.MASTER_PLAYLIST)
    if not lines or lines[0] != "#EXTM3U" or not (is_master or lines[-1] == "#EXT-X-ENDLIST"):
        yield row.found(Finding.PLAYLIST_INVALID, name, "it does not begin or end as a playlist does")


def _check_meta(world: World, row: Row) -> Iterator[Found]:
    meta = _meta(world, row)
    if meta is None:
        yield row.found(Finding.OUTPUT_ALTERED, META, "it is no meta.json")
        return
    pairs = {
        "id": (meta.id, row.id),
        "kind": (meta.kind, row.kind),
        "owner": (meta.owner, row.owner),
        "project": (meta.project, row.project),
        "episode": (meta.episode, row.episode),
        "name": (meta.name, row.name),
        "sha256": (meta.sha256, row.sha256),
        "size": (meta.size, row.size),
        "metadata": (_canonical(meta.metadata), _canonical(row.metadata)),
    }
    if meta.recipe is not None:
        pairs["recipe"] = (meta.recipe, row.recipe)
    if row.moved_at is not None and meta.updated_at < row.moved_at:
        del pairs["episode"], pairs["name"]  # it has the name that the file had when it was made
    for field, (stored, known) in pairs.items():
        if stored != known:
            yield row.found(Finding.RECORD_DIFFERS, META, f"its {field} is another one in meta.json")


def _check_references(world: World, row: Row) -> Iterator[Found]:
    """Are the segments that the record refers to those that its playlists name?"""
    metadata = row.metadata or {}
    if "streams" not in metadata:
        return
    referred = set(row.chunks)
    if not world.deep:
        count = metadata.get("chunks", {}).get("count")
        if isinstance(count, int) and count > len(referred):
            detail = f"{len(referred)} references, and {count} segments"
            yield row.found(Finding.REFERENCE_MISSING, None, detail)
        return
    named: dict[str, str] = {}
    for stream in metadata["streams"]:
        key = f"{row.folder}stream/{stream}.m3u8"
        try:
            playlist = _read(world, key)
        except DreamlakeError as error:
            if not is_refused(world.store, key, error):
                raise
            return  # which is told of the playlist
        if not playlist.rstrip().endswith("#EXT-X-ENDLIST"):
            return  # it is missing or cut off, which is told
        found = map(layout.parse_chunk, layout.chunk_uris(playlist))
        named |= {chunk[0]: layout.chunk_key(*chunk) for chunk in found if chunk is not None}
    for sha256 in sorted(named.keys() - referred):
        missing = row.found(Finding.REFERENCE_MISSING, named[sha256], "a playlist names it")
        yield missing.model_copy(update={"sha256": sha256})
    unused = referred - named.keys()
    with world.database.connect() as connection:
        keys = chunks.keys(connection, unused) if unused else {}
    for sha256 in sorted(keys):
        spare = row.found(Finding.REFERENCE_UNUSED, keys[sha256], "no playlist names it")
        yield spare.model_copy(update={"sha256": sha256})


class Spare(NamedTuple):
    """A reference to a segment that no playlist of its record names, and when that changed last."""

    record_id: str
    sha256: str
    updated_at: datetime


def spare_references(world: World, ids: Sequence[str]) -> list[Spare]:
    """Such references of these records, as far as all of their playlists are there and whole."""
    with world.database.connect() as connection:
        found = connection.execute(text(f"{_ROWS} WHERE r.id = ANY(:ids) ORDER BY r.id"), {"ids": list(ids)})
        rows = [_row(row) for row in found.mappings()]
    looks = side_by_side(lambda row: list(_check_references(world, row)) if row.has_result else [], rows)
    return [
        Spare(row.id, found.sha256, row.updated_at)
        for row, look in zip(rows, looks, strict=True)
        for found in look
        if found.code is Finding.REFERENCE_UNUSED and found.sha256
    ]


def _meta(world: World, row: Row) -> Meta | None:
    try:
        return Meta.model_validate_json(_read(world, row.folder + META))
    except ValidationError:
        return None


def _hash(world: World, key: str) -> str | None:
    """The SHA-256 of an object's bytes; None when they break off."""
    try:
        return sha256_of(world.store, key)
    except DreamlakeError as error:
        if error.code is not Code.NOT_FOUND:
            raise
        return hashlib.sha256().hexdigest()  # it went away since it was looked at


def _read(world: World, key: str) -> str:
    """The text of an object; empty when it is none, can't be read to its end, or is not there."""
    try:
        return (read_small(world.store, key, _LARGEST_TEXT) or b"").decode(errors="replace")
    except DreamlakeError as error:
        if error.code is not Code.NOT_FOUND:
            raise
        return ""


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
