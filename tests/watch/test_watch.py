"""What a watch takes and when, what it tells, and what it remembers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dreamlake_pipeline.api.bss import ProjectSettings
from dreamlake_pipeline.client import DreamLake
from dreamlake_pipeline.client.events import Summary, Waiting, Warned
from dreamlake_pipeline.client.watch import watch as watch_module
from dreamlake_pipeline.client.watch.notices import Notices
from dreamlake_pipeline.client.watch.pending import PendingFiles
from dreamlake_pipeline.kinds import Kind

Start = Callable[..., Any]


@pytest.fixture
def without_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a network file system: nothing is told of changes, so that looking must do."""
    monkeypatch.setattr(Notices, "renew", lambda self: None)


def test_what_is_there_and_what_appears_is_stored(watching: Start, folder: Path) -> None:
    (folder / "camera").mkdir()
    (folder / "camera" / "front.mp4").write_text("front")
    (folder / "notes.txt").write_text("of no known kind")
    its = watching()
    its.until(lambda: ("uploaded", "/camera/front.mp4") in its.told())
    (folder / "joints.csv").write_text("time,x\n0,1\n")
    new = folder / "labels" / "left"
    new.mkdir(parents=True)
    (new / "hand.csv").write_text("time,y\n0,1\n")
    its.until(lambda: {("uploaded", "/joints.csv"), ("uploaded", "/labels/left/hand.csv")} <= set(its.told()))
    assert len(its.told()) == 3
    assert (its.watch.summary.uploaded, its.watch.summary.skipped, its.watch.summary.files) == (3, 1, 4)
    assert [event.reason for event in its.events if isinstance(event, Warned) and event.name == "/"] == [
        f"files below {folder} are left out, since nothing says what they are: .txt 1."
    ]


def test_looking_alone_finds_what_changes(watching: Start, folder: Path, without_events: None) -> None:
    its = watching(rescan=0.2)
    (folder / "joints.csv").write_text("time,x\n0,1\n")
    its.until(lambda: its.told() == [("uploaded", "/joints.csv")])
    (folder / "joints.csv").write_text("time,x\n0,1\n1,2\n")
    its.until(lambda: its.told() == [("uploaded", "/joints.csv")] * 2)


def test_a_file_that_grows_is_sent_once_and_whole(watching: Start, folder: Path, lake: DreamLake) -> None:
    its = watching(settle=3.0)  # the pauses between its lines are far from that, also on a busy machine
    lines = [f"{number},1\n" for number in range(20)]
    with (folder / "joints.csv").open("w") as file:  # open and closed again each time, so that no writer is seen
        file.write("time,x\n")
    for line in lines:
        with (folder / "joints.csv").open("a") as file:
            file.write(line)
        time.sleep(0.1)
    its.until(lambda: its.told())
    time.sleep(1)
    assert its.told() == [("uploaded", "/joints.csv")]
    (record,) = lake.bss.list_page(Kind.LABEL_TRACK, owner=lake.namespace, project="robot").items
    assert record.size == (folder / "joints.csv").stat().st_size


def test_a_file_that_changes_later_is_sent_again(watching: Start, folder: Path) -> None:
    (folder / "joints.csv").write_text("time,x\n0,1\n")
    its = watching()
    its.until(lambda: its.told() == [("uploaded", "/joints.csv")])
    (folder / "joints.csv").write_text("time,x\n0,1\n1,2\n")
    its.until(lambda: its.told() == [("uploaded", "/joints.csv")] * 2)


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not tell who writes")
def test_a_file_that_is_held_open_waits_until_it_is_closed(
    watching: Start, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dreamlake_pipeline.client.watch.pending._TOLD_AFTER", 0.5)
    its = watching()
    writer = subprocess.Popen(
        ["sh", "-c", f"exec 3>'{folder}/joints.csv'; echo time,x >&3; read line"], stdin=subprocess.PIPE
    )
    try:
        (folder / "other.csv").write_text("time,x\n0,1\n")
        its.until(lambda: ("uploaded", "/other.csv") in its.told())
        its.until(lambda: any(isinstance(event, Warned) for event in its.events))
        (warning,) = [event for event in its.events if isinstance(event, Warned)]
        assert f"joints.csv is open for writing by sh (process {writer.pid})" in warning.reason
        assert its.told() == [("uploaded", "/other.csv")]
    finally:
        writer.communicate(b"\n")
    its.until(lambda: ("uploaded", "/joints.csv") in its.told())


def test_a_reader_holds_no_file_up(watching: Start, folder: Path) -> None:
    (folder / "joints.csv").write_text("time,x\n0,1\n")
    reader = subprocess.Popen(["sh", "-c", f"exec 3<'{folder}/joints.csv'; read line"], stdin=subprocess.PIPE)
    try:
        its = watching()
        its.until(lambda: its.told() == [("uploaded", "/joints.csv")])
    finally:
        reader.communicate(b"\n")


def test_what_is_deleted_before_it_was_sent_is_told_and_forgotten(
    watching: Start, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    its = watching(settle=3.0)
    (folder / "joints.csv").write_text("time,x\n0,1\n")
    its.until(lambda: its.watch.unsettled == 1)
    (folder / "joints.csv").unlink()
    its.until(lambda: its.told() == [("gone", "/joints.csv")])
    assert (its.watch.summary.gone, its.watch.summary.failed, its.watch.unsettled) == (1, 0, 0)


def test_a_folder_that_is_moved_in_is_found_and_one_moved_away_forgotten(
    watching: Start, folder: Path, tmp_path: Path
) -> None:
    its = watching()
    (tmp_path / "run-001").mkdir()
    (tmp_path / "run-001" / "joints.csv").write_text("time,x\n0,1\n")
    (tmp_path / "run-001").rename(folder / "run-001")
    its.until(lambda: its.told() == [("uploaded", "/run-001/joints.csv")])


def test_nothing_is_sent_or_told_twice_after_a_restart(watching: Start, folder: Path, lake: DreamLake) -> None:
    (folder / "joints.csv").write_text("time,x\n0,1\n")
    (folder / "empty.csv").touch()
    first = watching()
    first.until(lambda: len(first.told()) == 2)
    assert set(first.told()) == {("uploaded", "/joints.csv"), ("failed", "/empty.csv")}
    first.stop()
    (folder / "later.csv").write_text("time,x\n0,2\n")
    second = watching()
    second.until(lambda: ("uploaded", "/later.csv") in second.told())
    assert sorted(second.told()) == [("failed", "/empty.csv"), ("uploaded", "/later.csv")]


def test_what_was_deleted_in_the_lake_does_not_come_back_by_a_restart(
    watching: Start, folder: Path, lake: DreamLake
) -> None:
    for name in ("joints.csv", "other.csv"):
        (folder / name).write_text(f"time,{name}\n0,1\n")
    first = watching()
    first.until(lambda: len(first.told()) == 2)
    first.stop()
    records = lake.bss.list_page(Kind.LABEL_TRACK, owner=lake.namespace, project="robot").items
    lake.delete(next(record for record in records if record.name == "/joints.csv"))
    again = watching(once=True)
    again.until(lambda: isinstance(again.events[-1:][0] if again.events else None, Summary))
    assert again.told() == []
    compared = watching(once=True, again=True)
    compared.until(lambda: compared.events and isinstance(compared.events[-1], Summary))
    assert sorted(compared.told()) == [("duplicate", "/joints.csv"), ("duplicate", "/other.csv")]


def test_a_lake_that_lost_everything_gets_everything_again(watching: Start, folder: Path, lake: DreamLake) -> None:
    (folder / "joints.csv").write_text("time,x\n0,1\n")
    first = watching()
    first.until(lambda: first.told())
    first.stop()
    (record,) = lake.bss.list_page(Kind.LABEL_TRACK, owner=lake.namespace, project="robot").items
    lake.delete(record)
    again = watching()
    again.until(lambda: [name for _, name in again.told()] == ["/joints.csv"])


def test_once_sends_what_is_settled_and_leaves_the_rest(watching: Start, folder: Path) -> None:
    (folder / "joints.csv").write_text("time,x\n0,1\n")
    growing = (folder / "growing.csv").open("w")
    growing.write("time,x\n")
    growing.flush()
    with growing:
        its = watching(once=True)
        its.until(lambda: its.events and isinstance(its.events[-1], Summary))
    assert its.told() == [("uploaded", "/joints.csv")]
    assert its.watch.unsettled == 1


def test_episodes_globs_and_systems_files_are_those_of_ingest(watching: Start, folder: Path) -> None:
    its = watching(episode_per_folder=True, exclude=["raw"])
    for name in ("run-1/joints.csv", "run-1/raw/all.csv", "run-2/.git/x.csv", "run-2/.joints.csv.swp", "top.csv"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"time,x\n0,{len(name)}\n")
    its.until(lambda: len(its.told()) == 2)
    time.sleep(1)
    assert sorted(its.told()) == [("uploaded", "/joints.csv"), ("uploaded", "/top.csv")]
    events = {event.name: event.episode for event in its.events if hasattr(event, "episode")}
    assert events == {"/joints.csv": "run/run-1", "/top.csv": "run"}


def test_extensions_are_what_one_says_and_the_project_keeps(watching: Start, folder: Path, lake: DreamLake) -> None:
    lake.bss.change_project(lake.namespace, "robot", ProjectSettings(types={".kept": Kind.LABEL_TRACK}))
    (folder / "a.kept").write_text("time,x\n0,1\n")
    (folder / "b.said").write_text("time,x\n0,2\n")
    its = watching(once=True, types={".said": "label-track"})
    its.until(lambda: its.events and isinstance(its.events[-1], Summary))
    assert sorted(its.told()) == [("uploaded", "/a.kept"), ("uploaded", "/b.said")]


@pytest.mark.parametrize("name", [b"caf\xc3\xa9 1.csv", b"bad\xff.csv", b"a\nb.csv"])
def test_odd_names_end_nothing(watching: Start, folder: Path, name: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "_RESCAN_REMOTE", 0.5)
    monkeypatch.setattr(watch_module, "_RESCAN_LEAST", 0.5)
    its = watching()
    its.until(lambda: its.watch._notices.is_working)
    Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_text("time,x\n0,1\n")
    its.until(lambda: its.told())
    (folder / "after.csv").write_text("time,x\n0,2\n")
    its.until(lambda: ("uploaded", "/after.csv") in its.told())


def test_a_folder_that_goes_away_is_waited_for(watching: Start, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "_AWAY_PAUSES", (0.2, 0.2))
    its = watching(rescan=0.3)
    its.until(lambda: its.watch._notices.is_working)
    shutil.rmtree(folder)
    its.until(lambda: any(isinstance(event, Waiting) for event in its.events))
    folder.mkdir()
    (folder / "joints.csv").write_text("time,x\n0,1\n")
    its.until(lambda: its.told() == [("uploaded", "/joints.csv")])
    assert [event.is_over for event in its.events if isinstance(event, Waiting)] == [False, True]


def test_pending_files_are_bounded(monkeypatch: pytest.MonkeyPatch, watching: Start, folder: Path) -> None:
    monkeypatch.setattr("dreamlake_pipeline.client.watch.pending.MOST", 5)
    for number in range(12):
        (folder / f"{number:02}.csv").write_text(f"time,x\n0,{number}\n")
    its = watching(once=True)
    most = 0
    while not (its.events and isinstance(its.events[-1], Summary)):
        most = max(most, its.watch.unsettled)
        assert its.fault is None
        time.sleep(0.02)
    assert most == 5
    assert its.watch.summary.uploaded == 12


def test_a_large_file_does_not_take_others_with_it(
    monkeypatch: pytest.MonkeyPatch, watching: Start, folder: Path
) -> None:
    monkeypatch.setattr(watch_module, "_BYTES_PER_RUN", 500)
    for name, count in (("a-large", 200), ("b-large", 210), ("c-small", 1), ("d-small", 2)):
        (folder / f"{name}.csv").write_text("time,x\n" + "0,1\n" * count)
    its = watching(once=True)
    its.until(lambda: its.events and isinstance(its.events[-1], Summary))
    order = [name for _, name in its.told()]
    assert order[-1] == "/b-large.csv"
    assert sorted(order) == ["/a-large.csv", "/b-large.csv", "/c-small.csv", "/d-small.csv"]


def test_nothing_pending_is_never_due() -> None:
    assert PendingFiles(1.0).next_due() == float("inf")
