"""`upload`, `ingest` and `retry`, as a shell sees them: streams, events, exit codes."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import pty
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dreamlake_pipeline.client.fields import MEANINGS

FILE_KEYS = {"event", "id", *MEANINGS}
SUMMARY_KEYS = {"event", "files", "uploaded", "duplicate", "skipped", "ready", "failed", "bytes", "seconds"}


def ids(done: Any) -> dict[str, str]:
    return {name: event["bssId"] for name, event in done.files.items()}


def test_an_ingest_for_programs(dreamlake: Callable[..., Any], recordings: Path) -> None:
    done = dreamlake("ingest", recordings, "--episode", "robot", "--episode-per-folder", "--json")
    assert done.code == 0
    assert all(set(event) - {"warning", "sha256"} == FILE_KEYS for event in done.events[:-1])
    assert "does not look like a video" in done.files["front.mp4"]["warning"]
    assert set(done.summary) == SUMMARY_KEYS | {"unknown"}
    assert {name: (event["status"], event["name"], event["kind"]) for name, event in done.files.items()} == {
        "front.mp4": ("uploaded", "/camera/front.mp4", "video"),
        "left.wav": ("uploaded", "/mic/left.wav", "audio"),
        "words.srt": ("uploaded", "/words.srt", "text-track"),
        "joints.csv": ("uploaded", "/joints.csv", "label-track"),
        "README.md": ("skipped", None, None),
    }
    assert all(len(event["bssId"]) == len(event["assetId"]) == 24 for event in done.events if event.get("kind"))
    assert all(event["id"] == event["bssId"] and event["size"] > 0 for event in done.events[:-1])
    counts = {name: done.summary[name] for name in ("files", "uploaded", "duplicate", "skipped", "ready", "failed")}
    assert counts == {"files": 5, "uploaded": 4, "duplicate": 0, "skipped": 1, "ready": 0, "failed": 0}
    again = dreamlake("ingest", recordings, "--episode", "robot", "--episode-per-folder", "--json")
    assert (again.summary["uploaded"], again.summary["duplicate"], again.summary["bytes"]) == (0, 4, 0)
    assert ids(again) == ids(done)


def test_an_ingest_for_people(dreamlake: Callable[..., Any], recordings: Path) -> None:
    done = dreamlake("ingest", recordings, "--episode", "robot")
    assert done.code == 0
    assert done.out.startswith("5 files: 4 uploaded, 1 skipped")
    assert len(done.out.splitlines()) == 1
    assert "README.md: .md is none of the known extensions." in done.err
    assert "\x1b" not in done.out + done.err


def test_what_systems_leave_in_folders_is_counted(dreamlake: Callable[..., Any], recordings: Path) -> None:
    for name in ("._joints.csv", ".DS_Store"):
        (recordings / name).write_bytes(bytes.fromhex("0005160700020000"))
    planned = dreamlake("ingest", recordings, "--episode", "robot", "--dry-run")
    assert "\nskipped    3 files: system files 2, .md 1\n" in planned.out
    done = dreamlake("ingest", recordings, "--episode", "robot")
    assert (done.code, done.err.count("skipped  ")) == (0, 1)
    assert done.out.startswith("7 files: 4 uploaded, 3 skipped (2 system files)")
    named = dreamlake("upload", recordings / "._joints.csv", "--episode", "robot")
    assert named.code == 2
    assert "._joints.csv is a system file: attributes that macOS keeps of the file beside it" in named.err


def test_waiting_tells_how_every_file_ends(
    dreamlake: Callable[..., Any], pipeline: Any, recordings: Path, owner: str
) -> None:
    def judge(record: Any) -> str | None:
        return "The video data is damaged at 0:03." if record.name.endswith(".mp4") else None

    def work() -> None:
        deadline, worked = time.monotonic() + 30, 0
        while worked < 4 and time.monotonic() < deadline:
            worked += pipeline.work(owner, judge)
            time.sleep(0.1)

    worker = threading.Thread(target=work)
    worker.start()
    done = dreamlake("ingest", recordings, "--episode", "robot", "--wait", "--timeout", "30s", "--json")
    worker.join()
    assert done.code == 1
    assert [event["status"] for event in done.events if event.get("path", "").endswith("left.wav")] == [
        "uploaded",
        "ready",
    ]
    failed = done.files["front.mp4"]
    assert (failed["status"], failed["reason"]) == ("failed", "The video data is damaged at 0:03.")
    assert (done.summary["uploaded"], done.summary["ready"], done.summary["failed"]) == (4, 3, 1)
    assert "front.mp4: The video data is damaged" in done.err


def test_waiting_gives_up_after_the_timeout(dreamlake: Callable[..., Any], recordings: Path) -> None:
    done = dreamlake("ingest", recordings, "--episode", "robot", "--wait", "--timeout", "0.5s")
    assert done.code == 4
    assert "error: the time of --timeout ran out before 4 files were processed.\nhint: Processing goes on" in done.err
    done = dreamlake("retry", "robot", "/run-001", "--all", "--wait", "--timeout", "0.5s")
    assert done.code == 4 and "`dreamlake tree robot /run-001` shows how far it is." in done.err


def test_a_dry_run_needs_no_service_and_sends_nothing(
    dreamlake: Callable[..., Any], recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (recordings / "empty.wav").touch()
    for name in ("DREAMLAKE_REMOTE", "DREAMLAKE_BSS_URL", "DREAMLAKE_API_KEY"):
        monkeypatch.delenv(name)
    done = dreamlake("ingest", recordings, "--episode", "robot", "--dry-run", "--json")
    assert {event["status"] for event in done.files.values()} == {"planned", "skipped", "failed"}
    assert (done.code, done.summary["planned"], done.summary["skipped"], done.summary["failed"]) == (1, 4, 1, 1)
    for_people = dreamlake("ingest", recordings, "--episode", "robot", "--dry-run").out
    assert "to send    at most 4 files, 79 B\nnew        is not known: No DreamLake is running." in for_people


def test_a_dry_run_tells_what_is_new(dreamlake: Callable[..., Any], recordings: Path, tmp_path: Path) -> None:
    assert dreamlake("ingest", recordings / "run-001", "--episode", "robot").code == 0
    (recordings / "run-001/camera/front.mp4").write_text("another take")
    report = tmp_path / "plan.csv"
    done = dreamlake("ingest", recordings / "run-001", "--episode", "robot", "--dry-run", "--json", "--report", report)
    assert {name: event["plan"] for name, event in done.files.items()} == {
        "front.mp4": "changed",
        "left.wav": "same-size",
    }
    assert done.summary["plan"]["video"] == {"changed": {"files": 1, "bytes": 12}}
    with report.open(newline="") as lines:
        told = {Path(row["path"]).name: (row["status"], row["plan"]) for row in csv.DictReader(lines)}
    assert told == {"front.mp4": ("planned", "changed"), "left.wav": ("planned", "same-size")}
    again = dreamlake("ingest", recordings / "run-001", "--episode", "robot", "--dry-run")
    assert again.out.splitlines() == [
        "changed    /camera/front.mp4  12 B",
        "same-size  /mic/left.wav  20 B",
        "",
        "kind   files  bytes  new  changed  unchanged  to compare",
        "video      1   12 B    -        1          -           -",
        "audio      1   20 B    -        -          -           1",
        "all        2   32 B    -        1          -           1",
        "",
        "to send    at most 1 file, 12 B",
        "at most    1 file of these may be stored under other names: they were never read",
        "           here",
        "to compare 1 file, 20 B: same name and size as what is stored",
        "warnings   2 files, named above; sent all the same",
    ]


def test_a_dry_run_of_many_files_fits_on_a_screen(dreamlake: Callable[..., Any], tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    for n in range(21):
        (folder / f"{n}.csv").write_text("t,x\n1,2\n")
        (folder / f"{n}.MD").touch()
        (folder / f"{n}.some-format-{n}").touch()
    (folder / "again").symlink_to(folder)
    done = dreamlake("ingest", folder, "--episode", "robot", "--dry-run")
    assert (done.code, done.err.splitlines()[0][:37]) == (0, "warning: 42 of 64 files were skipped:")
    assert done.out.splitlines()[:6] == [
        "More than 20 files, in numbers; --json and --report name all of them.",
        "",
        "kind         files  bytes  new  changed  unchanged",
        "label-track     21  168 B   21        -          -",
        "",
        "to send    at most 21 files, 168 B",
    ]
    assert done.out.splitlines()[8].startswith("skipped    43 files: .md 21, ")
    assert done.out.endswith(", others 11 (--json has all)\n")
    assert max(map(len, done.out.splitlines())) <= 80


def test_an_upload_for_people(dreamlake: Callable[..., Any], recordings: Path) -> None:
    file = recordings / "run-001/camera/front.mp4"
    done = dreamlake("upload", file, "--episode", "robot:one", "--to", "/camera/front")
    assert done.code == 0
    assert "uploaded   one:/camera/front/front.mp4" in done.err
    assert done.out.startswith("1 file: 1 uploaded")


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [
        ("README.md", 2, ".md is none of the known extensions"),
        ("missing.mp4", 1, "does not exist"),
        ("empty.mp4", 1, "is empty"),
        ("run-001", 1, "is a folder"),
        ("bad\tname.mp4", 1, "control character"),
    ],
)
def test_files_that_cannot_be_uploaded(
    dreamlake: Callable[..., Any], recordings: Path, name: str, code: int, reason: str
) -> None:
    (recordings / "empty.mp4").touch()
    (recordings / "bad\tname.mp4").write_text("x")
    done = dreamlake("upload", recordings / name, "--episode", "robot", "--json")
    assert done.code == code
    assert reason in done.files[name]["reason"]
    assert reason in done.err
    with_a_good_one = dreamlake(
        "upload", recordings / name, recordings / "run-002/joints.csv", "--episode", "robot", "--json"
    )
    assert with_a_good_one.files["joints.csv"]["status"] == "uploaded"
    assert (with_a_good_one.code, with_a_good_one.summary["failed"]) == (code, 1)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["ingest", "{dir}"], "--episode"),
        (["ingest", "{dir}", "--episode", "Robot"], "'Robot' must be"),
        (["ingest", "{dir}", "--episode", "robot@"], "PROJECT"),
        (["ingest", "{dir}", "--episode", "robot", "--to", "/a/../b"], "segment"),
        (["ingest", "{dir}", "--episode", "robot", "--jobs", "0"], "'0' should be greater than or equal to 1"),
        (["ls", "--kind", "film"], "'film' is not one of"),
        (["ls", "--sort", "weight"], "'weight' is not one of"),
        (["logs", "--lines", "few"], "'few' should be a valid integer"),
        (["ingest", "{dir}", "--episode", "robot", "--wait", "--timeout", "soon"], "duration"),
        (["ingest", "{dir}/README.md", "--episode", "robot"], "upload"),
        (["upload", "{dir}/README.md", "--episode", "robot", "--type", "film"], "'film' is not one of"),
        (["upload", "--episode", "robot"], "FILE"),
        (["retry"], "Say what."),
        (["show", "/camera/front.mp4"], "project or episode before it"),
        (["frobnicate"], "frobnicate"),
    ],
)
def test_wrong_usage(dreamlake: Callable[..., Any], recordings: Path, words: list[str], reason: str) -> None:
    done = dreamlake(*[word.format(dir=recordings) for word in words])
    assert (done.code, done.out) == (2, "")
    assert reason in " ".join(done.err.replace("│", " ").split())
    assert "Value error" not in done.err and "Input should" not in done.err


def test_a_directory_that_is_missing(dreamlake: Callable[..., Any], tmp_path: Path) -> None:
    done = dreamlake("ingest", tmp_path / "nowhere", "--episode", "robot", "--json")
    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines() == [f"error: {tmp_path / 'nowhere'} does not exist."]


def test_services_that_do_not_answer(
    dreamlake: Callable[..., Any], recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DREAMLAKE_REMOTE", "http://127.0.0.1:9")
    briefly = ("--episode", "robot", "--json", "--timeout", "1s")
    without_index = dreamlake("upload", recordings / "run-002/joints.csv", *briefly)
    assert without_index.code == 3
    assert "not in the index" in without_index.files["joints.csv"]["reason"]
    monkeypatch.setenv("DREAMLAKE_BSS_URL", "http://127.0.0.1:9")
    without_bss = dreamlake("ingest", recordings, *briefly)
    assert (without_bss.code, without_bss.files) == (3, {})
    assert [(event["event"], event["service"]) for event in without_bss.events] == [("waiting", "BSS")]
    assert "waiting    for BSS since" in without_bss.err
    assert "error: BSS does not answer at http://127.0.0.1:9: it refuses connections." in without_bss.err.splitlines()


def test_nothing_is_running(dreamlake: Callable[..., Any], recordings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DREAMLAKE_REMOTE")
    half = dreamlake("ingest", recordings, "--episode", "robot")
    assert half.code == 2
    assert "DREAMLAKE_REMOTE is not set" in half.err
    monkeypatch.delenv("DREAMLAKE_BSS_URL")
    done = dreamlake("ingest", recordings, "--episode", "robot")
    assert done.code == 3
    assert "dreamlake up" in done.err


def test_a_token_that_is_not_valid(
    dreamlake: Callable[..., Any], recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DREAMLAKE_API_KEY", "nonsense")
    done = dreamlake("ingest", recordings, "--episode", "robot")
    assert done.code == 2
    assert done.err.splitlines()[0] == "error: The token is not valid here."


def test_a_fault_of_the_program_is_one_line(
    dreamlake: Callable[..., Any], recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dreamlake_pipeline.client import DreamLake

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(DreamLake, "store_events", broken)
    done = dreamlake("ingest", recordings, "--episode", "robot")
    assert done.code == 1
    assert done.err.splitlines()[0] == "error: internal: a fault of this program (RuntimeError: two lines)."
    assert "DREAMLAKE_DEBUG=1" in done.err


def test_ctrl_c_says_how_to_go_on(
    dreamlake: Callable[..., Any], recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dreamlake_pipeline.client import transfer

    def interrupted(*_: Any, **__: Any) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(transfer.Transfer, "put_bytes", interrupted)
    done = dreamlake("ingest", recordings, "--episode", "robot")
    assert done.code == 130
    # The project is not there yet: nothing points to it.
    assert "interrupted before any file had arrived. Run the same command again to go on.\n" in done.err
    assert "dreamlake tree" not in done.err


def test_retry_queues_what_failed_or_everything(
    dreamlake: Callable[..., Any], pipeline: Any, recordings: Path, owner: str
) -> None:
    assert dreamlake("ingest", recordings / "run-001", "--episode", "robot").code == 0
    assert pipeline.work(owner, lambda record: "Damaged." if record.name.endswith(".mp4") else None) == 2
    done = dreamlake("retry", "--episode", "robot", "--json")
    assert done.code == 0
    assert {(event["name"], event["status"]) for event in done.events[:-1]} == {("/camera/front.mp4", "queued")}
    everything = dreamlake("retry", "--episode", "robot", "--all", "--json")
    assert {event["name"]: event["status"] for event in everything.events[:-1]} == {
        "/camera/front.mp4": "queued",
        "/mic/left.wav": "queued",
    }
    assert dreamlake("retry", "robot", "--all", "--json").summary["files"] == 2
    for words in (["robot", "/mic"], ["/mic", "--episode", "robot"]):
        assert dreamlake("retry", *words, "--all", "--json").summary["files"] == 1
    assert dreamlake("retry", "no such project").code == 2


def test_retry_registers_what_the_index_lacks(
    dreamlake: Callable[..., Any], recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as down:
        down.setenv("DREAMLAKE_REMOTE", "http://127.0.0.1:9")
        words = ("--episode", "robot", "--timeout", "1s")
        assert dreamlake("upload", recordings / "run-002/joints.csv", *words).code == 3
    assert dreamlake("show", "/joints.csv", "--episode", "robot").code == 1
    done = dreamlake("retry", "--episode", "robot", "--json")
    assert done.files["joints.csv"]["status"] == "indexed"
    assert dreamlake("show", "/joints.csv", "--episode", "robot").code == 0


def test_earlier_content_that_took_its_name_back_keeps_it_and_its_status(
    dreamlake: Callable[..., Any], pipeline: Any, owner: str, tmp_path: Path
) -> None:
    file, ids = tmp_path / "a.csv", []
    for data in ("one", "two", "one"):
        file.write_text(data)
        ids.append(dreamlake("upload", file, "--episode", "robot", "--json").files["a.csv"]["id"])
        pipeline.work(owner, lambda record: None)
    assert ids[0] == ids[2] != ids[1]
    [shown] = dreamlake("ls", "robot", "/", "--json").events
    assert (shown["bssId"], shown["status"], shown["metadata"]) == (ids[0], "ready", {"durationSec": 1.5})
    assert dreamlake("retry", "--episode", "robot").code == 0
    [shown] = dreamlake("ls", "robot", "/", "--json").events
    assert shown["bssId"] == ids[0]


def test_one_file_is_named_by_target_and_path_or_by_id(
    dreamlake: Callable[..., Any], recordings: Path, tmp_path: Path
) -> None:
    stored = dreamlake("upload", recordings / "run-002/joints.csv", "--episode", "robot:run", "--json")
    record = stored.files["joints.csv"]["id"]
    for words in (["robot:run", "/joints.csv"], ["/joints.csv", "--episode", "robot:run"], [record]):
        assert json.loads(dreamlake("show", *words, "--json").out)["id"] == record
    assert dreamlake("download", "robot:run", "/joints.csv", "-o", tmp_path / "back.csv").code == 0
    for words in (["/joints.csv"], ["robot", "/a", "/b"], ["robot:run", "/joints.csv", "-e", "robot:run"]):
        refused = dreamlake("show", *words)
        assert refused.code == 2
        assert "robot@lab:run-001/camera/front.mp4" in refused.err


def on_a_terminal(*words: str | Path, columns: int, environment: dict[str, str]) -> tuple[int, str, str]:
    """The exit code, what goes to stdout, which is a pipe, and what to stderr, which is a terminal."""
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [Path(sys.executable).with_name("dreamlake"), *words],
        env=os.environ | environment | {"TERM": "xterm-256color", "COLUMNS": str(columns)},
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # EIO: the other side of a terminal is gone
        while block := os.read(ours, 65536):
            shown += block
    os.close(ours)
    out, _ = running.communicate(timeout=30)
    return running.returncode, out, shown.decode()


@pytest.mark.parametrize("columns", [80, 120])
def test_a_terminal_shows_bars_and_stdout_stays_clean(
    environment: dict[str, str], recordings: Path, columns: int
) -> None:
    (recordings / "long.mp4").write_bytes(os.urandom(150_000_000))  # what takes long enough to be seen
    words = ("ingest", recordings, "--episode", "robot", "--wait", "--timeout", "1s")
    code, out, shown = on_a_terminal(*words, columns=columns, environment=environment)
    assert code == 4
    assert out.startswith("6 files: 5 uploaded, 1 skipped")
    assert len(out.splitlines()) == 1
    for told in ("sending", "processing", "queued", "README.md", "the time of --timeout ran out"):
        assert told in shown
    lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown).replace("\r", "\n").splitlines()
    bars = [line for line in lines if line.startswith(("sending ", "processing "))]
    assert bars
    assert all(re.search(r" +\d+% \d:\d\d *$", line) and len(line) <= columns for line in bars)


def test_events_go_to_stdout_while_bars_are_shown(environment: dict[str, str], recordings: Path) -> None:
    words = ("ingest", recordings, "--episode", "robot", "--json")
    code, out, shown = on_a_terminal(*words, columns=80, environment=environment)
    assert code == 0
    assert [json.loads(line)["event"] for line in out.splitlines()] == ["file"] * 5 + ["summary"]
    assert '"event"' not in shown


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_named(dreamlake: Callable[..., Any], recordings: Path) -> None:
    (recordings / "run-002/joints.csv").chmod(0)
    done = dreamlake("ingest", recordings, "--episode", "robot", "--json")
    assert done.code == 1
    assert "Permission denied" in done.files["joints.csv"]["reason"]


def test_a_report_is_written_whatever_became_of_the_files(
    dreamlake: Callable[..., Any], recordings: Path, tmp_path: Path
) -> None:
    (recordings / "empty.wav").touch()
    report = tmp_path / "report.csv"
    assert dreamlake("ingest", recordings, "--episode", "robot", "--report", report).code == 1
    with report.open(newline="") as lines:
        rows = {Path(row["path"]).name: row for row in csv.DictReader(lines)}
    assert {name: row["status"] for name, row in rows.items()} == {
        "front.mp4": "uploaded",
        "left.wav": "uploaded",
        "words.srt": "uploaded",
        "joints.csv": "uploaded",
        "README.md": "skipped",
        "empty.wav": "failed",
    }
    assert rows["empty.wav"]["code"] == "file_empty"
    assert (len(rows["left.wav"]["sha256"]), len(rows["left.wav"]["id"])) == (64, 24)
    refused = dreamlake("ingest", recordings, "--episode", "robot", "--report", tmp_path / "report.xls")
    assert (refused.code, "must end in .csv or .parquet" in refused.err) == (2, True)


def test_on_errors_stop(dreamlake: Callable[..., Any], tmp_path: Path) -> None:
    for n in range(5):
        (tmp_path / f"{n}.wav").touch()
    done = dreamlake("ingest", tmp_path, "--episode", "robot", "--on-errors", "2")
    assert done.code == 1
    assert "stopped after 2 failures" in done.err
    assert "again to go on: it passes what failed now" in done.err
    assert dreamlake("ingest", tmp_path, "--episode", "robot", "--on-errors", "never").code == 2


def test_a_run_that_stopped_is_led_on_by_the_same_command(
    dreamlake: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    for n in range(3):
        (folder / f"{n}.wav").touch()
    (folder / "z.csv").write_text("t,x\n1,2\n")
    words = ("ingest", folder, "--episode", "robot", "--on-errors", "stop", "--json")
    for _ in range(3):  # each run gets past one more of them, in whatever order they are read
        done = dreamlake(*words)
        assert (done.code, done.summary["stopped"]) == (1, 1)
        assert done.summary["failed"] - done.summary.get("passed", 0) == 1
    done = dreamlake(*words)
    assert (done.code, done.summary["failed"], done.summary["passed"]) == (1, 3, 3)
    # A run that stopped may have sent it already.
    assert done.summary["uploaded"] + done.summary["duplicate"] == 1
    assert "3 failed (3 as before)" in dreamlake(*words[:-1]).out
    # What was mended and fails again later is a failure of its own, as is one of another project.
    (folder / "0.wav").write_text("x")
    assert dreamlake(*words).summary.get("stopped") is None
    (folder / "0.wav").write_text("")
    assert dreamlake(*words).summary["stopped"] == 1
    assert dreamlake("ingest", folder, "--episode", "other", "--on-errors", "stop", "--json").summary["stopped"] == 1
    # Where nothing can be remembered, nothing else is promised.
    (tmp_path / "no folder").touch()
    monkeypatch.setenv("DREAMLAKE_CACHE", str(tmp_path / "no folder"))
    assert "What failed is not remembered here" in dreamlake(*words[:-1]).err


def test_a_pattern_that_matches_nothing_is_an_error(dreamlake: Callable[..., Any], recordings: Path) -> None:
    for dry in ([], ["--dry-run"]):
        done = dreamlake("ingest", recordings, "--episode", "robot", "--include", "*.mp5", "--include", "mic", *dry)
        assert done.code == 1
        assert "failed     " in done.err
        assert "*.mp5: Nothing matches --include '*.mp5'. Did you mean '*.mp4'" in done.err
        assert "1 pattern of --include matched nothing, for the reasons above" in done.out + done.err
        assert "file failed" not in done.err
    assert done.out.splitlines()[0].startswith(("same-size  /run-001/mic/left.wav", "unchanged"))
    summary = dreamlake("ingest", recordings, "--episode", "robot", "--include", "*.mp5", "--json").summary
    assert (summary["files"], summary["failed"], summary["unmatched"]) == (0, 1, 1)


def test_flags_without_effect_are_named(dreamlake: Callable[..., Any], recordings: Path) -> None:
    done = dreamlake("ingest", recordings, "-e", "robot", "--dry-run", "-w", "-j", "4", "--rehash")
    assert (done.code, "warning: --jobs, --wait have no effect with --dry-run.\n" in done.err) == (0, True)
    done = dreamlake("ingest", recordings, "-e", "robot", "--dry-run", "--timeout", "3s")
    assert "warning: --timeout has no effect with --dry-run.\n" in done.err
    words = ("--ladder", "480", "--csv", "delimiter=;")
    done = dreamlake("upload", recordings / "run-001/mic/left.wav", "-e", "robot", *words)
    assert "warning: --ladder has no effect: no video is among the files." in done.err
    assert "warning: --csv has no effect: no label track is among the files." in done.err
    done = dreamlake("ingest", recordings, "-e", "robot", "--type", "md=text-track", "--type", "dta=audio", *words)
    assert [line for line in done.err.splitlines() if "no effect" in line] == [
        "warning: --type .dta has no effect: no .dta is among the files."
    ]
