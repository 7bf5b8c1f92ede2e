"""One way to name things, and what is said of names that are not there."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dreamlake_pipeline.client import DreamLake
from dreamlake_pipeline.client.lookup import Named, find_file, find_places
from dreamlake_pipeline.client.place import describe
from dreamlake_pipeline.client.stock import Deleted, Recorded
from dreamlake_pipeline.errors import Code, DreamlakeError

FILES = (
    "cups:run-001/camera/front.mp4",
    "cups:run-001/camera/rear.mp4",
    "cups:run-001/12:30.srt",
    "cups:run-002/camera/front.mp4",
    "cups:run/001/words.srt",
    "cups/words.srt",
    "cups/notes/own.srt",
    "plates:run/camera/front.mp4",
    "plates:run/camera/001.srt",
)


@pytest.fixture(scope="module")
def stored(services: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DreamLake]:
    """FILES, each with bytes of its own: also episodes `run/001` of cups, and `run` and `run/camera` of plates.

    The client writes in a namespace of its own, which is also its default.
    """
    owner, folder = f"o{secrets.token_hex(5)}", tmp_path_factory.mktemp("files")
    with DreamLake(
        remote=services.remote, bss_url=services.bss_url, api_key=services.token(owner), namespace=owner
    ) as lake:
        for name in FILES:
            target, _, path = name.partition("/")
            if name in ("cups:run/001/words.srt", "plates:run/camera/001.srt"):
                target, path = name.rpartition("/")[0], name.rpartition("/")[2]
            file = folder / path.rpartition("/")[2]
            file.write_text(name)
            lake.upload([file], episode=target, to=f"/{path.rpartition('/')[0]}")
        yield lake


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["cups:run-001", "/camera/front.mp4"], "cups:run-001/camera/front.mp4"),
        (["cups:run-001", "camera/front.mp4"], "cups:run-001/camera/front.mp4"),
        (["cups:run-001/camera/front.mp4"], "cups:run-001/camera/front.mp4"),
        (["cups:run-001/camera", "front.mp4"], "cups:run-001/camera/front.mp4"),
        (["cups:run-001/", "/camera/front.mp4"], "cups:run-001/camera/front.mp4"),
        (["cups:run-001", "12:30.srt"], "cups:run-001/12:30.srt"),
        (["cups:run/001/words.srt"], "cups:run/001/words.srt"),
        (["cups:run/001", "words.srt"], "cups:run/001/words.srt"),
        (["cups/words.srt"], "cups/words.srt"),
        (["cups:/words.srt"], "cups/words.srt"),
        (["cups", "words.srt"], "cups/words.srt"),
        (["cups", "/notes/own.srt"], "cups/notes/own.srt"),
        (["plates:run/camera/front.mp4"], "plates:run/camera/front.mp4"),  # `run/camera` does not hold it
        (["plates:run/camera/001.srt"], "plates:run/camera/001.srt"),
    ],
    ids=" ".join,
)
def test_a_file_is_found_however_it_is_named(stored: DreamLake, words: list[str], name: str) -> None:
    record = find_file(stored, words)
    spelled = f"{record.project}{f':{record.episode}' if record.episode else ''}{record.name}"
    assert spelled == name
    if len(words) == 2:
        assert find_file(stored, words[1:], words[0]) == record
    assert find_file(stored, [record.id]) == record
    project, separator, rest = words[0].partition(":")
    if separator:
        assert find_file(stored, [f"{project}@{stored.namespace}:{rest}", *words[1:]]) == record


@pytest.mark.parametrize(
    ("words", "places"),
    [
        (["cups"], ["cups"]),
        (["cups/"], ["cups"]),
        (["cups:run-001"], ["cups:run-001"]),
        (["cups:run-001/"], ["cups:run-001"]),
        (["cups", "/"], ["cups/"]),
        (["cups:run-001/camera"], ["cups:run-001/camera"]),
        (["plates:run/camera"], ["plates:run/camera"]),
        (["cups:run-001", "camera", "/12:30.srt"], ["cups:run-001/camera", "cups:run-001/12:30.srt"]),
        (["cups:run-001", "cups:run-002"], ["cups:run-001", "cups:run-002"]),
        (["cups:run-001/camera", "cups:run-002/camera"], ["cups:run-001/camera", "cups:run-002/camera"]),
        (["cups:run-001", "camera", "plates:run"], ["cups:run-001/camera", "plates:run"]),
        (["cups/words.srt", "cups/notes"], ["cups/words.srt", "cups/notes"]),
    ],
    ids=" ".join,
)
def test_places_are_named_one_or_many(stored: DreamLake, words: list[str], places: list[str]) -> None:
    for stock in (None, Recorded(stored)):
        named = find_places(stored, words, stock=stock)
        assert [describe(place).replace(f"@{stored.namespace}", "") for place in named.places] == places
        assert named.ids == []


@pytest.mark.parametrize(
    ("words", "says", "hint"),
    [
        (["cpus"], "no project 'cpus'", "Did you mean cups@{}?"),
        (["cpus:run-001/camera/front.mp4"], "no project 'cpus'", "cups@{}:run-001/camera/front.mp4"),
        (["{}/cups:run-001"], "no project '{}'", "Did you mean cups@{}:run-001?"),
        (["{}/cups/words.srt"], "no project '{}'", "Did you mean cups@{}/words.srt?"),
        (["cups:run-01"], "no episode 'run-01' in cups@{}", "cups@{}:run-001"),
        (["cups:run-01/camera/front.mp4"], "no episode 'run-01'", "cups@{}:run-001/camera/front.mp4"),
        (["cups:run-001:/camera/front.mp4"], "no episode 'run-001:'", "cups@{}:run-001/camera/front.mp4"),
        (["cups:run/01/words.srt"], "no episode 'run", "cups@{}:run/001/words.srt"),
        (["cups:zzz"], "no episode 'zzz'", "`dreamlake ls cups@{}`"),
        (["cups:run-001/camrea/front.mp4"], "/camrea/front.mp4 in cups@{}:run-001", ":run-001/camera/front.mp4"),
        (["cups:run-001", "front.mp4"], "/front.mp4 in cups@{}:run-001", ":run-001/camera/front.mp4"),
        (["cups:run-001", "camera/fornt.mp4"], "/camera/fornt.mp4", ":run-001/camera/front.mp4"),
        (["cups:run-001/qqq"], "/qqq in cups@{}:run-001", "`dreamlake tree cups@{}:run-001`"),
        (["cups", "run-001"], "/run-001 in cups@{}", "An episode comes after a colon: cups@{}:run-001"),
        (["cups/run/001/words.srt"], "in cups@{}", "after a colon: cups@{}:run/001/words.srt"),
        (["cups/wrods.srt"], "/wrods.srt in cups@{}", "cups@{}/words.srt"),
        (["cups:run-001", "cups:run-0002"], "no episode 'run-0002'", "cups@{}:run-002"),
    ],
    ids=lambda what: " ".join(what) if isinstance(what, list) else "",
)
def test_what_is_not_there_is_said_with_the_nearest_names(
    stored: DreamLake, words: list[str], says: str, hint: str
) -> None:
    words = [word.format(stored.namespace) for word in words]
    for stock in (None, Recorded(stored)):
        with pytest.raises(DreamlakeError) as raised:
            find_places(stored, words, stock=stock)
        assert raised.value.code is Code.NOT_FOUND
        assert says.format(stored.namespace) in raised.value.message
        assert hint.format(stored.namespace) in (raised.value.hint or "")
    with pytest.raises(DreamlakeError):
        find_file(stored, words)


@pytest.mark.parametrize("words", [[], ["/camera"], ["cups:"], ["Cups"], ["0" * 24, "camera"]], ids=" ".join)
def test_a_wrong_form_gets_the_right_one(stored: DreamLake, words: list[str]) -> None:
    with pytest.raises(DreamlakeError) as raised:
        find_places(stored, words)
    assert raised.value.code in (Code.USAGE, Code.INVALID_NAME)
    assert raised.value.hint


def test_a_place_that_is_no_file_is_said_to_be_none(stored: DreamLake) -> None:
    for words, what in (
        (["cups"], "a project"),
        (["cups:run-001"], "an episode"),
        (["cups:run-001/camera"], "a folder"),
    ):
        with pytest.raises(DreamlakeError, match=f"is {what}, not a file") as raised:
            find_file(stored, words)
        assert "dreamlake ls" in (raised.value.hint or "")
    with pytest.raises(DreamlakeError, match="Name one file"):
        find_file(stored, ["cups:run-001/camera/front.mp4", "cups:run-002/camera/front.mp4"])
    with pytest.raises(DreamlakeError, match="no file with the id"):
        find_file(stored, ["0" * 24])


def test_what_was_deleted_is_named_alike(lake: DreamLake, tmp_path: Path) -> None:
    (tmp_path / "words.srt").write_text("words")
    lake.upload([tmp_path / "words.srt"], episode="cups:run/001")
    lake.delete(find_file(lake, ["cups:run/001/words.srt"]))
    with pytest.raises(DreamlakeError):
        find_places(lake, ["cups:run/001/words.srt"])
    named = find_places(lake, ["cups:run/001/words.srt"], stock=Deleted(lake))
    assert [place.path for place in named.places] == ["/words.srt"]
    with pytest.raises(DreamlakeError, match="no deleted file") as raised:
        find_places(lake, ["cups:run/001", "wrods.srt"], stock=Deleted(lake))
    assert "words.srt" in (raised.value.hint or "")
    with pytest.raises(DreamlakeError, match=r"no deleted file that can be restored in .*:run/002") as raised:
        find_places(lake, ["cups:run/002"], stock=Deleted(lake))
    assert "run/001" in (raised.value.hint or "")
    with pytest.raises(DreamlakeError) as raised:
        find_places(lake, ["cups:run/001/qqqqqq"], stock=Deleted(lake))
    assert "undelete --dry-run" in (raised.value.hint or "")


def test_a_namespace_that_is_not_reached_is_said_with_the_nearest(stored: DreamLake) -> None:
    wrong = f"{stored.namespace[:-1]}x"
    with pytest.raises(DreamlakeError) as raised:
        find_places(stored, [f"cups@{wrong}:run-001"])
    assert raised.value.code is Code.FORBIDDEN
    assert f"cups@{stored.namespace}:run-001" in (raised.value.hint or "")


def test_ids_beside_a_target_are_ids(stored: DreamLake) -> None:
    record = find_file(stored, ["cups/words.srt"])
    assert find_places(stored, ["cups", record.id]) == Named([], [record.id])
    assert find_file(stored, ["cups", record.id]) == record
