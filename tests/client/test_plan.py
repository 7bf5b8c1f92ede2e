"""What a dry run tells, and that it leaves nothing behind."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dreamlake_pipeline.api.bss import Difference
from dreamlake_pipeline.client import DreamLake, FileEvent, Selection
from dreamlake_pipeline.client.cache import HashCache
from dreamlake_pipeline.client.digest import digest_file
from dreamlake_pipeline.client.events import Amount, Warned
from dreamlake_pipeline.client.plan import plan
from dreamlake_pipeline.client.target import parse_target
from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.kinds import Kind

LONG_AGO = 1_000_000_000
TABLE = "t,x\n1,2\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "recordings"
    folder.mkdir()
    return folder


@pytest.fixture
def planned(lake: DreamLake, folder: Path, tmp_path: Path) -> Callable[..., list[Any]]:
    """What is told of the folder, where the hashes of these files are known."""

    def run(*known: str) -> list[Any]:
        with HashCache(tmp_path / "cache") as cache:
            for path in folder.iterdir():
                os.utime(path, (LONG_AGO, LONG_AGO))
            cache.remember([(str(folder / name), digest_file(str(folder / name), 2**20)) for name in known])
            target = lake.target("robot")
            return list(plan(Selection(folder, target).files(), target, bss=lake.bss, cache=cache))

    return run


def differences(told: list[Any]) -> dict[str, str]:
    return {Path(event.path).name: str(event.plan or event.status) for event in told if isinstance(event, FileEvent)}


def test_what_is_new_changed_stored_and_unchanged(lake: DreamLake, folder: Path, planned: Any) -> None:
    for name in ("same.csv", "same unread.csv", "other.csv", "longer.csv"):
        (folder / name).write_text(TABLE)
    assert list(lake.ingest_events(folder, episode="robot"))[-1].failed == 0
    (folder / "other.csv").write_text(TABLE.replace("2", "3"))
    (folder / "longer.csv").write_text(TABLE * 2)
    (folder / "copy.csv").write_text(TABLE)
    (folder / "new.csv").write_text("t,y\n1,2\n")
    (folder / "new unread.csv").write_text(TABLE)
    (folder / "notes.md").write_text("x")
    (folder / "empty.csv").touch()
    told = planned("same.csv", "other.csv", "copy.csv", "new.csv")
    assert differences(told) == {
        "same.csv": "unchanged",
        "same unread.csv": "same-size",
        "other.csv": "changed",
        "longer.csv": "changed",
        "copy.csv": "stored",
        "new.csv": "new",
        "new unread.csv": "new",
        "notes.md": "skipped",
        "empty.csv": "failed",
    }
    summary = told[-1]
    size = len(TABLE)
    assert summary.plan == {
        Kind.LABEL_TRACK: {
            Difference.UNCHANGED: Amount(1, size),
            Difference.SAME_SIZE: Amount(1, size),
            Difference.CHANGED: Amount(2, 3 * size),
            Difference.STORED: Amount(1, size),
            Difference.NEW: Amount(2, 2 * size),
        }
    }
    assert (summary.files, summary.planned, summary.skipped, summary.failed) == (9, 7, 1, 1)
    assert (summary.bytes, summary.unasked) == (5 * size, None)
    assert len(list(lake.bss.list_all(Kind.LABEL_TRACK, owner=lake.namespace))) == 4


def test_thousands_of_files_are_asked_for_in_bulk(
    lake: DreamLake, folder: Path, planned: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(1500):
        (folder / f"{n}.csv").write_text(TABLE)
    calls: list[int] = []
    original = lake.bss.compare_files

    def compare(owner: str, project: str, files: Any) -> Any:
        calls.append(len(files))
        return original(owner, project, files)

    monkeypatch.setattr(lake.bss, "compare_files", compare)
    assert set(differences(planned()).values()) == {"new"}
    assert calls == [1000, 500]


def test_oddities_are_told_of_what_would_be_read(folder: Path, planned: Any) -> None:
    for name in ("known.mp4", "unread.mp4"):
        (folder / name).write_bytes(b"\0\0\0\x18ftypisom\0\0\0\0isommp41" + name.encode())
    told = planned("known.mp4")
    [odd] = [event for event in told if isinstance(event, Warned)]
    assert odd.name == "/unread.mp4"
    assert "is not whole" in odd.reason
    [event] = [event for event in told if isinstance(event, FileEvent) and event.warning]
    assert (event.name, event.as_json()["warning"], told[-1].warnings) == ("/unread.mp4", odd.reason, 1)


def test_without_a_service_all_but_the_differences_is_told(folder: Path) -> None:
    (folder / "a.csv").write_text(TABLE)
    target = parse_target("robot", namespace="local")
    told = list(plan(Selection(folder, target).files(), target))
    assert differences(told) == {"a.csv": "planned"}
    assert told[-1].plan == {Kind.LABEL_TRACK: {None: Amount(1, len(TABLE))}}
    assert "is running" in told[-1].unasked
    assert told[-1].as_json()["plan"] == {"label-track": {"unasked": {"files": 1, "bytes": len(TABLE)}}}


def test_a_service_that_does_not_answer_is_asked_once(folder: Path, services: Any, owner: str) -> None:
    (folder / "a.csv").write_text(TABLE)
    target = parse_target(f"robot@{owner}", namespace=owner)
    files = Selection(folder, target)
    for url, refusal in (("http://127.0.0.1:9", "does not answer"), (services.remote, None)):
        with DreamLake(remote=services.remote, bss_url=url, api_key=services.token(owner)) as lake:
            if refusal:
                assert refusal in list(lake.plan_events(files.files(), target))[-1].unasked
            else:  # not BSS: that is no passing state
                with pytest.raises(DreamlakeError) as error:
                    list(lake.plan_events(files.files(), target))
                assert error.value.code is Code.NOT_FOUND


def test_what_was_renamed_is_stored(services: Any, owner: str, folder: Path, tmp_path: Path) -> None:
    (folder / "run-001").mkdir()
    for name in ("a.csv", "b.csv"):
        (folder / "run-001" / name).write_text(f"t,{name}\n1,2\n")
        os.utime(folder / "run-001" / name, (LONG_AGO, LONG_AGO))
    remembering = DreamLake(
        remote=services.remote,
        bss_url=services.bss_url,
        api_key=services.token(owner),
        namespace=owner,
        cache=tmp_path / "c",
    )
    target = remembering.target("robot")
    assert remembering.ingest(folder, episode=target).uploaded == 2
    (folder / "run-001").rename(folder / "run-002")
    (folder / "run-002/c.csv").write_text("t,x\n1,2\n")
    told = list(remembering.plan_events(Selection(folder, target), target))
    assert differences(told) == {"a.csv": "stored", "b.csv": "stored", "c.csv": "new"}
    assert (told[-1].bytes, told[-1].unread) == (8, 1)
    # Another file that came to have the inode, or one that was written to, is not taken for it.
    os.utime(folder / "run-002/a.csv", (LONG_AGO + 1, LONG_AGO + 1))
    (folder / "run-002/b.csv").write_text("t,something else\n1,2\n")
    os.utime(folder / "run-002/b.csv", (LONG_AGO, LONG_AGO))
    told = list(remembering.plan_events(Selection(folder, target), target))
    assert differences(told) == {"a.csv": "new", "b.csv": "new", "c.csv": "new"}
    assert told[-1].unread == 3


def test_of_files_with_one_content_one_is_sent(folder: Path, planned: Any) -> None:
    for name in ("a.csv", "b.csv"):
        (folder / name).write_text(TABLE)
    told = planned("a.csv", "b.csv")
    assert sorted(differences(told).values()) == ["new", "stored"]
    assert (told[-1].bytes, told[-1].unread) == (len(TABLE), 0)
