"""Files that were given other names: both services agree, nothing is sent, and what comes later behaves."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from dreamlake_pipeline.api.bss import Move
from dreamlake_pipeline.api.pipeline import ClaimBatches
from dreamlake_pipeline.api.server import AssetChange, EpisodeChange
from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.flags import Flag
from dreamlake_pipeline.processing.batch import BatchWork
from dreamlake_pipeline.processing.deletions import tell_deletions
from dreamlake_pipeline.processing.hold import Hold
from dreamlake_pipeline.processing.work import Workshop
from dreamlake_pipeline.remote.server import asset_of
from dreamlake_pipeline.resources.folder_tree import FolderTreeResource as Tree
from dreamlake_pipeline.storage import ObjectStore

from .conftest import OWNER, World, labels, running, sound, srt

LIMITS = ClaimBatches(
    max_batches=100, max_files=1000, max_bytes=10**12, settle_seconds=0, processing_grace_seconds=0, lease_seconds=60,
    max_attempts=3,
)  # fmt: skip


@pytest.fixture
def project() -> str:
    return f"p{secrets.token_hex(4)}"


def indexed(world: World, project: str) -> dict[tuple[str | None, str], str]:
    """The index: which record each name stands for."""
    lake = world.lake
    return {
        (node.asset.episode, node.asset.name): node.asset.bss_id
        for episode in lake.index.episodes(OWNER, project)
        for node in lake.index.nodes(OWNER, project, episode=episode.name, recursive=True)
        if node.asset is not None
    }


def test_files_and_folders_get_other_names(world: World, project: str, tmp_path: Path) -> None:
    files = {"/a.wav": sound(1), "/cam/b.srt": srt("b"), "/cam/rear/c.jsonl": labels(3), "/camera.jsonl": labels(4)}
    world.ingest(files, tmp_path, project)
    world.process()
    before, places = world.records(project), indexed(world, project)
    objects = {item.key: item.etag for item in world.store.list_page(f"{OWNER}/{project}/", limit=1000).objects}

    def move(source: str, destination: str) -> None:
        assert world.lake.move(f"{project}/{source}".rstrip("/"), destination)

    move("a.wav", "/sound/left.wav")
    move("cam", "/cameras")
    move("camera.jsonl", "cameras")  # a folder that is there takes it in
    assert indexed(world, project) == {
        (None, "/sound/left.wav"): places[None, "/a.wav"],
        (None, "/cameras/b.srt"): places[None, "/cam/b.srt"],
        (None, "/cameras/rear/c.jsonl"): places[None, "/cam/rear/c.jsonl"],
        (None, "/cameras/camera.jsonl"): places[None, "/camera.jsonl"],
    }
    after = world.records(project)
    assert set(after) == {name for _, name in indexed(world, project)}
    moved = after["/sound/left.wav"]
    assert moved.moved_at is not None
    changing = {"name", "moved_at", "updated_at", "uploaded_at"}
    assert moved.model_dump(exclude=changing) == before["/a.wav"].model_dump(exclude=changing)
    assert world.fsck(f"{project}@{OWNER}") == []
    # Nothing was written but lines of the journal.
    now = {item.key: item.etag for item in world.store.list_page(f"{OWNER}/{project}/", limit=1000).objects}
    assert {key: etag for key, etag in now.items() if "/journal/" not in key} == {
        key: etag for key, etag in objects.items() if "/journal/" not in key
    }
    # What is made again says so itself.
    assert world.lake.retry(f"{project}@{OWNER}", everything=True).queued == 4
    world.process()
    assert world.fsck(f"{project}@{OWNER}") == []


def test_episodes_and_files_between_them(world: World, project: str, tmp_path: Path) -> None:
    world.ingest({"/run/1/a.jsonl": labels(1), "/run/1/b.jsonl": labels(2)}, tmp_path, project, episode_per_folder=True)
    world.process()
    lake = world.lake
    lake.move(f"{project}:run/1/a.jsonl", f"{project}:other/x/a.jsonl")
    assert set(indexed(world, project)) == {("other", "/x/a.jsonl"), ("run", "/1/b.jsonl")}
    lake.move(f"{project}:other", f"{project}:run/2")
    assert set(indexed(world, project)) == {("run/2", "/x/a.jsonl"), ("run", "/1/b.jsonl")}
    lake.move(f"{project}:run/2/x/a.jsonl", f"{project}:run")
    assert set(indexed(world, project)) == {("run", "/a.jsonl"), ("run", "/1/b.jsonl")}
    assert world.fsck(f"{project}@{OWNER}") == []


def test_what_people_said_goes_along(world: World, project: str, tmp_path: Path) -> None:
    world.ingest({"/run/1/a.jsonl": labels(1), "/run/1/b.jsonl": labels(2)}, tmp_path, project, episode_per_folder=True)
    world.process()
    index = world.lake.index

    def said(episode: str) -> tuple[object, object, dict[str, float | None]]:
        found = index.episode(OWNER, project, episode)
        nodes = index.nodes(OWNER, project, episode=episode, recursive=True)
        return found.flag, found.note, {node.asset.name: node.asset.time_offset_sec for node in nodes if node.asset}

    asset = next(node.asset for node in index.nodes(OWNER, project, episode="run", path="/1/a.jsonl"))
    assert asset is not None and asset.duration_sec is not None
    index.change_asset(asset.kind, asset.id, AssetChange(time_offset_sec=0.5))
    index.change_episode(OWNER, project, "run", EpisodeChange(flag=Flag.BAD, note="why"))
    world.lake.move(f"{project}:run", f"{project}:run-1")
    assert said("run-1") == ("bad", "why", {"/1/a.jsonl": 0.5, "/1/b.jsonl": None})
    # Whoever has only told BSS is made good for by the sensor.
    tree = Tree(postgres_url=str(world.index.url.set(drivername="postgresql").render_as_string(hide_password=False)))
    tell_deletions(world.pipeline, tree.remove, tree.upsert, min_age_seconds=0)
    records = world.records(project)
    world.lake.bss.move([Move(id=one.id, episode="run-2", name=one.name) for one in records.values()])
    tell_deletions(world.pipeline, tree.remove, tree.upsert, min_age_seconds=0)
    assert said("run-2") == ("bad", "why", {"/1/a.jsonl": 0.5, "/1/b.jsonl": None})
    # Deleted and restored.
    for one in world.records(project).values():
        world.lake.delete(one)
    world.undelete([one.id for one in records.values()])
    tell_deletions(world.pipeline, tree.remove, tree.upsert, min_age_seconds=0)
    assert said("run-2") == ("bad", "why", {"/1/a.jsonl": 0.5, "/1/b.jsonl": None})
    assert world.fsck(f"{project}@{OWNER}") == []


@pytest.mark.parametrize(
    ("source", "destination", "code"),
    [
        ("a.jsonl", "/b.jsonl", Code.CONFLICT),
        ("x", "/x/y", Code.USAGE),
        ("a.jsonl", "a.jsonl", Code.USAGE),
        ("nowhere", "/a", Code.NOT_FOUND),
        ("", "/a", Code.USAGE),
        ("a.jsonl", "/../a", Code.INVALID_NAME),
        ("a.jsonl", "elsewhere:run/a.jsonl", Code.USAGE),
        (":run", "/folder", Code.USAGE),
    ],
)
def test_what_cannot_be_is_refused_whole(
    world: World, project: str, tmp_path: Path, source: str, destination: str, code: Code
) -> None:
    files = {"/a.jsonl": labels(1), "/b.jsonl": labels(2), "/x/c.jsonl": labels(3)}
    world.ingest(files, tmp_path, project)
    (tmp_path / "d.jsonl").write_bytes(labels(4))
    world.lake.upload(tmp_path / "d.jsonl", episode=f"{project}@{OWNER}:run")
    before = indexed(world, project)
    with pytest.raises(DreamlakeError) as fault:
        world.lake.move(project + (source if source.startswith(":") else f"/{source}".rstrip("/")), destination)
    assert fault.value.code is code
    assert indexed(world, project) == before


def test_a_name_that_is_taken_is_replaced_by_force_alone(world: World, project: str, tmp_path: Path) -> None:
    world.ingest({"/a.jsonl": labels(1), "/b.jsonl": labels(2)}, tmp_path, project)
    world.process()
    records = world.records(project)
    answer = world.lake.bss.move([Move(id=records["/a.jsonl"].id, name="/b.jsonl")])
    assert (answer.ids, [one.by for one in answer.taken]) == ([], [records["/b.jsonl"].id])
    world.lake.move(f"{project}/a.jsonl", "/b.jsonl", force=True)
    assert indexed(world, project) == {(None, "/b.jsonl"): records["/a.jsonl"].id}
    assert world.fsck(f"{project}@{OWNER}") == []
    # What was replaced is restored only by force, too.
    assert world.lake.bss.undelete([records["/b.jsonl"].id]).taken
    world.lake.bss.undelete([records["/b.jsonl"].id], replace=True)


def test_a_name_goes_with_its_earlier_content(world: World, project: str, tmp_path: Path) -> None:
    for seed in (1, 2, 1):
        world.ingest({"/a.jsonl": labels(seed)}, tmp_path, project)
        world.process()
    holder = indexed(world, project)[None, "/a.jsonl"]
    moved = world.lake.move(f"{project}/a.jsonl", "/b.jsonl")
    assert len(moved) == 2
    assert indexed(world, project) == {(None, "/b.jsonl"): holder}
    assert world.fsck(f"{project}@{OWNER}") == []


def test_the_old_name_is_free_for_what_comes(world: World, project: str, tmp_path: Path) -> None:
    """The same folder ingested again: its file is stored under its old name as well, and no byte is sent."""
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.jsonl").write_bytes(labels(1))
    target = f"{project}@{OWNER}"
    assert world.lake.ingest(folder, episode=target).uploaded == 1
    world.process()
    world.lake.move(f"{project}/a.jsonl", "/b.jsonl")
    again = world.lake.ingest(folder, episode=target)
    assert (again.uploaded, again.duplicate, again.bytes) == (0, 1, 0)
    world.process()
    assert set(indexed(world, project)) == {(None, "/a.jsonl"), (None, "/b.jsonl")}
    # And the folder with the file renamed has nothing new.
    (folder / "a.jsonl").rename(folder / "b.jsonl")
    assert world.lake.ingest(folder, episode=target).duplicate == 1
    assert len(world.records(project)) == 2
    assert world.fsck(target) == []


def test_a_run_that_knows_the_old_name_tells_nobody_of_it(world: World, project: str, tmp_path: Path) -> None:
    world.ingest({"/a.jsonl": labels(1), "/b.jsonl": labels(2)}, tmp_path, project)
    [offer] = [offer for offer in world.pipeline.claim(LIMITS) if offer.project == project]
    hold = Hold(world.pipeline, offer.partition, "run-1", lease_seconds=60)
    items = hold.begin().items
    world.lake.move(f"{project}/a.jsonl", "/moved.jsonl")
    with BatchWork(
        hold, Workshop(world.pipeline, world.store), items, workers=2, upsert=world.lake.index.register_batch
    ) as work:
        work.finish()
    assert set(indexed(world, project)) == {(None, "/moved.jsonl"), (None, "/b.jsonl")}
    hold.finish()
    states = {name: str(record.status) for name, record in world.records(project).items()}
    assert states == {"/moved.jsonl": "queued", "/b.jsonl": "ready"}
    world.process()
    assert {str(record.status) for record in world.records(project).values()} == {"ready"}
    assert world.fsck(f"{project}@{OWNER}") == []


def test_a_run_that_knows_a_deleted_file_tells_nobody_of_it(world: World, project: str, tmp_path: Path) -> None:
    world.ingest({"/a.jsonl": labels(1), "/b.jsonl": labels(2)}, tmp_path, project)
    [offer] = [offer for offer in world.pipeline.claim(LIMITS) if offer.project == project]
    hold = Hold(world.pipeline, offer.partition, "run-1", lease_seconds=60)
    items = hold.begin().items
    world.lake.delete(world.records(project)["/a.jsonl"])
    shop = Workshop(world.pipeline, world.store)
    with BatchWork(hold, shop, items, workers=2, upsert=world.lake.index.register_batch) as work:
        work.finish()
    assert set(indexed(world, project)) == {(None, "/b.jsonl")}
    hold.finish()
    assert world.fsck(f"{project}@{OWNER}") == []


def test_what_the_index_was_not_told_it_is_told_by_the_sensor(world: World, project: str, tmp_path: Path) -> None:
    world.ingest({"/a.jsonl": labels(1)}, tmp_path, project)
    world.process()
    record = world.records(project)["/a.jsonl"]
    world.lake.bss.move([Move(id=record.id, name="/b.jsonl")])
    # A run that read the record before it was moved, and writes a moment too late.
    world.lake.index.register_batch([asset_of(record)])
    assert set(indexed(world, project)) == {(None, "/a.jsonl")}
    tree = Tree(postgres_url=str(world.index.url.set(drivername="postgresql").render_as_string(hide_password=False)))
    tell_deletions(world.pipeline, tree.remove, tree.upsert, min_age_seconds=0)
    assert indexed(world, project) == {(None, "/b.jsonl"): record.id}
    assert world.fsck(f"{project}@{OWNER}") == []


def test_the_bucket_alone_knows_the_new_names(
    new_database: Callable[[], str], s3_server: str, serve: Callable[..., AbstractContextManager[str]], tmp_path: Path
) -> None:
    from dreamlake_pipeline.storage import open_client

    store = ObjectStore(open_client(), f"moved-{secrets.token_hex(4)}")
    store.create_bucket()
    with running(new_database(), store, serve) as world:
        world.ingest({"/a.jsonl": labels(1), "/b.jsonl": labels(2)}, tmp_path)
        world.process()
        world.lake.move("robot/a.jsonl", "/c.jsonl")
        before = {name: record.moved_at for name, record in world.records().items()}
    with running(new_database(), store, serve) as world:
        for _ in world.lake.rebuild_events():
            pass
        assert {name: record.moved_at for name, record in world.records().items()} == before
        assert set(indexed(world, "robot")) == {(None, "/b.jsonl"), (None, "/c.jsonl")}
        assert world.fsck() == []
