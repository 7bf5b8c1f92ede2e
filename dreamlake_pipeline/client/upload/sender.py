"""The bytes of a file to the store: by one PUT, or by the parts of a multipart upload that have not arrived yet."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from itertools import islice

from ...api.bss import CompletedPart, PartPlan, PartUrl, PlanAction, UploadRef
from ...errors import Code, DreamlakeError
from ...remote.bss import MOST_PER_CALL, BssClient
from ...remote.patience import Patience, Stopped
from ...remote.refusal import StoreAway, UrlExpired
from ..digest import changed, digest_file, open_file, read_whole, require_unchanged
from ..stages import Channel
from ..transfer import Transfer
from ..walk import show_path
from .calls import Calls
from .counters import Counters
from .hasher import Hasher
from .job import Job

_PARTS_PER_CALL = MOST_PER_CALL
_DELIVERIES = 3  # plans in a row by which nothing arrived
_STOP_SECONDS = 0.2  # between two looks whether it is to be stopped
_SILENT_SENDS = 3  # sends in a row that could not reach the store, before it is taken to be down


class Sender:
    """Sends files over shared connections and threads. Safe to share between threads."""

    def __init__(
        self,
        bss: BssClient,
        calls: Calls,
        hasher: Hasher,
        counters: Counters,
        *,
        jobs: int,
        parts: Channel[Callable[[], None]],
        patience: Patience,
    ) -> None:
        """`jobs` is the most requests at once; `parts` are threads that do what is put there (`Flow.pool`)."""
        self._bss = bss
        self._calls = calls
        self._hasher = hasher
        self._counters = counters
        self._transfer = Transfer(jobs, patience)
        self._parts = parts
        self._stopping = patience.stopping
        self._silent_sends = 0

    @property
    def is_store_down(self) -> bool:
        """Whether several sends in a row could not reach the store."""
        return self._silent_sends >= _SILENT_SENDS

    def close(self) -> None:
        self._transfer.close()

    def deliver(self, job: Job) -> None:
        """Bring the bytes to the store, with a new plan when the old one is no longer good.

        Raises Stopped, or DreamlakeError: StoreAway, STORAGE_FAILED, STORAGE_FULL, FILE_CHANGED, what BSS refuses.
        """
        try:
            with self._counters.sending(job):
                self._deliver(job)
        except StoreAway:
            self._silent_sends += 1
            raise
        self._silent_sends = 0

    def _deliver(self, job: Job) -> None:
        reason, fruitless, counted = "", 0, -1
        verdict: DreamlakeError | None = None
        while fruitless < _DELIVERIES:
            # As long as parts arrive between two plans, there may be any number of them.
            fruitless = 1 if job.bytes_counted > counted else fruitless + 1
            counted = max(counted, job.bytes_counted)
            plan = job.plan
            if plan is None:
                plan = job.plan = self._calls.plan([job])[0]
            try:
                if plan.action is PlanAction.PUT and plan.url:
                    size, read = job.digest.version.size, partial(read_whole, job.file.path, job.digest)
                    job.etag = self._transfer.put_bytes(plan.url, plan.headers, size, read)
                    self._counters.sent(job, size)
                    job.is_sent = True
                elif plan.action is PlanAction.MULTIPART and plan.upload_id and plan.part_size:
                    self._send_parts(job, UploadRef(upload_id=plan.upload_id, key=plan.key), plan.part_size)
                    job.is_sent = True
                return
            except UrlExpired as refused:
                job.plan, reason, verdict = None, f"It refuses what is signed ({refused}).", refused.verdict
            except DreamlakeError as error:
                if error.code is Code.FILE_CHANGED and job.is_remembered:
                    # Not what the cache says, though it looks the same from outside: it is read after all.
                    job.digest, job.is_remembered = self._hasher.digest(job.file), False
                elif error.code is Code.UPLOAD_EXPIRED:
                    reason, verdict = error.message, None
                else:
                    raise
                job.plan = None
        raise verdict or DreamlakeError(
            Code.STORAGE_FAILED,
            f"The object store does not take the bytes, however often it is asked. {reason}",
            hint="Look at BSS's credentials for the store, and compare the clocks of their machines.",
        )

    def _send_parts(self, job: Job, upload: UploadRef, part_size: int) -> None:
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
        self._counters.arrived(job, sum(sizes[number] for number in etags))
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
        self, job: Job, descriptor: int, urls: list[PartUrl], sizes: dict[int, int], part_size: int
    ) -> dict[int, str]:
        """PUT parts on the shared threads; their ETags by number. Raises what the first failure was, or Stopped."""
        ended = threading.Condition()
        etags: dict[int, str] = {}
        faults: list[BaseException] = []
        running, is_over = 0, False

        def put(part: PartUrl) -> None:
            nonlocal running
            with ended:
                if is_over:
                    return
                running += 1
            try:
                offset, size = (part.part_number - 1) * part_size, sizes[part.part_number]
                etag = self._transfer.put_range(
                    part.url,
                    part.headers,
                    descriptor,
                    offset,
                    size,
                    count=partial(self._counters.sent, job),
                )
                etags[part.part_number] = etag
            except BaseException as fault:
                faults.append(fault)
            finally:
                with ended:
                    running -= 1
                    ended.notify_all()

        try:
            for part in urls:
                self._parts.put(partial(put, part))
            with ended:
                while not faults and len(etags) < len(urls):
                    ended.wait(_STOP_SECONDS)
                    if self._stopping.is_set():
                        raise Stopped  # what waits for its turn never gets it
        finally:
            with ended:
                is_over = True
                # The descriptor is closed after this: whoever still reads from it must have ended.
                ended.wait_for(lambda: not running)
        if faults:
            raise faults[0]
        return etags
