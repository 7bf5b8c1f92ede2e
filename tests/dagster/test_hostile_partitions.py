"""Whoever may use Dagster can add partitions of any name and start runs over them: such a run fails plainly, alone."""

from __future__ import annotations

from typing import Any

import pytest
from dagster import DagsterEventType

from dreamlake_pipeline.api.bss import Status
from dreamlake_pipeline.assets.partitions import BATCHES, formed_at

NAMES = [
    "../../records/x",
    "local/lab/2026-11-22T10-15-03Z-3f2a",
    "http://127.0.0.1:9/?a=b#c",
    "x' OR '1'='1",
    "{{ 7 * 7 }} %s %(a)s",
    "a\x1b[31mred",
    "\u202egnp.exe",
    "x" * 4000,
    " ",
]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: repr(name)[:30])
def test_a_run_over_a_partition_that_is_no_batch_fails_in_a_sentence(
    world: Any, samples: dict[str, bytes], name: str
) -> None:
    ids = world.upload({"/a.srt": samples["speech.srt"]})
    world.instance.add_dynamic_partitions(BATCHES, [name])
    result = world.run(name, raise_on_error=False)
    assert not result.success
    failure = result.failure_data_for_node("staging_objects")
    assert failure is not None and failure.user_failure_data is not None, failure
    assert "Traceback" not in str(failure.user_failure_data.description)
    assert world.records(ids)["/a.srt"].status is Status.QUEUED
    formed_at(name)
    failed = next(event for event in result.all_events if event.event_type is DagsterEventType.RUN_FAILURE)
    said = world.what_is_said_of(result.dagster_run, failed)
    assert "It worked on" in said and len(said) < 2500


@pytest.mark.parametrize("only", ["nonsense", "../x", "\x00", "a" * 10_000])
def test_an_id_that_can_be_none_fails_the_run_in_a_sentence(world: Any, samples: dict[str, bytes], only: str) -> None:
    world.upload({"/a.srt": samples["speech.srt"]})
    result = world.run(world.form_batch(), raise_on_error=False, only=[only])
    failure = result.failure_data_for_node("staging_objects")
    assert failure is not None and failure.user_failure_data is not None
    assert "`only` is none that BSS knows" in str(failure.user_failure_data.description)


def test_a_run_asks_for_no_item_of_another_batch(world: Any, new_world: Any, samples: dict[str, bytes]) -> None:
    """By `redo: {only: …}`: what is not of the batch is not processed, whoever it belongs to."""
    world.upload({"/a.srt": samples["speech.srt"]})
    partition = world.form_batch()
    other = new_world()
    theirs = other.upload({"/b.srt": samples["speech.srt"]})
    world.run(partition, raise_on_error=False, force=True, only=list(theirs.values()))
    assert other.records(theirs)["/b.srt"].status is Status.QUEUED
