"""Many files in one call: plan their uploads, then complete, verify, register and queue them.

A call costs a constant number of SQL statements whatever the number of files; calls to the object store go
several at once, and only for what the tables don't know.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine

from .. import layout
from ..api.bss import (
    Finished,
    FinishedFile,
    FinishUploads,
    Plan,
    PlanAction,
    PlannedFile,
    PlanUploads,
    Status,
)
from ..api.common import ErrorBody
from ..crashpoints import CrashPoint, reached
from ..errors import DreamlakeError
from ..kinds import content_type_of
from ..playback import PlaybackMode
from ..storage import ObjectStore
from . import condemned, deletions, journal, records, staged, uploads
from .records import KnownRecord, NewRecord
from .side_by_side import side_by_side


def plan(database: Engine, store: ObjectStore, asked: PlanUploads, *, part_size: int, expires: int) -> list[Plan]:
    """How to upload each file: not at all, by one PUT (up to `part_size` bytes), or in parts. In their order."""
    keys = [layout.staging_key(asked.owner, asked.project, file.hash) for file in asked.files]
    with database.begin() as connection:
        condemned.watch(connection, keys)
        known, wrong = staged.known(connection, keys)
        sizes = {key: size for key, size in known.items() if key not in wrong}
        verified = staged.verified_sizes(connection, keys)
        registered = records.find(connection, [_new_record(asked, file) for file in asked.files])
        unseen = {key: file.size for file, key in zip(asked.files, keys, strict=True) if key not in sizes}
        small = {key: size for key, size in unseen.items() if size <= part_size}
        given_before = uploads.sign_puts(connection, small) if small else set()
        deleted = deletions.staged_by(connection, unseen)
        # An object for which no PUT URL was ever given out, and that no deleted record has, was not sent: a first
        # ingest of small files asks S3 for nothing.
        possible = [
            key for key in unseen if key not in wrong and (key in given_before or key in deleted or key not in small)
        ]
        # Who is told that bytes are there is going to register them.
        promised = {
            key: file.size
            for file, key, record in zip(asked.files, keys, registered, strict=True)
            if key not in wrong and (record is None or not record.holds_name)
        }
        uploads.promise(connection, {key: promised[key] for key in promised.keys() & {*possible, *sizes}})
    heads = side_by_side(store.head, possible)
    sizes |= {head.key: head.size for head in heads if head is not None}

    # An object of another size than its hash promises was not sent by a client of ours: it is written again. One whose
    # bytes were verified is not: who names another size than theirs is told so when the file is registered.
    staged_keys = {
        key for file, key in zip(asked.files, keys, strict=True) if sizes.get(key) == file.size or key in verified
    }
    missing = [(file, key) for file, key in zip(asked.files, keys, strict=True) if key not in staged_keys]
    in_one = {key for file, key in zip(asked.files, keys, strict=True) if file.size <= part_size}
    if came_in_parts := staged_keys - in_one:
        uploads.end_completed(database, store, came_in_parts)
    in_parts = uploads.start_many(
        database,
        store,
        [_wanted(asked, file) for file, _ in missing if file.size > part_size],
        part_size=part_size,
    )

    def how(file: PlannedFile, key: str, record: KnownRecord | None) -> Plan:
        if key in staged_keys:
            # A record whose name stands for another one has to be registered again to get it back.
            if record is None or not record.holds_name:
                return Plan(action=PlanAction.STAGED, key=key)
            return Plan(
                action=PlanAction.STAGED,
                key=key,
                record_id=record.id,
                status=record.status,
                uploaded_at=record.uploaded_at,
            )
        if upload := in_parts.get(key):
            return Plan(action=PlanAction.MULTIPART, key=key, upload_id=upload.upload_id, part_size=upload.part_size)
        want = _wanted(asked, file)
        signed = store.presign_put(
            key,
            size=file.size,
            sha256=file.hash,
            content_type=want.content_type,
            metadata=want.metadata,
            expires=expires,
        )
        return Plan(action=PlanAction.PUT, key=key, url=signed.url, headers=signed.headers)

    return [how(file, key, record) for file, key, record in zip(asked.files, keys, registered, strict=True)]


def finish(database: Engine, store: ObjectStore, asked: FinishUploads) -> list[Finished]:
    """Complete, verify, register and queue files whose bytes were sent; each has its own outcome, in their order.

    Of an object whose PUT we signed and S3 acknowledged (its ETag tells), length and SHA-256 were part of the
    signature: S3 is not asked once more. Whoever names an ETag that S3 never gave gets a record that fails when
    its bytes are read, which happens to every file before it is ready. Raises STORAGE_FAILED when S3 is away.
    """
    keys = [layout.staging_key(asked.owner, asked.project, file.hash) for file in asked.files]
    acknowledged = [key for key, file in zip(keys, asked.files, strict=True) if file.etag]
    with database.connect() as connection:
        sizes = uploads.signed_sizes(connection, acknowledged) if acknowledged else {}
        sizes |= staged.known(connection, keys).sizes
        verified = staged.verified_sizes(connection, keys)
    in_parts = uploads.states(
        database, {(file.upload_id, key) for file, key in zip(asked.files, keys, strict=True) if file.upload_id}
    )

    def verify(n: int) -> DreamlakeError | None:
        file, key = asked.files[n], keys[n]
        try:
            if file.upload_id is not None:
                uploads.complete(
                    store,
                    key,
                    file.upload_id,
                    file.parts,
                    state=in_parts.get((file.upload_id, key)),
                    verified_size=verified.get(key),
                )
                staged.require(store, key, size=file.size)
            elif key in sizes:
                staged.check_size(key, sizes[key], promised=file.size)
            else:
                staged.require(store, key, size=file.size)
        except DreamlakeError as error:
            return error
        return None

    waiting = [n for n, file in enumerate(asked.files) if file.upload_id is not None or keys[n] not in sizes]
    answered = dict(zip(waiting, side_by_side(verify, waiting), strict=True))
    faults = [answered[n] if n in answered else verify(n) for n in range(len(keys))]
    if away := next((fault for fault in faults if fault is not None and fault.is_passing), None):
        raise away  # no file's fault: the whole call is made again, and finds done what was done
    over = [file.upload_id for file, fault in zip(asked.files, faults, strict=True) if file.upload_id and not fault]
    if over:
        uploads.end(database, over, completed=True)

    good = [n for n, fault in enumerate(faults) if fault is None]
    outcomes = {n: Finished(error=_body(fault)) for n, fault in enumerate(faults) if fault is not None}
    if good:
        with database.begin() as connection:
            freed = condemned.hold(connection, store, [keys[n] for n in good])
            outcomes |= {n: Finished(error=_body(staged.missing(keys[n]))) for n in good if keys[n] in freed}
            good = [n for n in good if keys[n] not in freed]
            inserted = records.insert(connection, [_new_record(asked, asked.files[n]) for n in good])
            uploads.forget_puts(connection, [keys[n] for n in good])
            asking = [
                record.id
                for n, (record, created) in zip(good, inserted, strict=True)
                if asked.files[n].process and not created
            ]
            # What is ready stays so: sending a directory again must not process it again, unless it asks for
            # another ladder, other browsers, or other options of a CSV, than the result has.
            queued = records.queue(connection, asking, records.UNPROCESSED)
            other = records.change_ladders(connection, _other_ladders(asked, good, inserted))
            other |= records.change_playback(connection, _other_playback(asked, good, inserted))
            other |= records.change_csv_options(connection, _other_csv_options(asked, good, inserted))
            queued |= records.queue(connection, other.intersection(asking), [Status.READY])
            reached(CrashPoint.RECORDS_WRITTEN)
        reached(CrashPoint.RECORDS_COMMITTED)
        for n, (record, created) in zip(good, inserted, strict=True):
            status = Status.QUEUED if record.id in queued else record.status
            outcomes[n] = Finished(id=record.id, status=status, created=created, uploaded_at=record.uploaded_at)
        journal.note(database, store, [record.id for record, _ in inserted])
    return [outcomes[n] for n in range(len(keys))]


def _other_ladders(
    asked: FinishUploads, good: Sequence[int], inserted: Sequence[records.Inserted]
) -> dict[str, tuple[int, ...]]:
    """The ladders, by the ids of the records, that files ask for and their records do not have."""
    return {
        record.id: ladder
        for n, (record, _) in zip(good, inserted, strict=True)
        if (ladder := asked.files[n].ladder) is not None and ladder != record.ladder
    }


def _other_playback(
    asked: FinishUploads, good: Sequence[int], inserted: Sequence[records.Inserted]
) -> dict[str, PlaybackMode]:
    """For which browsers files ask to be made, by the ids of their records, which are made for others."""
    return {
        record.id: playback
        for n, (record, _) in zip(good, inserted, strict=True)
        if (playback := asked.files[n].playback) is not None and playback != record.playback
    }


def _other_csv_options(
    asked: FinishUploads, good: Sequence[int], inserted: Sequence[records.Inserted]
) -> dict[str, dict[str, str]]:
    """The options, by the ids of the records, that files ask for and their records do not have."""
    return {
        record.id: options
        for n, (record, _) in zip(good, inserted, strict=True)
        if (options := asked.files[n].csv) is not None and options != record.csv
    }


def _wanted(asked: PlanUploads, file: PlannedFile) -> uploads.Wanted:
    return uploads.wanted(
        file.kind,
        asked.owner,
        asked.project,
        file.hash,
        name=file.name,
        episode=file.episode,
        size=file.size,
        content_type=file.content_type,
        checksummed=True,
    )


def _new_record(asked: PlanUploads | FinishUploads, file: PlannedFile | FinishedFile) -> NewRecord:
    return NewRecord(
        kind=file.kind,
        owner=asked.owner,
        project=asked.project,
        episode=file.episode,
        name=file.name,
        staging_key=layout.staging_key(asked.owner, asked.project, file.hash),
        staging_hash=file.hash,
        size=file.size,
        content_type=file.content_type or content_type_of(file.name),
        queue=not file.kind.spec.asks or (isinstance(file, FinishedFile) and file.process),
        ladder=file.ladder if isinstance(file, FinishedFile) else None,
        playback=file.playback if isinstance(file, FinishedFile) else None,
        csv=file.csv if isinstance(file, FinishedFile) else None,
    )


def _body(fault: DreamlakeError) -> ErrorBody:
    return ErrorBody(code=str(fault.code), message=fault.message, hint=fault.hint)
