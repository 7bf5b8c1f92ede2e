"""What is deleted from BSS leaves the index, whoever forgot to say so there."""

from __future__ import annotations

from typing import Any

import pytest
from dagster import SkipReason, build_sensor_context

from dreamlake_pipeline.api.bss import Undelete, Undeleted
from dreamlake_pipeline.definitions import defs
from dreamlake_pipeline.processing import deletions
from dreamlake_pipeline.processing.deletions import tell_deletions
from dreamlake_pipeline.processing.index import asset_of, upsert_living

SRT = b"1\n00:00:00,000 --> 00:00:01,000\nHello\n"


class Files:
    """Text tracks of this world's owner: in BSS, and in the index."""

    def __init__(self, world: Any) -> None:
        self.world, self.tree = world, world.resources()["folder_tree"]
        self.assets: dict[str, str] = {}

    def upload(self, *names: str) -> dict[str, str]:
        """Registered and indexed; the ids of their records by name."""
        ids = self.world.upload({name: name.encode() + SRT for name in names})
        for name, record in self.world.records(ids).items():
            [ref] = self.tree.upsert([asset_of(record)])
            self.assets[name] = ref.id
        return ids

    def delete(self, record_id: str) -> None:
        self.world.http.delete(f"/text-tracks/{record_id}")

    def indexed(self) -> set[str]:
        """The names that the index has, of those that were uploaded."""
        found = self.tree.statuses(list(self.assets.values()))
        return {name for name, asset_id in self.assets.items() if asset_id in found}

    def tell(self, **more: Any) -> tuple[int, int]:
        told = tell_deletions(self.world.pipeline, self.tree.remove, self.tree.upsert, **{"min_age_seconds": 0} | more)
        return told.deletions, told.removed


@pytest.fixture
def files(world: Any) -> Files:
    files = Files(world)
    files.tell()  # of other tests
    return files


def test_a_record_that_was_deleted_leaves_the_index(files: Files) -> None:
    ids = files.upload("/a.srt", "/b.srt", "/c.srt")
    files.delete(ids["/a.srt"])
    files.delete(ids["/c.srt"])
    assert files.tell(min_age_seconds=30) == (0, 0) and len(files.indexed()) == 3
    assert files.tell() == (2, 2) and files.indexed() == {"/b.srt"}
    assert files.tell() == (0, 0)


def test_a_name_that_stands_for_another_record_stays(files: Files) -> None:
    ids = files.upload("/a.srt")
    files.delete(ids["/a.srt"])
    again = files.upload("/a.srt")
    assert again != ids
    assert files.tell() == (1, 0) and files.indexed() == {"/a.srt"}


def test_a_run_that_wrote_what_was_deleted_meanwhile_is_made_good(files: Files) -> None:
    ids = files.upload("/a.srt")
    [record] = files.world.records(ids).values()
    files.delete(record.id)
    files.tree.upsert([asset_of(record)])
    assert files.tell() == (1, 1) and files.indexed() == set()


def test_a_run_leaves_no_name_of_what_was_deleted_while_it_wrote(files: Files) -> None:
    ids = files.upload("/a.srt", "/b.srt")
    records = files.world.records(ids)

    def upsert(assets: Any) -> Any:
        files.delete(ids["/a.srt"])
        return files.tree.upsert(assets)

    write = upsert_living(files.world.pipeline, upsert, files.tree.remove)
    refs = write([asset_of(records[name]) for name in ("/a.srt", "/b.srt")])
    assert [ref is None for ref in refs] == [True, False] and files.indexed() == {"/b.srt"}


def test_many_are_told_some_at_a_time(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletions, "_AT_ONCE", 2)
    monkeypatch.setattr(deletions, "_MOST_ROUNDS", 2)
    for record_id in files.upload(*(f"/{n}.srt" for n in range(5))).values():
        files.delete(record_id)
    assert [files.tell(), files.tell(), files.tell()] == [(4, 4), (1, 1), (0, 0)]


def test_the_sensor_tells(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletions, "tell_deletions", lambda *given: tell_deletions(*given, min_age_seconds=0))
    [record_id] = files.upload("/a.srt").values()
    files.delete(record_id)
    resources = {name: files.world.resources()[name] for name in ("bss", "folder_tree")}
    with build_sensor_context(resources=resources, definitions=defs) as context:
        said = defs.resolve_sensor_def("deleted_records")(context)
    assert isinstance(said, SkipReason) and "1 of them" in (said.skip_message or "")
    assert files.indexed() == set()


def test_a_restored_record_is_in_the_index_again_whoever_told_it_of_the_deletion_last(files: Files) -> None:
    ids = files.upload("/a.srt", "/b.srt")
    files.delete(ids["/a.srt"])
    assert files.tell() == (1, 1) and files.indexed() == {"/b.srt"}
    files.world.http.post("/records/undelete", Undelete(ids=[ids["/a.srt"]]), Undeleted)
    told = tell_deletions(files.world.pipeline, files.tree.remove, files.tree.upsert, min_age_seconds=0)
    assert told == (0, 0, 1)
    [ref] = files.tree.upsert([asset_of(record) for record in files.world.records({"/a.srt": ids["/a.srt"]}).values()])
    files.assets["/a.srt"] = ref.id
    assert files.indexed() == {"/a.srt", "/b.srt"}
