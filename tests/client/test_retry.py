"""What a client that retries and waits is told of records whose earlier result stands."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dreamlake_pipeline.api.common import ErrorBody
from dreamlake_pipeline.api.pipeline import ClaimBatches, ItemResult
from dreamlake_pipeline.client import DreamLake, FileEvent, Selection
from dreamlake_pipeline.client.cache import HashCache
from dreamlake_pipeline.client.digest import digest_file
from dreamlake_pipeline.client.plan import plan
from dreamlake_pipeline.remote.http import ServiceClient
from dreamlake_pipeline.remote.pipeline import PipelineClient

LIMITS = ClaimBatches(
    max_files=10, max_bytes=1000, settle_seconds=0, processing_grace_seconds=3600, lease_seconds=3600, max_attempts=3
)
ERROR = ErrorBody(code="text_invalid", message="There is no cue in it.")


class Runs:
    """Stands for the pipeline: each batch of this owner ends as `error` says."""

    def __init__(self, http: ServiceClient, owner: str) -> None:
        self.pipeline, self.owner = PipelineClient(http), owner
        self.error: ErrorBody | None = None
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._work)

    def _work(self) -> None:
        while not self.is_over.wait(0.05):
            for offer in self.pipeline.claim(LIMITS):
                if offer.owner == self.owner:
                    items = self.pipeline.begin(offer.partition, "run", lease_seconds=3600).items
                    made = {"error": self.error} if self.error else {"metadata": {"cues": 1}}
                    results = [ItemResult.model_validate({"id": item.id, **made}) for item in items]
                    self.pipeline.report(offer.partition, "run", results)
                    self.pipeline.finish(offer.partition, "run")


@pytest.fixture
def runs(services: Any, owner: str) -> Iterator[Runs]:
    with ServiceClient("BSS", services.bss_url, services.token("*")) as http:
        runs = Runs(http, owner)
        runs.thread.start()
        yield runs
        runs.is_over.set()
        runs.thread.join()


def test_a_new_attempt_that_fails_is_told_and_retried(
    lake: DreamLake, runs: Runs, tmp_path: Path, outcome: Any
) -> None:
    path = tmp_path / "a.srt"
    path.write_text("1\n00:00:00,000 --> 00:00:01,000\nHello\n")
    assert outcome(lake.upload_events([path], episode="robot", wait=True)).statuses() == {"a.srt": "ready"}

    runs.error = ERROR
    again = outcome(lake.retry_events(episode="robot", everything=True, wait=True))
    failed = again.of("a.srt")
    assert (failed.status, failed.code, again.summary.failed) == ("failed", "text_invalid", 1)
    assert failed.reason == "There is no cue in it. Its earlier result still plays."
    [record] = lake.bss.query([failed.id or ""])
    assert record.status == "ready" and record.is_playable and record.last_error == ERROR

    runs.error = None
    assert outcome(lake.retry_events(episode="robot", wait=True)).statuses() == {"a.srt": "ready"}
    assert outcome(lake.retry_events(episode="robot", wait=True)).statuses() == {}
    [record] = lake.bss.query([failed.id or ""])
    assert record.last_error is None


def test_a_dry_run_tells_what_failed_before(lake: DreamLake, runs: Runs, tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    fine, bad = folder / "fine.srt", folder / "bad.srt"
    fine.write_text("1\n00:00:00,000 --> 00:00:01,000\nHello\n")
    bad.write_text("1\n00:00:00,000 --> 00:00:01,000\nHallo\n")
    assert lake.upload(fine, episode="robot", wait=True).ready == 1
    runs.error = ERROR
    assert lake.upload(bad, episode="robot", wait=True).failed == 1
    target = lake.target("robot")

    def planned(cache: HashCache) -> dict[str | None, str]:
        told = plan(Selection(folder, target), target, bss=lake.bss, cache=cache)
        return {event.name: str(event.plan) for event in told if isinstance(event, FileEvent)}

    with HashCache(tmp_path / "cache") as cache:
        assert planned(cache) == {"/fine.srt": "same-size", "/bad.srt": "failed-before"}
        for path in (fine, bad):
            os.utime(path, (10**9, 10**9))
            cache.remember([(str(path), digest_file(str(path), 2**20))])
        assert planned(cache) == {"/fine.srt": "unchanged", "/bad.srt": "failed-before"}
    runs.error = None
    assert lake.ingest(folder, episode="robot", wait=True).ready == 2
