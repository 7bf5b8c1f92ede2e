"""`ls`, `tree`, `show`, `play`, `token`, and the command itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from dreamlake_pipeline.api.bss import Status
from dreamlake_pipeline.api.common import ErrorBody
from dreamlake_pipeline.api.metadata import (
    BadLine,
    CsvForm,
    FieldStats,
    LabelTimeMetadata,
    LabelTrackMetadata,
    Processing,
)
from dreamlake_pipeline.auth import Scope, verify_token
from dreamlake_pipeline.stack.work import work_of


@pytest.fixture
def stored(dreamlake: Callable[..., Any], recordings: Path) -> dict[str, dict[str, Any]]:
    """The recordings, in project `robot`: the last event of each file."""
    done = dreamlake("ingest", recordings, "--episode", "robot", "--episode-per-folder", "--json")
    assert done.code == 0
    return done.files


def test_ls_shows_one_level(dreamlake: Callable[..., Any], stored: dict[str, Any], owner: str) -> None:
    assert dreamlake("ls").out.split() == [f"robot@{owner}", "4", "files"]
    assert dreamlake("ls", "robot").out.split() == ["run-001", "2", "files", "run-002", "2", "files"]
    assert dreamlake("ls", f"robot@{owner}:run-001").out.split() == ["camera/", "mic/"]
    [line] = dreamlake("ls", "robot:run-001", "/mic").out.splitlines()
    assert line.split() == ["left.wav", "audio", "20", "B", "queued"]
    assert dreamlake("ls", "robot:nowhere").code == 1
    assert dreamlake("ls", "nothing").code == 1


def test_ls_says_how_files_of_no_episode_are_listed(
    dreamlake: Callable[..., Any], stored: dict[str, Any], recordings: Path, owner: str
) -> None:
    assert "no episode" not in dreamlake("ls", "robot").err
    assert dreamlake("upload", recordings / "run-002" / "joints.csv", "-e", f"robot@{owner}").code == 0
    done = dreamlake("ls", "robot")
    assert done.out.splitlines()[0].split() == ["(no", "episode)", "1", "file"]
    assert "`dreamlake ls robot /` lists the files of no episode." in done.err
    assert "joints.csv" in dreamlake("ls", "robot", "/").out
    assert dreamlake("ls", "robot", "--json").err == ""


def test_ls_for_programs_prints_what_the_service_returns(dreamlake: Callable[..., Any], stored: dict[str, Any]) -> None:
    [asset] = dreamlake("ls", "robot:run-001", "/mic", "--json").events
    assert (asset["id"], asset["bssId"]) == (stored["left.wav"]["assetId"], stored["left.wav"]["id"])
    assert asset["episode"] == "run-001"
    assert "metadata" in asset


def test_what_a_file_waits_for_is_said_wherever_it_is_listed(
    dreamlake: Callable[..., Any], stored: dict[str, Any], pipeline: Any, owner: str, services: Any
) -> None:
    pipeline.put_off(owner, ErrorBody(code="storage_failed", message="The object store refuses connections."))
    [line] = dreamlake("ls", "robot:run-001", "/mic").out.splitlines()
    assert line.endswith("queued, waiting for the object store")
    assert dreamlake("tree", "robot").out.count("queued, waiting for the object store") == 4
    [file] = dreamlake("ls", "robot:run-001", "/mic", "--json").events
    assert file["waiting"]["code"] == "storage_failed" and file["waiting"]["tries"] == 1
    nodes = [node for node in dreamlake("tree", "robot", "--json").events if node["type"] == "asset"]
    assert {node["asset"]["waiting"]["message"] for node in nodes} == {"The object store refuses connections."}
    assert "The object store refuses connections." in dreamlake("show", "robot:run-001", "/mic/left.wav").out
    work = work_of(services.bss_url)
    assert work is not None and set(work.files) <= {*map(str, Status)}


def test_tree_shows_every_episode(
    dreamlake: Callable[..., Any], stored: dict[str, Any], owner: str, pipeline: Any
) -> None:
    pipeline.work(owner, lambda record: "Damaged." if record.name.endswith(".mp4") else None)
    lines = dreamlake("tree", "robot").out.splitlines()
    assert lines[0] == f"robot@{owner}:run-001"
    assert lines[1] == "├── camera/"
    assert lines[2].split() == ["│", "└──", "front.mp4", "video", "24", "B", "failed", "Damaged."]
    assert lines[4].split()[-2:] == ["B", "ready"]
    assert "1.5 s" in lines[4]
    assert lines[-1] == "4 files, 1 failed"
    only = dreamlake("tree", "robot:run-002").out
    assert "joints.csv" in only
    assert "left.wav" not in only


def test_a_video_that_holds_sound_only_is_said_to_be_one(
    dreamlake: Callable[..., Any], stored: dict[str, Any], pipeline: Any, owner: str
) -> None:
    pipeline.metadata = {"durationSec": 1.5, "kindByContent": "audio"}
    pipeline.work(owner, lambda _: None)
    assert "front.mp4  video (sound only)  1.5 s" in dreamlake("ls", "robot:run-001", "/camera").out
    assert "left.wav  audio  1.5 s" in dreamlake("ls", "robot:run-001", "/mic").out
    assert "kindByContent" in dreamlake("show", stored["front.mp4"]["id"]).out


def test_show_by_path_and_by_either_id(dreamlake: Callable[..., Any], stored: dict[str, Any]) -> None:
    event = stored["front.mp4"]
    by_path = dreamlake("show", "/camera/front.mp4", "--episode", "robot:run-001", "--json")
    by_id = dreamlake("show", event["id"], "--json")
    by_asset_id = dreamlake("show", event["assetId"], "--json")
    assert by_path.out == by_id.out == by_asset_id.out
    record = json.loads(by_id.out)
    assert (record["id"], record["name"], record["episode"]) == (event["id"], "/camera/front.mp4", "run-001")
    for people in (dreamlake("show", event["id"]), dreamlake("show", "camera/front.mp4", "-e", "robot:run-001")):
        assert "/camera/front.mp4" in people.out
        assert event["id"] in people.out


def test_show_says_why_a_file_failed(
    dreamlake: Callable[..., Any], stored: dict[str, Any], pipeline: Any, owner: str
) -> None:
    pipeline.work(owner, lambda _: "The moov box is missing.")
    shown = dreamlake("show", stored["front.mp4"]["id"]).out
    assert "The moov box is missing. (media_corrupt)" in shown


def test_show_prints_what_the_validator_found(
    dreamlake: Callable[..., Any], stored: dict[str, Any], pipeline: Any, owner: str
) -> None:
    checks = [
        {"rule": "playlist: it is VOD", "level": "must", "ok": True, "detail": ""},
        {"rule": "source: a keyframe every 2 s", "level": "should", "ok": False, "detail": "longest distance 3.1 s"},
    ]
    pipeline.metadata = {"durationSec": 1.5, "conformance": {"checks": checks}}
    pipeline.work(owner, lambda _: None)
    short = dreamlake("show", stored["front.mp4"]["id"]).out
    assert "1 of 2 rules hold" in short and "broken  source: a keyframe" in short and "it is VOD" not in short
    shown = dreamlake("show", stored["front.mp4"]["id"], "--verbose").out
    assert "conformance" in shown and "1 of 2 rules hold" in shown
    assert "ok      playlist: it is VOD\n" in shown
    assert "broken  source: a keyframe every 2 s (longest distance 3.1 s)\n" in shown
    assert "{" not in shown


def test_show_prints_the_renditions_of_a_video(
    dreamlake: Callable[..., Any], stored: dict[str, Any], pipeline: Any, owner: str
) -> None:
    def rendition(width: int, height: int, bandwidth: int) -> dict[str, Any]:
        sizes = {"width": width, "height": height, "bandwidth": bandwidth, "averageBandwidth": bandwidth // 2}
        return sizes | {"stream": "0" * 32, "codecs": "avc1.64001f"}

    pipeline.metadata = {
        "durationSec": 1.5,
        "ladder": [1080, 480],
        "renditions": [rendition(1280, 720, 4_500_000), rendition(854, 480, 999_000)],
    }
    pipeline.work(owner, lambda _: None)
    shown = dreamlake("show", stored["front.mp4"]["id"]).out.splitlines()
    (at,) = [number for number, line in enumerate(shown) if line.startswith("renditions")]
    assert shown[at].split(maxsplit=1)[1] == "1280x720   2.25 Mbit/s, peak 4.50 Mbit/s  avc1.64001f"
    assert shown[at + 1].strip() == "854x480    500 kbit/s, peak 999 kbit/s  avc1.64001f"
    (line,) = [line for line in shown if line.startswith("ladder")]
    assert "1080,480" in line and "project" in line


def test_show_prints_labels_in_order_and_in_words(
    dreamlake: Callable[..., Any], stored: dict[str, Any], pipeline: Any, owner: str
) -> None:
    found = LabelTrackMetadata(
        entries=1200,
        fields=[
            FieldStats(name="stamp", type="date32[day]", nulls=0, distinct=2, min="2024-05-01", max="2024-05-02"),
            FieldStats(name="\x1b[2Jx", type="double", nulls=3, distinct_above=1000, min=-0.25, max=1700000002.5),
        ],
        duration_sec=3e-7,
        time=LabelTimeMetadata(
            fields=["stamp"], origin="date", why="'stamp' is a date and time.", left_out=1, goes_back=2
        ),
        encoding="utf-8",
        format="csv",
        csv=CsvForm(
            delimiter=";",
            decimal=",",
            units_line=2,
            units={"x": "N"},
            skipped=[BadLine(line=1, reason="preamble")],
            first_line=3,
            agreement=0.9,
            certainty=0.8,
        ),
        bad_lines=[BadLine(line=7, reason="The row has 3 values instead of 2.")],
        processing=Processing(recipe="label-track-1", seconds=0.1),
    )
    pipeline.metadata = found.wire()
    pipeline.work(owner, lambda _: None)
    short = dreamlake("show", stored["joints.csv"]["id"]).out
    assert "2024-05-01 to 2024-05-02" in short and "certainty" not in short and "recipe" not in short
    shown = dreamlake("show", stored["joints.csv"]["id"], "-v").out.splitlines()
    start = next(number for number, line in enumerate(shown) if line.startswith("entries"))
    assert [line.rstrip() for line in shown[start : start + 16]] == [
        "entries             1200",
        "fields              stamp     date32[day]  2024-05-01 to 2024-05-02, 2 different",
        "                    \\x1b[2Jx  double       -0.25 to 1700000002.5, more than 1,000 different, 3 null",
        "durationSec         0.0000003",
        "time                stamp (date); 1 entry left out of the span; 2 entries before the one above",
        "                    'stamp' is a date and time.",
        "encoding            utf-8",
        "format              csv",
        "csv                 delimiter ;  decimal ,",
        "                    no header, units in line 2, first row in line 3, certainty 0.8, "
        "90% of the first lines agree",
        "                    units: x in N",
        "                    skipped line 1: preamble",
        "badEntries          0",
        "badLines            line 7: The row has 3 values instead of 2.",
        "processing.recipe   label-track-1",
        "processing.seconds  0.1",
    ]
    assert not any("{" in line for line in shown)
    listed = dreamlake("ls", "robot:run-002").out
    assert "300 ns" in listed


def test_show_says_why_a_measure_of_sound_is_missing(
    dreamlake: Callable[..., Any], stored: dict[str, Any], pipeline: Any, owner: str
) -> None:
    why = "There is no range: the sound is shorter than the 4 s that it takes."
    pipeline.metadata = {"durationSec": 1.5, "loudness": {"integrated": -23.0, "truePeak": -1.5, "why": why}}
    pipeline.work(owner, lambda _: None)
    shown = dreamlake("show", stored["left.wav"]["id"]).out.splitlines()
    (at,) = [number for number, line in enumerate(shown) if line.startswith("loudness")]
    assert [line.split(maxsplit=1)[1] for line in (shown[at], f"- {shown[at + 1].strip()}")] == [
        "-23 LUFS, true peak -1.5 dBTP",
        why,
    ]


@pytest.mark.parametrize("what", ["0" * 24, "/nowhere.mp4", "/camera"])
def test_what_is_not_there_is_said(dreamlake: Callable[..., Any], stored: dict[str, Any], what: str) -> None:
    for verb in ("show", "play", *(["download"] if what != "/camera" else [])):  # a folder is downloaded
        done = dreamlake(verb, what, "--episode", "robot:run-001")
        assert (done.code, done.out) == (1, "")
        assert what in done.err


def test_what_is_not_processed_cannot_be_played(dreamlake: Callable[..., Any], stored: dict[str, Any]) -> None:
    done = dreamlake("play", stored["front.mp4"]["id"])
    assert (done.code, done.out) == (1, "")


def test_a_token_reaches_what_it_names(
    dreamlake: Callable[..., Any],
    stored: dict[str, Any],
    recordings: Path,
    owner: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secret = "a secret for tests only, 32 bytes or more"
    without = dreamlake("token", "create", "--namespace", owner)
    assert (without.code, without.out) == (3, "")
    monkeypatch.setenv("DREAMLAKE_AUTH_SECRET", secret)
    signed = dreamlake("token", "create", "--namespace", owner, "--read-only", "--ttl", "2h").out.strip()
    principal = verify_token(secret, signed)
    assert (principal.namespaces, principal.scope) == ((owner,), Scope.READ)
    monkeypatch.setenv("DREAMLAKE_API_KEY", signed)
    assert dreamlake("ls", "robot").code == 0
    assert dreamlake("ingest", recordings, "--episode", "robot").code == 2
    assert dreamlake("ls", "robot@somebody-else").code == 2
    [described] = dreamlake("token", "create", "-n", owner, "-n", "other", "--json").events
    assert (described["namespaces"], described["scope"]) == ([owner, "other"], "write")
    assert dreamlake("token", "create", "-n", "Not A Name").code == 2


def test_a_token_is_revoked_at_both_services(
    dreamlake: Callable[..., Any], services: Any, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "a secret for tests only, 32 bytes or more"
    monkeypatch.setenv("DREAMLAKE_AUTH_SECRETS", json.dumps([secret, "another secret that is not used yet"]))
    old = jwt.encode({"sub": "robot", "namespaces": [owner], "scope": "read"}, secret)
    [created] = dreamlake("token", "create", "-n", owner, "--json").events
    ways = {created["token"]: created["id"], old: old}
    for token, given in ways.items():
        for url in (services.bss_url, services.remote):
            assert httpx.get(f"{url}/auth/revoked", headers=bearer(token)).status_code == 403
        monkeypatch.setenv("DREAMLAKE_API_KEY", services.token(owner))
        assert dreamlake("token", "revoke", given).code == 2  # another one's
        monkeypatch.setenv("DREAMLAKE_API_KEY", services.token("*"))
        assert dreamlake("token", "revoke", given).code == dreamlake("token", "revoke", given).code == 0
        for url in (services.bss_url, services.remote):
            refused = httpx.get(f"{url}/auth/revoked", headers=bearer(token))
            assert refused.status_code == 401 and "revoked" in refused.json()["error"]["message"]
    listed = {event["id"]: event for event in dreamlake("token", "list", "--json").events}
    assert listed[created["id"]]["services"] == ["BSS", "DreamLake Server"]
    assert created["id"] in dreamlake("token", "list").out and "only" not in dreamlake("token", "list").out
    # A token may end itself.
    monkeypatch.setenv("DREAMLAKE_API_KEY", itself := services.token(owner))
    assert dreamlake("token", "revoke", itself).code == 0
    assert dreamlake("ls", "robot").code == 2
    for nonsense in ("a b", "eyJ.x.y", ""):
        assert dreamlake("token", "revoke", nonsense).code == 2


def test_a_word_is_not_revoked_as_if_it_were_an_id(
    dreamlake: Callable[..., Any], services: Any, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "a secret for tests only, 32 bytes or more"
    monkeypatch.setenv("DREAMLAKE_AUTH_SECRET", secret)
    monkeypatch.setenv("DREAMLAKE_API_KEY", services.token("*"))
    [good] = dreamlake("token", "create", "-n", owner, "--json").events
    for word in ("robot", owner, good["id"][:-1], good["id"].upper(), f"sha256:{'0' * 63}", "--all"):
        refused = dreamlake("token", "revoke", good["id"], word)
        assert refused.code == 2 and "Traceback" not in refused.err
    listed = {event["id"] for event in dreamlake("token", "list", "--json").events}
    assert good["id"] not in listed and "robot" not in listed
    theirs = jwt.encode({"sub": "x", "namespaces": [owner], "scope": "read", "jti": f"ci:{owner}"}, secret)
    for given in ((theirs,), ("--any-id", f"ci:{owner}")):
        assert dreamlake("token", "revoke", *given).code == 0
    assert f"ci:{owner}" in {event["id"] for event in dreamlake("token", "list", "--json").events}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


VERBS = {"up", "down", "status", "env", "demo", "ingest", "upload", "retry", "ls", "tree", "show", "download", "play"}


def test_help_names_every_verb_and_each_has_its_own(dreamlake: Callable[..., Any]) -> None:
    shown = dreamlake("--help")
    assert shown.code == 0
    for verb in VERBS | {"token"}:
        assert f" {verb} " in shown.out
        assert dreamlake(verb, "--help").code == 0
    assert dreamlake("--version").out.startswith("dreamlake ")


def test_starting_imports_nothing_heavy() -> None:
    code = "import sys, dreamlake_pipeline.cli.main; print(*sorted(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {
        "httpx",
        "boto3",
        "dagster",
        "pandas",
        "pyarrow",
        "sqlalchemy",
        "fastapi",
        "av",
        "urllib3",
        "rich.progress",
    }
    assert heavy.isdisjoint(modules)


def test_a_reader_that_leaves_early_is_no_error(
    environment: dict[str, str], stored: dict[str, Any], recordings: Path
) -> None:
    dreamlake = Path(sys.executable).with_name("dreamlake")
    shell = subprocess.run(
        ["bash", "-c", f"{dreamlake} tree robot | true"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert shell.stderr == ""
