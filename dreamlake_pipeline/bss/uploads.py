"""Multipart uploads to the staging prefix, and the table that lets a client find its own again.

The object store holds the truth (which parts have arrived); a row only remembers an upload's id, key, part size and
checksum mode. When the upload is completed, aborted, or found to be gone, a row of `ended_uploads` takes its place.

An id means something only together with the key that it was given out for. Both are looked up here before the object
store hears of the id: to some servers `.` is an upload, and the folder of everybody's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, Engine, text

from .. import layout, names
from ..api.bss import CompletedPart, DonePart, PartPlan, PartsDone, PartUrl, UploadInitiated
from ..auth import Principal, Scope
from ..crashpoints import CrashPoint, reached
from ..errors import Code, DreamlakeError
from ..kinds import KINDS, Kind, content_type_of
from ..storage import ObjectStore, SignedRequest, UploadedPart
from .side_by_side import side_by_side

MAX_PARTS = 10_000

# Types that browsers show as text or offer as a download, beside all of video and audio.
_PASSIVE_TYPES = {told for spec in KINDS.values() for told in spec.extensions.values()} | {"text/plain"}

# Days for which it is remembered that a PUT URL was given out: a client that goes on later sends the object again.
_PUTS_KEPT_DAYS = 30
# Days for which it is remembered what became of an upload: as long as its URLs may be valid, and more.
_ENDED_KEPT_DAYS = 30
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """A multipart upload under way; `part_size` in bytes."""

    upload_id: str
    staging_key: str
    checksummed: bool
    part_size: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """An object that a caller wants to upload in parts."""

    staging_key: str
    checksummed: bool
    size: int | None
    content_type: str
    metadata: dict[str, str]


def wanted(
    kind: Kind,
    owner: str,
    project: str,
    content_hash: str,
    *,
    name: str | None,
    episode: str | None,
    size: int | None,
    content_type: str | None,
    checksummed: bool,
) -> Wanted:
    """What is to be uploaded for a file, with the user metadata that tells what it is (`layout.staging_metadata`)."""
    return Wanted(
        staging_key=layout.staging_key(owner, project, content_hash),
        checksummed=checksummed,
        size=size,
        content_type=stored_type(content_type or content_type_of(name or "")),
        metadata=layout.staging_metadata(kind=kind, name=name, episode=episode, content_hash=content_hash),
    )


def stored_type(content_type: str) -> str:
    """The type under which a staged object lies in the bucket: as its uploader says, unless a browser that is given its
    URL might run what is in it (text/html, image/svg+xml, any XML)."""
    told = content_type.partition(";")[0].strip().lower()
    is_passive = told.startswith(("video/", "audio/")) or told in _PASSIVE_TYPES
    return content_type if is_passive else "application/octet-stream"


def part_size_for(size: int | None, smallest: int) -> int:
    """Bytes of a part: `smallest`, or as many whole MiB as make 10,000 parts suffice for `size` bytes."""
    if size is None or size <= smallest * MAX_PARTS:
        return smallest
    return -(-size // (MAX_PARTS * _MIB)) * _MIB


def check_key(caller: Principal, key: str) -> str:
    """The key of an upload, as `init` gave it. Raises INVALID_REQUEST, or FORBIDDEN outside the caller's namespaces."""
    parts = layout.parse_staging_key(key)
    if parts is None or not names.is_hash(parts.rest):
        raise DreamlakeError(Code.INVALID_REQUEST, f"{key!r} is not the key of an upload.")
    caller.require(names.check_owner(parts.owner), Scope.WRITE)
    names.check_project(parts.project)
    return key


def start(database: Engine, store: ObjectStore, want: Wanted, *, part_size: int) -> UploadInitiated:
    """Begin an upload, or find the one of the same object that is still alive."""
    found = _find(database, [want.staging_key], want.checksummed).get(want.staging_key)
    if found and store.list_parts(found.staging_key, found.upload_id) is None:
        end(database, [found.upload_id], completed=False)
    upload = start_many(database, store, [want], part_size=part_size)[want.staging_key]
    return UploadInitiated(upload_id=upload.upload_id, key=upload.staging_key, part_size=upload.part_size)


def start_many(
    database: Engine, store: ObjectStore, wants: Sequence[Wanted], *, part_size: int
) -> dict[str, OpenUpload]:
    """An open upload for each object, by key. All of `wants` have the same checksum mode.

    One that was begun earlier is taken as it is: whether it is still alive shows when its parts are listed.
    """
    if not wants:
        return {}
    checksummed = wants[0].checksummed
    by_key = {want.staging_key: want for want in wants}
    found = _find(database, list(by_key), checksummed)
    for upload in [upload for upload in found.values() if not _fits(upload, by_key[upload.staging_key].size)]:
        store.abort_multipart(upload.staging_key, upload.upload_id)
        end(database, [upload.upload_id], completed=False)
        del found[upload.staging_key]

    def begin(want: Wanted) -> OpenUpload:
        upload_id = store.create_multipart(
            want.staging_key, content_type=want.content_type, metadata=want.metadata, checksums=checksummed
        )
        return OpenUpload(upload_id, want.staging_key, checksummed, part_size_for(want.size, part_size))

    begun = side_by_side(begin, [want for key, want in by_key.items() if key not in found])
    if begun:
        reached(CrashPoint.MULTIPART_BEGUN)
        with database.begin() as connection:
            kept = _keep(connection, begun)
        # Somebody else began the same object at the same moment: theirs is used, ours given back.
        for upload in begun:
            if kept[upload.staging_key].upload_id != upload.upload_id:
                store.abort_multipart(upload.staging_key, upload.upload_id)
        found |= kept
    return found


def sign_parts(
    database: Engine,
    store: ObjectStore,
    key: str,
    upload_id: str,
    numbers: Iterable[int],
    plans: Iterable[PartPlan],
    *,
    expires: int,
) -> list[PartUrl]:
    """URLs for parts. Planned ones are signed over length and, where the upload has checksums, SHA-256.

    Raises UPLOAD_EXPIRED for an upload that was never begun under this key, or was completed or aborted.
    """
    upload = state(database, key, upload_id)
    if upload is None or upload.is_over:
        raise not_under_way(key)
    checksummed = upload.checksummed

    def url(number: int, signed: SignedRequest) -> PartUrl:
        return PartUrl(part_number=number, url=signed.url, headers=signed.headers)

    return [url(n, store.presign_part(key, upload_id, n, expires=expires)) for n in numbers] + [
        url(
            plan.part_number,
            store.presign_part(
                key,
                upload_id,
                plan.part_number,
                expires=expires,
                size=plan.size,
                sha256=plan.sha256 if checksummed else None,
            ),
        )
        for plan in plans
    ]


def parts_done(database: Engine, store: ObjectStore, key: str, upload_id: str) -> PartsDone:
    """Which parts have arrived; `expired` when the upload is over, or gone. Raises UPLOAD_EXPIRED for one that was
    never begun under this key."""
    upload = state(database, key, upload_id)
    if upload is None:
        raise not_under_way(key)
    arrived = None if upload.is_over else store.list_parts(key, upload_id)
    if arrived is None:
        if not upload.is_over:
            end(database, [upload_id], completed=False)
        return PartsDone(expired=True, parts=[])
    return PartsDone(
        expired=False,
        parts=[DonePart(part_number=part.part_number, etag=part.etag, size=part.size) for part in arrived],
    )


class UploadState(NamedTuple):
    """An upload as the tables have it. `completed` is None while it is under way."""

    checksummed: bool
    completed: bool | None

    @property
    def is_over(self) -> bool:
        return self.completed is not None


def state(database: Engine, key: str, upload_id: str) -> UploadState | None:
    """What is known of an upload; None when it was never begun under this key."""
    return states(database, [(upload_id, key)]).get((upload_id, key))


def states(database: Engine, asked: Collection[tuple[str, str]]) -> dict[tuple[str, str], UploadState]:
    """What is known of uploads, by id and key; those that were never begun under their key are left out."""
    if not asked:
        return {}
    with database.connect() as connection:
        rows = connection.execute(
            text("""
            SELECT upload_id, staging_key, u.checksummed, CAST(NULL AS boolean) AS completed
            FROM unnest(CAST(:ids AS text[]), CAST(:keys AS text[])) AS a(upload_id, staging_key)
            JOIN uploads u USING (upload_id, staging_key)
            UNION ALL
            SELECT upload_id, staging_key, false, e.completed
            FROM unnest(CAST(:ids AS text[]), CAST(:keys AS text[])) AS a(upload_id, staging_key)
            JOIN ended_uploads e USING (upload_id, staging_key)"""),
            {"ids": [upload_id for upload_id, _ in asked], "keys": [key for _, key in asked]},
        ).all()
    return {(upload_id, key): UploadState(checksummed, completed) for upload_id, key, checksummed, completed in rows}


def not_under_way(key: str) -> DreamlakeError:
    """What to answer for an upload that is over, and for one that was never begun under this key."""
    return DreamlakeError(Code.UPLOAD_EXPIRED, f"This upload of {key!r} is not under way.", hint="Start it again.")


def complete(
    store: ObjectStore,
    key: str,
    upload_id: str,
    parts: Sequence[CompletedPart],
    *,
    state: UploadState | None,
    verified_size: int | None,
) -> None:
    """Join the parts (all that arrived, when none are named); the caller then ends the upload (`end`).

    `state` is what `states` says of the upload, `verified_size` what `staged.verified_sizes` says of the key. One that
    was completed before is a success while its object exists. Where verified bytes lie under the key, what was sent
    is given up, and it is a success too: nobody puts others in their place. Raises UPLOAD_EXPIRED, CONFLICT.
    """
    if state is None or state.completed is False:
        raise not_under_way(key)
    stored = store.head(key) if state.is_over or verified_size is not None else None
    if state.is_over:
        if stored is None:
            raise not_under_way(key)
        return
    if stored is not None and stored.size == verified_size:
        store.abort_multipart(key, upload_id)
        return
    arrived = store.list_parts(key, upload_id)
    if arrived is None:
        if store.head(key) is None:
            raise not_under_way(key)
        return
    # An upload with checksums wants them again when it is completed: they are those that arrived with the parts.
    checksums = {part.part_number: part.sha256 for part in arrived}
    named = [UploadedPart(part.part_number, part.etag.strip('"'), 0, checksums.get(part.part_number)) for part in parts]
    if not (named or arrived):
        raise DreamlakeError(Code.CONFLICT, f"No part of {key!r} has arrived.")
    store.complete_multipart(key, upload_id, named or arrived)
    reached(CrashPoint.MULTIPART_COMPLETED)


def sign_puts(connection: Connection, sizes: Mapping[str, int]) -> set[str]:
    """Remember that PUT URLs of these objects (sizes by key) are given out. Returns the keys of those for which one was
    given out before, whose objects may be there by now."""
    connection.execute(
        text("""
        DELETE FROM signed_puts WHERE staging_key IN (
            SELECT staging_key FROM signed_puts WHERE signed_at < now() - make_interval(days => :days)
            FOR UPDATE SKIP LOCKED)"""),
        {"days": _PUTS_KEPT_DAYS},
    )
    new = set(
        connection.execute(
            text("""
            INSERT INTO signed_puts (staging_key, size)
            SELECT * FROM unnest(CAST(:keys AS text[]), CAST(:sizes AS bigint[])) AS p(staging_key, size)
            ORDER BY staging_key COLLATE "C" ON CONFLICT DO NOTHING
            RETURNING staging_key"""),
            {"keys": list(sizes), "sizes": list(sizes.values())},
        ).scalars()
    )
    return sizes.keys() - new


def promise(connection: Connection, sizes: Mapping[str, int]) -> None:
    """Remember that somebody is told that these objects (sizes by key) are there, or may send them: garbage collection
    leaves them for as long as a URL is valid. The caller has begun to watch them (`condemned.watch`)."""
    if sizes:
        connection.execute(
            text("""
            INSERT INTO signed_puts (staging_key, size)
            SELECT * FROM unnest(CAST(:keys AS text[]), CAST(:sizes AS bigint[])) AS p(staging_key, size)
            ORDER BY staging_key COLLATE "C" ON CONFLICT (staging_key) DO UPDATE SET signed_at = now()"""),
            {"keys": list(sizes), "sizes": list(sizes.values())},
        )


def signed_sizes(connection: Connection, keys: Iterable[str]) -> dict[str, int]:
    """Sizes of those objects for which a PUT was given out and that are not registered since."""
    rows = connection.execute(
        text("SELECT staging_key, size FROM signed_puts WHERE staging_key = ANY(:keys)"), {"keys": list(set(keys))}
    )
    return {row.staging_key: row.size for row in rows}


def forget_puts(connection: Connection, keys: Iterable[str]) -> None:
    """These objects are registered."""
    connection.execute(
        text("""
        DELETE FROM signed_puts WHERE staging_key IN (
            SELECT staging_key FROM signed_puts WHERE staging_key = ANY(:keys) ORDER BY staging_key FOR UPDATE)"""),
        {"keys": list(set(keys))},
    )


def give_up(database: Engine, store: ObjectStore, key: str, upload_id: str) -> None:
    """Abort an upload and free its parts; one that is over is no error. Raises UPLOAD_EXPIRED for one that was never
    begun under this key."""
    upload = state(database, key, upload_id)
    if upload is None:
        raise not_under_way(key)
    if not upload.is_over:
        store.abort_multipart(key, upload_id)
        end(database, [upload_id], completed=False)


def end(database: Engine, upload_ids: Sequence[str], *, completed: bool) -> None:
    """These uploads are over: their rows go, and what became of them is remembered."""
    with database.begin() as connection:
        connection.execute(
            text("""
            DELETE FROM ended_uploads WHERE upload_id IN (
                SELECT upload_id FROM ended_uploads WHERE ended_at < now() - make_interval(days => :days)
                FOR UPDATE SKIP LOCKED)"""),
            {"days": _ENDED_KEPT_DAYS},
        )
        connection.execute(
            text("""
            WITH over AS (
                DELETE FROM uploads WHERE upload_id IN (
                    SELECT upload_id FROM uploads WHERE upload_id = ANY(:ids) ORDER BY upload_id FOR UPDATE)
                RETURNING upload_id, staging_key)
            INSERT INTO ended_uploads (upload_id, staging_key, completed)
            SELECT upload_id, staging_key, :completed FROM over ON CONFLICT DO NOTHING"""),
            {"ids": sorted(upload_ids), "completed": completed},
        )
    reached(CrashPoint.MULTIPART_ENDED)


def end_completed(database: Engine, store: ObjectStore, keys: Iterable[str]) -> None:
    """Of these keys, whose objects are there, end the uploads that the store has joined. Their rows call them open when
    the service died in between and the client asked no more."""
    with database.connect() as connection:
        found = connection.execute(
            text("SELECT upload_id, staging_key FROM uploads WHERE staging_key = ANY(:keys)"), {"keys": list(keys)}
        ).all()
    arrived = side_by_side(lambda one: store.list_parts(one.staging_key, one.upload_id), found)
    over = [one.upload_id for one, parts in zip(found, arrived, strict=True) if parts is None]
    if over:
        end(database, over, completed=True)


def _fits(upload: OpenUpload, size: int | None) -> bool:
    """Whether an upload's parts are large enough for a file of `size` bytes."""
    return size is None or size <= upload.part_size * MAX_PARTS


def _find(database: Engine, keys: Sequence[str], checksummed: bool) -> dict[str, OpenUpload]:
    with database.connect() as connection:
        return _select(connection, keys, checksummed)


def _select(connection: Connection, keys: Sequence[str], checksummed: bool) -> dict[str, OpenUpload]:
    rows = connection.execute(
        text("""
        SELECT upload_id, staging_key, checksummed, part_size FROM uploads
        WHERE staging_key = ANY(:keys) AND checksummed = :checksummed"""),
        {"keys": list(keys), "checksummed": checksummed},
    )
    return {row.staging_key: OpenUpload(*row) for row in rows}


def _keep(connection: Connection, begun: Sequence[OpenUpload]) -> dict[str, OpenUpload]:
    """Remember new uploads; for each key the one that counts, which may be somebody else's."""
    connection.execute(
        text("""
        INSERT INTO uploads (upload_id, staging_key, checksummed, part_size)
        SELECT * FROM unnest(CAST(:ids AS text[]), CAST(:keys AS text[]), CAST(:modes AS boolean[]),
            CAST(:part_sizes AS bigint[])) AS u(upload_id, staging_key, checksummed, part_size)
        ORDER BY staging_key ON CONFLICT DO NOTHING"""),
        {
            "ids": [upload.upload_id for upload in begun],
            "keys": [upload.staging_key for upload in begun],
            "modes": [upload.checksummed for upload in begun],
            "part_sizes": [upload.part_size for upload in begun],
        },
    )
    return _select(connection, [upload.staging_key for upload in begun], begun[0].checksummed)
