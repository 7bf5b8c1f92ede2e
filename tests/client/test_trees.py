"""Whole trees come back as they went in: under the same names, byte for byte, and once."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dreamlake_pipeline.client import DreamLake
from dreamlake_pipeline.client.events import FileEvent, Progress, Summary
from dreamlake_pipeline.client.fetch import Choice, LocalTree
from dreamlake_pipeline.client.fetch.partial import Partial
from dreamlake_pipeline.client.trees import Prepared
from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.remote.bss import Place

MIB = 2**20


class Told:
    """What a download told: its file events, its progress and its summary."""

    def __init__(self, events: Iterator[Any]) -> None:
        told = list(events)
        self.files = [event for event in told if isinstance(event, FileEvent)]
        self.progress = [event for event in told if isinstance(event, Progress)]
        self.summary = told[-1]
        assert isinstance(self.summary, Summary)

    def statuses(self) -> dict[str, str]:
        return {event.path: str(event.status) for event in self.files}


def tree(root: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def write(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def content(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def fetch(lake: DreamLake, choice: Choice, into: Path, **options: Any) -> Told:
    return Told(lake.fetch_prepared(Prepared(choice, str(into)), **options))


def whole(lake: DreamLake, project: str = "robot", episode: str | None = None) -> Choice:
    return Choice([Place(lake.namespace, project, episode)], episode=episode)


ODD = (
    "a b.csv", " leading.csv", "trailing .csv", "-rf.csv", "--help.csv", "*.csv", "?[a-z].csv", "'quoted'.csv",
    '"double".csv', "back\\slash.csv", "a:b.csv", "a|b;c&d.csv", "$HOME.csv", "`x`.csv", "#hash%20.csv", "100%.csv",
    "~.csv", "..hidden.csv", "...csv.csv", "UPPER.CSV", "upper.csv", "ünïcode-é.csv", "日本語/カメラ.csv", 
    "emoji-\U0001f916.csv",
    "عربى.csv", "a/b/c/d/e/f/g/h.csv", "x" * 200 + ".csv", "é" * 120 + ".csv", "con.csv", "nul/aux.csv", "a+b=c.csv",
    "trailing dot./x.csv", "zero\u200bwidth.csv", "a..b.csv", "@at.csv", "{brace}.csv", "(1)/copy (2).csv",
)  # fmt: skip


def test_what_went_in_comes_out(lake: DreamLake, tmp_path: Path) -> None:
    files = {f"run-{n % 3}/{name}": f"{n},{name}\n".encode() for n, name in enumerate(ODD)}
    files |= {"beside.csv": b"x\n", "same/a.csv": b"twice\n", "same/b.csv": b"twice\n", "run-0/camera.mp4": content(9)}
    sent = write(tmp_path / "in", files)
    assert lake.ingest(sent, episode="robot", episode_per_folder=True).failed == 0
    told = fetch(lake, whole(lake), tmp_path / "out")
    assert (told.summary.failed, told.summary.downloaded, told.summary.files) == (0, len(files), len(files))
    assert tree(tmp_path / "out") == files
    last = told.progress[-1]
    assert (last.files_done, last.bytes_done) == (len(files), sum(map(len, files.values())))
    # One episode comes out as the folder that it was.
    fetch(lake, whole(lake, episode="run-0"), tmp_path / "one")
    assert tree(tmp_path / "one") == tree(sent / "run-0")
    # And again: nothing is fetched.
    again = fetch(lake, whole(lake), tmp_path / "out")
    assert (again.summary.unchanged, again.summary.downloaded, again.summary.bytes) == (len(files), 0, 0)


@pytest.fixture
def stored(lake: DreamLake, tmp_path: Path) -> dict[str, bytes]:
    """An episode of three small files and one of several parts."""
    files = {"a.csv": b"1\n", "camera/b.csv": b"2\n", "camera/rear/c.csv": b"3\n", "long.mp4": content(20 * MIB)}
    assert lake.ingest(write(tmp_path / "in", files), episode="robot:run").failed == 0
    return files


def test_folders_files_and_patterns(lake: DreamLake, stored: dict[str, bytes], tmp_path: Path) -> None:
    def names(choice: Choice, into: str) -> set[str]:
        assert fetch(lake, choice, tmp_path / into).summary.failed == 0
        return set(tree(tmp_path / into))

    places = [Place(lake.namespace, "robot", "run", path) for path in ("/camera/rear", "/a.csv")]
    assert names(Choice(places, episode="run"), "1") == {"camera/rear/c.csv", "a.csv"}
    assert names(Choice(places), "2") == {"run/camera/rear/c.csv", "run/a.csv"}
    run = [Place(lake.namespace, "robot", "run")]
    assert names(Choice(run, episode="run", include=["*.csv"], exclude=["rear"]), "3") == {"a.csv", "camera/b.csv"}
    assert names(Choice(run, episode="run", include=["camera"]), "4") == {"camera/b.csv", "camera/rear/c.csv"}


@pytest.mark.parametrize(
    "wrong", [{"path": "/nowhere"}, {"episode": "nowhere"}, {"project": "nowhere"}, {"include": ["*.nothing"]}]
)
def test_a_wrong_name_is_told_before_anything_is_fetched(
    lake: DreamLake, stored: dict[str, bytes], tmp_path: Path, wrong: dict[str, Any]
) -> None:
    include = wrong.pop("include", ())
    places = [Place(lake.namespace, **({"project": "robot", "episode": "run"} | wrong))]
    if not include:
        places.insert(0, Place(lake.namespace, "robot", "run"))
    with pytest.raises(DreamlakeError) as fault:
        fetch(lake, Choice(places, include=include), tmp_path / "out")
    assert fault.value.code is Code.NOT_FOUND
    assert not (tmp_path / "out").exists()


def test_what_is_there_with_other_content_is_not_replaced(
    lake: DreamLake, stored: dict[str, bytes], tmp_path: Path
) -> None:
    out = write(tmp_path / "out", {"a.csv": b"mine", "camera/b.csv": b"9\n", "long.mp4": b"short"})
    (out / "camera/rear/c.csv").mkdir(parents=True)
    mine = tree(out)
    told = fetch(lake, whole(lake, episode="run"), out)
    assert {event.code for event in told.files} == {"conflict"}
    assert (told.summary.failed, tree(out)) == (4, mine)
    told = fetch(lake, whole(lake, episode="run"), out, force=True)
    assert [event.name for event in told.summary.failures] == ["/camera/rear/c.csv"]
    assert {name: data for name, data in stored.items() if "rear" not in name} == tree(out)


def test_names_that_lead_elsewhere_or_cannot_be_are_faults_of_their_own(
    lake: DreamLake, stored: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / "x.csv").write_bytes(b"x\n")
    long = "é" * 127 + "x"  # of 255 bytes
    for episode in ("..", "../../above", "a/../../b", "/root", "a//b", ".", long):
        assert lake.upload(tmp_path / "x.csv", episode=f"robot:{episode}").failed == 0
    assert lake.upload(tmp_path / "x.csv", episode="robot:too-long", to="/" + "z" * 300).failed == 0
    out = tmp_path / "deep" / "out"
    told = fetch(lake, whole(lake), out)
    wrong = {event.episode: event.code for event in told.summary.failures}
    expected = {"..", "../../above", "a/../../b", "/root", "a//b", ".", "too-long"}
    assert wrong == dict.fromkeys(expected, "invalid_name")
    assert told.summary.downloaded == len(stored) + 1
    assert {path.name for path in (tmp_path / "deep").iterdir()} == {"out"}


def test_a_link_that_leads_out_is_not_followed(lake: DreamLake, stored: dict[str, bytes], tmp_path: Path) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    (out / "inside").mkdir(parents=True)
    elsewhere.mkdir()
    (out / "camera").symlink_to(elsewhere)
    (out / "a.csv").symlink_to(elsewhere / "not-there")
    told = fetch(lake, whole(lake, episode="run"), out)
    assert {event.name: event.code for event in told.summary.failures} == {
        "/a.csv": "file_unreadable",
        "/camera/b.csv": "invalid_name",
        "/camera/rear/c.csv": "invalid_name",
    }
    assert list(elsewhere.iterdir()) == []
    (out / "camera").unlink()
    (out / "camera").symlink_to("inside")
    assert fetch(lake, whole(lake, episode="run"), out).summary.downloaded == 2


def test_two_files_of_one_path_and_a_file_in_a_folders_place(lake: DreamLake, tmp_path: Path) -> None:
    write(tmp_path / "in", {"run/a.csv": b"of none\n", "x.csv/y.csv": b"in it\n"})
    lake.ingest(tmp_path / "in", episode="robot")
    write(tmp_path / "run", {"a.csv": b"of the episode\n"})
    lake.ingest(tmp_path / "run", episode="robot:run")
    (tmp_path / "x.csv").write_bytes(b"beside it\n")
    lake.upload(tmp_path / "x.csv", episode="robot")
    told = fetch(lake, whole(lake), tmp_path / "out")
    assert (told.summary.downloaded, {event.code for event in told.summary.failures}) == (2, {"conflict"})
    assert {event.path for event in told.summary.failures} >= {str(tmp_path / "out/run/a.csv")}
    assert (tmp_path / "out/run/a.csv").read_bytes() == b"of none\n"


def test_upper_and_lower_case_collide_where_they_are_one() -> None:
    one = LocalTree("out", folds_case=True)
    one.take("Camera/A.csv")
    one.take("camera/b.csv")
    for relative in ("camera/a.CSV", "CAMERA/A.csv"):
        with pytest.raises(DreamlakeError, match="upper and lower case"):
            one.take(relative)
    other = LocalTree("out", folds_case=False)
    assert other.take("A.csv") != other.take("a.csv")


def test_the_file_system_says_whether_it_folds_case(tmp_path: Path) -> None:
    one = LocalTree(tmp_path / "out")
    assert (one.take("a.csv"), one.take("A.csv")) == (str(tmp_path / "out/a.csv"), str(tmp_path / "out/A.csv"))
    assert list((tmp_path / "out").iterdir()) == []


def test_bytes_that_arrived_are_not_fetched_again(lake: DreamLake, stored: dict[str, bytes], tmp_path: Path) -> None:
    data = stored["long.mp4"]
    files = iter(lake.fetch_prepared(Prepared(whole(lake, episode="run"), str(tmp_path / "out")), jobs=1))
    for event in files:
        if isinstance(event, Progress) and event.bytes_sent > 9 * MIB:
            break
    files.close()  # type: ignore[attr-defined]
    parts = list((tmp_path / "out").rglob("*.part"))
    had = sum(path.stat().st_size for path in parts)
    if parts:
        assert data.startswith(parts[0].read_bytes())
    told = fetch(lake, whole(lake, episode="run"), tmp_path / "out")
    assert tree(tmp_path / "out") == stored
    there = sum(event.size for event in told.files if str(event.status) == "unchanged")
    assert told.summary.bytes == sum(map(len, stored.values())) - had - there


@pytest.mark.parametrize("arrived", [0, 1, 5 * MIB, 19 * MIB, 20 * MIB])
@pytest.mark.parametrize("is_right", [True, False])
def test_what_was_left_is_gone_on_with_if_it_is_right(
    lake: DreamLake, stored: dict[str, bytes], tmp_path: Path, arrived: int, is_right: bool
) -> None:
    data = stored["long.mp4"]
    [node] = lake.index.nodes(lake.namespace, "robot", episode="run", path="/long.mp4")
    assert node.asset is not None
    (tmp_path / "out").mkdir()
    part = tmp_path / "out" / f".long.mp4.{node.asset.bss_id}.part"
    part.write_bytes(data[:arrived] if is_right else b"?" * arrived)
    choice = Choice([Place(lake.namespace, "robot", "run", "/long.mp4")], episode="run")
    told = fetch(lake, choice, tmp_path / "out")
    assert (told.summary.failed, tree(tmp_path / "out")) == (0, {"long.mp4": data})
    # What was wrong is known at the end, by the hash: then all of it is fetched.
    anew = len(data) if arrived and not is_right else 0
    assert told.summary.bytes == len(data) - arrived + anew
    assert told.progress[-1].bytes_done == len(data)


def test_one_process_at_a_time_has_a_partial_file(lake: DreamLake, stored: dict[str, bytes], tmp_path: Path) -> None:
    [node] = lake.index.nodes(lake.namespace, "robot", episode="run", path="/a.csv")
    assert node.asset is not None
    with Partial(str(tmp_path / "a.csv"), node.asset.bss_id):
        told = fetch(lake, whole(lake, episode="run"), tmp_path)
    assert [(event.name, event.code) for event in told.summary.failures] == [("/a.csv", "conflict")]
    assert fetch(lake, whole(lake, episode="run"), tmp_path).summary.downloaded == 1


def test_damaged_bytes_are_told_and_not_kept(
    lake: DreamLake, stored: dict[str, bytes], object_store: Any, tmp_path: Path
) -> None:
    for name, damage in (("/a.csv", b"0\n"), ("/camera/b.csv", b"longer\n"), ("/camera/rear/c.csv", b"3")):
        [node] = lake.index.nodes(lake.namespace, "robot", episode="run", path=name)
        assert node.asset is not None
        [record] = lake.bss.query([node.asset.bss_id])
        object_store.put(record.staging_key, damage, content_type="text/csv")
    told = fetch(lake, whole(lake, episode="run"), tmp_path / "out")
    assert {event.code for event in told.summary.failures} == {"hash_mismatch"}
    assert set(tree(tmp_path / "out")) == {"long.mp4"}


def test_a_deleted_record_is_told(lake: DreamLake, stored: dict[str, bytes], tmp_path: Path) -> None:
    [node] = lake.index.nodes(lake.namespace, "robot", episode="run", path="/a.csv")
    assert node.asset is not None
    lake.bss.delete(node.asset.kind, node.asset.bss_id)  # the index does not know yet
    told = fetch(lake, whole(lake, episode="run"), tmp_path / "out")
    assert [(event.name, event.code) for event in told.summary.failures] == [("/a.csv", "not_found")]


def test_no_thread_is_left(lake: DreamLake, stored: dict[str, bytes], tmp_path: Path) -> None:
    import threading

    for _ in lake.fetch_prepared(Prepared(whole(lake, episode="run"), str(tmp_path / "out"))):
        break
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("dreamlake-")] == []


def test_a_hundred_thousand_files_are_remembered_in_little_memory() -> None:
    import tracemalloc

    one = LocalTree("out", folds_case=False)
    tracemalloc.start()
    try:
        for n in range(100_000):
            one.take(f"episode-{n % 100:03}/camera/front/a-name-of-an-ordinary-length-{n:06}.mp4")
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used < 25 * MIB
