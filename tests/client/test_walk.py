from __future__ import annotations

import os
from pathlib import Path

import pytest

from dreamlake_pipeline.client.walk import Passed, Unwalkable, Walked, WalkedFile, walk
from dreamlake_pipeline.errors import Code, DreamlakeError


def make(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def files(found: list[Walked]) -> list[str]:
    return [entry.relative for entry in found if isinstance(entry, WalkedFile)]


def test_the_order_depends_on_names_only(tmp_path: Path) -> None:
    make(tmp_path, "b/2.csv", "a.csv", "b/1.csv", "c.csv", "B.csv", "b/sub/x.csv")
    assert files(list(walk(tmp_path))) == ["B.csv", "a.csv", "b/1.csv", "b/2.csv", "b/sub/x.csv", "c.csv"]


def test_it_streams(tmp_path: Path) -> None:
    make(tmp_path, "a/1.csv", "b/2.csv")
    found = walk(tmp_path)
    assert isinstance(next(found), WalkedFile)
    make(tmp_path, "b/3.csv")
    assert files(list(found)) == ["b/2.csv", "b/3.csv"]


def test_a_link_to_a_folder_of_the_tree_is_named_and_not_entered(tmp_path: Path) -> None:
    make(tmp_path, "runs/1.csv")
    (tmp_path / "runs" / "loop").symlink_to(tmp_path)
    (tmp_path / "latest").symlink_to(tmp_path / "runs")
    found = list(walk(tmp_path))
    assert files(found) == ["runs/1.csv"]
    assert [Path(entry.path).name for entry in found if isinstance(entry, Passed)] == ["latest", "loop"]


def test_a_link_to_a_file_of_the_tree_is_a_file(tmp_path: Path) -> None:
    make(tmp_path, "runs/1.csv")
    (tmp_path / "best.csv").symlink_to("runs/1.csv")
    assert files(list(walk(tmp_path))) == ["best.csv", "runs/1.csv"]


def test_a_link_out_of_the_tree_is_reported_unless_it_is_wanted(tmp_path: Path) -> None:
    make(tmp_path, "outside/x.csv", "inside/y.csv")
    (tmp_path / "inside" / "folder").symlink_to(tmp_path / "outside")
    (tmp_path / "inside" / "file.csv").symlink_to(tmp_path / "outside" / "x.csv")
    found = list(walk(tmp_path / "inside"))
    assert files(found) == ["y.csv"]
    refused = [entry for entry in found if isinstance(entry, Unwalkable)]
    assert [Path(entry.path).name for entry in refused] == ["file.csv", "folder"]
    assert "outside" in refused[0].error.message
    assert "--follow-links" in str(refused[0].error.hint)
    assert files(list(walk(tmp_path / "inside", follow_links=True))) == ["file.csv", "folder/x.csv", "y.csv"]


def test_following_links_out_of_the_tree_and_back_ends(tmp_path: Path) -> None:
    make(tmp_path, "inside/y.csv", "outside/x.csv")
    (tmp_path / "inside" / "out").symlink_to(tmp_path / "outside")
    (tmp_path / "outside" / "back").symlink_to(tmp_path / "outside")
    assert files(list(walk(tmp_path / "inside", follow_links=True))) == ["out/x.csv", "y.csv"]


def test_broken_links_and_links_to_themselves_are_reported(tmp_path: Path) -> None:
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "nothing")
    (tmp_path / "self.mp4").symlink_to(tmp_path / "self.mp4")
    found = list(walk(tmp_path))
    assert [type(entry) for entry in found] == [Unwalkable, Unwalkable]
    assert [entry.error.code for entry in found if isinstance(entry, Unwalkable)] == [
        Code.FILE_MISSING,
        Code.FILE_UNREADABLE,
    ]


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "live.wav")
    found = list(walk(tmp_path))
    assert isinstance(found[0], Passed)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_folder_is_reported_and_its_neighbours_found(tmp_path: Path) -> None:
    make(tmp_path, "a/1.csv", "locked/2.csv", "z/3.csv")
    (tmp_path / "locked").chmod(0)
    try:
        found = list(walk(tmp_path))
    finally:
        (tmp_path / "locked").chmod(0o700)
    assert files(found) == ["a/1.csv", "z/3.csv"]
    assert [entry.error.code for entry in found if isinstance(entry, Unwalkable)] == [Code.FILE_UNREADABLE]


def test_a_folder_that_is_none_is_an_error(tmp_path: Path) -> None:
    make(tmp_path, "file.mp4")
    with pytest.raises(DreamlakeError) as missing:
        list(walk(tmp_path / "nowhere"))
    assert missing.value.code is Code.FILE_MISSING
    with pytest.raises(DreamlakeError) as no_folder:
        list(walk(tmp_path / "file.mp4"))
    assert no_folder.value.code is Code.USAGE


def test_names_that_are_not_unicode_are_found(tmp_path: Path) -> None:
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))).write_text("x")
    assert len(files(list(walk(tmp_path)))) == 1


def test_what_systems_leave_is_passed_over_and_their_folders_are_not_entered(tmp_path: Path) -> None:
    make(tmp_path, ".Trash-1000/files/old.mp4", "cam/._a.mp4", "cam/a.mp4", "cam/.hidden.mp4", "lost+found/#12/x.csv")
    (tmp_path / ".#notes.csv").symlink_to("somebody@host.1234")  # Emacs's lock leads to nothing
    (tmp_path / "copy.part").mkdir()
    make(tmp_path, "copy.part/x.csv")
    found = list(walk(tmp_path))
    assert files(found) == ["cam/.hidden.mp4", "cam/a.mp4", "copy.part/x.csv"]
    left = {entry.relative: entry for entry in found if not isinstance(entry, WalkedFile)}
    assert set(left) == {".Trash-1000", "cam/._a.mp4", "lost+found", ".#notes.csv"}
    assert all(isinstance(entry, Passed) and entry.is_system for entry in left.values())


def test_a_folder_that_is_asked_for_is_read_whatever_it_is_called(tmp_path: Path) -> None:
    make(tmp_path, "lost+found/x.csv")
    assert files(list(walk(tmp_path / "lost+found"))) == ["x.csv"]
