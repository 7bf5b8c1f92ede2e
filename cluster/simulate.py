"""Many nodes without a node: what runs say to BSS and to the index is said, by the code that runs say it with, and only
the work on the files is a sleep.

So it is measured how far claiming, reporting and indexing carry, on the machine's own Postgres and BSS. What Dagster
and Ray take to start a run, and the object store, are not in it (`make bench`, `python -m cluster --figures`).
"""

from __future__ import annotations

import hashlib
import math
import queue
import random
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import home as benchmarks_home
from benchmarks import overhead
from dreamlake_pipeline.api.bss import Record
from dreamlake_pipeline.api.pipeline import BatchOffer, Chunk, ClaimBatches, ItemResult, ResultKey
from dreamlake_pipeline.processing.hold import Hold
from dreamlake_pipeline.processing.index import index_batch
from dreamlake_pipeline.processing.settling import Settling
from dreamlake_pipeline.processing.work import Outcome
from dreamlake_pipeline.remote.http import ServiceClient
from dreamlake_pipeline.remote.pipeline import PipelineClient
from dreamlake_pipeline.resources import FolderTreeResource

# A clip of 6 s that is copied takes 0.18 s of a core (docs/performance.md); one of a minute, as robots cut them, takes
# two. Few take much longer, as recordings do.
MEAN_SECONDS = 2.0
_SPREAD = 0.6  # of the logarithm
_CHUNKS = 10  # segments of 6 s
LANES = 2  # files that a node works on at a time: DREAMLAKE_WORKERS
_BATCH = 40  # files: 40 s of work on two lanes
_LEASE = 120.0
_TICK = 0.25

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Simulated:
    """So many nodes at work. `seconds`: from when the first had a batch until one found no further batch; `busy`: of
    all lanes, the share of that time in which they slept."""

    nodes: int
    files: int
    seconds: float
    busy: float

    @property
    def rate(self) -> float:
        """Files of MEAN_SECONDS a second, while all nodes had work."""
        return self.nodes * LANES * self.busy / MEAN_SECONDS


def simulate(folder: Path, say: Say, *, nodes: Sequence[int] = (1, 8, 64), seconds: float = 120.0) -> list[Simulated]:
    """Measure with so many nodes at a time, for about so many seconds each, on a stack under `folder`."""
    made = []
    with benchmarks_home.running(folder) as home:
        home.hold_pipeline()
        place = Place(
            home.environment["DREAMLAKE_BSS_URL"],
            home.stack.credentials.service_token,
            home.stack.postgres_url("dreamlake"),
        )
        for count in nodes:
            files = math.ceil(count * LANES * seconds / MEAN_SECONDS)
            project = home.new_project()
            overhead.stage(home, project, files)
            say(f"{count} nodes, {files} files")
            made.append(work(place, count, files))
            home.wait_ready(project, files)
            say(f"{count} nodes: busy for {made[-1].busy:.1%} of {made[-1].seconds:.0f} s, {made[-1].rate:.1f} files/s")
    return made


@dataclass(frozen=True, slots=True)
class Place:
    """Where BSS answers, a token of the pipeline's, and the database that holds the index."""

    bss_url: str
    token: str
    postgres_url: str


def work(place: Place, nodes: int, files: int, *, batch: int = _BATCH, mean: float = MEAN_SECONDS) -> Simulated:
    """Have so many nodes work on everything that is queued, which are so many files, each for `mean` seconds. There are
    to be more batches of `batch` files than nodes."""
    return _Cluster(place, nodes, files, batch, mean).work()


@dataclass(slots=True)
class _Cluster:
    """Nodes in threads, and one that claims for them, as the staging sensor does."""

    place: Place
    count: int
    files: int
    batch: int
    mean: float
    _offers: queue.Queue[BatchOffer | None] = field(default_factory=queue.Queue)
    _slept: list[tuple[float, float]] = field(default_factory=list)
    _begun: list[float] = field(default_factory=list)
    _idle: threading.Event = field(default_factory=threading.Event)
    _idle_at: float = math.inf
    _done: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def work(self) -> Simulated:
        """Have everything that is queued worked on."""
        with ThreadPoolExecutor(self.count + 1) as threads:
            nodes = [threads.submit(self._node, number) for number in range(self.count)]
            claiming = threads.submit(self._claim)
            for future in (*nodes, claiming):
                future.result()
        begin, end = min(self._begun), self._idle_at
        slept = sum(max(0.0, min(until, end) - max(since, begin)) for since, until in self._slept)
        seconds = end - begin
        return Simulated(self.count, self.files, seconds, slept / (seconds * self.count * LANES))

    def _http(self) -> ServiceClient:
        return ServiceClient("BSS", self.place.bss_url, self.place.token)

    def _claim(self) -> None:
        """Offer batches until there is nothing more to offer; each node is then told."""
        limits = ClaimBatches(
            max_open=self.count + 1,
            max_open_per_owner=self.count + 1,
            wait_seconds=1.0,
            max_files=self.batch,
            max_bytes=2**40,
            settle_seconds=0,
            processing_grace_seconds=0,
            lease_seconds=7 * 86400,
            max_attempts=3,
        )
        try:
            with self._http() as http:
                pipeline, offered = PipelineClient(http), 0
                while offered < self.files:
                    for offer in pipeline.claim(limits):
                        offered += offer.files
                        self._offers.put(offer)
        finally:
            for _ in range(self.count):
                self._offers.put(None)

    def _node(self, number: int) -> None:
        chance = random.Random(number)
        tree = FolderTreeResource(postgres_url=self.place.postgres_url)
        with self._http() as http, ThreadPoolExecutor(LANES) as lanes:
            while (offer := self._offers.get()) is not None:
                hold = Hold(PipelineClient(http), offer.partition, str(uuid.uuid4()), _LEASE, attempt=offer.attempt)
                items = hold.begin().items
                self._begun.append(time.monotonic())
                self._run(hold, items, tree, lanes, chance)
        with self._lock:
            self._idle_at = min(self._idle_at, time.monotonic())

    def _run(
        self,
        hold: Hold,
        items: Sequence[Record],
        tree: FolderTreeResource,
        lanes: ThreadPoolExecutor,
        chance: random.Random,
    ) -> None:
        """What a run does with a batch (processing/batch.py, assets/dreamlake_index.py)."""
        made: queue.SimpleQueue[Outcome | BaseException] = queue.SimpleQueue()
        for item in items:
            # Of a logarithm that is spread around `mu`, the mean is exp(mu + spread² / 2).
            lasts = chance.lognormvariate(math.log(self.mean) - _SPREAD**2 / 2, _SPREAD)
            lanes.submit(self._make, hold.pipeline, item, lasts, made)
        settling, left = Settling(hold, tree.upsert), len(items)
        while settling.without([item.id for item in items]):
            try:
                outcome = made.get(timeout=_TICK) if left else made.get_nowait()
                if isinstance(outcome, BaseException):
                    raise outcome
                settling.add([outcome])
                left -= 1
            except queue.Empty:
                pass
            settling.tick(at_once=not left)
        index_batch(hold, tree.upsert, took_batch=True, known=settling.refs)

    def _make(
        self, pipeline: PipelineClient, item: Record, lasts: float, made: queue.SimpleQueue[Outcome | BaseException]
    ) -> None:
        """What is asked and told of one file, and a sleep in the place of the work."""
        try:
            made.put(self._make_one(pipeline, item, lasts))
        except BaseException as fault:
            made.put(fault)

    def _make_one(self, pipeline: PipelineClient, item: Record, lasts: float) -> Outcome:
        digest = item.staging_hash or hashlib.sha256(item.id.encode()).hexdigest()
        pipeline.known_results(item.owner, [ResultKey(kind=item.kind, sha256=digest, recipe="simulated")])
        begun = time.monotonic()
        time.sleep(lasts)
        self._slept.append((begun, time.monotonic()))
        chunks = [hashlib.sha256(f"{item.id}/{n}".encode()).hexdigest() for n in range(_CHUNKS)]
        pipeline.lease_chunks([Chunk(sha256=one, size=1000) for one in chunks], item.owner)
        pipeline.chunks_stored(chunks)
        result = ItemResult(
            id=item.id,
            sha256=digest,
            size=item.size,
            recipe="simulated",
            metadata={"durationSec": 60.0, "streams": []},
            chunks=chunks,
        )
        return Outcome(item, result)


def table(made: Sequence[Simulated]) -> str:
    """What came of it, for a person."""
    lines = [f"{'nodes':>6} {'files':>7} {'seconds':>8} {'files/s':>8} {'of linear':>10}"]
    for one in made:
        lines.append(f"{one.nodes:>6} {one.files:>7} {one.seconds:>8.1f} {one.rate:>8.1f} {one.busy:>10.3f}")
    return "\n".join(lines)
