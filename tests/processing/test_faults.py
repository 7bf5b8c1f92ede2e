"""Whose fault it is: what is not the file's puts the file off, whatever broke, and it is done once that is whole."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from dreamlake_pipeline.api.bss import Record, Status, Waiting
from dreamlake_pipeline.errors import ERRORS, Code, DreamlakeError
from dreamlake_pipeline.ids import new_id
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.processing.batch import BatchWork
from dreamlake_pipeline.processing.faults import OF_FILE, OF_MACHINERY, judge
from dreamlake_pipeline.processing.hold import Hold
from dreamlake_pipeline.processing.work import Outcome, Workshop, outcome_of_fault, process_item
from dreamlake_pipeline.remote.pipeline import PipelineClient
from dreamlake_pipeline.storage import ObjectStore
from tests.processing.gateway import Gateway

Begin = Callable[[dict[str, bytes]], Hold]


def srt(text: str) -> bytes:
    return f"1\n00:00:00,000 --> 00:00:01,000\n{text}\n".encode()


def wav(seconds: float = 0.2) -> bytes:
    tone = 0.3 * np.sin(np.arange(int(16_000 * seconds)) / 16_000 * 2 * np.pi * 440)
    body = io.BytesIO()
    with wave.open(body, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((tone * 32_767).astype("<i2").tobytes())
    return body.getvalue()


@pytest.fixture
def shop(pipeline: PipelineClient, object_store: ObjectStore) -> Workshop:
    return Workshop(pipeline, object_store)


def waiting(code: str, tries: int) -> Waiting:
    now = datetime.now(UTC)
    return Waiting(code=code, message="It was put off.", since=now, tries=tries, until=now)


def record(put_off: Waiting | None = None) -> Record:
    now = datetime.now(UTC)
    return Record(
        id=new_id(),
        kind=Kind.AUDIO,
        owner="o",
        project="lab",
        episode=None,
        name="/a.wav",
        staging_hash=None,
        staging_key="o/lab/staging/key",
        size=None,
        content_type=None,
        status=Status.PROCESSING,
        created_at=now,
        updated_at=now,
        waiting=put_off,
    )


# What the rule says


@pytest.mark.parametrize(
    "number",
    ["EDQUOT", "ENOSPC", "EMFILE", "ENFILE", "ENOMEM", "EAGAIN", "EIO", "EROFS", "ENOENT", "EACCES", "EPIPE", "ESTALE"],
)
def test_what_the_system_refuses_a_run_is_never_the_fault_of_a_file(number: str) -> None:
    fault = OSError(getattr(errno, number), os.strerror(getattr(errno, number)))
    verdict = judge(record(waiting("machine_failed", 1000)), fault)
    assert not verdict.is_final
    assert verdict.reason.code == ("storage_full" if number in ("EDQUOT", "ENOSPC") else "machine_failed")


@pytest.mark.parametrize("fault", [MemoryError(), RuntimeError("can't start new thread")])
def test_nor_is_it_what_the_machine_lacks_otherwise(fault: Exception) -> None:
    verdict = judge(record(), fault)
    assert not verdict.is_final and verdict.reason.code == "machine_failed"


@pytest.mark.parametrize("code", list(Code))
def test_every_code_is_of_the_file_or_of_the_machinery_or_has_to_come_back(code: Code) -> None:
    """A code that is added is the file's only if somebody says so."""
    fault = DreamlakeError(code, "What happened.")
    assert not OF_FILE & OF_MACHINERY
    assert judge(record(), fault).is_final is (code in OF_FILE)
    assert judge(record(waiting(code, 1000)), fault).is_final is (code not in OF_MACHINERY)
    assert judge(record(waiting("storage_failed", 1000)), fault).is_final is (code in OF_FILE)
    if code in OF_MACHINERY:
        assert ERRORS[code].retryable or code in (Code.UNAUTHENTICATED, Code.FORBIDDEN)


def test_a_fault_of_this_program_is_final_when_it_has_come_back_each_time() -> None:
    fault = ValueError("a bug")
    verdicts = [judge(record(waiting("internal", tries) if tries else None), fault) for tries in range(7)]
    assert [verdict.is_final for verdict in verdicts] == [False] * 5 + [True] * 2
    assert "a bug" not in verdicts[-1].reason.message and "/a.wav" in verdicts[-1].reason.message


def test_a_fault_that_nobody_expected_leaves_its_traceback_with_the_file() -> None:
    def stumble() -> None:
        raise KeyError("a bug")

    with pytest.raises(KeyError) as caught:
        stumble()
    outcome = outcome_of_fault(record(waiting("internal", 5)), caught.value)
    assert outcome.result is not None and outcome.error is not None
    log = "\n".join(outcome.result.log)
    assert "in stumble" in log and "a bug" in log and "a bug" not in outcome.error.message


# The object store


@pytest.mark.parametrize("fault", ["500", "502", "503", "cut", "no length", "gone"])
@pytest.mark.parametrize("name", ["small.wav", "words.srt", "large.wav"])
def test_a_store_that_breaks_off_puts_a_file_off(
    fault: str, name: str, hold: Begin, pipeline: PipelineClient, store_gateway: tuple[Gateway, ObjectStore]
) -> None:
    gateway, store = store_gateway
    held = hold({f"/{name}": {"small.wav": wav(), "words.srt": srt("a"), "large.wav": wav(200)}[name]})
    [item] = held.begin().items
    gateway.fault, gateway.where = fault, "/staging/"
    outcome = process_item(Workshop(pipeline, store), item)
    assert gateway.broken
    assert outcome.result is None and outcome.reason is not None and outcome.reason.code == Code.STORAGE_FAILED
    gateway.fault = None
    assert process_item(Workshop(pipeline, store), item).error is None


@pytest.mark.parametrize("where", ["/chunks/", "meta.json"])
@pytest.mark.parametrize("fault", ["503", "gone"])
def test_a_store_that_does_not_take_results_puts_a_file_off(
    where: str, fault: str, hold: Begin, pipeline: PipelineClient, store_gateway: tuple[Gateway, ObjectStore]
) -> None:
    gateway, store = store_gateway
    held = hold({f"/{where.strip('/')}.wav": wav(0.3)})
    [item] = held.begin().items
    gateway.fault, gateway.where = fault, where
    outcome = process_item(replace(Workshop(pipeline, store), share=False), item)
    # A chunk may be in the pool already: then nobody asks the store for it.
    assert outcome.result is None if gateway.broken else outcome.error is None
    if outcome.reason:
        assert outcome.reason.code == Code.STORAGE_FAILED


def test_a_store_that_is_away_puts_all_off_at_once_and_the_batch_is_over(
    hold: Begin, pipeline: PipelineClient, claim: Callable[[], list[str]], store_gateway: tuple[Gateway, ObjectStore]
) -> None:
    gateway, store = store_gateway
    held = hold({f"/{n}.srt": srt(str(n)) for n in range(200)} | {f"/{n}.wav": wav(0.1 + n / 1000) for n in range(50)})
    gateway.fault = "gone"
    with BatchWork(held, Workshop(pipeline, store), held.begin().items, workers=2) as work:
        outcomes = work.finish()
    assert {outcome.reason.code for outcome in outcomes if outcome.reason} == {Code.STORAGE_FAILED}
    assert len(gateway.objects) < 100  # not each of them found out for itself
    assert pipeline.items(held.partition).items == []
    assert pipeline.finish(held.partition, held.run_id).unfinished == 0

    gateway.fault = None
    ready: list[str] = []
    deadline = time.monotonic() + 60
    while len(ready) < 250 and time.monotonic() < deadline:
        for partition in claim():
            again = Hold(pipeline, partition, "run-2", lease_seconds=60)
            items = again.begin().items
            assert all(item.waiting and item.waiting.tries == 1 for item in items)
            with BatchWork(again, Workshop(pipeline, store), items, workers=2) as work:
                ready += [outcome.record.name for outcome in work.finish() if outcome.error is None]
        time.sleep(0.2)
    assert len(ready) == 250


# The machine


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 100 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() or subprocess.call(["mount", "-t", "tmpfs", "-o", "size=100m,mode=755", "tmpfs", str(place)]):
        pytest.skip("to mount a disk takes root")
    try:
        yield place
    finally:
        subprocess.call(["umount", "-l", str(place)])


def fill(disk: Path, *, left: int = 0) -> None:
    """Fill a disk up, but for so many bytes."""
    with suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    os.truncate(disk / "filler", max(0, (disk / "filler").stat().st_size - left))


def worked(hold: Hold, shop: Workshop, items: list[Record]) -> list[Outcome]:
    with BatchWork(hold, shop, items, workers=2) as work:
        return work.finish()


def test_a_full_disk_puts_off_what_needs_room(hold: Begin, shop: Workshop, small_disk: Path) -> None:
    full = replace(shop, scratch=small_disk)
    held = hold({"/a.srt": srt("a"), "/b.wav": wav(0.15), "/c.wav": wav(0.17)})
    items = held.begin().items
    fill(small_disk)
    outcomes = worked(held, full, items)
    put_off = [outcome.record for outcome in outcomes if outcome.result is None]
    assert "/a.srt" in {record.name for record in put_off}  # short sounds may need no disk
    assert {outcome.error.code for outcome in outcomes if outcome.error} == {Code.STORAGE_FULL}
    assert len(held.pipeline.items(held.partition).items) == 3 - len(put_off)
    (small_disk / "filler").unlink()
    for item in put_off:
        assert process_item(full, item).error is None
    assert list(small_disk.iterdir()) == []


def test_a_disk_that_fills_up_meanwhile_puts_a_file_off(hold: Begin, shop: Workshop, small_disk: Path) -> None:
    held = hold({"/large.wav": wav(100), "/large.srt": srt("x" * 3 * 2**20)})  # more than there is room for
    fill(small_disk, left=2**20)
    for item in held.begin().items:
        outcome = process_item(replace(shop, scratch=small_disk), item)
        assert outcome.result is None and outcome.reason and outcome.reason.code == Code.STORAGE_FULL


def test_a_disk_that_can_only_be_read_or_is_gone_puts_all_off(
    hold: Begin, shop: Workshop, small_disk: Path, tmp_path: Path
) -> None:
    held = hold({"/a.srt": srt("a")})
    [item] = held.begin().items
    subprocess.check_call(["mount", "-o", "remount,ro", str(small_disk)])
    for place in (small_disk, tmp_path / "nowhere"):
        outcome = process_item(replace(shop, scratch=place), item)
        assert outcome.result is None and outcome.reason and outcome.reason.code == Code.MACHINE_FAILED
    [outcome] = worked(held, replace(shop, scratch=tmp_path / "nowhere"), [item])
    assert outcome.reason and outcome.reason.code == Code.MACHINE_FAILED
