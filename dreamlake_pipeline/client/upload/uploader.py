"""The flow of an upload: which stage does what, and what becomes of a file that fails in one.

Each step is a stage with threads of its own (`stages.py`). A file that fails in one of them is told as a
FileEvent and goes no further; the others go on. Every step may be done again: bytes that arrived are not
sent twice, a record or an index entry that exists is found. Only what would fail for every file ends the
run: a token that is not accepted, or a service that does not answer.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import TypeVar

from ...api.bss import Finished as FinishedUpload
from ...api.bss import Plan, PlanAction, Status
from ...crashpoints import CrashPoint, reached
from ...errors import Code, DreamlakeError
from ...kinds import Kind
from ...playback import PlaybackMode
from ...remote.bss import MOST_PER_CALL, BssClient
from ...remote.patience import Patience
from ...remote.refusal import StoreAway
from ...remote.server import IndexClient
from ..cache import HashCache
from ..events import FileEvent, FileStatus, Progress, Waiting, Warned, failure, record_failure
from ..preflight import look
from ..selection import LocalFile
from ..stages import Channel, Flow
from ..target import Target
from ..walk import show_path
from .calls import Calls, IndexAway
from .counters import Counters
from .followers import Followers
from .hasher import Hasher
from .job import Job
from .sender import Sender

DEFAULT_JOBS = 32

_BULK = MOST_PER_CALL  # files in a call
_FIRST = 64  # files in the first calls: nothing is sent before the one, or processed before the other
_PLAN_LINGER = 0.05  # seconds for which a call waits for more files
_FINISH_LINGER = 1.0
# Files that are looked at before their turn to be read, so that what is odd about any is told early, and what is left.
_LOOKED_AHEAD = 50_000
_LOOKERS = 2
_LOOKS = 32  # files that a thread looks at in a row

# What would fail every other file as well.
_FATAL = frozenset({Code.UNREACHABLE, Code.OVERLOADED, Code.UNAUTHENTICATED, Code.FORBIDDEN})

Reply = TypeVar("Reply")
Item = TypeVar("Item")


class Uploader:
    """One run over many files of one project. Make a new one for each run.

    `ladder` are heights of further, smaller renditions of every video, `playback` says for which browsers it is made,
    `csv` says how every label file is written that
    is a CSV (`csv_options.py`); None leaves either to the project. `jobs` is the most requests that are sent at once;
    fewer are when more are no faster. With `rehash`, also files whose hashes the cache has are read. `patience` is that
    of `bss` and `index`, and that with the object store; what it has to tell comes between the events.
    """

    def __init__(
        self,
        bss: BssClient,
        index: IndexClient,
        target: Target,
        *,
        patience: Patience,
        ladder: tuple[int, ...] | None = None,
        playback: PlaybackMode | None = None,
        csv: dict[str, str] | None = None,
        jobs: int = DEFAULT_JOBS,
        cache: HashCache | None = None,
        rehash: bool = False,
    ) -> None:
        self._bss = bss
        self._patience = patience
        self._told = {Kind.VIDEO: ladder if playback is None else playback, Kind.LABEL_TRACK: csv}
        self._jobs = jobs
        self._flow = Flow(patience.stopping)
        self._events: Channel[FileEvent | Warned] = self._flow.channel(4 * _BULK, writers=2)
        self._counters = Counters()
        self._calls = Calls(bss, index, target, ladder=ladder, playback=playback, csv=csv)
        self._hasher = Hasher(cache or HashCache(None), rehash=rehash, on_bytes=self._counters.read)
        self._followers = Followers()
        self._sender = Sender(
            bss,
            self._calls,
            self._hasher,
            self._counters,
            jobs=jobs,
            parts=self._flow.pool("part", threads=jobs, depth=2 * jobs),
            patience=patience,
        )

    @property
    def files_found(self) -> int:
        """Everything that was looked at, whatever became of it."""
        return self._counters.files_found

    @property
    def bytes_sent(self) -> int:
        return self._counters.bytes_sent

    def run(self, candidates: Iterable[LocalFile | FileEvent]) -> Generator[FileEvent | Warned | Waiting | Progress]:
        """Store the files; events of candidates that are none are passed on.

        Leaving the iteration stops the work; what has arrived by then is not sent again by a later run.
        Raises DreamlakeError for what concerns every file (UNREACHABLE, UNAUTHENTICATED, FORBIDDEN).
        """
        flow, hashers = self._flow, min(4, os.cpu_count() or 1)
        found = flow.channel(2 * _BULK, writers=1)
        looked = flow.channel(_LOOKED_AHEAD, writers=_LOOKERS)
        self._hashed = hashed = flow.channel(2 * _BULK, writers=hashers + 1)
        planned = flow.channel(2 * _BULK, writers=2)
        self._sent = sent = flow.channel(2 * _BULK, writers=self._jobs + 2)
        self._finished = finished = flow.channel(2 * _BULK, writers=4)
        flow.source(self._select(candidates), found, also=[hashed])
        flow.stage("look", self._look, found, looked, threads=_LOOKERS, bulk=_LOOKS)
        flow.stage("hash", self._hash, looked, hashed, threads=hashers)
        flow.stage(
            "plan",
            self._plan,
            hashed,
            planned,
            threads=2,
            bulk=_BULK,
            first=_FIRST,
            linger=_PLAN_LINGER,
            also=[sent, finished],
        )
        flow.stage("send", self._send, planned, sent, threads=self._jobs)
        flow.stage("finish", self._finish, sent, finished, threads=2, bulk=_BULK, first=_FIRST, linger=_FINISH_LINGER)
        flow.stage("index", self._register, finished, self._events, threads=2, bulk=_BULK, linger=_FINISH_LINGER)
        try:
            for events in flow.results(self._events, every=0.1):
                yield from events
                yield from self._patience.told()
                yield self._counters.progress()
        finally:
            self._sender.close()
            self._hasher.remember()

    # The stages

    def _select(self, candidates: Iterable[LocalFile | FileEvent]) -> Iterator[list[LocalFile]]:
        """The files that are to be read, in groups; those whose digests are known are on their way already."""
        for group in _grouped(candidates):
            files = [candidate for candidate in group if isinstance(candidate, LocalFile)]
            others = [candidate for candidate in group if isinstance(candidate, FileEvent)]
            self._counters.found(files=len(group), size=sum(candidate.size for candidate in group))
            self._counters.passed(files=len(others), size=sum(other.size for other in others))
            self._events.put_all(others)
            digests = self._hasher.recall(files)
            known = [
                Job(file.with_content(digest.content_kind), digest, is_remembered=True)
                for file, digest in zip(files, digests, strict=True)
                if digest is not None
            ]
            self._hashed.put_all(known)
            yield [file for file, digest in zip(files, digests, strict=True) if digest is None]
        self._counters.is_walking = False

    def _look(self, files: list[LocalFile]) -> Iterator[LocalFile]:
        for file in files:
            seen = look(file)
            if seen.left_out:
                self._counters.passed(files=1, size=file.size)
                self._events.put(file.left_out(seen.left_out))
                continue
            if seen.file.warning:
                self._events.put(Warned(show_path(file.path), file.name, seen.file.warning))
            yield seen.file

    def _hash(self, files: list[LocalFile]) -> Iterator[Job]:
        for file in files:
            try:
                yield Job(file, self._hasher.digest(file))
            except DreamlakeError as error:
                self._counters.passed(files=1, size=file.size)
                self._events.put(file.event(FileStatus.FAILED, **failure(error)))

    def _plan(self, jobs: list[Job]) -> Iterator[Job]:
        staged, registered = [], []
        for job, plan in self._in_bulk(jobs, self._calls.plan):
            job.plan = plan
            if plan.part_size:
                self._hasher.part_size = plan.part_size
            if plan.action is not PlanAction.STAGED:
                if not self._followers.is_following(job):
                    yield job
            elif self._is_known(job, plan) and plan.record_id and plan.status:
                job.id, job.status, job.uploaded_at = plan.record_id, plan.status, plan.uploaded_at
                registered.append(job)
            else:
                staged.append(job)
        self._sent.put_all(staged)
        self._finished.put_all(registered)

    def _is_known(self, job: Job, plan: Plan) -> bool:
        """Whether BSS has nothing to do for the file any more: it is registered, and is or will be processed.

        What this run says of its processing may be something else than what it was or will be processed with.
        """
        says_nothing = self._told.get(job.file.kind) is None
        return plan.status in (Status.QUEUED, Status.PROCESSING, Status.READY) and says_nothing

    def _send(self, jobs: list[Job]) -> Iterator[Job]:
        for job in jobs:
            # The first one with this content is sent; those that came meanwhile find it staged, or try in turn.
            group, is_staged, content = [job], False, job.digest.sha256
            while group:
                for member in group:
                    try:
                        if not is_staged:
                            reached(CrashPoint.UPLOAD_PLANNED)
                            self._sender.deliver(member)
                            reached(CrashPoint.UPLOAD_SENT)
                            is_staged = True
                        yield member
                    except DreamlakeError as error:
                        self._fail(member, error)
                group = self._followers.release(content)

    def _finish(self, jobs: list[Job]) -> Iterator[Job]:
        for job, finished in self._in_bulk(jobs, self._calls.finish):
            reached(CrashPoint.UPLOAD_REGISTERED)
            if finished.error is not None and finished.error.code == Code.STAGED_OBJECT_MISSING:
                again = self._send_again(job)
                if again is None:
                    continue
                finished = again
            if finished.error is not None or finished.id is None:
                self._fail_as(job, finished)
                continue
            job.id, job.uploaded_at = finished.id, finished.uploaded_at
            job.status = finished.status or Status.REGISTERED
            yield job

    def _send_again(self, job: Job) -> FinishedUpload | None:
        """The staged bytes were gone when the file was to be registered: send and finish it alone, once more."""
        job.plan = None
        try:
            self._sender.deliver(job)
            return self._calls.finish([job])[0]
        except DreamlakeError as error:
            self._fail(job, error)
            return None

    def _register(self, jobs: list[Job]) -> Iterator[FileEvent]:
        known_failures = [job.id for job in jobs if job.status is Status.FAILED]
        reasons = (
            {record.id: record_failure(record) for record in self._bss.query(known_failures)} if known_failures else {}
        )
        registered = list(self._in_bulk(jobs, self._calls.index))
        reached(CrashPoint.UPLOAD_INDEXED)
        self._calls.tell_end(
            [job.id for job, ref in registered if job.status.is_final and ref.status is not job.status]
        )
        self._counters.done([job for job, _ in registered])
        for job, ref in registered:
            stored = FileStatus.UPLOADED if job.is_sent else FileStatus.DUPLICATE
            yield job.event(stored, asset_id=ref.id)
            if job.status is Status.READY:
                yield job.event(FileStatus.READY, asset_id=ref.id)
            elif job.id in reasons:
                yield job.event(FileStatus.FAILED, asset_id=ref.id, **reasons[job.id])

    def _in_bulk(self, jobs: list[Job], ask: Callable[[Sequence[Job]], list[Reply]]) -> Iterator[tuple[Job, Reply]]:
        """Ask for all at once; when that is refused, one by one, so that it fails those that deserve it."""
        try:
            yield from zip(jobs, ask(jobs), strict=True)
        except IndexAway as error:
            for job in jobs:
                self._fail(job, error)
        except DreamlakeError as error:
            if error.code in _FATAL:
                raise
            if len(jobs) == 1:
                self._fail(jobs[0], error)
                return
            for job in jobs:
                yield from self._in_bulk([job], ask)

    # Files that fail

    def _fail(self, job: Job, error: DreamlakeError) -> None:
        """Tell that a file failed. Raises the error when it would fail every other file as well."""
        is_local = isinstance(error, IndexAway | StoreAway) and not self._sender.is_store_down
        if error.code in _FATAL and not is_local:
            raise error
        self._counters.done([job])
        self._events.put(job.event(FileStatus.FAILED, **failure(error)))

    def _fail_as(self, job: Job, finished: FinishedUpload) -> None:
        error = finished.error
        reason = f"{error.message} {error.hint or ''}".strip() if error else "BSS did not answer for this file."
        self._counters.done([job])
        self._events.put(job.event(FileStatus.FAILED, code=error.code if error else str(Code.INTERNAL), reason=reason))


def _grouped(items: Iterable[Item]) -> Iterator[list[Item]]:
    """The items in groups for bulk calls; a slow source's are passed on after a moment."""
    group: list[Item] = []
    since = 0.0
    for item in items:
        if not group:
            since = time.monotonic()
        group.append(item)
        if len(group) >= _BULK or time.monotonic() - since >= _PLAN_LINGER:
            yield group
            group = []
    if group:
        yield group
