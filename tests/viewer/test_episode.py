"""The view model of an episode (viewer/episode.py, viewer/tracks.py), of files as BSS and the index tell them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dreamlake_pipeline.api.bss import Record, Status
from dreamlake_pipeline.api.common import ErrorBody
from dreamlake_pipeline.api.server import Asset, AssetChange
from dreamlake_pipeline.errors import DreamlakeError
from dreamlake_pipeline.ids import new_id
from dreamlake_pipeline.kinds import Kind, kind_of
from dreamlake_pipeline.names import split_name
from dreamlake_pipeline.viewer import episode as episode_module
from dreamlake_pipeline.viewer.episode import view_of_episode, view_of_files
from tests.viewer.ingest import Lab

NOW = datetime(2025, 11, 30, 12, tzinfo=UTC)


def file(name: str, metadata: dict[str, Any] | None = None, **more: Any) -> tuple[Asset, Record]:
    """A file of an episode; ready, where it has metadata and nothing else is said."""
    kind, record_id = kind_of(name), new_id()
    assert kind is not None
    folder, filename = split_name(name)
    record = Record(
        id=record_id,
        kind=kind,
        owner="lab",
        project="cups",
        episode="run-1",
        name=name,
        staging_hash=None,
        staging_key="lab/cups/staging/x",
        size=1,
        content_type=None,
        status=more.pop("status", Status.READY if metadata is not None else Status.QUEUED),
        metadata=metadata,
        created_at=NOW,
        updated_at=NOW,
        ready_at=NOW if metadata is not None else None,
        **more,
    )
    asset = Asset(
        id=new_id(),
        kind=kind,
        namespace="lab",
        project="cups",
        project_id=new_id(),
        episode="run-1",
        episode_id=new_id(),
        node_id=new_id(),
        name=name,
        folder=folder,
        filename=filename,
        bss_id=record_id,
        status=record.status,
        created_at=NOW,
        updated_at=NOW,
    )
    return asset, record


def labels(start: float | str | None, origin: str = "relative", **more: Any) -> dict[str, Any]:
    if start is None:
        return {"entries": 3, "fields": [], **more}
    time = {"fields": ["t"], "origin": origin}
    return {"entries": 3, "fields": [], "timeField": "t", "start": start, "durationSec": 10.0, "time": time, **more}


def by_name(view: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {track["name"]: track for track in view["tracks"]}


def starts(*files: tuple[Asset, Record]) -> dict[str, float]:
    return {track["name"]: track["startSec"] for track in view_of_files(files)["tracks"]}


def test_an_episode_of_nothing() -> None:
    view = view_of_files([])
    assert (view["tracks"], view["durationSec"], view["counts"]) == ([], 0.0, {})


def test_tracks_are_in_the_order_of_their_names_whatever_their_kind() -> None:
    names = ["/text/a.vtt", "/camera/front.mp4", "/labels/joints.csv", "/audio/room.wav"]
    view = view_of_files([file(name, {}) for name in names])
    assert [track["name"] for track in view["tracks"]] == sorted(names)
    assert view["counts"] == {"ready": 4}


def test_subtitles_start_with_the_video_that_they_lie_beside() -> None:
    """As BSS has it: by folder, stem, and a language behind that."""
    video = file("/cam/front.mp4", {"durationSec": 9.0, "timeOrigin": {"sourceStart": 1_764_504_005.0}})
    joints = file("/joints.csv", labels("2025-11-30T12:00:00.25Z", "unix"))
    beside = {"/cam/front.vtt", "/cam/front.en.srt", "/cam/front.de.forced.vtt"}
    apart = {"/front.en.vtt", "/cam/frontal.vtt", "/cam/front.noise.vtt", "/cam/other.vtt"}
    tracks = by_name(view_of_files([video, joints, *(file(name, {"durationSec": 5.0}) for name in beside | apart)]))
    assert {name for name, track in tracks.items() if track["video"]} == beside
    assert {tracks[name]["video"] for name in beside} == {tracks["/cam/front.mp4"]["assetId"]}
    assert {tracks[name]["startSec"] for name in beside} == {4.75} == {tracks["/cam/front.mp4"]["startSec"]}
    assert {tracks[name]["startSec"] for name in apart} == {0.0}


@pytest.mark.parametrize(
    ("start", "origin"), [("2025-11-30T12:00:02Z", "unix"), ("2025-11-30T12:00:02", "date"), (2.0, "relative")]
)
def test_label_files_are_placed_by_their_own_clock(start: float | str, origin: str) -> None:
    first = "2025-11-30T12:00:00.000000000Z" if origin != "relative" else 0.0
    other = "unix" if origin != "relative" else "relative"
    assert starts(file("/a.csv", labels(first, other)), file("/b.csv", labels(start, origin))) == {
        "/a.csv": 0.0,
        "/b.csv": 2.0,
    }


@pytest.mark.parametrize("start", ["12025-11-30T12:00:00Z", "-0400-01-01T00:00:00", "no time"])
def test_a_time_that_no_calendar_here_has_starts_with_the_episode(start: str) -> None:
    assert starts(file("/a.csv", labels(start, "date")), file("/b.mp4", {"durationSec": 9.0}))["/a.csv"] == 0.0


def test_creation_times_are_those_of_the_containers_streams() -> None:
    streams = [{"type": "video", "created": "2025-11-30T12:00:03Z"}, {"type": "data"}]
    video = file("/a.mp4", {"durationSec": 9.0, "source": {"container": "mp4", "streams": streams}})
    view = view_of_files([video, file("/b.csv", labels("2025-11-30T12:00:00Z", "unix"))])
    assert by_name(view)["/a.mp4"]["startSec"] == 3.0
    assert by_name(view)["/a.mp4"]["alignedBy"] == "creation"
    assert view["alignment"]["epoch"] == NOW.timestamp()


def test_what_failed_or_has_no_times_takes_no_part_in_the_alignment() -> None:
    error = ErrorBody(code="labels_empty", message="It holds no entry.")
    failed = file("/bad.csv", status=Status.FAILED, error=error)
    view = view_of_files([failed, file("/queued.mp4"), file("/table.csv", labels(None)), file("/a.mp4", {})])
    assert view["alignment"]["text"] == "aligned by start"
    assert view["counts"] == {"failed": 1, "queued": 1, "ready": 2}
    tracks = by_name(view)
    assert tracks["/bad.csv"]["error"] == {"code": "labels_empty", "message": "It holds no entry.", "hint": None}
    assert (tracks["/table.csv"]["series"], tracks["/table.csv"]["alignedBy"]) == (None, None)
    assert tracks["/table.csv"]["rows"] == f"/rows/{tracks['/table.csv']['recordId']}"
    assert (tracks["/queued.mp4"]["poster"], tracks["/queued.mp4"]["playable"]) == (None, False)


def test_a_result_that_stands_is_shown_while_another_one_is_made() -> None:
    metadata = {"durationSec": 9.0, "width": 640, "posterUrl": "/videos/x/poster.jpg"}
    [track] = view_of_files([file("/a.mp4", metadata, status=Status.PROCESSING)])["tracks"]
    assert (track["playable"], track["width"], track["durationSec"]) == (True, 640, 9.0)
    assert track["poster"].split("?")[0] == f"/results/video/{track['recordId']}/poster.jpg"


def test_a_video_of_sound_only_is_a_sound() -> None:
    metadata = {"kindByContent": "audio", "durationSec": 3.0, "waveformUrl": "x", "loudness": {"integrated": -23.1}}
    [track] = view_of_files([file("/a.mp4", metadata)])["tracks"]
    assert (track["kind"], track["recordKind"], track["lufs"]) == (Kind.AUDIO, Kind.VIDEO, -23.1)
    assert track["waveform"].split("?")[0] == f"/results/video/{track['recordId']}/waveform.json"


def test_fields_come_with_their_units() -> None:
    fields = [{"name": "t", "type": "double"}, {"name": "force", "type": "double", "min": -1.5, "max": 2}]
    metadata = labels(0.0, fields=fields, fieldsTotal=1000, fieldsUrl="x", csv={"units": {"force": "N"}})
    [track] = view_of_files([file("/a.csv", metadata)])["tracks"]
    assert track["fields"][1] == {
        "name": "force",
        "type": "double",
        "unit": "N",
        "min": -1.5,
        "max": 2,
        "distinct": None,
    }
    assert (track["fieldsTotal"], track["timeFields"]) == (1000, ["t"])
    assert track["allFields"].split("?")[0] == f"/results/label-track/{track['recordId']}/fields.json"


def test_a_file_that_was_processed_again_has_other_addresses() -> None:
    asset, before = file("/a.mp4", {"posterUrl": "x"})
    again = before.model_copy(update={"ready_at": NOW + timedelta(minutes=1)})
    posters = {view_of_files([(asset, record)])["tracks"][0]["poster"] for record in (before, again)}
    assert len(posters) == 2, "a browser keeps what it was given for an hour"


def test_the_run_is_dagsters_page_of_the_batch() -> None:
    [track] = view_of_files([file("/a.csv", {}, partition="lab/cups 1")], dagster_url="http://d:3000/")["tracks"]
    assert track["run"] == "http://d:3000/runs?q%5B0%5D=tag:dagster/partition=lab/cups%201"


def test_a_thousand_label_files_of_many_fields_are_no_page_of_megabytes() -> None:
    fields = [
        {"name": f"joint_{n}.position", "type": "float64", "min": -1.23456789, "max": 1.23456789} for n in range(100)
    ]
    view = view_of_files([file(f"/{n}.csv", labels(0.0, fields=fields)) for n in range(1000)])
    assert len(json.dumps(view)) < 3_000_000
    assert {(len(track["fields"]), track["fieldsTotal"]) for track in view["tracks"]} == {(10, 100)}


def test_the_view_model_of_an_episode_that_was_ingested(lab: Lab) -> None:
    """Through both services: a stamped log, a log of seconds, subtitles, and a file that fails."""
    lab.ingest(
        {
            "/labels/stamped.csv": "time,x\n2025-11-30T12:00:00Z,1\n2025-11-30T12:00:02Z,2\n",
            "/labels/later.csv": "time,x\n2025-11-30T12:00:01.5Z,1\n2025-11-30T12:00:02Z,2\n",
            "/labels/broken.csv": "",
            "/text/a.vtt": "WEBVTT\n\n00:01.000 --> 00:03.500\nHello\n",
        }
    )
    view = view_of_episode(lab.clients, lab.namespace, lab.project, "run-1", can_write=True, dagster_url=None)
    tracks = by_name(view)
    assert (tracks["/labels/later.csv"]["startSec"], tracks["/labels/later.csv"]["alignedBy"]) == (1.5, "absolute")
    assert (view["durationSec"], view["alignment"]["by"], view["alignment"]["epoch"]) == (3.5, "mixed", NOW.timestamp())
    assert tracks["/labels/broken.csv"]["error"]["code"] == "file_empty"
    assert view["counts"] == {"ready": 3, "failed": 1}
    assert (view["flag"], view["note"], view["previous"], view["next"], view["moreFiles"]) == (
        None,
        None,
        None,
        None,
        0,
    )
    later = tracks["/labels/later.csv"]
    lab.clients.index.change_asset(Kind.LABEL_TRACK, later["assetId"], AssetChange(time_offset_sec=-2.0))
    moved = view_of_episode(lab.clients, lab.namespace, lab.project, "run-1", can_write=True, dagster_url=None)
    assert by_name(moved)["/labels/stamped.csv"]["startSec"] == 0.5
    assert moved["alignment"]["text"].endswith("later.csv -2 s")


def test_an_episode_of_ten_thousand_files_is_shown_with_its_cameras(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first files of the kinds that matter, whatever their names; here the bound is 3 and not 1,000."""
    monkeypatch.setattr(episode_module, "MOST_TRACKS", 3)
    sounds = {f"/audio/{n}.wav": b"RIFF" + bytes([n]) for n in range(6)}
    lab.ingest(sounds | {"/camera/front.mp4": b"mp4", "/z/joints.csv": "t,x\n0,1\n1,2\n"}, process=False)
    view = view_of_episode(lab.clients, lab.namespace, lab.project, "run-1", can_write=False, dagster_url=None)
    assert [track["name"] for track in view["tracks"]] == ["/audio/0.wav", "/camera/front.mp4", "/z/joints.csv"]
    assert view["moreFiles"] == 5
    with pytest.raises(DreamlakeError, match="run-2"):
        view_of_episode(lab.clients, lab.namespace, lab.project, "run-2", can_write=False, dagster_url=None)
