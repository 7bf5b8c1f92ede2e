"""Every kind of damage that `dreamlake fsck` finds, as data: one row per code.

A code is stable: programs branch on it, the documentation lists it (a test holds `docs/fsck.md` to this table). BSS
finds what is wrong between its records and the bucket, the client what is wrong between the records and the index.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """`damage`: something that is promised is not there. `leftover`: something is there that nothing needs."""

    DAMAGE = "damage"
    LEFTOVER = "leftover"


class Repair(StrEnum):
    """What `--repair` does about a finding."""

    AGAIN = "again"  # the record is queued: what was made is made again from its raw bytes
    NOTED = "noted"  # the record is queued: its next attempt fails, so that who uploads the file again is asked for it
    CORRECT = "correct"  # a row is put right, or dropped
    INDEX = "index"  # the index is told what BSS knows
    NONE = "none"  # nothing: `Spec.then` says what a person can do


class Finding(StrEnum):
    # The uploaded bytes
    RAW_MISSING = "raw_missing"
    RAW_WRONG_SIZE = "raw_wrong_size"
    RAW_ALTERED = "raw_altered"
    # Either of them
    UNREADABLE = "unreadable"
    # What was made from them
    OUTPUT_MISSING = "output_missing"
    OUTPUT_WRONG_SIZE = "output_wrong_size"
    OUTPUT_ALTERED = "output_altered"
    PLAYLIST_INVALID = "playlist_invalid"
    RECORD_DIFFERS = "record_differs"
    READY_WITHOUT_RESULT = "ready_without_result"
    # The chunk pool
    CHUNK_MISSING = "chunk_missing"
    CHUNK_WRONG_SIZE = "chunk_wrong_size"
    CHUNK_ALTERED = "chunk_altered"
    CHUNK_NOT_STORED = "chunk_not_stored"
    REFERENCE_MISSING = "reference_missing"
    REFERENCE_UNUSED = "reference_unused"
    CHUNK_ROW_WITHOUT_OBJECT = "chunk_row_without_object"
    CHUNK_OBJECT_WITHOUT_ROW = "chunk_object_without_row"
    # Objects that nothing names
    FOLDER_WITHOUT_RECORD = "folder_without_record"
    STAGED_UNACCOUNTED = "staged_unaccounted"
    FOREIGN_OBJECT = "foreign_object"
    # Batches
    IN_CLOSED_BATCH = "in_closed_batch"
    IN_OTHER_BATCH = "in_other_batch"
    PROCESSING_WITHOUT_BATCH = "processing_without_batch"
    BATCH_LEFT_OPEN = "batch_left_open"
    # The index
    NOT_INDEXED = "not_indexed"
    INDEX_DIFFERS = "index_differs"
    INDEX_OF_OTHER_RECORD = "index_of_other_record"
    INDEX_WITHOUT_RECORD = "index_without_record"
    # The catalog
    CATALOG_OUT_OF_DATE = "catalog_out_of_date"
    CATALOG_ALTERED = "catalog_altered"


@dataclass(frozen=True, slots=True)
class Spec:
    """What follows from a code. `then`: what a person can do where `--repair` can't, or has not been asked to."""

    meaning: str
    severity: Severity
    repair: Repair
    then: str


_AGAIN = "`--repair` queues the file: it is made again from its raw bytes."
_UPLOAD = "Its raw bytes are in no other place: `--repair` notes it at the file; then upload or ingest it again."
_INDEX = "`--repair` tells the index what BSS knows."
_REQUEUE = "`--repair` queues the file for another batch."
_GC = "It costs room and nothing else: `dreamlake gc` frees it."


def _damage(meaning: str, repair: Repair, then: str) -> Spec:
    return Spec(meaning, Severity.DAMAGE, repair, then)


def _lost(meaning: str) -> Spec:
    return _damage(meaning, Repair.NOTED, _UPLOAD)


def _leftover(meaning: str, repair: Repair, then: str) -> Spec:
    return Spec(meaning, Severity.LEFTOVER, repair, then)


FINDINGS: dict[Finding, Spec] = {
    Finding.RAW_MISSING: _lost("The uploaded bytes are not in the bucket."),
    Finding.RAW_WRONG_SIZE: _lost("The uploaded bytes are more or fewer than the record says."),
    Finding.RAW_ALTERED: _lost("The uploaded bytes have another SHA-256 than the record says."),
    Finding.UNREADABLE: _damage(
        "An object could not be read: the object store is there, and does not give its bytes.",
        Repair.NONE,
        "See the logs of the object store and of proxies before it, and check again. Of what the store has lost, "
        "uploaded bytes can be uploaded again, and what was made of them can be made again (`dreamlake retry`).",
    ),
    Finding.OUTPUT_MISSING: _damage("A file that was made is not in the bucket.", Repair.AGAIN, _AGAIN),
    Finding.OUTPUT_WRONG_SIZE: _damage("A file that was made has more or fewer bytes.", Repair.AGAIN, _AGAIN),
    Finding.OUTPUT_ALTERED: _damage("A file that was made has other bytes.", Repair.AGAIN, _AGAIN),
    Finding.PLAYLIST_INVALID: _damage("A playlist is none, or is cut off.", Repair.AGAIN, _AGAIN),
    Finding.RECORD_DIFFERS: _damage("The record says something else than its meta.json.", Repair.AGAIN, _AGAIN),
    Finding.READY_WITHOUT_RESULT: _damage("The record is ready, and has no result.", Repair.AGAIN, _AGAIN),
    Finding.CHUNK_MISSING: _damage("A segment that a file plays is not in the pool.", Repair.AGAIN, _AGAIN),
    Finding.CHUNK_WRONG_SIZE: _damage("A segment has more or fewer bytes than its row says.", Repair.AGAIN, _AGAIN),
    Finding.CHUNK_ALTERED: _damage("A segment has other bytes than its name says.", Repair.AGAIN, _AGAIN),
    Finding.CHUNK_NOT_STORED: _damage(
        "A file plays a segment of which no writer said that it is stored.", Repair.AGAIN, _AGAIN
    ),
    Finding.REFERENCE_MISSING: _damage(
        "A playlist names a segment that the record does not refer to: it could be swept away.", Repair.AGAIN, _AGAIN
    ),
    Finding.REFERENCE_UNUSED: _leftover(
        "The record refers to a segment that none of its playlists names.",
        Repair.CORRECT,
        "`--repair` drops the reference.",
    ),
    Finding.CHUNK_ROW_WITHOUT_OBJECT: _leftover(
        "The pool knows a segment that no file plays and that is not in the bucket.",
        Repair.CORRECT,
        "`--repair` notes that it is not stored: whoever makes it next stores it.",
    ),
    Finding.CHUNK_OBJECT_WITHOUT_ROW: _leftover(
        "A segment is in the bucket, and the pool does not know it.",
        Repair.CORRECT,
        "`--repair` makes it known, so that `dreamlake gc` frees it when no file plays it.",
    ),
    Finding.FOLDER_WITHOUT_RECORD: _leftover(
        "Files that were made lie in the bucket, and their record is gone.",
        Repair.NONE,
        "`dreamlake gc` frees them. `dreamlake rebuild --merge` makes a lost record from them.",
    ),
    Finding.STAGED_UNACCOUNTED: _leftover(
        "An uploaded object is in the bucket for more than an hour, and no record, upload or refusal accounts for it.",
        Repair.NONE,
        "The staging sensor registers it: is Dagster's daemon running?",
    ),
    Finding.FOREIGN_OBJECT: _leftover(
        "An object lies where only the pool's segments may, and is none.", Repair.NONE, "Find out who put it there."
    ),
    Finding.IN_CLOSED_BATCH: _damage("A file waits in a batch that is over.", Repair.CORRECT, _REQUEUE),
    Finding.IN_OTHER_BATCH: _damage("A file waits in a batch of another project.", Repair.CORRECT, _REQUEUE),
    Finding.PROCESSING_WITHOUT_BATCH: _damage(
        "A file is being processed, and belongs to no batch.", Repair.CORRECT, _REQUEUE
    ),
    Finding.BATCH_LEFT_OPEN: _leftover(
        "A batch is open for more than an hour after its lease, and nothing in it is left to do.",
        Repair.CORRECT,
        "`--repair` closes it.",
    ),
    Finding.NOT_INDEXED: _damage("The index does not have the file.", Repair.INDEX, _INDEX),
    Finding.INDEX_DIFFERS: _damage("The index says something else of the file than BSS.", Repair.INDEX, _INDEX),
    Finding.INDEX_OF_OTHER_RECORD: _damage(
        "The name stands for another file in the index than the one that was last uploaded under it.",
        Repair.INDEX,
        _INDEX,
    ),
    Finding.INDEX_WITHOUT_RECORD: _damage(
        "The index has a file whose record is gone.", Repair.INDEX, "`--repair` removes it from the index."
    ),
    Finding.CATALOG_OUT_OF_DATE: _leftover(
        "The catalog is missing, or was not written again for hours in which files became ready.",
        Repair.NONE,
        "Is Dagster's daemon running? Materialize the asset `catalog`.",
    ),
    Finding.CATALOG_ALTERED: _damage(
        "The catalog has other bytes than were written.",
        Repair.NONE,
        "Materialize the asset `catalog` in Dagster: it is written again whole.",
    ),
}
