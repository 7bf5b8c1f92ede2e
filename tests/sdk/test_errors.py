"""Whatever goes wrong with a method of the SDK is a DreamlakeError: services that are away, names and ids of nothing,
arguments of other types. Each public method is called, so that a new one is tried as well."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import pytest

import dreamlake_pipeline.client as sdk
from dreamlake_pipeline.api.bss import RecordRef
from dreamlake_pipeline.client import (
    Code,
    DreamLake,
    DreamlakeError,
    ErrorBody,
    File,
    FileEvent,
    Kind,
    Status,
    Target,
    storing,
    streaming,
    trees,
)
from dreamlake_pipeline.client import dreamlake as module
from dreamlake_pipeline.client import file as file_module
from dreamlake_pipeline.client.moving import Renamed
from dreamlake_pipeline.remote.patience import Patience
from tests.integrity.conftest import World

NO_ID, NO_RECORD = "not an id", "0" * 24
RUN = "cups@lab:run-001"

# A call of each method of DreamLake that asks a service: `what` is a name or an id of something that is not there.
ASKING: dict[str, Callable[[DreamLake, Any, Path], Any]] = {
    "file": lambda lake, what, _: lake.file(what),
    "files": lambda lake, what, _: list(lake.files(what)),
    "table": lambda lake, what, _: lake.table(what),
    "labels": lambda lake, what, _: lake.labels(what),
    "episodes": lambda lake, what, _: list(lake.episodes(what)),
    "flag": lambda lake, what, _: lake.flag(what, "bad", note="why"),
    "upload": lambda lake, _, file: lake.upload(file, episode="robot", timeout=0.5),
    "upload_events": lambda lake, _, file: list(lake.upload_events(file, episode="robot", timeout=0.5)),
    "ingest": lambda lake, _, file: lake.ingest(file.parent, episode="robot", timeout=0.5),
    "ingest_events": lambda lake, _, file: list(lake.ingest_events(file.parent, episode="robot", timeout=0.5)),
    "store_events": lambda lake, _, file: list(lake.store_events([], lake.target("robot"), timeout=0.5)),
    "wait": lambda lake, what, _: lake.wait(what, timeout=0.5) or _gone(lake),
    "wait_events": lambda lake, what, _: list(lake.wait_events([what], timeout=0.5))[:0] or _gone(lake),
    "retry": lambda lake, what, _: lake.retry(ids=what, timeout=0.5),
    "retry_events": lambda lake, what, _: list(lake.retry_events(ids=[what], timeout=0.5)),
    "download": lambda lake, what, file: lake.download(what, file.parent / "new", timeout=0.5),
    "download_events": lambda lake, what, file: list(lake.download_events(what, file.parent / "new", timeout=0.5)),
    "move": lambda lake, what, _: lake.move(what, "elsewhere/x.mp4"),
    "plan_move": lambda lake, what, _: lake.plan_move([what, "elsewhere/x.mp4"]),
    "move_events": lambda lake, *_: [*lake.move_events([Renamed(_ref(), None, "/new.mp4")])] == [[]] and _gone(),
    "delete": lambda lake, what, _: lake.delete(what) or _gone(),
    "deletable": lambda lake, what, _: lake.deletable(what),
    "restorable": lambda lake, what, _: lake.restorable([what]),
    "restore": lambda lake, what, _: lake.restore(what),
    "delete_events": lambda lake, what, _: [*lake.delete_events([_ref()])] == [[]] and _gone(),
    "fsck": lambda lake, _, file: lake.fsck("none") or _gone(),
    "fsck_events": lambda lake, _, file: list(lake.fsck_events("none"))[:0] or _gone(),
    "rebuild": lambda lake, _, file: lake.rebuild(),
    "rebuild_events": lambda lake, _, file: list(lake.rebuild_events()),
    "collect_garbage": lambda lake, _, file: lake.collect_garbage(dry_run=True) and _gone(),
    "collect_garbage_events": lambda lake, _, file: list(lake.collect_garbage_events(dry_run=True)) and _gone(),
    "revoked_tokens": lambda lake, _, file: lake.revoked_tokens() or _gone(),
    "revoke_tokens": lambda lake, what, _: lake.revoke_tokens([what]),
}
# What the others name is a record; these name a project or an episode.
NAMED = {"files": "cups", "table": "cups", "episodes": "cups", "flag": RUN}
# Those that ask nothing with the arguments that can be made up, or only by way of one of the others.
OTHERS = {
    "from_environment",
    "close",
    "target",
    "plan_events",
    "restore_events",
    "repair",
    "fetch_prepared",
    "pour",
}


def _gone(lake: DreamLake | None = None) -> None:
    """What is not there, and need not be: as good as an error. `lake` is asked whether it is there at all."""
    if lake is not None:
        lake.bss.query([NO_RECORD])
    raise DreamlakeError(Code.NOT_FOUND, "Nothing is there.")


def _ref() -> RecordRef:
    return RecordRef(
        id=NO_RECORD, kind=Kind.VIDEO, owner="lab", project="none", episode=None, name="/x.mp4", size=1, status="ready"
    )


def _methods(cls: type) -> dict[str, FunctionType]:
    """The public functions of a class, whatever wraps them."""
    found = {name: getattr(cls, name) for name in vars(cls) if not name.startswith("_")}
    return {name: member for name, member in found.items() if inspect.isroutine(member)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.srt"
    path.write_text("1\n00:00:00,000 --> 00:00:01,000\nHello\n")
    return path


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Iterator[DreamLake]:
    """A client of services that nobody answers for, which it does not wait for."""
    for where in (module, storing, trees):
        monkeypatch.setattr(where, "FIRST_SECONDS", 0.1)
    monkeypatch.setattr(file_module, "_DOWNLOAD_SECONDS", 0.1)
    monkeypatch.setattr(streaming, "_SECONDS", 0.1)
    nowhere = "http://127.0.0.1:9"
    with DreamLake(remote=nowhere, bss_url=nowhere, api_key="x", namespace="lab", patience=Patience(0.1)) as lake:
        yield lake


def test_every_method_is_called_here() -> None:
    assert set(_methods(DreamLake)) == set(ASKING) | OTHERS


@pytest.mark.parametrize("method", ASKING)
def test_services_that_are_away(away: DreamLake, file: Path, method: str) -> None:
    what = NAMED.get(method, NO_RECORD)
    with pytest.raises(DreamlakeError) as caught:
        ASKING[method](away, what, file)
    assert caught.value.code is Code.UNREACHABLE


# Of these, what somebody names is a place that may be made, or nothing.
NAMES_NOTHING = {
    "upload",
    "upload_events",
    "ingest",
    "ingest_events",
    "store_events",
    "revoke_tokens",
    "revoked_tokens",
}


@pytest.mark.parametrize("method", [name for name in ASKING if name not in NAMES_NOTHING])
def test_what_is_not_there(world: World, file: Path, method: str) -> None:
    for what in ("nonesuch", NO_ID, NO_RECORD, "nonesuch:x/y.mp4", "a\0b", "\ud800", "", "x" * 5000, "/", ":", "@"):
        with pytest.raises(DreamlakeError) as caught:
            ASKING[method](world.lake, what, file)
        assert str(caught.value)


WRONG = [5, None, object(), b"cups", ["cups", 5], {"cups": 1}, float("nan"), np.zeros(2), Path, lambda: None]


def _calls(cls: type, self: Any) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    """Each method with a wrong value in the place of each of its parameters."""
    for name, member in _methods(cls).items():
        bound = getattr(self, name)
        for parameter in inspect.signature(member).parameters.values():
            if parameter.name == "self" or parameter.kind is inspect.Parameter.VAR_KEYWORD:
                continue
            fit = {
                other.name: "robot"
                for other in inspect.signature(bound).parameters.values()
                if other.default is inspect.Parameter.empty and other.kind is not inspect.Parameter.VAR_KEYWORD
            }
            yield (
                f"{name}({parameter.name})",
                lambda value, bound=bound, fit=fit, name=parameter.name: bound(**fit | {name: value}),
            )


@pytest.mark.parametrize("made", ["DreamLake", "File"])
def test_arguments_of_other_types(away: DreamLake, world: World, made: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    self = away if made == "DreamLake" else File(away, world.lake.file(RUN, "/labels/joints.csv").record)
    tried = 0
    for call, act in _calls(DreamLake if made == "DreamLake" else File, self):
        if call.startswith(("close", "from_environment")):
            continue
        for wrong in WRONG:
            if call == "wait(timeout)" and wrong is None:  # as long as it takes
                continue
            try:
                result = act(wrong)
                if inspect.isgenerator(result):
                    list(result)
            except DreamlakeError:
                tried += 1
            except BaseException as fault:
                raise AssertionError(f"{call} with {wrong!r}") from fault
    assert tried > (600 if made == "DreamLake" else 100)


def test_an_argument_that_there_is_none_of(away: DreamLake, file: Path) -> None:
    for call in (
        lambda: away.upload(file, episode="robot", laddr=[480]),  # type: ignore[call-arg]
        lambda: away.upload(file, episode="robot", ladder="480"),  # type: ignore[arg-type]
        lambda: away.files("cups", kynd="video"),  # type: ignore[call-arg]
        lambda: away.upload(file),  # type: ignore[call-arg]
        lambda: DreamLake(remote=5),  # type: ignore[arg-type]
        lambda: DreamLake(remote="nowhere", bss_url="http://x", api_key="x"),
        lambda: DreamLake(remote="http://x", bss_url="http://x", api_key="\n\0"),
        lambda: DreamLake(remote="http://x", bss_url="http://x", api_key="x", namespace="No Namespace"),
    ):
        with pytest.raises(DreamlakeError) as caught:
            call()
        assert caught.value.code in (Code.USAGE, Code.UNAUTHENTICATED, Code.INVALID_NAME)
    with pytest.raises(DreamlakeError, match="Did you mean ladder"):
        away.upload(file, episode="robot", laddr=[480])  # type: ignore[call-arg]
    with pytest.raises(DreamlakeError, match="Did you mean kind"):
        away.files("cups", kynd="video")  # type: ignore[call-arg]


def test_numbers_of_numpy_are_numbers(world: World) -> None:
    front = world.lake.file(RUN, "/camera/front.mp4")
    assert len(front.frames(np.float32(1), np.int64(2)).times) == 25


def test_what_somebody_calls_back_raises_is_his(world: World, file: Path) -> None:
    def broken(_: object) -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        world.lake.upload(file, episode="robot", on_event=broken)


def test_what_waits_for_something_that_is_not_there_says_so(world: World) -> None:
    front = world.lake.file(RUN, "/camera/front.mp4")
    for what in (NO_RECORD, [front.bss_id, NO_RECORD], "cups@lab:run-001/camera/frnt.mp4"):
        with pytest.raises(DreamlakeError) as caught:
            world.lake.wait(what, timeout=0.5)
        assert caught.value.code is Code.NOT_FOUND
    assert [one.id for one in world.lake.wait([front.place, front.bss_id])] == [front.bss_id] * 2
    summary = world.lake.retry(ids=[front.bss_id, NO_RECORD])
    assert (summary.files, [one.bss_id for one in summary.failures]) == (2, [NO_RECORD])


def test_what_is_closed_says_so(world: World, file: Path) -> None:
    bss, server = world.lake.services.both
    token = bss._headers["Authorization"].removeprefix("Bearer ")
    lake = DreamLake(remote=server.base_url, bss_url=bss.base_url, api_key=token, namespace="lab")
    front = lake.file(RUN, "/camera/front.mp4")
    lake.close()
    lake.close()
    for name, call in {
        **ASKING,
        "refresh": lambda *_: front.refresh(),
        "frames": lambda *_: front.frames(0, 1),
    }.items():
        with pytest.raises(DreamlakeError) as caught:
            call(lake, NAMED.get(name, NO_RECORD), file)
        assert (caught.value.code, "closed" in caught.value.message) == (Code.USAGE, True), name


def test_a_folder_needs_no_first_slash(world: World, file: Path) -> None:
    for to in ("notes/of-mine", "/notes/of-mine", "notes/of-mine/"):
        events = world.lake.upload_events(file, episode="notes@lab", to=to)
        assert {one.name for one in events if isinstance(one, FileEvent)} == {"/notes/of-mine/a.srt"}
    events = world.lake.ingest_events(file.parent, episode="notes@lab", to="in")
    assert {one.name for one in events if isinstance(one, FileEvent)} == {"/in/a.srt"}


def test_what_was_deleted_is_named_as_everything_is(world: World, file: Path) -> None:
    lake = world.lake
    assert lake.upload(file, episode="undone@lab:one", to="notes").failed == 0
    [kept] = lake.deletable("undone@lab:one/notes")
    assert lake.restorable("undone@lab") == []  # it is there, and nothing of it was deleted
    lake.delete("undone@lab:one/notes/a.srt")
    for name in ("undone@lab", "undone@lab:one", "undone@lab:one/notes/a.srt", kept.id, ["undone@lab", kept.id]):
        assert [one.id for one in lake.restorable(name)] == [kept.id], name
    assert [one.id for one in lake.restore("undone@lab:one/notes")] == [kept.id]
    assert [one.id for one in lake.deletable([kept.id, module.Place("lab", "undone")])] == [kept.id]
    with pytest.raises(DreamlakeError, match="Did you mean undone@lab:one"):
        lake.restorable("undone@lab:on")


def test_everything_that_is_met_is_exported() -> None:
    assert set(sdk.__all__) <= set(vars(sdk))
    for needed in (Code, DreamlakeError, ErrorBody, File, Kind, Status, Target):
        assert needed.__name__ in sdk.__all__
