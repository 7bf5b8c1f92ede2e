"""Crash points: the places between two steps of an operation, each with a name, at which a test can have a process die.

`docs/reliability.md` says of each what is then stored, and who goes on or cleans up; a test dies at every one of them.
A point does nothing unless the process was started with its name in `DREAMLAKE_CRASH_AT`: no request, record or file
can set it off. A process dies by SIGKILL, as when the kernel or a power cut ends it: nothing is closed or undone.
"""

from __future__ import annotations

import os
import signal
from enum import StrEnum

VARIABLE = "DREAMLAKE_CRASH_AT"


class CrashPoint(StrEnum):
    """Where a process may die. The name says what was done last."""

    # Upload: the client.
    UPLOAD_PLANNED = "upload-planned"
    UPLOAD_SENT = "upload-sent"
    UPLOAD_REGISTERED = "upload-registered"
    UPLOAD_INDEXED = "upload-indexed"
    # Upload: BSS and the index.
    MULTIPART_BEGUN = "multipart-begun"
    MULTIPART_COMPLETED = "multipart-completed"
    MULTIPART_ENDED = "multipart-ended"
    RECORDS_WRITTEN = "records-written"
    RECORDS_COMMITTED = "records-committed"
    ENTRIES_COMMITTED = "entries-committed"
    # Claim: BSS and the staging sensor.
    BATCH_FORMED = "batch-formed"
    OBJECTS_ADOPTED = "objects-adopted"
    BATCHES_CLAIMED = "batches-claimed"
    # Process: a run.
    BATCH_TAKEN = "batch-taken"
    SOURCE_FETCHED = "source-fetched"
    CHUNKS_LEASED = "chunks-leased"
    CHUNKS_STORED = "chunks-stored"
    CHUNKS_MARKED = "chunks-marked"
    PLAYLISTS_PUBLISHED = "playlists-published"
    FILES_PUBLISHED = "files-published"
    META_PUBLISHED = "meta-published"
    RESULTS_REPORTED = "results-reported"
    RESULTS_INDEXED = "results-indexed"
    BATCH_FINISHED = "batch-finished"
    # Process: BSS, within the run's calls.
    RESULTS_WRITTEN = "results-written"
    RESULTS_COMMITTED = "results-committed"
    READY_WRITTEN = "ready-written"
    # Delete and restore: BSS, and the sensor that tells the index.
    DELETION_WRITTEN = "deletion-written"
    DELETION_COMMITTED = "deletion-committed"
    RESTORATION_WRITTEN = "restoration-written"
    RESTORATION_COMMITTED = "restoration-committed"
    DELETION_TOLD = "deletion-told"
    # Garbage collection: BSS.
    RECORDS_PURGED = "records-purged"
    FOLDERS_EMPTIED = "folders-emptied"
    STAGED_DELETED = "staged-deleted"
    CHUNKS_CONDEMNED = "chunks-condemned"
    CHUNKS_UNSTORED = "chunks-unstored"
    CHUNKS_DELETED = "chunks-deleted"
    # Rebuild: BSS.
    BUCKET_READ = "bucket-read"
    RECORDS_REBUILT = "records-rebuilt"


_armed = os.environ.get(VARIABLE)


def reached(point: CrashPoint) -> None:
    """Die here, if this process was started to."""
    if point == _armed:
        os.kill(os.getpid(), signal.SIGKILL)
