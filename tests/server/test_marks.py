"""What people say of files and episodes: how it is said, and where it stays when files are uploaded again, deleted,
restored, moved, and merged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, event

from dreamlake_pipeline.api.server import BatchAsset
from dreamlake_pipeline.ids import new_id
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.server.index import upsert_assets
from dreamlake_pipeline.server.removal import IndexedFile, remove_files

Call = Callable[..., Any]
Make = Callable[..., BatchAsset]
Place = tuple[str | None, str]  # the episode, and the path


class Index:
    """The index of a test's project, in which a record may be moved as `dreamlake mv` does it."""

    def __init__(self, engine: Engine, asset: Make, call: Call, owner: str, headers: dict[str, str]) -> None:
        self.engine, self.asset, self.call, self.owner = engine, asset, call, owner
        self.headers = headers | {"Content-Type": "application/json"}
        self.episode_route = f"/namespaces/{owner}/projects/robots/episode"
        self.ids: dict[Place, str] = {}
        self.records: dict[Place, str] = {}

    def put(self, *places: Place, bss: str | None = None, moved: dict[Place, Place] | None = None) -> None:
        """Register a new record (or `bss`) under each name; `moved` says under which name a record was before."""
        assets = []
        for episode, path in places:
            was = (moved or {}).get((episode, path))
            record = self.records[was] if was else bss or new_id()
            before = {"episode": was[0], "name": was[1]} if was else None
            assets.append(self.asset(path, bss=record, episode_name=episode, restore=True, moved_from=before))
        with self.engine.begin() as connection:
            refs = upsert_assets(connection, assets)
        for place, ref, one in zip(places, refs, assets, strict=True):
            self.ids[place], self.records[place] = ref.id, one.bss_id(Kind.VIDEO)

    def remove(self, *places: Place, records: dict[Place, str] | None = None) -> None:
        with self.engine.begin() as connection:
            found = records or self.records
            remove_files(
                connection,
                [IndexedFile(Kind.VIDEO, self.owner, "robots", *place, found[place]) for place in places],
            )

    def move(self, moves: dict[Place, Place]) -> None:
        """From old to new names: first the new ones, then the old ones go."""
        before = dict(self.records)
        self.put(*moves.values(), moved={new: old for old, new in moves.items()})
        self.remove(*moves, records=before)

    def shift(self, place: Place, seconds: float | None) -> None:
        answer = self.call("PATCH", f"/assets/video/{self.ids[place]}", json={"timeOffsetSec": seconds})
        assert answer["timeOffsetSec"] == seconds

    def offset(self, place: Place) -> float | None:
        found: float | None = self.call("GET", f"/assets/video/{self.ids[place]}")["timeOffsetSec"]
        return found

    def say(self, episode: str, **change: Any) -> None:
        answer = self.call("PATCH", self.episode_route, params={"episode": episode}, json=change)
        assert {name: answer[name] for name in change} == change

    def said(self, episode: str) -> tuple[str | None, str | None]:
        found = self.call("GET", self.episode_route, params={"episode": episode})
        return found["flag"], found["note"]


@pytest.fixture
def index(engine: Engine, asset: Make, call: Call, owner: str, token: Callable[..., dict[str, str]]) -> Index:
    return Index(engine, asset, call, owner, token(owner))


A, B, C, D = (None, "/a.mp4"), (None, "/b.mp4"), (None, "/c.mp4"), ("e", "/x/d.mp4")


def test_an_offset_is_set_shown_and_taken_away(index: Index, call: Call) -> None:
    index.put(A, D)
    assert index.offset(A) is None
    for seconds in (-0.125, 0, 1e7, -1e7, 1e-9, 3):
        index.shift(D, seconds)
    listed = call("GET", f"/namespaces/{index.owner}/projects/robots/nodes", params={"episode": "e", "path": "/x"})
    assert listed["items"][0]["asset"]["timeOffsetSec"] == 3
    assert index.offset(A) is None
    index.shift(D, None)
    index.shift(D, None)
    assert index.offset(D) is None


def test_a_flag_and_a_note_are_set_one_without_the_other(index: Index) -> None:
    index.put(D)
    assert index.said("e") == (None, None)
    index.say("e", flag="bad")
    index.say("e", note="Der Greifer klemmt „halb“ 🤖\nseit gestern")
    assert index.said("e") == ("bad", "Der Greifer klemmt „halb“ 🤖\nseit gestern")
    index.say("e", flag=None)
    assert index.said("e") == (None, "Der Greifer klemmt „halb“ 🤖\nseit gestern")
    index.say("e", flag="good", note="🤖" * 4000)
    index.call("PATCH", index.episode_route, params={"episode": "e"}, json={"note": " \n"})
    index.call("PATCH", index.episode_route, params={"episode": "e"}, json={})
    assert index.said("e") == ("good", None)


@pytest.mark.parametrize(
    "wrong",
    [{"flag": "ugly"}, {"flag": 1}, {"note": "x" * 4001}, {"note": "\x00"}, {"note": 5}, {"notes": "x"}, [], None],
    ids=str,
)
def test_what_no_flag_or_note_is(index: Index, wrong: Any) -> None:
    index.put(D)
    index.say("e", flag="good", note="fine")
    for body in (wrong, {"flag": "bad", **wrong} if isinstance(wrong, dict) and "flag" not in wrong else wrong):
        answer = index.call("PATCH", index.episode_route, params={"episode": "e"}, json=body, status=422)
        assert answer["error"]["code"] == "invalid_request"
    assert index.said("e") == ("good", "fine")


def test_half_a_surrogate_pair_is_no_note(index: Index) -> None:
    index.put(D)
    for note, status in ((b"fine", 200), (b"\\ud800", None)):
        options: Any = {"params": {"episode": "e"}, "content": b'{"note": "%s"}' % note, "headers": index.headers}
        index.call("PATCH", index.episode_route, status=status, **options)
    assert index.said("e") == (None, "fine")


@pytest.mark.parametrize("wrong", ["nan", "1", True, "Infinity", 1.1e7, -1.1e7, 10**400, [1], {}], ids=str)
def test_what_no_offset_is(index: Index, wrong: Any) -> None:
    index.put(A)
    index.shift(A, 2)
    route = f"/assets/video/{index.ids[A]}"
    answer = index.call("PATCH", route, json={"timeOffsetSec": wrong}, status=422)
    assert answer["error"]["code"] == "invalid_request"
    for body in ({}, {"timeOffset": 1}, {"timeOffsetSec": 1, "status": "ready"}):
        index.call("PATCH", route, json=body, status=422)
    for number, status in ((b"NaN", 422), (b"Infinity", 422), (b"1e999", 422), (b"2.0", 200)):
        index.call("PATCH", route, content=b'{"timeOffsetSec": %s}' % number, headers=index.headers, status=status)
    assert index.offset(A) == 2


def test_what_is_not_there_cannot_be_marked(index: Index) -> None:
    index.put(A, D)
    index.call("PATCH", f"/assets/video/{new_id()}", json={"timeOffsetSec": 1}, status=404)
    index.call("PATCH", f"/assets/audio/{index.ids[A]}", json={"timeOffsetSec": 1}, status=404)
    index.call("PATCH", index.episode_route, params={"episode": "none"}, json={"flag": "bad"}, status=404)
    answer = index.call("PATCH", index.episode_route, json={"flag": "bad"}, status=422)
    assert "belong to none" in answer["error"]["message"]
    index.remove(D)
    index.call("PATCH", index.episode_route, params={"episode": "e"}, json={"flag": "bad"}, status=404)


def test_what_is_uploaded_again_or_restored_keeps_what_was_said(index: Index) -> None:
    index.put(A, D)
    index.shift(D, 1.5)
    index.say("e", flag="bad", note="why")
    index.put(D)  # new content
    assert (index.offset(D), index.said("e")) == (1.5, ("bad", "why"))
    record = index.records[D]
    index.remove(D)
    index.put(D, bss=record)
    assert (index.offset(D), index.said("e")) == (1.5, ("bad", "why"))


def test_a_file_takes_its_offset_to_its_new_name(index: Index) -> None:
    index.put(A, B, C)
    index.shift(A, 1)
    index.move({A: D})
    assert index.offset(D) == 1
    index.put(A)  # another file under the old name
    assert index.offset(A) is None
    index.shift(A, 7)
    # Who says the same once more, as the pipeline does when it is not sure, changes nothing.
    index.put(D, bss=index.records[D], moved=None)
    with index.engine.begin() as connection:
        again = index.asset("/x/d.mp4", bss=index.records[D], episode_name="e", moved_from={"name": "/a.mp4"})
        upsert_assets(connection, [again])
    assert (index.offset(D), index.offset(A)) == (1, 7)


def test_a_move_that_broke_off_between_the_new_name_and_the_old_one_is_ended(index: Index) -> None:
    index.put(A)
    index.shift(A, 1)
    index.put(B, moved={B: A})
    index.shift(B, 2)  # somebody sees the new name, and corrects it
    index.put(B, moved={B: A})
    index.remove(A)
    assert index.offset(B) == 2


def test_a_file_that_replaces_another_has_its_own_offset_or_none(index: Index) -> None:
    index.put(A, B, C)
    index.shift(A, 1)
    index.shift(B, 2)
    index.move({A: B})
    assert index.offset(B) == 1
    index.move({C: B})
    assert index.offset(B) is None


def test_names_that_change_hands_in_one_call(index: Index) -> None:
    """A folder moves up: `/a/b/b` becomes `/a/b`, whose file becomes `/a`."""
    x, y, z = (None, "/a/b/b/f.mp4"), (None, "/a/b/f.mp4"), (None, "/a/f.mp4")
    index.put(x, y)
    index.shift(x, 1)
    index.shift(y, 2)
    index.move({x: y, y: z})
    assert (index.offset(y), index.offset(z)) == (1, 2)


def test_an_episode_that_gets_another_name_keeps_its_flag_and_note(index: Index) -> None:
    files = [("run-1", f"/{n}.mp4") for n in range(3)]
    index.put(*files)
    index.say("run-1", flag="bad", note="why")
    index.shift(files[2], 0.5)
    index.move({one: ("run-2", one[1]) for one in files[:2]})  # some, as many as a call takes
    assert (index.said("run-1"), index.said("run-2")) == (("bad", "why"), (None, None))
    index.move({files[2]: ("run-2", files[2][1])})
    assert index.said("run-2") == ("bad", "why") and index.offset(("run-2", "/2.mp4")) == 0.5
    index.put(*files)
    assert index.said("run-1") == (None, None)


def test_an_episode_that_others_join_keeps_its_flag_and_gets_their_notes(index: Index) -> None:
    for name in ("a", "b", "c"):
        index.put((name, f"/{name}.mp4"))
    index.say("a", flag="bad", note="one")
    index.say("b", flag="good", note="two")
    index.say("c", note="x" * 4000)
    index.move({("a", "/a.mp4"): ("b", "/a.mp4")})
    assert index.said("b") == ("good", "two\none")
    index.move({("c", "/c.mp4"): ("b", "/c.mp4")})
    assert index.said("b") == ("good", ("two\none\n" + "x" * 4000)[:4000])


def test_a_file_that_leaves_an_episode_leaves_its_flag(index: Index) -> None:
    index.put(("a", "/1.mp4"), ("a", "/2.mp4"), ("b", "/1.mp4"))
    index.say("a", flag="bad")
    index.move({("a", "/1.mp4"): ("b", "/9.mp4")})
    assert (index.said("a"), index.said("b")) == (("bad", None), (None, None))
    index.move({("a", "/2.mp4"): ("a", "/3.mp4")})
    assert index.said("a") == ("bad", None)


def test_many_that_move_are_as_many_statements_as_few(index: Index) -> None:
    def statements(count: int, name: str) -> int:
        places = [(f"{name}{n % 10}", f"/{n}.mp4") for n in range(count)]
        index.put(*places)
        for n in range(10):
            index.say(f"{name}{n}", flag="bad")
        index.shift(places[0], 1)
        seen: list[str] = []
        listener = lambda *args: seen.append(args[2])  # noqa: E731
        new = {(f"{name}{episode[1:]}-new", path): (episode, path) for episode, path in places}
        event.listen(index.engine, "before_cursor_execute", listener)
        try:
            index.put(*new, moved=new)
        finally:
            event.remove(index.engine, "before_cursor_execute", listener)
        assert index.offset(next(iter(new))) == 1
        return len(seen)

    assert statements(20, "a") == statements(500, "b") <= 22
