"""What failed is seen over all batches, and followed from the batch that it has left to where it is."""

from __future__ import annotations

from typing import Any

import pytest
from dagster import AssetKey, SensorResult, SkipReason, build_sensor_context, materialize

from dreamlake_pipeline.api.bss import Status
from dreamlake_pipeline.api.common import ErrorBody
from dreamlake_pipeline.api.failures import Failures
from dreamlake_pipeline.api.pipeline import ItemResult
from dreamlake_pipeline.assets.failed_files import failed_files
from dreamlake_pipeline.assets.outcome import FAILED_TAG, MOVED_TAG, OUTCOME_TAG
from dreamlake_pipeline.definitions import defs

SPEECH, NOTES, MORE = "/subs/speech.srt", "/subs/notes.srt", "/subs/more.srt"
NO_CUE = b"no cue in here\n"


def failed_of(world: Any, failures: Failures) -> list[str]:
    return [file.name for file in failures.items if file.owner == world.owner]


def tick(world: Any, cursor: str | None) -> SensorResult | SkipReason:
    with build_sensor_context(
        instance=world.instance, cursor=cursor, resources={"bss": world.resources()["bss"]}, definitions=defs
    ) as context:
        result = defs.resolve_sensor_def("list_failed_files")(context)
    assert isinstance(result, SensorResult | SkipReason)
    return result


def fail(world: Any, partition: str) -> None:
    """What a run does in which every file fails, as BSS sees it."""
    items = world.pipeline.begin(partition, "run", lease_seconds=3600).items
    error = ErrorBody(code="text_invalid", message="No cue.")
    world.pipeline.report(partition, "run", [ItemResult(id=item.id, error=error) for item in items])
    world.pipeline.finish(partition, "run")


def test_failures_of_all_batches_are_in_one_table(world: Any, samples: dict[str, bytes]) -> None:
    for name in (NOTES, MORE):
        ids = world.upload({name: NO_CUE + name.encode(), SPEECH: samples["speech.srt"]})
        world.run(world.form_batch())
    failures = world.pipeline.failures()
    assert failed_of(world, failures) == [MORE, NOTES]  # the latest first
    assert failures.count >= 2 and failures.by_code["text_invalid"] >= 2
    [latest, _] = [file for file in failures.items if file.owner == world.owner]
    assert latest.error is not None and latest.error.code == "text_invalid" and latest.run_id
    assert (latest.episode, latest.partition) == ("run-1", world.records(ids)[MORE].partition)

    first = tick(world, None)
    assert isinstance(first, SensorResult) and not first.run_requests
    materialization, check = first.asset_events
    rows = [record.data for record in materialization.metadata["files"].records]
    assert list(rows[0])[:4] == ["failed at", "episode", "name", "reason"]
    assert [row["name"] for row in rows if row["namespace"] == world.owner] == [MORE, NOTES]
    assert not check.passed and check.asset_key == AssetKey("failed_files")
    assert isinstance(tick(world, first.cursor), SkipReason)

    world.requeue([latest.id])
    again = tick(world, first.cursor)
    assert isinstance(again, SensorResult)
    assert failed_of(world, world.pipeline.failures()) == [NOTES]


def test_a_name_that_a_later_upload_holds_is_failed_no_more(world: Any, samples: dict[str, bytes]) -> None:
    world.upload({NOTES: NO_CUE})
    world.run(world.form_batch())
    assert failed_of(world, world.pipeline.failures()) == [NOTES]
    world.upload({NOTES: samples["speech.srt"]})
    world.run(world.form_batch())
    assert failed_of(world, world.pipeline.failures()) == []


def test_the_table_can_be_asked_for_at_once(world: Any) -> None:
    world.upload({NOTES: NO_CUE})
    world.run(world.form_batch())
    result = materialize([failed_files], resources={"bss": world.resources()["bss"]}, instance=world.instance)
    [materialization] = result.asset_materializations_for_node("failed_files")
    assert result.success and materialization.metadata["failed"].value >= 1
    assert [check.passed for check in result.get_asset_check_evaluations()] == [False]


def test_a_batch_whose_failures_moved_says_where_they_are(world: Any, samples: dict[str, bytes]) -> None:
    ids = world.upload({NOTES: NO_CUE, MORE: NO_CUE + b"!"})
    first = world.form_batch()
    world.run(first)
    world.requeue(list(ids.values()))
    second = world.form_batch()
    new_run = world.run(second)
    assert world.records(ids)[NOTES].status is Status.FAILED

    again = world.run(first)
    assert again.success
    [staged] = again.asset_materializations_for_node("staging_objects")
    assert staged.metadata["files that moved"].value == 2
    assert second.rsplit("/", 1)[-1] in staged.metadata["moved to"].value
    assert f"/runs/{new_run.run_id}" in staged.metadata["moved to"].value
    rows = [record.data for record in staged.metadata["moved"].records]
    assert [(row["name"], row["status"], row["batch"]) for row in rows] == [
        (MORE, "failed", second),
        (NOTES, "failed", second),
    ]
    tags = world.instance.get_run_by_id(again.run_id).tags
    assert tags[OUTCOME_TAG] == "moved" and tags[MOVED_TAG] == f"2 files, to {second}"
    [check] = [
        one
        for one in again.get_asset_check_evaluations()
        if (one.asset_key, one.check_name) == (AssetKey("dreamlake_index"), "every_file_processed")
    ]
    assert "2 more files that it had are in other batches" in check.description


@pytest.mark.parametrize("name", [OUTCOME_TAG, FAILED_TAG, MOVED_TAG])
def test_a_run_that_is_made_from_another_does_not_end_with_its_tags(
    world: Any, samples: dict[str, bytes], name: str
) -> None:
    world.upload({SPEECH: samples["speech.srt"]})
    result = world.job("process_batch").execute_in_process(
        instance=world.instance, partition_key=world.form_batch(), tags={name: "of the run before"}
    )
    tags = world.instance.get_run_by_id(result.run_id).tags
    assert "of the run before" not in tags.values()
    assert (tags[OUTCOME_TAG], tags[FAILED_TAG]) == ("ready", "0 of 1 failed")


def test_a_run_of_one_asset_says_what_failed_of_it(world: Any, samples: dict[str, bytes]) -> None:
    world.upload({SPEECH: samples["speech.srt"], NOTES: NO_CUE})
    result = world.run(world.form_batch(), "staging_objects", "text_tracks")
    tags = world.instance.get_run_by_id(result.run_id).tags
    assert (tags[OUTCOME_TAG], tags[FAILED_TAG]) == ("failures", "1 of 2 failed")


def test_a_file_remembers_the_last_batches_that_it_was_in(world: Any) -> None:
    ids = world.upload({NOTES: NO_CUE})
    left = []
    for _ in range(10):
        left.append(world.form_batch())
        fail(world, left[-1])
        world.requeue(list(ids.values()))
    assert [world.pipeline.moved(one).count for one in left] == [0] * 2 + [1] * 8
    [waiting] = world.pipeline.moved(left[-1]).items
    assert waiting.partition is None and waiting.status is Status.QUEUED
