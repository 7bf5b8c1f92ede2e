"""With both databases lost, records, references and index are made again from the bucket, as they were."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from dreamlake_pipeline import layout
from dreamlake_pipeline.api.bss import PlannedFile, ProjectSettings, Status
from dreamlake_pipeline.api.integrity import RebuildStep
from dreamlake_pipeline.api.pipeline import StagedObject
from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.playback import PlaybackMode
from dreamlake_pipeline.remote.server import asset_of
from dreamlake_pipeline.storage import ObjectStore, open_client

from .conftest import OWNER, World, labels, running, sound, srt, telemetry

# What Postgres alone knew: how the work went, and not what came of it. `ready_at` and `reported_at` become the time at
# which meta.json was written, a moment before.
NOT_RESTORED = (
    "updated_at, queued_at, ready_at, reported_at, partition, was_in, waiting, postponed_at, waiting_until, crashes"
)

FOREIGN = StagedObject(
    key=layout.staging_key(OWNER, "arm", "foreign/talk.wav"),
    owner=OWNER,
    project="arm",
    size=len(sound(6)),
    etag="e",
    kind=Kind.AUDIO,
    name="/foreign/talk.wav",
)

RECORDS = f"""
    SELECT to_jsonb(r) - CAST(string_to_array('{NOT_RESTORED}', ', ') AS text[])
        || CASE WHEN status IN ('registered', 'processing') THEN '{{"status": "queued"}}'::jsonb ELSE '{{}}' END
    FROM records r ORDER BY id"""
REFERENCES = """
    SELECT record_id, sha256 FROM chunk_refs WHERE record_id NOT IN (SELECT id FROM deleted_records) ORDER BY 1, 2"""
CHUNKS = "SELECT sha256, size, form, stored_at IS NOT NULL FROM chunks ORDER BY sha256"
DELETED = "SELECT id, name FROM deleted_records ORDER BY id"
PROJECTS = "SELECT owner, project, ladder, playback, csv, types FROM projects ORDER BY 1, 2"
TYPES = {".dat": Kind.AUDIO}
# What waits has no status there, or the one that its uploader said.
TREE = """
    SELECT p.name, e.name, n.path, a.filename, a.kind, a.bss_id,
        CASE WHEN a.status IN ('ready', 'failed') THEN a.status END, a.size, a.sha256, a.metadata, a.uploaded_at
    FROM assets a JOIN nodes n ON n.id = a.node_id JOIN projects p ON p.id = a.project_id
    LEFT JOIN episodes e ON e.id = n.episode_id ORDER BY 1, 2, 3, 4"""


def dump(world: World) -> dict[str, Any]:
    """Everything that is to be the same afterwards."""
    found = {
        name: world.sql(statement)
        for name, statement in {
            "records": RECORDS,
            "references": REFERENCES,
            "chunks": CHUNKS,
            "deleted": DELETED,
            "projects": PROJECTS,
        }.items()
    }
    return found | {"tree": world.sql(TREE, world.index)}


def fill(world: World, clip: bytes, folder: Path) -> None:
    """Files in every state that a record can be in."""
    lake = world.lake
    lake.bss.change_project(OWNER, "robot", ProjectSettings(ladder=(60,), csv={"delimiter": ";"}))
    lake.bss.change_project(OWNER, "robot", ProjectSettings(ladder=(90,), csv={"delimiter": ";"}, types=TYPES))
    lake.bss.change_project(OWNER, "empty", ProjectSettings(ladder=(), playback=PlaybackMode.MODERN))
    files = {
        "/run-1/camera/front.mp4": clip,
        "/run-1/camera/front again.mp4": clip,
        "/run-1/camera/front.de.srt": srt("guten Tag"),
        "/run-1/flight.srt": telemetry(1),
        "/run-2/grip.jsonl": labels(1),
        "/run-2/grip.csv": b"time;x\n0;1\n1;2\n2;3\n",
        "/run-2/sound.wav": sound(1),
        "/run-2/" + "long/" * 100 + "näme.wav": sound(2),
        "/run-2/broken.mp4": b"\x00\x00\x00\x18ftypmp42" + bytes(2000),
        "/run-2/doomed.wav": sound(3),
        "/run-2/restored.wav": sound(4),
        "/run-2/renewed.srt": srt("first"),
    }
    world.ingest(files, folder, episode_per_folder=True)
    world.ingest({"/small.mp4": clip + bytes(8)}, folder, ladder=[30])
    world.ingest({"/today.mp4": clip + bytes(16)}, folder, playback="modern")
    world.ingest({"/other.wav": sound(5)}, folder, project="arm")
    # One without a name, as another uploader leaves it.
    world.store.put(FOREIGN.key, sound(6), content_type="audio/wav")
    world.pipeline.adopt([FOREIGN])
    world.process()
    records = world.records()
    for name in ("/doomed.wav", "/restored.wav"):
        lake.delete(records[name])
    world.undelete([records["/restored.wav"].id])
    # The name gets new content, and then the first one back.
    for said in ("second", "first"):
        world.ingest({"/run-2/renewed.srt": srt(said)}, folder, episode_per_folder=True)
    world.process()
    # What waits: under two names, of which the staged object tells one.
    world.ingest({"/waits.wav": sound(7), "/waits too.wav": sound(7)}, folder)


@pytest.fixture(scope="module")
def lost(
    new_database: Callable[[], str],
    s3_server: str,
    serve: Callable[..., AbstractContextManager[str]],
    clip: bytes,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[ObjectStore, dict[str, Any]]:
    """A bucket, and what the databases held that are lost."""
    store = ObjectStore(open_client(), f"rebuild-{secrets.token_hex(4)}")
    store.create_bucket()
    with running(new_database(), store, serve) as world:
        fill(world, clip, tmp_path_factory.mktemp("files"))
        assert world.fsck() == []  # what was restored is not in the index yet, and will be
        restored = world.records()["/restored.wav"]
        world.lake.index.register_batch([asset_of(restored)])
        return store, dump(world)


@pytest.fixture
def new_world(
    lost: tuple[ObjectStore, dict[str, Any]],
    new_database: Callable[[], str],
    serve: Callable[..., AbstractContextManager[str]],
) -> Any:
    with running(new_database(), lost[0], serve) as world:
        yield world


def test_records_and_index_are_as_they_were(
    lost: tuple[ObjectStore, dict[str, Any]], new_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, world = lost[1], new_world
    # Nothing is registered beside the files of the lost database, by nobody.
    for register in (
        lambda: world.lake.bss.plan_uploads(
            OWNER, "robot", [PlannedFile(kind=Kind.AUDIO, name="/new.wav", hash="a" * 64, size=1)]
        ),
        lambda: world.pipeline.adopt([FOREIGN]),
    ):
        with pytest.raises(DreamlakeError, match="dreamlake rebuild") as refused:
            register()
        assert refused.value.code is Code.CONFLICT

    # Interrupted again and again, and begun anew.
    monkeypatch.setattr("dreamlake_pipeline.bss.rebuild.walk.STEP_SECONDS", 0.0)
    for steps in (1, 3, 6):
        cursor = None
        for _ in range(steps):
            cursor = world.lake.bss.rebuild_step(RebuildStep(cursor=cursor)).cursor
        with pytest.raises(DreamlakeError) as refused:
            world.pipeline.adopt([FOREIGN])
        assert refused.value.code is Code.OVERLOADED
    assert world.lake.rebuild().problems == []
    after = dump(world)
    known = {record["id"]: record for (record,) in before["records"]}
    for (record,) in after["records"]:
        assert {field: (known[record["id"]].get(field), value) for field, value in record.items()
                if known[record["id"]].get(field) != value} == {}, record["name"]  # fmt: skip
    for what in before:
        assert after[what] == before[what], what
    assert len(after["records"]) >= 17 and len(after["deleted"]) >= 1 and len(after["tree"]) >= 15

    assert world.fsck() == []
    assert world.process() == 2
    assert world.fsck() == []
    assert {record.status for record in world.records().values()} == {Status.READY, Status.FAILED}
    with pytest.raises(DreamlakeError, match="--merge"):
        list(world.lake.rebuild_events())


def test_what_a_database_lacks_is_added_to_it(lost: tuple[ObjectStore, dict[str, Any]], new_world: World) -> None:
    before, world = lost[1], new_world
    list(world.lake.rebuild_events())
    [(gone,)] = world.sql("SELECT id FROM records WHERE name = '/grip.jsonl'")
    world.sql("DELETE FROM records WHERE id = :id", id=gone)
    world.sql("UPDATE records SET warnings = '[\"mine\"]' WHERE name = '/grip.csv'")
    world.sql("DELETE FROM assets WHERE bss_id = :id", world.index, id=gone)
    assert {found.code for found in world.fsck(deep=False)} == {"folder_without_record"}
    list(world.lake.rebuild_events(merge=True))
    after = dump(world)
    assert [row[0]["id"] for row in after["records"]] == [row[0]["id"] for row in before["records"]]
    # What waited may be ready by now.
    assert [row for row in after["tree"] if "waits" not in row.filename] == [
        row for row in before["tree"] if "waits" not in row.filename
    ]
    assert set(after["references"]) >= set(before["references"])
    assert world.sql("SELECT warnings FROM records WHERE name = '/grip.csv'") == [(["mine"],)]


def test_a_new_database_beside_an_empty_bucket_is_sound(
    new_database: Callable[[], str], s3_server: str, serve: Callable[..., AbstractContextManager[str]], tmp_path: Path
) -> None:
    store = ObjectStore(open_client(), f"rebuild-{secrets.token_hex(4)}")
    store.create_bucket()
    store.put(layout.staging_key(OWNER, "robot", "front.srt"), srt("from elsewhere"), content_type="text/plain")
    with running(new_database(), store, serve) as world:
        world.ingest({"/a.srt": srt("a")}, tmp_path)
        assert list(world.records()) == ["/a.srt"]
