"""Batches are cut by work: runs on several machines end together, whatever the files are."""

from __future__ import annotations

import heapq
import random
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import Engine, text

from dreamlake_pipeline import database
from dreamlake_pipeline.api.pipeline import BatchOffer, BeginBatch, ClaimBatches, ItemResult
from dreamlake_pipeline.bss import batches
from dreamlake_pipeline.bss.batches.work import rates_for, work_of
from dreamlake_pipeline.migrations import migrate

MB = 10**6
HOSTS, WORKERS, STARTS = 4, 2, 3.0  # a run on a cluster begins after seconds


@pytest.fixture(scope="module")
def engine(new_database: Callable[[], str]) -> Iterator[Engine]:
    url = new_database()
    migrate(url, schema=database.BSS_SCHEMA, package="dreamlake_pipeline.bss")
    engine = database.open_engine(url, schema=database.BSS_SCHEMA)
    yield engine
    engine.dispose()


@dataclass(frozen=True)
class File:
    """What is queued, and the seconds that it takes a worker, of which BSS knows nothing."""

    kind: str
    name: str
    size: int
    seconds: float


def mixed(count: int = 600) -> list[File]:
    """Clips that are copied, films that are transcoded, sounds, labels, long recordings, and two huge files."""
    chance = random.Random(7)
    files = []
    for n in range(count - 2):
        size = chance.uniform(0.5, 1.5)
        files.append(
            chance.choices(
                [
                    File("video", f"/{n}.mp4", int(5 * MB * size), 0.4 * size),
                    File("video", f"/{n}.avi", int(15 * MB * size), 20 * size),
                    File("video", f"/long-{n}.mp4", int(400 * MB * size), 8 * size),
                    File("audio", f"/{n}.wav", int(4 * MB * size), 0.3 * size),
                    File("label-track", f"/{n}.csv", int(2 * MB * size), 0.2 * size),
                ],
                weights=[30, 12, 8, 25, 25],
            )[0]
        )
    return [*files, File("video", "/huge-1.mp4", 9_000 * MB, 180), File("video", "/huge-2.mp4", 8_000 * MB, 160)]


def queue(engine: Engine, owner: str, files: list[File]) -> dict[str, File]:
    """Queue files, as far as BSS knows them; by the ids of their records."""
    ids = {secrets.token_hex(12): one for one in files}
    rows = [
        {"id": record, "kind": one.kind, "owner": owner, "name": one.name, "size": one.size, "key": f"{owner}/{record}"}
        for record, one in ids.items()
    ]
    with engine.begin() as connection:
        connection.execute(
            text("""
            INSERT INTO records (id, kind, owner, project, name, staging_key, status, size, queued_at)
            VALUES (:id, :kind, :owner, 'lab', :name, :key, 'queued', :size, now())"""),
            rows,
        )
    return ids


@dataclass
class Cluster:
    """Hosts with a run each at a time, in a time of their own; BSS is real, and so is what it is asked and told."""

    engine: Engine
    owner: str
    files: dict[str, File]
    slots: int | None
    offers: list[BatchOffer] = field(default_factory=list)
    ends: list[float] = field(default_factory=lambda: [0.0] * HOSTS)
    sizes: list[list[File]] = field(default_factory=list)

    def run(self) -> None:
        idle, working = list(range(HOSTS)), []
        now = 0.0
        while True:
            self._claim()
            while idle and self.offers:
                host, offer = idle.pop(0), self.offers.pop(0)
                items = self._begin(offer, f"run-{offer.partition}")
                heapq.heappush(working, (now + self._takes(items), host, offer, items))
                self._claim()
            if not working:
                return
            now, host, offer, items = heapq.heappop(working)
            self._report(offer, items)
            self.ends[host] = now
            idle.append(host)

    def _claim(self) -> None:
        limits = ClaimBatches(
            max_open_per_owner=HOSTS + 1,
            max_files=2000,
            max_bytes=64 * 2**30,
            settle_seconds=0,
            processing_grace_seconds=3600,
            lease_seconds=3600,
            max_attempts=3,
            slots=self.slots,
        )
        with self.engine.begin() as connection:
            self.offers += [one for one in batches.claim(connection, limits) if one.owner == self.owner]

    def _begin(self, offer: BatchOffer, run: str) -> list[str]:
        asked = BeginBatch(
            partition=offer.partition,
            run_id=run,
            lease_seconds=3600,
            max_files=2000,
            max_bytes=64 * 2**30,
            slots=self.slots,
        )
        with self.engine.begin() as connection:
            batches.fill(connection, asked)
        with self.engine.begin() as connection:
            items = [item.id for item in batches.begin(connection, asked).items]
        self.sizes.append([self.files[item] for item in items])
        return items

    def _takes(self, items: list[str]) -> float:
        workers = [STARTS] * WORKERS
        for seconds in sorted((self.files[item].seconds for item in items), reverse=True):
            heapq.heapreplace(workers, workers[0] + seconds)
        return max(workers)

    def _report(self, offer: BatchOffer, items: list[str]) -> None:
        run = f"run-{offer.partition}"
        results = [
            ItemResult(id=item, metadata={"processing": {"seconds": self.files[item].seconds}}) for item in items
        ]
        with self.engine.begin() as connection:
            assert batches.report(connection, offer.partition, run, results) == []
        with self.engine.begin() as connection:
            assert batches.finish(connection, offer.partition, run).unfinished == 0

    @property
    def efficiency(self) -> float:
        """The part of all workers' time, until the last file is made, in which they make files."""
        return sum(one.seconds for one in self.files.values()) / (max(self.ends) * HOSTS * WORKERS)


def worked(engine: Engine, owner: str, slots: int | None, files: list[File] | None = None) -> Cluster:
    cluster = Cluster(engine, owner, queue(engine, owner, files or mixed()), slots)
    cluster.run()
    assert sorted(one.name for batch in cluster.sizes for one in batch) == sorted(
        one.name for one in cluster.files.values()
    )
    return cluster


def test_four_hosts_end_together(engine: Engine, owner: str) -> None:
    cluster = worked(engine, owner, HOSTS)
    assert (max(cluster.ends) - min(cluster.ends)) / max(cluster.ends) < 0.15, cluster.ends
    assert cluster.efficiency > 0.8, cluster.ends


def test_by_count_alone_they_do_not(engine: Engine, owner: str) -> None:
    """The simulation sees what it is for: a run with all small files holds one host for long."""
    by_count = worked(engine, owner, None)
    assert by_count.efficiency < 0.7, by_count.ends


def test_a_huge_file_holds_no_quick_ones(engine: Engine, owner: str) -> None:
    """What is beside it is as much as the other worker of its run does meanwhile, all of it slow."""
    with_huge = [batch for batch in worked(engine, owner, HOSTS).sizes if any("huge" in one.name for one in batch)]
    assert len(with_huge) in (1, 2)
    for batch in with_huge:
        assert all(one.name.startswith(("/huge", "/long")) or one.name.endswith(".avi") for one in batch)
        huge = max(one.seconds for one in batch)
        assert sum(one.seconds for one in batch) < 2.5 * huge


def test_little_work_is_one_batch(engine: Engine, owner: str) -> None:
    """A run is not worth its start for a few seconds of work."""
    files = [File("text-track", f"/{n}.srt", 2000, 0.02) for n in range(500)]
    cluster = worked(engine, owner, 64, files)
    assert [len(batch) for batch in cluster.sizes] == [500]


def test_what_files_took_is_what_others_of_their_sort_are_taken_for(engine: Engine, owner: str) -> None:
    """Films of this project are HEVC, whatever MP4 holds elsewhere: a transcode, not a copy."""
    first = [File("video", f"/{n}.mp4", 10 * MB, 12) for n in range(10)]
    worked(engine, owner, HOSTS, first)
    ids = queue(engine, owner, [File("video", f"/more-{n}.MP4", 10 * MB, 12) for n in range(20)])
    query = text(f"SELECT {work_of('r')} FROM records r {rates_for('r')} WHERE r.id = ANY(:ids)")
    with engine.connect() as connection:
        work = list(connection.execute(query, {"ids": list(ids)}).scalars())
    assert work == pytest.approx([12] * 20)
    cluster = Cluster(engine, owner, ids, HOSTS)
    cluster.run()
    assert len(cluster.sizes) >= 4


def test_what_was_learnt_follows_files_of_today(engine: Engine, owner: str) -> None:
    for seconds in (100, 1, 1, 1, 1, 1, 1):
        worked(engine, owner, HOSTS, [File("video", f"/{secrets.token_hex(3)}.mp4", MB, seconds) for _ in range(10)])
    with engine.connect() as connection:
        query = text("SELECT seconds / bytes * 1e6 FROM work_rates WHERE owner = :owner")
        rate = connection.execute(query, {"owner": owner}).scalar_one()
    assert rate < 25


@pytest.mark.parametrize("odd", [None, "long", -1, True, {"a": 1}, 1e300])
def test_results_that_do_not_say_how_long_they_took_teach_nothing(engine: Engine, owner: str, odd: Any) -> None:
    [record] = queue(engine, owner, [File("audio", "/a.wav", MB, 1)])
    cluster = Cluster(engine, owner, {record: File("audio", "/a.wav", MB, 1)}, HOSTS)
    cluster._claim()
    [offer] = cluster.offers
    cluster._begin(offer, "run")
    result = ItemResult(id=record, metadata={"processing": {"seconds": odd}} if odd is not None else {})
    with engine.begin() as connection:
        assert batches.report(connection, offer.partition, "run", [result]) == []
        query = text("SELECT count(*) FROM work_rates WHERE owner = :owner")
        assert connection.execute(query, {"owner": owner}).scalar_one() == 0


def test_a_bulk_ingest_that_goes_on_has_all_hosts_at_work(engine: Engine, owner: str) -> None:
    """With a slot idle, the work of a batch is enough: its project need not settle."""
    cluster = Cluster(engine, owner, queue(engine, owner, [File("video", "/a.avi", 20 * MB, 20)]), HOSTS)
    cluster._claim()
    assert len(cluster.offers) == 1
    limits = {"settle_seconds": 3600, "processing_grace_seconds": 3600, "lease_seconds": 3600, "max_attempts": 3}
    for slots, offered in ((None, 0), (1, 0), (HOSTS, 1)):
        queue(engine, owner, [File("video", f"/{slots}-{n}.avi", 20 * MB, 20) for n in range(6)])
        asked = ClaimBatches(**limits, max_files=100, max_bytes=10**12, slots=slots)  # type: ignore[arg-type]
        with engine.begin() as connection:
            found = [one for one in batches.claim(connection, asked) if one.owner == owner]
        assert (len(found) > 0) == (offered > 0), slots
