"""What a worker names as its result is taken only when it is a file of its own, and its folder is always cleared."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dreamlake_pipeline.media.run.room import Room, Takings, TooMuchTaken, Untaken


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    room = Room(tmp_path)
    (room.outputs / "1").mkdir()
    yield room
    room.close()
    assert not room.path.exists()


def test_a_file_is_taken_once_under_a_name_of_ours(room: Room, tmp_path: Path) -> None:
    (room.outputs / "1" / "attempt").mkdir()
    made = room.outputs / "1" / "attempt" / "00000.ts"
    made.write_bytes(b"segment")
    takings = room.takings(room.outputs / "1", tmp_path, 100, 10)
    taken = takings.take(str(made))
    assert taken.parent == tmp_path and taken.read_bytes() == b"segment"
    made.unlink()
    assert takings.take(str(made)) == taken
    room.clear()
    assert taken.read_bytes() == b"segment"


SECRET = "secret"


def link(room: Room, secret: Path) -> str:
    (room.outputs / "1" / "poster.jpg").symlink_to(secret)
    return str(room.outputs / "1" / "poster.jpg")


def link_to_a_folder(room: Room, secret: Path) -> str:
    (room.outputs / "1" / "attempt").symlink_to(secret.parent)
    return str(room.outputs / "1" / "attempt" / secret.name)


def link_in_the_place_of_the_folder(room: Room, secret: Path) -> str:
    (room.outputs / "1").rmdir()
    (room.outputs / "1").symlink_to(secret.parent)
    return str(room.outputs / "1" / secret.name)


def steps_up(room: Room, secret: Path) -> str:
    return f"{room.outputs}/1/../../../{secret.name}"


def another_path(room: Room, secret: Path) -> str:
    return str(secret)


def environment(room: Room, secret: Path) -> str:
    (room.outputs / "1" / "environ").symlink_to("/proc/self/environ")
    return str(room.outputs / "1" / "environ")


def fifo(room: Room, secret: Path) -> str:
    os.mkfifo(room.outputs / "1" / "fifo")
    return str(room.outputs / "1" / "fifo")


def folder(room: Room, secret: Path) -> str:
    (room.outputs / "1" / "folder").mkdir()
    return str(room.outputs / "1" / "folder")


def nul(room: Room, secret: Path) -> str:
    return f"{room.outputs}/1/a\0b"


def nothing(room: Room, secret: Path) -> str:
    return str(room.outputs / "1")


@pytest.mark.parametrize(
    "trick",
    [
        *(link, link_to_a_folder, link_in_the_place_of_the_folder, steps_up, another_path, environment, fifo, folder),
        *(nul, nothing),
    ],
)
def test_nothing_else_is_taken(trick: Callable[[Room, Path], str], room: Room, tmp_path: Path) -> None:
    secret = tmp_path / "credentials.json"
    secret.write_text(SECRET)
    into = tmp_path / "into"
    into.mkdir()
    with pytest.raises(Untaken):
        room.takings(room.outputs / "1", into, 100, 10).take(trick(room, secret))
    assert list(into.iterdir()) == []
    room.clear()
    assert secret.read_text() == SECRET
    assert list(room.outputs.iterdir()) == []


def many_files(room: Room, takings: Takings) -> None:
    for number in range(11):
        (room.outputs / "1" / str(number)).touch()
        takings.take(f"{room.outputs}/1/{number}")


def files_that_are_deleted_again(room: Room, takings: Takings) -> None:
    for number in range(10):
        made = room.outputs / "1" / str(number)
        made.write_bytes(bytes(30))
        takings.take(str(made))
        made.unlink()


def many_names_of_one_file(room: Room, takings: Takings) -> None:
    (room.outputs / "1" / "0").write_bytes(bytes(30))
    for number in range(1, 10):
        os.link(room.outputs / "1" / "0", room.outputs / "1" / str(number))
        takings.take(f"{room.outputs}/1/{number}")


def a_sparse_file(room: Room, takings: Takings) -> None:
    (room.outputs / "1" / "0").touch()
    os.truncate(room.outputs / "1" / "0", 2**40)
    takings.take(f"{room.outputs}/1/0")


@pytest.mark.parametrize("copied", [False, True], ids=["linked", "copied"])
@pytest.mark.parametrize("trick", [many_files, files_that_are_deleted_again, many_names_of_one_file, a_sparse_file])
def test_what_is_taken_is_bounded_whatever_the_room_holds(
    trick: Callable[[Room, Takings], None],
    copied: bool,
    room: Room,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A worker that names results for ever would fill the disk of the run and the object store."""
    if copied:
        if trick is many_names_of_one_file:
            pytest.skip("it needs links")
        monkeypatch.setattr(os, "link", refuse_link)
    (into := tmp_path / "into").mkdir()
    with pytest.raises(TooMuchTaken):
        trick(room, room.takings(room.outputs / "1", into, 100, 10))
    assert len(list(into.iterdir())) <= 10


def refuse_link(*_: object, **__: object) -> None:
    raise OSError(errno.EMLINK, "Too many links")


def test_one_file_is_taken_once_however_it_is_called(room: Room, tmp_path: Path) -> None:
    (room.outputs / "1" / "0").write_bytes(bytes(30))
    takings = room.takings(room.outputs / "1", tmp_path, 100, 10)
    assert len({takings.take(f"{room.outputs}/1/{'./' * number}0") for number in range(50)}) == 1


def test_it_is_cleared_however_deep_and_closed_it_was_left(room: Room) -> None:
    here = Path.cwd()
    os.chdir(room.outputs)
    for _ in range(3000):
        Path("d").mkdir()
        os.chdir("d")
    Path("file").touch()
    os.chdir(here)
    (room.outputs / "closed" / "more").mkdir(parents=True)
    (room.outputs / "closed").chmod(0)
    (room.outputs / "d").chmod(0)
    assert room.used(10, 100)
    room.clear()
    assert list(room.outputs.iterdir()) == []


def test_what_is_in_it_is_counted(room: Room) -> None:
    (room.outputs / "1" / "a").write_bytes(bytes(10_000))
    assert not room.used(10_000, 2)
    assert room.used(9_999, 2)
    assert room.used(10_000, 1)
