"""A run that was stopped for longer than its lease, and goes on: it changes nothing, and says why it ends."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from dreamlake_pipeline.processing.batch import BatchWork
from dreamlake_pipeline.processing.hold import BatchLost, Hold
from dreamlake_pipeline.processing.index import index_batch
from dreamlake_pipeline.processing.work import Workshop
from dreamlake_pipeline.remote import pipeline as remote_pipeline
from dreamlake_pipeline.remote.pipeline import PipelineClient
from dreamlake_pipeline.storage import ObjectStore, open_client
from tests.processing.gateway import Gateway
from tests.processing.zombie import FarAway

LEASE = 3.0


def srt(text: str) -> bytes:
    return f"1\n00:00:00,000 --> 00:00:01,000\n{text}\n".encode()


def stored(store: ObjectStore, owner: str) -> dict[str, tuple[str, Any]]:
    return {found.key: (found.etag, found.last_modified) for found in store.list_all(f"{owner}/")}


def test_a_zombie_changes_nothing_and_stops(
    hold: Callable[[dict[str, bytes]], Hold],
    object_store: ObjectStore,
    claim: Callable[[], list[str]],
    owner: str,
    services: Any,
) -> None:
    held = hold({f"/{n}.srt": srt(str(n)) for n in range(60)})
    arguments = [services.bss_url, services.token("*"), object_store.bucket, held.partition, str(LEASE)]
    zombie = subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "zombie.py"), *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    try:
        assert zombie.stdout is not None
        assert zombie.stdout.readline() == "begun\n"
        deadline = time.monotonic() + 60
        while not any(key.endswith("meta.json") for key in stored(object_store, owner)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        zombie.send_signal(signal.SIGSTOP)  # among others, files are published of which nobody was told

        while not (partitions := claim()):  # once its lease has ended
            assert time.monotonic() < deadline + 60
            time.sleep(0.2)
        for partition in partitions:
            other = replace(held, partition=partition, run_id="run-2", lease_seconds=60)
            with BatchWork(other, Workshop(held.pipeline, object_store), other.begin().items, workers=2) as work:
                work.finish()
            index_batch(other, lambda assets: [None] * len(assets), took_batch=True)  # type: ignore[arg-type, list-item]
        before, records = stored(object_store, owner), held.pipeline.items(partitions[0]).items

        zombie.send_signal(signal.SIGCONT)
        ready, _, _ = select.select([zombie.stdout], [], [], 60)
        said = zombie.stdout.readline() if ready else ""
        assert said.startswith("conflict Another run has batch")
        zombie.wait(30)
        assert stored(object_store, owner) == before
        assert held.pipeline.items(partitions[0]).items == records
        assert all(item.status == "ready" for item in records)
    finally:
        zombie.kill()
        zombie.wait()


def test_a_run_ends_all_that_it_has_at_work_at_its_first_refused_heartbeat(
    hold: Callable[[dict[str, bytes]], Hold], object_store: ObjectStore
) -> None:
    held = replace(hold({f"/{n}.srt": srt(str(n)) for n in range(40)}), lease_seconds=6)
    far = FarAway(open_client(), object_store.bucket)
    with BatchWork(held, Workshop(held.pipeline, far), held.begin().items, workers=1) as work:
        deadline = time.monotonic() + 100
        while not (workers := [worker for keeper in at_work() for worker in keeper.children()]):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        for one in workers:  # what it does now takes for ever
            one.suspend()
        held.pipeline.begin(held.partition, "run-2", lease_seconds=600)
        started = time.monotonic()
        with pytest.raises(BatchLost):
            work.finish()
        assert time.monotonic() - started < 100, "it is one sixth of a lease, and the machine may be busy"
        while at_work():
            assert time.monotonic() < started + 150
            time.sleep(0.05)
    assert {item.attempts for item in held.pipeline.items(held.partition).items} == {2}, "the other run has all of them"


def at_work() -> list[psutil.Process]:
    """The keepers of this process's workers."""
    found = []
    for one in psutil.Process().children():
        with suppress(psutil.Error):
            if "dreamlake_pipeline.media.run.worker" in one.cmdline():
                found.append(one)
    return found


def test_a_heartbeat_into_a_link_that_was_cut_is_sent_again_soon(
    hold: Callable[[dict[str, bytes]], Hold],
    bss_gateway: tuple[Gateway, PipelineClient],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remote_pipeline, "_HEARTBEAT_SILENCE", 3.0)
    gateway, pipeline = bss_gateway
    behind = replace(hold({"/1.srt": srt("1")}), pipeline=pipeline)
    behind.begin()
    gateway.fault, gateway.where, gateway.times = "silent", "/heartbeat", 2
    started = time.monotonic()
    behind.extend()
    assert gateway.broken == 2 and time.monotonic() - started < 50
    behind.pipeline.begin(behind.partition, "run-2", lease_seconds=600)
    gateway.times = 1
    with pytest.raises(BatchLost):
        behind.extend()


def test_answers_of_a_proxy_never_fail_a_file(
    hold: Callable[[dict[str, bytes]], Hold],
    object_store: ObjectStore,
    bss_gateway: tuple[Gateway, PipelineClient],
) -> None:
    """Two replicas that restart behind a proxy: it answers in their place, several times, also for one result alone."""
    gateway, pipeline = bss_gateway
    for fault in ("502", "gone", "503"):
        held = hold({f"/{fault}-{n}.srt": srt(str(n)) for n in range(5)})
        gateway.fault, gateway.where, gateway.times, gateway.broken = fault, "/pipeline/batches/", 4, 0
        behind = replace(held, pipeline=pipeline, run_id="run-1")
        gateway.times = 0
        items = behind.begin().items
        gateway.times = 4
        with BatchWork(behind, Workshop(pipeline, object_store), items, workers=2) as work:
            outcomes = work.finish()
        assert gateway.broken == 4
        assert [outcome.error for outcome in outcomes] == [None] * 5
        assert held.pipeline.finish(held.partition, held.run_id).ready == 5
