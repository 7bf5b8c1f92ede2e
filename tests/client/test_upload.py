"""Files from disk to both services, over HTTP, into a real S3 server."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dreamlake_pipeline.api.bss import PlanAction
from dreamlake_pipeline.client import DreamLake, FileEvent, Progress, Selection
from dreamlake_pipeline.client.events import Warned
from dreamlake_pipeline.client.transfer import Transfer
from dreamlake_pipeline.client.upload import hasher
from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.media.containers import sniff
from dreamlake_pipeline.media.run import ffmpeg
from dreamlake_pipeline.remote.bss import BssClient
from dreamlake_pipeline.remote.http1 import Connections, Response
from dreamlake_pipeline.storage import ObjectStore

MIB = 2**20


def content(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def staged(store: ObjectStore, owner: str, data: bytes, project: str = "robot") -> bytes:
    return store.read(f"{owner}/{project}/staging/{hashlib.sha256(data).hexdigest()}")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the bodies that reach the object store, in the order in which they do."""
    sizes: list[int] = []
    original = Transfer._put

    def put(self: Transfer, url: str, headers: Any, body: Any) -> str:
        etag = original(self, url, headers, body)
        sizes.append(int(headers["Content-Length"]))
        return etag

    monkeypatch.setattr(Transfer, "_put", put)
    return sizes


def test_a_small_file_is_stored_registered_and_indexed(
    lake: DreamLake, owner: str, object_store: ObjectStore, tmp_path: Path, outcome: Any
) -> None:
    data = b"t,x\n1,2\n"
    (tmp_path / "joints.csv").write_bytes(data)
    run = outcome(lake.upload_events([tmp_path / "joints.csv"], episode="robot:run 1", to="/labels/"))
    [event] = run.files
    assert (event.status, event.name, event.kind) == ("uploaded", "/labels/joints.csv", Kind.LABEL_TRACK)
    assert staged(object_store, owner, data) == data
    record = lake.bss.get(Kind.LABEL_TRACK, event.id)
    assert (record.owner, record.project, record.episode, record.name) == (
        owner,
        "robot",
        "run 1",
        "/labels/joints.csv",
    )
    assert record.size == len(data)
    asset = lake.index.asset(Kind.LABEL_TRACK, event.asset_id)
    assert (asset.bss_id, asset.folder, asset.filename, asset.size) == (event.id, "/labels", "joints.csv", len(data))
    assert (run.summary.files, run.summary.uploaded, run.summary.bytes) == (1, 1, len(data))


def test_a_large_file_goes_in_parts_and_arrives_whole(
    lake: DreamLake, owner: str, object_store: ObjectStore, tmp_path: Path, outcome: Any, sent: list[int]
) -> None:
    data = content(12 * MIB)
    (tmp_path / "long.mp4").write_bytes(data)
    run = outcome(lake.upload_events([tmp_path / "long.mp4"], episode="robot"))
    assert run.statuses() == {"long.mp4": "uploaded"}
    assert staged(object_store, owner, data) == data
    assert sorted(sent) == [2 * MIB, 5 * MIB, 5 * MIB]
    assert run.summary.bytes == 12 * MIB


def test_an_interrupted_upload_sends_only_what_had_not_arrived(
    lake: DreamLake,
    owner: str,
    object_store: ObjectStore,
    tmp_path: Path,
    outcome: Any,
    sent: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = content(23 * MIB, seed=2)
    (tmp_path / "long.mkv").write_bytes(data)
    original = Transfer.put_range

    def breaks_after_two_parts(self: Transfer, *args: Any, **options: Any) -> str:
        if len(sent) >= 2:
            raise KeyboardInterrupt
        return original(self, *args, **options)

    with monkeypatch.context() as breaking:
        breaking.setattr(Transfer, "put_range", breaks_after_two_parts)
        with pytest.raises(KeyboardInterrupt):
            list(lake.upload_events([tmp_path / "long.mkv"], episode="robot", jobs=1))
    arrived = list(sent)
    assert arrived == [5 * MIB, 5 * MIB]
    run = outcome(lake.upload_events([tmp_path / "long.mkv"], episode="robot"))
    assert sorted(sent[2:]) == [3 * MIB, 5 * MIB, 5 * MIB]
    assert run.summary.bytes == 13 * MIB
    assert staged(object_store, owner, data) == data


def test_the_same_file_again_is_a_duplicate_and_nothing_is_sent(
    lake: DreamLake, tmp_path: Path, outcome: Any, sent: list[int]
) -> None:
    (tmp_path / "a.wav").write_bytes(content(1000))
    first = outcome(lake.upload_events([tmp_path / "a.wav"], episode="robot"))
    sent.clear()
    second = outcome(lake.upload_events([tmp_path / "a.wav"], episode="robot"))
    assert sent == []
    assert second.statuses() == {"a.wav": "duplicate"}
    assert (second.of("a.wav").id, second.of("a.wav").asset_id) == (first.of("a.wav").id, first.of("a.wav").asset_id)
    assert (second.summary.uploaded, second.summary.duplicate, second.summary.bytes) == (0, 1, 0)


@pytest.mark.parametrize("size", [2000, 6 * MIB])
def test_the_same_content_under_many_names_is_sent_once(
    lake: DreamLake, tmp_path: Path, outcome: Any, sent: list[int], size: int
) -> None:
    for name in "abcdef":
        (tmp_path / f"{name}.wav").write_bytes(content(size, seed=3))
    run = outcome(lake.ingest_events(tmp_path, episode="robot"))
    assert sum(sent) == size
    assert sorted(run.statuses().values()) == ["duplicate"] * 5 + ["uploaded"]
    assert len({event.id for event in run.files}) == 6


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are opened, in order."""
    opened: list[str] = []
    original = os.open

    def note(path: Any, *args: Any, **options: Any) -> int:
        opened.append(Path(os.fsdecode(path)).name)
        return original(path, *args, **options)

    monkeypatch.setattr(os, "open", note)
    return opened


@pytest.fixture
def remembering(services: Any, owner: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DreamLake]:
    """A client with a hash cache."""
    with DreamLake(
        remote=services.remote,
        bss_url=services.bss_url,
        api_key=services.token(owner),
        namespace=owner,
        cache=tmp_path_factory.mktemp("cache"),
    ) as client:
        yield client


def tree_of_old_files(folder: Path) -> dict[str, bytes]:
    """Files that nobody has written to for long."""
    files = {f"{n}.wav": content(900, seed=n) for n in range(20)} | {"long.mp4": content(6 * MIB, seed=11)}
    for name, data in files.items():
        (folder / name).write_bytes(data)
        os.utime(folder / name, (1e9, 1e9))
    return files


def test_a_tree_that_did_not_change_is_not_read_again(
    remembering: DreamLake, tmp_path: Path, outcome: Any, sent: list[int], reads: list[str]
) -> None:
    files = tree_of_old_files(tmp_path)
    first = outcome(remembering.ingest_events(tmp_path, episode="robot"))
    sent.clear()
    reads.clear()
    again = outcome(remembering.ingest_events(tmp_path, episode="robot"))
    assert set(again.statuses().values()) == {"duplicate"}
    assert {event.name: (event.id, event.asset_id) for event in again.files} == {
        event.name: (event.id, event.asset_id) for event in first.files
    }
    assert (sent, set(reads) & set(files)) == ([], set())
    (tmp_path / "3.wav").write_bytes(content(900, seed=33))
    changed = outcome(remembering.ingest_events(tmp_path, episode="robot")).statuses()
    assert [name for name, status in changed.items() if status == "uploaded"] == ["3.wav"]
    assert set(reads) & set(files) == {"3.wav"}
    reads.clear()
    outcome(remembering.ingest_events(tmp_path, episode="robot", rehash=True))
    assert set(reads) & set(files) == set(files)


def test_what_is_known_from_elsewhere_is_sent_without_hashing_it_again(
    remembering: DreamLake, owner: str, object_store: ObjectStore, tmp_path: Path, outcome: Any
) -> None:
    files = tree_of_old_files(tmp_path)
    outcome(remembering.ingest_events(tmp_path, episode="robot"))
    run = outcome(remembering.ingest_events(tmp_path, episode="other"))
    assert run.summary.uploaded == len(files)
    for data in (files["long.mp4"], files["0.wav"]):
        assert staged(object_store, owner, data, "other") == data


def test_other_content_that_looks_the_same_from_outside_is_never_sent_under_the_old_hash(
    remembering: DreamLake, owner: str, object_store: ObjectStore, tmp_path: Path, outcome: Any
) -> None:
    file, old, new = tmp_path / "a.wav", content(900, seed=1), content(900, seed=2)
    for data, project in ((old, "robot"), (new, "other")):
        with file.open("r+b" if file.exists() else "wb") as out:  # the same inode
            out.write(data)
        os.utime(file, (1e9, 1e9))
        assert outcome(remembering.ingest_events(tmp_path, episode=project)).statuses() == {"a.wav": "uploaded"}
        assert staged(object_store, owner, data, project) == data
    assert object_store.head(f"{owner}/other/staging/{hashlib.sha256(old).hexdigest()}") is None


def test_what_the_index_lost_comes_back_with_the_next_run(
    remembering: DreamLake, services: Any, owner: str, tmp_path: Path, outcome: Any
) -> None:
    tree_of_old_files(tmp_path)
    with DreamLake(
        remote="http://127.0.0.1:9",
        bss_url=services.bss_url,
        api_key=services.token(owner),
        namespace=owner,
        cache=remembering._cache,
    ) as half:
        assert outcome(half.ingest_events(tmp_path, episode="robot", timeout=1)).summary.failed == 21
    again = outcome(remembering.ingest_events(tmp_path, episode="robot"))
    assert (again.summary.duplicate, again.summary.failed) == (21, 0)
    assert sum(node.asset is not None for node in remembering.index.nodes(owner, "robot", recursive=True)) == 21


def test_new_content_under_an_old_name_is_what_the_index_shows(
    lake: DreamLake, owner: str, tmp_path: Path, outcome: Any
) -> None:
    file, shown = tmp_path / "a.csv", []
    ids = []
    for data in ("one", "two", "one"):
        file.write_text(data)
        ids.append(outcome(lake.upload_events([file], episode="robot")).of("a.csv").id)
        [node] = lake.index.nodes(owner, "robot", path="/a.csv")
        shown.append(node.asset.bss_id)
    assert shown == ids
    assert ids[0] == ids[2] != ids[1]


def test_an_ingest_reports_what_is_wrong_with_each_file_and_stores_the_others(
    lake: DreamLake, owner: str, tmp_path: Path, outcome: Any
) -> None:
    (tmp_path / "camera").mkdir()
    for name in ("camera/1.mp4", "camera/2.MOV", "mic.wav", "words.srt", "notes.md", "Makefile"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "empty.wav").touch()
    (tmp_path / "bad\nname.wav").write_bytes(b"x")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4")).write_bytes(b"y")
    (tmp_path / "gone.mp4").symlink_to("nothing")
    (tmp_path / "loop").symlink_to(".")
    run = outcome(lake.ingest_events(tmp_path, episode="robot:one", to="/data"))
    codes = {name: run.of(name).code for name, status in run.statuses().items() if status == "failed"}
    assert codes == {
        "empty.wav": Code.FILE_EMPTY,
        "bad\nname.wav": Code.INVALID_NAME,
        "caf\\xe9.mp4": Code.INVALID_NAME,
        "gone.mp4": Code.FILE_MISSING,
    }
    assert {name for name, status in run.statuses().items() if status == "skipped"} == {"notes.md", "Makefile", "loop"}
    assert ".md is none of" in run.of("notes.md").reason
    assert (run.summary.files, run.summary.uploaded, run.summary.skipped, run.summary.failed) == (11, 4, 3, 4)
    found = [node.path for node in lake.index.nodes(owner, "robot", episode="one", recursive=True) if node.asset]
    assert found == ["/data/camera/1.mp4", "/data/camera/2.MOV", "/data/mic.wav", "/data/words.srt"]


def test_first_level_folders_become_episodes(lake: DreamLake, owner: str, tmp_path: Path, outcome: Any) -> None:
    for name in ("run-001/camera/1.mp4", "run-002/camera/1.mp4", "root.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    outcome(lake.ingest_events(tmp_path, episode="robot", episode_per_folder=True))
    outcome(lake.ingest_events(tmp_path, episode="robot:day1", episode_per_folder=True))
    assert {episode.name: episode.assets for episode in lake.index.episodes(owner, "robot")} == {
        None: 1,
        "run-001": 1,
        "run-002": 1,
        "day1": 1,
        "day1/run-001": 1,
        "day1/run-002": 1,
    }
    [node] = lake.index.nodes(owner, "robot", episode="run-002", path="/camera/1.mp4")
    assert node.asset is not None


def test_globs_choose_files(lake: DreamLake, tmp_path: Path, outcome: Any) -> None:
    for name in ("a/1.mp4", "a/2.wav", "b/3.mp4", "b/deep/4.mp4", "c.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "b" / "deep" / "gone.mp4").symlink_to("nothing")

    def chosen(**globs: list[str]) -> set[str]:
        return set(outcome(lake.ingest_events(tmp_path, episode="robot", **globs)).statuses())

    assert chosen(include=["*.mp4"], exclude=["deep"]) == {"1.mp4", "3.mp4", "c.mp4"}
    assert chosen(include=["b/*"], exclude=["b/deep"]) == {"3.mp4"}
    assert chosen(include=["a"]) == {"1.mp4", "2.wav"}


def test_the_given_kind_goes_before_the_extension(lake: DreamLake, tmp_path: Path, outcome: Any) -> None:
    (tmp_path / "track.txt").write_text("hello")
    refused = outcome(lake.upload_events([tmp_path / "track.txt"], episode="robot"))
    assert refused.of("track.txt").code == Code.UNKNOWN_KIND
    assert "--type" in refused.of("track.txt").reason
    stored = outcome(lake.upload_events([tmp_path / "track.txt"], episode="robot", kind=Kind.TEXT_TRACK))
    assert lake.bss.get(Kind.TEXT_TRACK, stored.of("track.txt").id).name == "/track.txt"


def test_named_files_that_cannot_be_stored(lake: DreamLake, tmp_path: Path, outcome: Any) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    paths = [tmp_path / "one" / "a.wav", tmp_path / "two" / "a.wav", tmp_path / "one", tmp_path / "no.wav"]
    for path in paths[:2]:
        path.write_bytes(str(path).encode())
    run = outcome(lake.upload_events(paths, episode="robot"))
    assert {(str(event.status), event.code) for event in run.files} == {
        ("uploaded", None),
        ("failed", Code.CONFLICT),
        ("failed", Code.FILE_MISSING),
        ("failed", Code.FILE_UNREADABLE),
    }
    assert (run.summary.files, run.summary.uploaded, run.summary.failed) == (4, 1, 3)


@pytest.mark.parametrize("size", [3 * MIB, 12 * MIB])
def test_a_file_that_changes_after_it_was_hashed_is_reported_and_not_registered(
    lake: DreamLake,
    owner: str,
    object_store: ObjectStore,
    tmp_path: Path,
    outcome: Any,
    size: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file, data = tmp_path / "growing.mp4", content(size, seed=4)
    file.write_bytes(data)
    original = BssClient.plan_uploads

    def plan_after_the_robot_wrote_on(self: BssClient, *args: Any) -> Any:
        with file.open("ab") as out:
            out.write(b"more")
        return original(self, *args)

    monkeypatch.setattr(BssClient, "plan_uploads", plan_after_the_robot_wrote_on)
    run = outcome(lake.upload_events([file], episode="robot"))
    assert run.of("growing.mp4").code == Code.FILE_CHANGED
    assert list(lake.bss.list_all(Kind.VIDEO, owner=owner)) == []
    assert object_store.head(f"{owner}/robot/staging/{hashlib.sha256(data).hexdigest()}") is None
    monkeypatch.undo()
    assert outcome(lake.upload_events([file], episode="robot")).statuses() == {"growing.mp4": "uploaded"}
    assert staged(object_store, owner, file.read_bytes()) == file.read_bytes()


def test_without_the_index_files_are_stored_and_a_second_run_adds_what_is_missing(
    services: Any, lake: DreamLake, owner: str, tmp_path: Path, outcome: Any, sent: list[int]
) -> None:
    (tmp_path / "a.wav").write_bytes(content(5000, seed=5))
    key = services.token(owner)
    with DreamLake(remote="http://127.0.0.1:9", bss_url=services.bss_url, api_key=key, namespace=owner) as half:
        run = outcome(half.upload_events([tmp_path / "a.wav"], episode="robot", timeout=1))
    event = run.of("a.wav")
    assert (event.status, event.code) == ("failed", Code.UNREACHABLE)
    assert "again" in event.reason
    assert lake.bss.get(Kind.AUDIO, event.id).name == "/a.wav"
    sent.clear()
    again = outcome(lake.upload_events([tmp_path / "a.wav"], episode="robot"))
    assert (again.of("a.wav").status, again.of("a.wav").id, sent) == ("duplicate", event.id, [])
    assert lake.index.asset(Kind.AUDIO, again.of("a.wav").asset_id).bss_id == event.id


def test_without_bss_nothing_is_read(services: Any, owner: str, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"x")
    with (
        DreamLake(remote=services.remote, bss_url="http://127.0.0.1:9", api_key="-") as nowhere,
        pytest.raises(DreamlakeError) as error,
    ):
        list(nowhere.upload_events([tmp_path / "a.wav"], episode="robot", timeout=1))
    assert error.value.code is Code.UNREACHABLE


def test_a_token_for_another_namespace_or_for_reading_ends_the_run(services: Any, owner: str, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"x")
    from dreamlake_pipeline.auth import Scope

    for key in (services.token("somebody-else"), services.token(owner, scope=Scope.READ)):
        with (
            DreamLake(remote=services.remote, bss_url=services.bss_url, api_key=key, namespace=owner) as stranger,
            pytest.raises(DreamlakeError) as error,
        ):
            list(stranger.upload_events([tmp_path / "a.wav"], episode="robot"))
        assert error.value.code is Code.FORBIDDEN


def test_an_expired_url_is_asked_for_again(
    lake: DreamLake, tmp_path: Path, outcome: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.wav").write_bytes(content(4000, seed=6))
    original, asked = BssClient.plan_uploads, []

    def first_answer_is_stale(self: BssClient, *args: Any) -> Any:
        plans = original(self, *args)
        asked.append(plans[0].action)
        if len(asked) == 1:
            plans[0].url = plans[0].url.replace("X-Amz-Signature=", "X-Amz-Signature=0")
        return plans

    monkeypatch.setattr(BssClient, "plan_uploads", first_answer_is_stale)
    assert outcome(lake.upload_events([tmp_path / "a.wav"], episode="robot")).statuses() == {"a.wav": "uploaded"}
    assert asked == [PlanAction.PUT, PlanAction.PUT]


def test_the_first_files_are_registered_before_there_are_many(
    lake: DreamLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are processed meanwhile; the calls grow after that."""
    for n in range(700):
        (tmp_path / f"{n}.wav").write_bytes(content(100, seed=n))
    original, sizes = BssClient.finish_uploads, []

    def finish(self: BssClient, namespace: str, project: str, files: Any) -> Any:
        sizes.append(len(files))
        return original(self, namespace, project, files)

    monkeypatch.setattr(BssClient, "finish_uploads", finish)
    list(lake.ingest_events(tmp_path, episode="robot"))
    assert sum(sizes) == 700 and sizes[0] <= 64
    assert len(sizes) < 20


def test_leaving_the_iteration_stops_the_work(lake: DreamLake, tmp_path: Path) -> None:
    for n in range(300):
        (tmp_path / f"{n}.wav").write_bytes(content(100, seed=n))
    for _ in lake.ingest_events(tmp_path, episode="robot", jobs=2):
        break
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("dreamlake-")] == []


def test_progress_ends_at_all_files_and_bytes(lake: DreamLake, tmp_path: Path) -> None:
    for n in range(30):
        (tmp_path / f"{n}.wav").write_bytes(content(1000, seed=n))
    (tmp_path / "long.mp4").write_bytes(content(11 * MIB, seed=9))
    (tmp_path / "readme.txt").write_text("no")
    told = [event for event in lake.ingest_events(tmp_path, episode="robot") if isinstance(event, Progress)]
    last = told[-1]
    total = 30_000 + 11 * MIB + 2
    assert (last.files_found, last.files_done, last.bytes_found, last.bytes_done) == (32, 32, total, total)
    assert last.bytes_sent == 30_000 + 11 * MIB
    assert not last.is_walking


def test_a_raw_file_comes_back_verified(
    lake: DreamLake, owner: str, object_store: ObjectStore, tmp_path: Path, outcome: Any
) -> None:
    data = content(3 * MIB, seed=7)
    (tmp_path / "a.wav").write_bytes(data)
    assert lake.upload(tmp_path / "a.wav", episode="robot").uploaded == 1
    file = lake.file("robot/a.wav")
    assert file.download(tmp_path / "back.wav") == tmp_path / "back.wav"
    assert (tmp_path / "back.wav").read_bytes() == data
    object_store.put(file.record.staging_key, data[:-1] + b"?", content_type="audio/wav")
    with pytest.raises(DreamlakeError) as error:
        file.download(tmp_path / "damaged.wav")
    assert error.value.code is Code.HASH_MISMATCH
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav", "back.wav"]


def test_more_files_than_one_call_takes_all_arrive(
    lake: DreamLake, owner: str, tmp_path: Path, outcome: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dreamlake_pipeline.client.upload.uploader._BULK", 100)
    for n in range(250):
        (tmp_path / f"{n:04}.wav").write_bytes(content(50, seed=n))
    run = outcome(lake.ingest_events(tmp_path, episode="robot"))
    assert (run.summary.files, run.summary.uploaded, run.summary.failed) == (250, 250, 0)
    names = [asset.name for asset in lake.index.assets(Kind.AUDIO, namespace=owner, project="robot")]
    assert sorted(names) == [f"/{n:04}.wav" for n in range(250)]


def test_what_is_odd_about_a_file_is_said_before_it_is_sent(lake: DreamLake, tmp_path: Path) -> None:
    import wave

    with wave.open(str(tmp_path / "whole.wav"), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(bytes(4000))
    data = (tmp_path / "whole.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(data[:-3000])
    (tmp_path / "sound.mp4").write_bytes(data + bytes(2))
    ftyp = b"\0\0\0\x18ftypisom\0\0\0\0isommp41"
    (tmp_path / "cut.mp4").write_bytes(ftyp + (5000).to_bytes(4, "big") + b"mdat" + bytes(100))
    (tmp_path / "noise.mkv").write_bytes(content(1000))
    (tmp_path / "packed.csv").write_bytes(b"PK\x03\x04" + content(100))
    (tmp_path / "good.csv").write_text("t,x\n1,2\n")
    told: list[Any] = list(lake.ingest_events(tmp_path, episode="robot"))
    odd = {Path(event.path).name: event.reason for event in told if isinstance(event, Warned)}
    assert set(odd) == {"cut.wav", "sound.mp4", "cut.mp4", "noise.mkv", "packed.csv"}
    assert "3,000 bytes" in odd["cut.wav"]
    assert "sound.mp4 holds sound only: it is stored as audio" in odd["sound.mp4"]
    assert "missing" in odd["cut.mp4"]
    assert "looks like zip" in odd["packed.csv"]
    stored = [event for event in told if isinstance(event, FileEvent)]
    assert {str(event.status) for event in stored} == {"uploaded"}
    assert (told[-1].warnings, told[-1].uploaded) == (5, 7)
    by_path = {event.path: n for n, event in enumerate(told) if isinstance(event, FileEvent)}
    assert all(n < by_path[event.path] for n, event in enumerate(told) if isinstance(event, Warned))


def test_every_file_is_looked_at_before_the_first_one_is_read(
    lake: DreamLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading large files takes an hour: whoever started that wants to know now."""
    for n in range(100):
        (tmp_path / f"{n}.mp4").write_bytes(content(100, seed=n))
    os.mkfifo(tmp_path / "pipe.mp4")  # looking at it must not wait for a writer
    all_told = threading.Event()
    original = hasher.digest_file

    def read(*args: Any) -> Any:
        assert all_told.wait(30)
        return original(*args)

    monkeypatch.setattr(hasher, "digest_file", read)
    warned: list[str] = []
    stored: list[FileEvent] = []
    paths = sorted(tmp_path.iterdir())
    for event in lake.upload_events(paths, episode="robot"):
        if isinstance(event, Warned):
            warned.append(event.path)
            if len(warned) == 100:
                all_told.set()
        if isinstance(event, FileEvent):
            stored.append(event)
    assert sorted(warned) == sorted(event.path for event in stored if event.warning)
    assert {event.path for event in stored if event.code == Code.FILE_UNREADABLE} == {str(tmp_path / "pipe.mp4")}
    assert all("does not look like a video" in (event.warning or "") for event in stored if event.status == "uploaded")


def test_names_that_differ_only_in_how_letters_are_composed_collide(
    lake: DreamLake, owner: str, tmp_path: Path, outcome: Any
) -> None:
    composed, apart = "caf\u00e9.csv", "cafe\u0301.csv"
    (tmp_path / composed).write_text("a,b\n1,2\n")
    (tmp_path / apart).write_text("a,b\n3,4\n")
    run = outcome(lake.ingest_events(tmp_path, episode="robot"))
    assert sorted(str(event.status) for event in run.files) == ["failed", "uploaded"]
    [refused] = [event for event in run.files if event.status == "failed"]
    assert refused.code == Code.CONFLICT
    assert "composed" in refused.reason


def test_failures_end_the_run_where_that_is_wanted(lake: DreamLake, tmp_path: Path, outcome: Any) -> None:
    for n in range(6):
        (tmp_path / f"{n}.wav").touch()
    (tmp_path / "good.wav").write_bytes(content(100))
    run = outcome(lake.ingest_events(tmp_path, episode="robot", most_failures=3))
    assert (run.summary.failed, run.summary.stopped) == (3, 1)
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("dreamlake-")] == []
    everything = outcome(lake.ingest_events(tmp_path, episode="robot"))
    assert (everything.summary.failed, everything.summary.stopped) == (6, 0)
    assert everything.statuses()["good.wav"] in ("uploaded", "duplicate")


def test_a_file_that_vanishes_or_shrinks_after_it_was_found_fails_alone(
    lake: DreamLake, tmp_path: Path, outcome: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("gone.wav", "shrunk.mp4", "good.wav"):
        (tmp_path / name).write_bytes(content(7 * MIB if name == "shrunk.mp4" else 2000, seed=ord(name[2])))
    original = BssClient.plan_uploads

    def plan_after_they_went(self: BssClient, *args: Any) -> Any:
        (tmp_path / "gone.wav").unlink(missing_ok=True)
        os.truncate(tmp_path / "shrunk.mp4", 1000)
        return original(self, *args)

    monkeypatch.setattr(BssClient, "plan_uploads", plan_after_they_went)
    run = outcome(lake.ingest_events(tmp_path, episode="robot"))
    assert run.statuses() == {"gone.wav": "failed", "shrunk.mp4": "failed", "good.wav": "uploaded"}
    assert (run.of("gone.wav").code, run.of("shrunk.mp4").code) == (Code.FILE_MISSING, Code.FILE_CHANGED)
    assert {record.name for kind in Kind for record in lake.bss.list_all(kind, owner=lake.namespace)} == {"/good.wav"}


def test_a_store_that_is_full_says_so_and_the_next_run_goes_on(
    lake: DreamLake, tmp_path: Path, outcome: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3):
        (tmp_path / f"{n}.wav").write_bytes(content(500, seed=n))
    full = Response(507, {}, b"<Error><Code>StorageFull</Code></Error>")
    with monkeypatch.context() as away:
        away.setattr(Connections, "request", lambda *_: full)
        run = outcome(lake.ingest_events(tmp_path, episode="robot"))
    assert {event.code for event in run.files} == {Code.STORAGE_FULL}
    assert "is full" in run.files[0].reason
    assert outcome(lake.ingest_events(tmp_path, episode="robot")).summary.uploaded == 3


@pytest.mark.parametrize("size", [500, 7 * MIB], ids=["one PUT", "parts"])
@pytest.mark.parametrize("code", ["RequestTimeout", "ExpiredToken"])
def test_a_400_of_the_store_that_passes_fails_no_file(
    lake: DreamLake, tmp_path: Path, outcome: Any, monkeypatch: pytest.MonkeyPatch, size: int, code: str
) -> None:
    """The first PUT of each run is refused as S3 does it; everything else goes to the real store."""
    (tmp_path / "a.wav").write_bytes(content(size, seed=size))
    refused: list[str] = []
    original = Connections.request

    def request(self: Connections, method: str, url: str, *rest: Any) -> Response:
        if method == "PUT" and not refused:
            refused.append(url)
            return Response(400, {}, f"<Error><Code>{code}</Code></Error>".encode())
        return original(self, method, url, *rest)

    monkeypatch.setattr(Connections, "request", request)
    run = outcome(lake.upload_events([tmp_path / "a.wav"], episode="robot"))
    assert run.statuses() == {"a.wav": "uploaded"} and len(refused) == 1
    assert run.summary.bytes == size


def test_a_store_that_refuses_each_signature_says_so(
    lake: DreamLake, tmp_path: Path, outcome: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.wav").write_bytes(content(500))
    denied = Response(400, {}, b"<Error><Code>ExpiredToken</Code></Error>")
    monkeypatch.setattr(Connections, "request", lambda *_: denied)
    event = outcome(lake.upload_events([tmp_path / "a.wav"], episode="robot")).of("a.wav")
    assert event.code == Code.STORAGE_FAILED and "400 ExpiredToken" in event.reason


def test_a_run_that_is_left_ends_at_once_and_the_next_one_goes_on(
    lake: DreamLake, tmp_path: Path, outcome: Any
) -> None:
    for n in range(3):
        (tmp_path / f"{n}.mp4").write_bytes(content(60 * MIB, seed=n))
    events = lake.ingest_events(tmp_path, episode="robot")
    for event in events:
        if isinstance(event, Progress) and event.bytes_sent > 90 * MIB:  # more than can be on its way
            break
    started = time.monotonic()
    events.close()
    assert time.monotonic() - started < 3  # parts that wait for their turn are not waited for
    run = outcome(lake.ingest_events(tmp_path, episode="robot"))
    assert set(run.statuses().values()) <= {"uploaded", "duplicate"} and run.summary.bytes < 3 * 60 * MIB


APPLE_DOUBLE = bytes.fromhex("0005160700020000") + b"Mac OS X        " + bytes(4000)


def test_what_systems_leave_in_folders_is_passed_over_by_name_and_by_content(
    lake: DreamLake, tmp_path: Path, outcome: Any
) -> None:
    (tmp_path / "joints.csv").write_text("t,x\n1,2\n")
    (tmp_path / "._joints.csv").write_bytes(APPLE_DOUBLE)
    (tmp_path / "front.mp4").write_bytes(APPLE_DOUBLE)  # under a normal name, as FAT sticks and archives have it
    (tmp_path / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (tmp_path / ".Trash-1000").mkdir()
    (tmp_path / ".Trash-1000/old.csv").write_text("t,x\n1,2\n")
    run = outcome(lake.ingest_events(tmp_path, episode="robot"))
    left = {"._joints.csv", "front.mp4", ".DS_Store", ".Trash-1000"}
    assert run.statuses() == {"joints.csv": "uploaded"} | dict.fromkeys(left, "skipped")
    for name in left:
        assert run.of(name).code == Code.SYSTEM_FILE and "is a system f" in run.of(name).reason
    assert (run.summary.skipped, run.summary.system_files, run.summary.failed) == (4, 4, 0)
    assert run.summary.as_json()["systemFiles"] == 4
    planned = outcome(lake.plan_events(Selection(tmp_path, lake.target("robot")).files(), lake.target("robot")))
    assert planned.summary.system_files == 4
    assert {name for name, status in planned.statuses().items() if status == "skipped"} == left


def test_a_system_file_that_is_named_is_refused(lake: DreamLake, tmp_path: Path, outcome: Any) -> None:
    (tmp_path / "._front.mp4").write_bytes(APPLE_DOUBLE)
    (tmp_path / "front.mp4").write_bytes(APPLE_DOUBLE)
    (tmp_path / "joints.csv~").write_text("t,x\n1,2\n")
    run = outcome(lake.upload_events(sorted(tmp_path.iterdir()), episode="robot"))
    assert set(run.statuses().values()) == {"failed"}
    assert {event.code for event in run.files} == {Code.SYSTEM_FILE}
    assert "AppleDouble" in run.of("._front.mp4").reason
    wanted = outcome(lake.upload_events([tmp_path / "joints.csv~"], episode="robot", kind=Kind.LABEL_TRACK))
    assert wanted.statuses() == {"joints.csv~": "uploaded"}
    still_none = outcome(lake.upload_events([tmp_path / "._front.mp4"], episode="robot", kind=Kind.VIDEO))
    assert still_none.of("._front.mp4").code == Code.SYSTEM_FILE


@pytest.mark.parametrize("fault", [RecursionError(), MemoryError(), KeyError("x")])
def test_a_file_that_cannot_be_looked_at_is_sent_all_the_same(
    lake: DreamLake, tmp_path: Path, outcome: Any, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def sniff_file(file: Any) -> Any:
        if file.read(1) == b"[":
            raise fault
        return original(file)

    original = sniff.sniff_file
    monkeypatch.setattr(sniff, "sniff_file", sniff_file)
    (tmp_path / "deep.jsonl").write_text("[" * 60_000)
    (tmp_path / "joints.csv").write_text("t,x\n1,2\n")
    run = outcome(lake.ingest_events(tmp_path, episode="robot"))
    assert run.statuses() == {"deep.jsonl": "uploaded", "joints.csv": "uploaded"}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`memo.mp4` and `recorder.webm` hold sound only, `clip.mp4` also pictures."""
    folder = tmp_path_factory.mktemp("clips")
    sound, picture = "-f lavfi -i sine=440:duration=1", "-f lavfi -i testsrc2=size=64x48:rate=10:duration=1"
    for name, words in (
        ("memo.mp4", f"{sound} -c:a aac"),
        ("recorder.webm", f"{sound} -c:a libopus"),
        ("clip.mp4", f"{picture} {sound} -c:v mpeg4 -c:a aac"),
    ):
        command = [ffmpeg.build().path, "-loglevel", "error", *words.split(), str(folder / name)]
        subprocess.run(command, check=True, timeout=60)
    return folder


def test_the_content_decides_between_video_and_audio(
    clips: Path, remembering: DreamLake, tmp_path: Path, outcome: Any
) -> None:
    folder = tmp_path / "recordings"
    shutil.copytree(clips, folder)
    (folder / "named.wav").write_bytes((clips / "clip.mp4").read_bytes() + b"\0\0\0\x08free")
    for path in folder.iterdir():
        os.utime(path, (1_000_000_000, 1_000_000_000))
    kinds = {"memo.mp4": "audio", "recorder.webm": "audio", "clip.mp4": "video", "named.wav": "video"}
    target = remembering.target("robot")
    planned = outcome(remembering.plan_events(Selection(folder, target).files(), target))
    assert {name: planned.of(name).kind for name in kinds} == kinds
    assert {str(kind): len(amounts) for kind, amounts in planned.summary.plan.items()} == {"audio": 1, "video": 1}
    run = outcome(remembering.ingest_events(folder, episode="robot"))
    assert run.statuses() == dict.fromkeys(kinds, "uploaded")
    assert {name: run.of(name).kind for name in kinds} == kinds
    assert run.of("memo.mp4").warning.endswith("memo.mp4 holds sound only: it is stored as audio.")
    assert run.of("named.wav").warning.endswith("named.wav holds pictures: it is stored as a video.")
    assert run.of("clip.mp4").warning is None
    for name, kind in kinds.items():
        assert remembering.bss.get(Kind(kind), run.of(name).id).name == f"/{name}"
    # Nothing is looked at again, and everything is where it was.
    again = outcome(remembering.ingest_events(folder, episode="robot"))
    assert again.statuses() == dict.fromkeys(kinds, "duplicate")
    assert {name: again.of(name).id for name in kinds} == {name: run.of(name).id for name in kinds}
    planned = outcome(remembering.plan_events(Selection(folder, target).files(), target))
    assert {str(planned.of(name).plan) for name in kinds} == {"unchanged"}


def test_a_kind_that_is_said_counts_more_than_the_content(
    clips: Path, remembering: DreamLake, tmp_path: Path, outcome: Any
) -> None:
    for name in ("memo.mp4", "clip.mp4"):
        shutil.copy(clips / name, tmp_path / name)
        os.utime(tmp_path / name, (1_000_000_000, 1_000_000_000))
    for _ in range(2):  # also when it is known from the last time
        for name, kind in (("memo.mp4", Kind.VIDEO), ("clip.mp4", Kind.AUDIO)):
            run = outcome(remembering.upload_events([tmp_path / name], episode="robot", kind=kind))
            assert run.of(name).kind is kind
    by_content = outcome(remembering.upload_events([tmp_path / "memo.mp4"], episode="robot")).of("memo.mp4")
    assert by_content.kind is Kind.AUDIO
