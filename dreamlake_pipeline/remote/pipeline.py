"""BSS's pipeline routes, typed: what the staging sensor and the assets say to BSS."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from ..api.bss import Ids, Record, Records, Success
from ..api.failures import Failures, MovedFiles
from ..api.integrity import LookedUp, LookUp
from ..api.pipeline import (
    Adopted,
    AdoptObjects,
    BatchItems,
    BatchOffer,
    BatchOffers,
    BatchRef,
    BatchSummary,
    BeginBatch,
    Chunk,
    ClaimBatches,
    Deletion,
    Deletions,
    FinishBatch,
    ForgetDeletions,
    GiveBack,
    Held,
    ItemResult,
    KnownBuild,
    KnownResults,
    LeaseChunks,
    LeasedBatch,
    LeasedBatches,
    LeasedChunks,
    LookupResults,
    PendingDeletions,
    Postpone,
    Postponement,
    Release,
    ReleaseBatches,
    Released,
    Reported,
    ReportResults,
    ResultKey,
    StagedKeys,
    StagedObject,
    StoredChunks,
    ToldDeletion,
    UnknownKeys,
)
from ..crashpoints import CrashPoint, reached
from ..kinds import Kind
from .http import ServiceClient

Item = TypeVar("Item")

# What one call takes at most (see the models); longer lists are sent in several calls.
_MOST_ITEMS = 1000
_MOST_CHUNKS = 10_000
# Seconds for which an answer to a heartbeat is waited for: one that was sent into a link that was cut is sent again
# soon, on another connection, and not when TCP tries the old one again, which is minutes later.
_HEARTBEAT_SILENCE = 10.0


class Leased(NamedTuple):
    """Hashes of chunks: those that must be stored before anything refers to them, and those that the owner plays."""

    missing: set[str]
    known: set[str]


class PipelineClient:
    """Every method is one route of api/pipeline.py and raises DreamlakeError. Needs a service token."""

    def __init__(self, http: ServiceClient) -> None:
        self._http = http

    # Staged objects

    def unknown_keys(self, asked: StagedKeys) -> list[str]:
        """Those of the staged objects that BSS knows nothing of, in their order."""
        return self._http.post("/pipeline/staged/unknown", asked, UnknownKeys).keys

    def adopt(self, objects: Sequence[StagedObject]) -> Adopted:
        """Register objects that nobody registered, or have BSS remember that they are none of ours."""
        total = Adopted(registered=0, ignored=0)
        for some in _slices(objects, _MOST_ITEMS):
            adopted = self._http.post("/pipeline/staged/adopt", AdoptObjects(objects=some), Adopted)
            total.registered += adopted.registered
            total.ignored += adopted.ignored
        return total

    # Batches

    def claim(self, limits: ClaimBatches) -> list[BatchOffer]:
        """Batches to launch: new ones, and those whose lease ended. Waits for one as long as `limits` say."""
        return self._http.post("/pipeline/batches/claim", limits, BatchOffers).batches

    def build(self) -> KnownBuild:
        """What the pipeline makes results with, as far as BSS was told."""
        return self._http.get("/pipeline/build", KnownBuild)

    def leased(self) -> list[LeasedBatch]:
        """The batches that are offered or worked on."""
        return self._http.get("/pipeline/batches/leased", LeasedBatches).batches

    def release(self, releases: Sequence[Release], *, max_attempts: int) -> list[str]:
        """These attempts are over, and their batches not finished. The partitions that are offered again by it."""
        return [
            partition
            for some in _slices(releases, _MOST_ITEMS)
            for partition in self._http.post(
                "/pipeline/batches/release", ReleaseBatches(releases=some, max_attempts=max_attempts), Released
            ).partitions
        ]

    def begin(
        self,
        partition: str,
        run_id: str,
        *,
        lease_seconds: float,
        attempt: int | None = None,
        force: bool = False,
        only: Sequence[str] = (),
        max_files: int | None = None,
        max_bytes: int | None = None,
        slots: int | None = None,
        kinds: Iterable[Kind] = tuple(Kind),
    ) -> BatchItems:
        """Take the batch for a run: the items that are to be done. CONFLICT: `attempt` is not the latest.

        A batch that no run has begun yet is filled up to `max_files` and `max_bytes`, where both are given, or to its
        share of the work for so many `slots`, with files of `kinds`.
        """
        body = BeginBatch(
            partition=partition,
            run_id=run_id,
            lease_seconds=lease_seconds,
            attempt=attempt,
            force=force,
            only=list(only),
            max_files=max_files,
            max_bytes=max_bytes,
            slots=slots,
            kinds=sorted(kinds),
        )
        return self._http.post("/pipeline/batches/begin", body, BatchItems)

    def items(self, partition: str, kind: Kind | None = None) -> BatchItems:
        """Every item of the batch, done or not, of one kind or of all."""
        return self._http.get("/pipeline/batches/items", BatchItems, partition=partition, kind=kind)

    def moved(self, partition: str) -> MovedFiles:
        """Where the files are that the batch has had and has no longer."""
        return self._http.get("/pipeline/batches/moved", MovedFiles, partition=partition)

    def failures(self) -> Failures:
        """What failed last, over all batches."""
        return self._http.get("/pipeline/failures", Failures)

    def heartbeat(self, partition: str, run_id: str, *, lease_seconds: float) -> Held:
        """Extend the run's hold on the batch to `lease_seconds` from now. CONFLICT: another run took it."""
        return self._http.post(
            "/pipeline/batches/heartbeat",
            BatchRef(partition=partition, run_id=run_id, lease_seconds=lease_seconds),
            Held,
            silence=_HEARTBEAT_SILENCE,
        )

    def give_back(self, partition: str, run_id: str, ids: Sequence[str]) -> None:
        """Items that the run has not worked on go back to the queue. CONFLICT: another run took the batch."""
        for some in _slices(ids, _MOST_CHUNKS):
            self._http.post(
                "/pipeline/batches/give-back", GiveBack(partition=partition, run_id=run_id, ids=some), Success
            )

    def postpone(self, partition: str, run_id: str, items: Sequence[Postponement]) -> None:
        """Items that a fault of the machinery kept from being processed are queued. CONFLICT: another run has it."""
        for some in _slices(items, _MOST_ITEMS):
            self._http.post(
                "/pipeline/batches/postpone", Postpone(partition=partition, run_id=run_id, items=some), Success
            )

    def report(self, partition: str, run_id: str, results: Sequence[ItemResult]) -> list[str]:
        """Record what became of items, and the chunks that they refer to; the ids of those that are passed over (see
        `Reported`). CONFLICT: another run has the batch."""
        passed_over: list[str] = []
        for some in _slices(results, _MOST_ITEMS):
            passed_over += self._http.post(
                "/pipeline/batches/results",
                ReportResults(partition=partition, run_id=run_id, results=some),
                Reported,
            ).passed_over
            reached(CrashPoint.RESULTS_REPORTED)
        return passed_over

    def finish(self, partition: str, run_id: str, ids: Sequence[str] | None = None) -> BatchSummary:
        """What has a result and is in the index is ready: those of `ids` (1,000 at most), or everything. The batch is
        closed when nothing is left to do. CONFLICT: another run has the batch."""
        body = FinishBatch(partition=partition, run_id=run_id, ids=None if ids is None else list(ids))
        summary = self._http.post("/pipeline/batches/finish", body, BatchSummary)
        reached(CrashPoint.BATCH_FINISHED)
        return summary

    # Deletions

    def pending_deletions(self, *, min_age_seconds: float, limit: int) -> list[Deletion]:
        """Records that were deleted, or restored, and of which the index was not told, the oldest first."""
        body = PendingDeletions(min_age_seconds=min_age_seconds, limit=limit)
        return self._http.post("/pipeline/deletions/pending", body, Deletions).items

    def forget_deletions(self, told: Sequence[Deletion]) -> None:
        """The index was told of these."""
        for some in _slices([ToldDeletion(record_id=one.record_id, at=one.at) for one in told], _MOST_ITEMS):
            self._http.post("/pipeline/deletions/forget", ForgetDeletions(deletions=some), Success)

    def records(self, ids: Sequence[str]) -> list[Record]:
        """Those of the records that are there."""
        return [
            record
            for some in _slices(ids, _MOST_ITEMS)
            for record in self._http.post("/records/query", Ids(ids=some), Records).items
        ]

    def absent(self, ids: Sequence[str]) -> list[str]:
        """Those of the ids that no record has."""
        return [
            one
            for some in _slices(ids, _MOST_ITEMS)
            for one in self._http.post("/fsck/lookup", LookUp(ids=some), LookedUp).absent
        ]

    # The chunk pool

    def lease_chunks(self, chunks: Sequence[Chunk], owner: str) -> Leased:
        """Announce chunks that a file of this owner is about to refer to."""
        leased = Leased(set(), set())
        for some in _slices(chunks, _MOST_CHUNKS):
            answer = self._http.post("/pipeline/chunks/lease", LeaseChunks(chunks=some, owner=owner), LeasedChunks)
            leased.missing.update(answer.missing)
            leased.known.update(answer.known)
        return leased

    def chunks_stored(self, hashes: Sequence[str]) -> None:
        """These chunks are in the pool now."""
        for some in _slices(hashes, _MOST_CHUNKS):
            self._http.post("/pipeline/chunks/stored", StoredChunks(chunks=some), Success)

    # Results

    def known_results(self, owner: str, keys: Sequence[ResultKey]) -> list[Record | None]:
        """For each key, a ready record of this owner that was made from the same bytes in the same way."""
        return [
            record
            for some in _slices(keys, _MOST_ITEMS)
            for record in self._http.post(
                "/pipeline/results/lookup", LookupResults(owner=owner, keys=some), KnownResults
            ).items
        ]


def _slices(items: Sequence[Item], size: int) -> Iterator[list[Item]]:
    return (list(items[start : start + size]) for start in range(0, len(items), size))
