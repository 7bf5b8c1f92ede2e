"""Runs over a batch that was worked on before: what is done stays done, the rest is done, force does it again."""

from __future__ import annotations

from typing import Any

from dagster import AssetKey, ExecuteInProcessResult

from dreamlake_pipeline.api.bss import Status

SPEECH, NOTES, TONE = "/subs/speech.srt", "/subs/notes.srt", "/mic/tone.wav"
ALONE = ("staging_objects", "text_tracks")


def processed_now(result: ExecuteInProcessResult, asset: str) -> int:
    [materialization] = result.asset_materializations_for_node(asset)
    return int(materialization.metadata["processed now"].value)  # type: ignore[arg-type]


def test_a_rerun_does_what_failed_and_force_does_what_is_named(world: Any, samples: dict[str, bytes]) -> None:
    ids = world.upload({SPEECH: samples["speech.srt"], NOTES: b"no cue in here\n"})
    partition = world.form_batch()
    world.run(partition)
    before = world.records(ids)
    assert (before[SPEECH].status, before[NOTES].status) == (Status.READY, Status.FAILED)

    again = world.run(partition)
    after = world.records(ids)
    assert processed_now(again, "text_tracks") == 1
    assert after[SPEECH] == before[SPEECH]
    assert after[NOTES].status is Status.FAILED and after[NOTES].attempts == 2

    forced = world.run(partition, force=True, only=[ids[SPEECH]])
    last = world.records(ids)
    assert processed_now(forced, "text_tracks") == 1
    assert last[SPEECH].status is Status.READY and last[SPEECH].attempts == 2
    assert last[NOTES].attempts == 2


def test_forced_processing_shares_no_earlier_result(world: Any, samples: dict[str, bytes]) -> None:
    ids = world.upload({TONE: samples["tone.wav"]})
    world.run(world.form_batch())
    twin = world.upload({"/mic/same.wav": samples["tone.wav"]})
    partition = world.form_batch()
    world.run(partition)
    shared = world.records(twin)["/mic/same.wav"]
    assert shared.status is Status.READY
    assert shared.metadata["chunks"] | {"bytes": 0} == {"count": 1, "bytes": 0, "new": 0, "reused": 1}
    assert shared.metadata["streams"] == world.records(ids)[TONE].metadata["streams"]

    for key in world.keys(f"{world.owner}/lab/audio/{ids[TONE]}/"):
        world.store.delete([key])
    world.run(partition, force=True)
    forced = world.records(twin)["/mic/same.wav"]
    assert forced.status is Status.READY and forced.metadata["streams"] == shared.metadata["streams"]


def test_a_shared_result_whose_files_are_gone_is_made_again(world: Any, samples: dict[str, bytes]) -> None:
    ids = world.upload({TONE: samples["tone.wav"]})
    world.run(world.form_batch())
    world.store.delete(world.keys(f"{world.owner}/lab/audio/{ids[TONE]}/"))
    twin = world.upload({"/mic/same.wav": samples["tone.wav"]})
    world.run(world.form_batch())
    record = world.records(twin)["/mic/same.wav"]
    assert record.status is Status.READY
    names = {key.rsplit("/", 1)[-1] for key in world.keys(f"{world.owner}/lab/audio/{record.id}/")}
    assert {"master.m3u8", "waveform.png", "waveform.json", "meta.json"} < names


def test_one_asset_can_be_rerun_alone(world: Any, samples: dict[str, bytes]) -> None:
    ids = world.upload({SPEECH: samples["speech.srt"], TONE: samples["tone.wav"]})
    partition = world.form_batch()
    world.run(partition)
    idle = world.run(partition, "text_tracks")
    assert processed_now(idle, "text_tracks") == 0
    world.run(partition, "text_tracks", force=True)
    records = world.records(ids)
    assert (records[SPEECH].attempts, records[TONE].attempts) == (2, 1)
    assert records[SPEECH].status is Status.READY
    assert world.run(partition, "dreamlake_index").success
    assert world.records(ids) == records


def test_a_run_that_broke_off_is_gone_on_with(world: Any, samples: dict[str, bytes]) -> None:
    ids = world.upload({SPEECH: samples["speech.srt"], TONE: samples["tone.wav"]})
    partition = world.form_batch()
    world.run(partition, *ALONE)
    begun = world.records(ids)
    assert (begun[SPEECH].status, begun[TONE].status) == (Status.READY, Status.PROCESSING)

    whole = world.run(partition)
    records = world.records(ids)
    assert {record.status for record in records.values()} == {Status.READY}
    assert processed_now(whole, "text_tracks") == 0 and processed_now(whole, "audio_renditions") == 1
    assert records[SPEECH].attempts == 1


def test_a_service_that_is_down_fails_the_run_in_one_sentence(world: Any, samples: dict[str, bytes]) -> None:
    ids = world.upload({SPEECH: samples["speech.srt"]})
    partition = world.form_batch()
    world.bss_url, url = "http://127.0.0.1:9", world.bss_url
    result = world.run(partition, raise_on_error=False)
    assert not result.success
    failure = result.failure_data_for_node("staging_objects")
    assert failure is not None and failure.user_failure_data is not None
    assert "BSS does not answer at http://127.0.0.1:9" in str(failure.user_failure_data.description)

    world.bss_url = url
    assert world.run(partition).success
    assert world.records(ids)[SPEECH].status is Status.READY


def test_an_empty_kind_materializes_with_nothing(world: Any, samples: dict[str, bytes]) -> None:
    world.upload({SPEECH: samples["speech.srt"]})
    result = world.run(world.form_batch())
    assert {event.asset_key for event in result.get_asset_materialization_events()} >= {
        AssetKey("hls_streams"),
        AssetKey("label_tracks"),
    }
    assert processed_now(result, "hls_streams") == 0
    assert all(check.passed for check in result.get_asset_check_evaluations())
