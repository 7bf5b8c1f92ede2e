"""Many files from disk to registered: look, read and hash, plan in bulk, send, finish in bulk, index in bulk.

Each step is a stage with threads of its own (`stages.py`). A file that fails in one of them is told as a
FileEvent and goes no further; the others go on. Every step may be done again: bytes that arrived are not
sent twice, a record or an index entry that exists is found. Only what would fail for every file ends the
run: a token that is not accepted, or a service that does not answer.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from ..api.bss import (
    CompletedPart,
    FinishedFile,
    PartPlan,
    PartUrl,
    Plan,
    PlanAction,
    PlannedFile,
    Status,
    UploadRef,
)
from ..api.bss import Finished as FinishedUpload
from ..api.server import BSS_ID_FIELDS, AssetRef, BatchAsset
from ..errors import Code, DreamlakeError
from ..kinds import Kind, content_type_of
from .bss import MOST_PER_CALL, BssClient
from .cache import HashCache
from .digest import Digest, changed, digest_file, open_file, read_whole, require_unchanged
from .events import FileEvent, FileStatus, Progress, Warned, failure, record_failure
from .preflight import warning
from .selection import LocalFile
from .server import IndexClient, asset_of
from .stages import Channel, Flow, Stopped
from .target import Target
from .transfer import StoreAway, Transfer, UrlExpired
from .walk import show_path

DEFAULT_JOBS = 32

# What is expected of BSS until its first plan says otherwise, so that parts are hashed while the file is read.
_PART_SIZE = 8 * 2**20
_BULK = MOST_PER_CALL  # files in a call
_FIRST_PLAN = 64  # files in the first call: nothing can be sent before it
_PLAN_LINGER = 0.05  # seconds for which a call waits for more files
_FINISH_LINGER = 1.0
_PARTS_PER_CALL = MOST_PER_CALL
# Files that are looked at before their turn to be read, so that what is odd about any is told early, and what is left.
_LOOKED_AHEAD = 50_000
_LOOKERS = 2
_LOOKS = 32  # files that a thread looks at in a row
_REMEMBER_FILES = 500  # digests are written to the cache after so many files,
_REMEMBER_BYTES = 2**30  # or so many bytes read
_STOP_SECONDS = 0.2  # between two looks whether it is to be stopped
_DELIVERIES = 3  # attempts with a new plan
_SILENT_SENDS = 3  # sends in a row that could not reach the store, before it is taken to be down

# What would fail every other file as well.
_FATAL = frozenset({Code.UNREACHABLE, Code.OVERLOADED, Code.UNAUTHENTICATED, Code.FORBIDDEN})

Answer = TypeVar("Answer")
Item = TypeVar("Item")


@dataclass(slots=True)
class _Job:
    """A file on its way; each stage fills in what it found out."""

    file: LocalFile
    digest: Digest
    plan: Plan | None = None
    is_remembered: bool = False  # the digest is from the cache, nothing was read
    is_sent: bool = False
    etag: str | None = None  # what the store acknowledged the one PUT with
    bytes_counted: int = 0
    id: str = ""
    status: Status = Status.REGISTERED

    def event(self, status: FileStatus, **more: str | None) -> FileEvent:
        return self.file.event(status, id=self.id or None, sha256=self.digest.sha256, **more)

    def planned_file(self) -> PlannedFile:
        return PlannedFile(**self._description())

    def finished_file(self, ladder: tuple[int, ...] | None, csv: dict[str, str] | None) -> FinishedFile:
        return FinishedFile(
            **self._description(),
            etag=self.etag or None,
            ladder=ladder if self.file.kind is Kind.VIDEO else None,
            csv=csv if self.file.kind is Kind.LABEL_TRACK else None,
        )

    def _description(self) -> dict[str, Any]:
        return {
            "kind": self.file.kind,
            "name": self.file.name,
            "episode": self.file.episode,
            "hash": self.digest.sha256,
            "size": self.digest.version.size,
            "content_type": content_type_of(self.file.path),
        }


@dataclass(slots=True)
class _Counters:
    """Totals that several threads add to."""

    files_found: int = 0
    bytes_found: int = 0
    files_done: int = 0
    bytes_done: int = 0
    bytes_read: int = 0
    bytes_sent: int = 0
    is_walking: bool = True
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, **amounts: int) -> None:
        with self.lock:
            for name, amount in amounts.items():
                setattr(self, name, getattr(self, name) + amount)

    def progress(self) -> Progress:
        with self.lock:
            return Progress(
                self.files_found,
                self.bytes_found,
                self.files_done,
                self.bytes_done,
                self.bytes_read,
                self.bytes_sent,
                self.is_walking,
            )


class Uploader:
    """One run over many files of one project. Make a new one for each run.

    `ladder` are heights of further, smaller renditions of every video, `csv` says how every label file is written that
    is a CSV (`csv_options.py`); None leaves either to the project. `jobs` is the most requests that are sent at once;
    fewer are when more are no faster. With `rehash`, also files whose hashes the cache has are read.
    """

    def __init__(
        self,
        bss: BssClient,
        index: IndexClient,
        target: Target,
        *,
        ladder: tuple[int, ...] | None = None,
        csv: dict[str, str] | None = None,
        jobs: int = DEFAULT_JOBS,
        cache: HashCache | None = None,
        rehash: bool = False,
    ) -> None:
        self._bss = bss
        self._index = index
        self._target = target
        self._ladder = ladder
        self._csv = csv
        self._jobs = jobs
        self._cache = cache or HashCache(None)
        self._rehash = rehash
        self._unremembered: list[tuple[str, Digest]] = []
        self._unremembered_bytes = 0
        self._transfer = Transfer(jobs)
        self._flow = Flow()
        self._counters = _Counters()
        self._part_size = _PART_SIZE
        self._silent_sends = 0
        # Files with the content of one that is being sent wait for it here, by hash.
        self._followers: dict[str, list[_Job]] = {}
        self._lock = threading.Lock()
        self._events: Channel[FileEvent | Warned] = self._flow.channel(4 * _BULK, writers=2)
        self._parts = self._flow.pool("part", threads=jobs, depth=2 * jobs)

    @property
    def files_found(self) -> int:
        """Everything that was looked at, whatever became of it."""
        return self._counters.files_found

    @property
    def bytes_sent(self) -> int:
        return self._counters.bytes_sent

    def run(self, candidates: Iterable[LocalFile | FileEvent]) -> Generator[FileEvent | Warned | Progress]:
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
            first=_FIRST_PLAN,
            linger=_PLAN_LINGER,
            also=[sent, finished],
        )
        flow.stage("send", self._send, planned, sent, threads=self._jobs)
        flow.stage("finish", self._finish, sent, finished, threads=2, bulk=_BULK, linger=_FINISH_LINGER)
        flow.stage("index", self._register, finished, self._events, threads=2, bulk=_BULK, linger=_FINISH_LINGER)
        try:
            for events in flow.results(self._events, every=0.1):
                yield from events
                yield self._counters.progress()
        finally:
            self._transfer.close()
            self._write_digests()

    # The stages

    def _select(self, candidates: Iterable[LocalFile | FileEvent]) -> Iterator[list[LocalFile]]:
        """The files that are to be read, in groups; those whose digests are known are on their way already."""
        for group in _grouped(candidates):
            files = [candidate for candidate in group if isinstance(candidate, LocalFile)]
            others = [candidate for candidate in group if isinstance(candidate, FileEvent)]
            self._counters.add(files_found=len(group), bytes_found=sum(candidate.size for candidate in group))
            self._counters.add(files_done=len(others), bytes_done=sum(other.size for other in others))
            self._events.put_all(others)
            digests = self._recall(files)
            known = [
                _Job(file, digest, is_remembered=True)
                for file, digest in zip(files, digests, strict=True)
                if digest is not None
            ]
            self._hashed.put_all(known)
            yield [file for file, digest in zip(files, digests, strict=True) if digest is None]
        self._counters.is_walking = False

    def _recall(self, files: list[LocalFile]) -> list[Digest | None]:
        if self._rehash:
            return [None] * len(files)
        return self._cache.recall([(file.path, file.version) for file in files])

    def _look(self, files: list[LocalFile]) -> Iterator[LocalFile]:
        for file in files:
            if odd := warning(file):
                self._events.put(Warned(show_path(file.path), file.name, odd))
                yield replace(file, warning=odd)
            else:
                yield file

    def _hash(self, files: list[LocalFile]) -> Iterator[_Job]:
        for file in files:
            try:
                yield _Job(file, self._digest(file.path))
            except DreamlakeError as error:
                self._counters.add(files_done=1, bytes_done=file.size)
                self._events.put(file.event(FileStatus.FAILED, **failure(error)))

    def _digest(self, path: str) -> Digest:
        """Read and hash the file, and have the cache remember it."""
        digest = digest_file(path, self._part_size, self._count_read)
        with self._lock:
            self._unremembered.append((path, digest))
            self._unremembered_bytes += digest.version.size
            is_much = len(self._unremembered) >= _REMEMBER_FILES or self._unremembered_bytes >= _REMEMBER_BYTES
        if is_much:
            self._write_digests()
        return digest

    def _write_digests(self) -> None:
        with self._lock:
            digests, self._unremembered, self._unremembered_bytes = self._unremembered, [], 0
        self._cache.remember(digests)

    def _plan(self, jobs: list[_Job]) -> Iterator[_Job]:
        staged, registered = [], []
        for job, plan in self._in_bulk(jobs, self._ask_plans):
            job.plan = plan
            if plan.part_size:
                self._part_size = plan.part_size
            if plan.action is not PlanAction.STAGED:
                if not self._is_following(job):
                    yield job
            elif self._is_known(job, plan) and plan.record_id and plan.status:
                job.id, job.status = plan.record_id, plan.status
                registered.append(job)
            else:
                staged.append(job)
        self._sent.put_all(staged)
        self._finished.put_all(registered)

    def _is_known(self, job: _Job, plan: Plan) -> bool:
        """Whether BSS has nothing to do for the file any more: it is registered, and is or will be processed.

        What is told of it may be another thing than it was processed with.
        """
        told = {Kind.VIDEO: self._ladder, Kind.LABEL_TRACK: self._csv}.get(job.file.kind)
        return plan.status in (Status.QUEUED, Status.PROCESSING, Status.READY) and told is None

    def _send(self, jobs: list[_Job]) -> Iterator[_Job]:
        for job in jobs:
            # The first one with this content is sent; those that came meanwhile find it staged, or try in turn.
            group, is_staged, content = [job], False, job.digest.sha256
            while group:
                for member in group:
                    try:
                        if not is_staged:
                            self._deliver(member)
                            is_staged = True
                        yield member
                    except DreamlakeError as error:
                        self._fail(member, error)
                group = self._release(content)

    def _finish(self, jobs: list[_Job]) -> Iterator[_Job]:
        for job, answer in self._in_bulk(jobs, self._ask_finish):
            if answer.error is not None and answer.error.code == Code.STAGED_OBJECT_MISSING:
                again = self._send_again(job)
                if again is None:
                    continue
                answer = again
            if answer.error is not None or answer.id is None:
                self._fail_as(job, answer)
                continue
            job.id, job.status = answer.id, answer.status or Status.REGISTERED
            yield job

    def _register(self, jobs: list[_Job]) -> Iterator[FileEvent]:
        known_failures = [job.id for job in jobs if job.status is Status.FAILED]
        reasons = (
            {record.id: record_failure(record) for record in self._bss.query(known_failures)} if known_failures else {}
        )
        registered = list(self._in_bulk(jobs, self._ask_index))
        self._tell_end([job.id for job, ref in registered if job.status.is_final and ref.status is not job.status])
        self._done([job for job, _ in registered])
        for job, ref in registered:
            stored = FileStatus.UPLOADED if job.is_sent else FileStatus.DUPLICATE
            yield job.event(stored, asset_id=ref.id)
            if job.status is Status.READY:
                yield job.event(FileStatus.READY, asset_id=ref.id)
            elif job.id in reasons:
                yield job.event(FileStatus.FAILED, asset_id=ref.id, **reasons[job.id])

    def _tell_end(self, ids: list[str]) -> None:
        """Tell the index of records that ended before it knew them: the pipeline will not touch them again."""
        if ids:
            self._index.register_batch([asset_of(record) for record in self._bss.query(ids)])

    # Calls in bulk

    def _ask_plans(self, jobs: Sequence[_Job]) -> list[Plan]:
        return self._bss.plan_uploads(
            self._target.namespace, self._target.project, [job.planned_file() for job in jobs]
        )

    def _ask_finish(self, jobs: Sequence[_Job]) -> list[FinishedUpload]:
        return self._bss.finish_uploads(
            self._target.namespace, self._target.project, [job.finished_file(self._ladder, self._csv) for job in jobs]
        )

    def _ask_index(self, jobs: Sequence[_Job]) -> list[AssetRef]:
        try:
            return self._index.register_batch([self._asset(job) for job in jobs])
        except DreamlakeError as error:
            if error.code not in (Code.UNREACHABLE, Code.OVERLOADED):
                raise
            # The records exist in BSS: only this step is missing, so it fails these files and not the run.
            raise _IndexAway(
                error.code,
                f"Stored, but not in the index: {error.message}",
                hint="Run the same command again, or `dreamlake retry`: nothing is sent twice.",
            ) from error

    def _asset(self, job: _Job) -> BatchAsset:
        # No status: the pipeline may have finished the file meanwhile, and knows better.
        its_id: dict[str, Any] = {BSS_ID_FIELDS[job.file.kind]: job.id}
        return BatchAsset(
            namespace=self._target.namespace,
            project=self._target.project,
            episode_name=job.file.episode,
            name=job.file.name,
            kind=job.file.kind,
            size=job.digest.version.size,
            sha256=job.digest.sha256,
            # Whoever uploads earlier content again under its old name means it to be there.
            restore=True,
            **its_id,
        )

    def _in_bulk(
        self, jobs: list[_Job], ask: Callable[[Sequence[_Job]], list[Answer]]
    ) -> Iterator[tuple[_Job, Answer]]:
        """Ask for all at once; when that is refused, one by one, so that it fails those that deserve it."""
        try:
            yield from zip(jobs, ask(jobs), strict=True)
        except _IndexAway as error:
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

    # Sending

    def _deliver(self, job: _Job) -> None:
        """Bring the bytes to the store, with a new plan when the old one is no longer good."""
        for _ in range(_DELIVERIES):
            plan = job.plan
            if plan is None:
                plan = job.plan = self._ask_plans([job])[0]
            try:
                if plan.action is PlanAction.PUT and plan.url:
                    size, read = job.digest.version.size, partial(read_whole, job.file.path, job.digest)
                    job.etag = self._transfer.put_bytes(plan.url, plan.headers, size, read, self._flow.stopping)
                    self._count_sent(job, size)
                    job.is_sent = True
                elif plan.action is PlanAction.MULTIPART and plan.upload_id and plan.part_size:
                    self._send_parts(job, UploadRef(upload_id=plan.upload_id, key=plan.key), plan.part_size)
                    job.is_sent = True
                self._silent_sends = 0
                return
            except UrlExpired:
                job.plan = None
            except DreamlakeError as error:
                if error.code is Code.FILE_CHANGED and job.is_remembered:
                    # Not what the cache says, though it looks the same from outside: it is read after all.
                    job.digest, job.is_remembered = self._digest(job.file.path), False
                elif error.code is not Code.UPLOAD_EXPIRED:
                    raise
                job.plan = None
        raise DreamlakeError(
            Code.STORAGE_FAILED,
            "The object store keeps refusing signed uploads (403).",
            hint="Compare the clocks of this machine and of the store, and BSS's credentials for it.",
        )

    def _send_parts(self, job: _Job, upload: UploadRef, part_size: int) -> None:
        """Send the parts that have not arrived yet, several at a time, and complete the upload."""
        file, size = job.file, job.digest.version.size
        if job.digest.part_size != part_size:
            again = digest_file(file.path, part_size)
            if again.sha256 != job.digest.sha256:
                raise changed(show_path(file.path))
            job.digest = again
        hashes = job.digest.parts or (job.digest.sha256,)
        plans = [
            PartPlan(part_number=number, size=min(part_size, size - (number - 1) * part_size), sha256=sha256)
            for number, sha256 in enumerate(hashes, 1)
        ]
        sizes = {plan.part_number: plan.size for plan in plans}
        etags = {
            part.part_number: part.etag
            for part in self._bss.parts_done(file.kind, upload)
            if sizes.get(part.part_number) == part.size
        }
        self._count(job, sum(sizes[number] for number in etags))
        missing = iter([plan for plan in plans if plan.part_number not in etags])
        try:
            with open_file(file.path) as descriptor:
                require_unchanged(file.path, descriptor, job.digest.version)
                while some := list(islice(missing, _PARTS_PER_CALL)):
                    urls = self._bss.sign_parts(file.kind, upload, some)
                    etags |= self._put_parts(job, descriptor, urls, sizes, part_size)
                require_unchanged(file.path, descriptor, job.digest.version)
        except DreamlakeError as error:
            if error.code is Code.FILE_CHANGED:
                # What arrived is no longer what the hash promises: nobody may build on it.
                self._bss.abort_upload(file.kind, upload)
            raise
        completed = [CompletedPart(part_number=number, etag=etags[number]) for number in sorted(etags)]
        self._bss.complete_upload(file.kind, upload, completed)

    def _put_parts(
        self, job: _Job, descriptor: int, urls: list[PartUrl], sizes: dict[int, int], part_size: int
    ) -> dict[int, str]:
        """PUT parts on the shared threads; their ETags by number. Raises what the first failure was, or Stopped."""
        changed = threading.Condition()
        etags: dict[int, str] = {}
        faults: list[BaseException] = []
        running, is_over = 0, False

        def put(part: PartUrl) -> None:
            nonlocal running
            with changed:
                if is_over:
                    return
                running += 1
            try:
                offset, size = (part.part_number - 1) * part_size, sizes[part.part_number]
                count, stopping = partial(self._count_sent, job), self._flow.stopping
                etag = self._transfer.put_range(
                    part.url, part.headers, descriptor, offset, size, count=count, stopping=stopping
                )
                etags[part.part_number] = etag
            except BaseException as fault:
                faults.append(fault)
            finally:
                with changed:
                    running -= 1
                    changed.notify_all()

        try:
            for part in urls:
                self._parts.put(partial(put, part))
            with changed:
                while not faults and len(etags) < len(urls):
                    changed.wait(_STOP_SECONDS)
                    if self._flow.stopping.is_set():
                        raise Stopped  # what waits for its turn never gets it
        finally:
            with changed:
                is_over = True
                # The descriptor is closed after this: whoever still reads from it must have ended.
                changed.wait_for(lambda: not running)
        if faults:
            raise faults[0]
        return etags

    def _send_again(self, job: _Job) -> FinishedUpload | None:
        """The staged bytes were gone when the file was to be registered: send and finish it alone, once more."""
        job.plan = None
        try:
            self._deliver(job)
            return self._ask_finish([job])[0]
        except DreamlakeError as error:
            self._fail(job, error)
            return None

    def _is_following(self, job: _Job) -> bool:
        """Whether a file with the same content is being sent; then this one waits for it."""
        with self._lock:
            waiting = self._followers.get(job.digest.sha256)
            if waiting is None:
                self._followers[job.digest.sha256] = []
                return False
            waiting.append(job)
            return True

    def _release(self, sha256: str) -> list[_Job]:
        """Those that waited for this content, to be dealt with now; none ends the waiting."""
        with self._lock:
            waiting = self._followers.get(sha256)
            if waiting:
                self._followers[sha256] = []
                return waiting
            self._followers.pop(sha256, None)
            return []

    # Telling

    def _fail(self, job: _Job, error: DreamlakeError) -> None:
        if isinstance(error, StoreAway):
            self._silent_sends += 1
        is_local = isinstance(error, _IndexAway | StoreAway) and self._silent_sends < _SILENT_SENDS
        if error.code in _FATAL and not is_local:
            raise error
        self._done([job])
        self._events.put(job.event(FileStatus.FAILED, **failure(error)))

    def _fail_as(self, job: _Job, answer: FinishedUpload) -> None:
        error = answer.error
        reason = f"{error.message} {error.hint or ''}".strip() if error else "BSS did not answer for this file."
        self._done([job])
        self._events.put(job.event(FileStatus.FAILED, code=error.code if error else str(Code.INTERNAL), reason=reason))

    def _done(self, jobs: Sequence[_Job]) -> None:
        with self._counters.lock:
            self._counters.files_done += len(jobs)
            for job in jobs:
                self._counters.bytes_done += job.file.size - job.bytes_counted
                job.bytes_counted = job.file.size

    def _count(self, job: _Job, amount: int) -> None:
        with self._counters.lock:
            job.bytes_counted += amount
            self._counters.bytes_done += amount

    def _count_sent(self, job: _Job, amount: int) -> None:
        with self._counters.lock:
            job.bytes_counted += amount
            self._counters.bytes_done += amount
            self._counters.bytes_sent += amount

    def _count_read(self, amount: int) -> None:
        self._counters.add(bytes_read=amount)


class _IndexAway(DreamlakeError):
    """DreamLake Server does not answer; the files are stored all the same."""


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
