"""The flow of a download: files are found, signed for many at a time, and fetched side by side.

A file that fails is told as a FileEvent; the others go on. What concerns all of them ends the run: a token that is not
accepted, a service that does not answer, a disk that is full. The same run again goes on: what is there whole has the
hash that BSS names and is not fetched again, and what arrived of a file is its beginning (`partial.py`).
"""

from __future__ import annotations

import errno
import stat
import time
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path

from ...api.common import storable_json
from ...errors import Code, DreamlakeError
from ...remote.bss import MOST_PER_CALL, BssClient
from ...remote.patience import Patience
from ...remote.refusal import StoreAway
from ..cache import HashCache
from ..digest import digest_file
from ..events import FileEvent, FileStatus, Progress, Waiting, failure
from ..stages import Channel, Flow
from ..transfer import Transfer
from ..walk import Version
from .counters import Counters, Job
from .filling import fill, has_none, signed_url
from .local import LocalTree
from .partial import Partial, exists
from .playlist import playlist
from .source import PARTS, Source
from .wanted import Wanted
from .what import What

DEFAULT_JOBS = 16

_FIRST_SIGNED = 32  # files in the first call: nothing is fetched before it
_SIGN_LINGER = 0.05  # seconds for which a call waits for more files
_GROUP = 100
_PART_SIZE = 8 * 2**20  # as the client hashes parts of what it uploads, so that the cache has them for both

_FULL = (errno.ENOSPC, errno.EDQUOT)

# What would fail every other file as well.
_FATAL = frozenset({Code.UNREACHABLE, Code.OVERLOADED, Code.UNAUTHENTICATED, Code.FORBIDDEN, Code.STORAGE_FULL})


class Fetcher:
    """One run over many files. Make a new one for each run.

    `jobs` is the most files that are fetched at once. Without `force`, a local file of other content is not replaced.
    `patience` is that of `bss`, and that with the object store. `must_have`: a file that has no such result failed,
    where else it is left out.
    """

    def __init__(
        self,
        bss: BssClient,
        tree: LocalTree,
        *,
        patience: Patience,
        jobs: int = DEFAULT_JOBS,
        cache: HashCache | None = None,
        force: bool = False,
        must_have: bool = False,
    ) -> None:
        self._bss = bss
        self._tree = tree
        self._patience = patience
        self._jobs = jobs
        self._cache = cache or HashCache(None)
        self._force = force
        self._must_have = must_have
        self._flow = Flow(patience.stopping)
        self._counters = Counters()
        self._transfer = Transfer(jobs, patience)
        self._source = Source(self._transfer, patience, self._flow.pool("part", threads=PARTS, depth=2 * PARTS))
        self._answered_at = time.monotonic()

    @property
    def files_found(self) -> int:
        return self._counters.files_found

    @property
    def bytes_fetched(self) -> int:
        return self._counters.bytes_fetched

    def run(self, candidates: Iterable[Wanted | FileEvent]) -> Generator[FileEvent | Waiting | Progress]:
        """Fetch the files; events of candidates that are none are passed on.

        Leaving the iteration stops the work; what has arrived by then is not fetched again by a later run.
        Raises DreamlakeError for what concerns every file, and what `candidates` raise.
        """
        flow = self._flow
        found: Channel[Wanted] = flow.channel(2 * MOST_PER_CALL, writers=1)
        signed: Channel[Job] = flow.channel(2 * MOST_PER_CALL, writers=2)
        self._events: Channel[FileEvent] = flow.channel(4 * MOST_PER_CALL, writers=self._jobs + 1)
        flow.source(self._select(candidates), found, also=[self._events])
        flow.stage(
            "sign", self._sign, found, signed, threads=2, bulk=MOST_PER_CALL, first=_FIRST_SIGNED, linger=_SIGN_LINGER
        )
        flow.stage("fetch", self._fetch, signed, self._events, threads=self._jobs)
        try:
            for events in flow.results(self._events, every=0.1):
                yield from events
                yield from self._patience.told()
                yield self._counters.progress()
        finally:
            self._transfer.close()

    # The stages

    def _select(self, candidates: Iterable[Wanted | FileEvent]) -> Iterator[list[Wanted]]:
        group: list[Wanted] = []
        for candidate in candidates:
            self._counters.found(files=1, size=candidate.size)
            if isinstance(candidate, FileEvent):
                self._counters.passed(1)
                self._events.put(candidate)
                continue
            group.append(candidate)
            if len(group) >= _GROUP:
                yield group
                group = []
        yield group
        self._counters.is_walking = False

    def _sign(self, wanted: list[Wanted]) -> Iterator[Job]:
        """Ask BSS for all of one sort at once."""
        for what in dict.fromkeys(one.what for one in wanted):
            some = [one for one in wanted if one.what is what]
            ids = [one.stored.id for one in some]
            if what is What.PLAYLIST:
                yield from map(Job, some)
            elif what is What.META:
                records = {record.id: record.wire() for record in self._bss.query(ids)}
                for one in some:
                    if (record := records.get(one.stored.id)) is not None:
                        yield Job(one, data=storable_json(record).encode() + b"\n")
                    else:
                        self._fail(Job(one), _gone(one))
            else:
                urls = {found.id: found for found in self._bss.file_urls(ids, what.stored_as)}
                for one in some:
                    found = urls.get(one.stored.id)
                    if found is None:
                        self._fail(Job(one), _gone(one))
                    elif found.error is not None:
                        self._fail(Job(one), DreamlakeError(Code(found.error.code), found.error.message))
                    else:
                        yield Job(one, size=found.size, sha256=found.sha256, url=found.url or "")

    def _fetch(self, jobs: list[Job]) -> Iterator[FileEvent]:
        for job in jobs:
            began = time.monotonic()
            try:
                event = self._bring(job)
            except DreamlakeError as error:
                # One object that the store does not give, while it gives others, is no reason to end.
                is_alone = isinstance(error, StoreAway) and self._answered_at > began
                self._fail(job, error, is_alone=is_alone)
            else:
                self._answered_at = time.monotonic()
                self._counters.done(job)
                yield event

    # One file

    def _bring(self, job: Job) -> FileEvent:
        """Have the file in its place. Raises DreamlakeError, Stopped."""
        wanted = job.wanted
        try:
            if wanted.what is What.RAW and self._is_there(job):
                self._counters.had(job, wanted.size)
                return wanted.event(FileStatus.UNCHANGED, sha256=job.sha256)
            self._tree.make_folder(str(Path(wanted.path).parent))
            return self._write(job)
        except OSError as fault:
            code = Code.STORAGE_FULL if fault.errno in _FULL else Code.FILE_UNREADABLE
            raise DreamlakeError(code, f"{wanted.path} cannot be written: {fault.strerror or fault}.") from None

    def _is_there(self, job: Job) -> bool:
        """Whether the file is there whole. Raises CONFLICT where something else is that is not to be replaced."""
        path, size, sha256 = job.wanted.path, job.size, job.sha256
        try:
            facts = Path(path).stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        if stat.S_ISREG(facts.st_mode) and sha256 and facts.st_size == size:
            version = Version.of(facts)
            [digest] = self._cache.recall([(path, version)])
            if digest is None:
                digest = digest_file(path, _PART_SIZE)
                self._cache.remember([(path, digest)])
            if digest.sha256.startswith(sha256):
                return True
        if not self._force and (sha256 or not stat.S_ISREG(facts.st_mode)):
            raise exists(path)
        return False

    def _write(self, job: Job) -> FileEvent:
        wanted = job.wanted
        with Partial(wanted.path, partial_key(wanted.stored.id, wanted.what)) as partial:
            if wanted.what in (What.META, What.PLAYLIST):
                data = job.data or playlist(
                    self._bss, self._transfer, self._patience, wanted.stored.kind, wanted.stored.id
                )
                partial.start_anew()
                partial.place(0, data)
                partial.follow(len(data))
                self._counters.fetched(job, len(data))
            else:
                self._fill(job, partial)
            is_new = partial.put_in_place(replace=self._force)
            status = FileStatus.DOWNLOADED if is_new else FileStatus.UNCHANGED
            return wanted.event(status, size=partial.written, sha256=partial.digest.hexdigest())

    def _fill(self, job: Job, partial: Partial) -> None:
        stored, what = job.wanted.stored, job.wanted.what

        def url(attempt: int) -> str:
            return job.url if attempt == 0 else signed_url(self._bss, stored.id, stored.name, what).url or ""

        try:
            fill(
                partial,
                self._source,
                url,
                name=stored.name,
                size=job.size,
                sha256=job.sha256,
                can_resume=what is What.RAW,
                on_had=lambda amount: self._counters.had(job, amount),
                on_bytes=lambda amount: self._counters.fetched(job, amount),
            )
        except DreamlakeError as error:
            if error.code is Code.NOT_FOUND and what is not What.RAW:
                raise has_none(stored.name, what) from None
            raise

    def _fail(self, job: Job, error: DreamlakeError, *, is_alone: bool = False) -> None:
        """Tell that a file failed. Raises the error when it would fail every other file as well."""
        if error.code in _FATAL and not is_alone:
            raise error
        self._counters.done(job)
        if error.code is Code.NOT_FOUND and job.wanted.what is not What.RAW and not self._must_have:
            self._events.put(job.wanted.event(FileStatus.SKIPPED, **failure(error)))
        else:
            self._events.put(job.wanted.failed(error))


def partial_key(record_id: str, what: What) -> str:
    """What tells apart the partial files of two contents, as far as bytes of one may be gone on with."""
    return record_id if what is What.RAW else f"{record_id}.{what}"


def _gone(wanted: Wanted) -> DreamlakeError:
    return DreamlakeError(Code.NOT_FOUND, f"{wanted.stored.name} was deleted meanwhile.")
