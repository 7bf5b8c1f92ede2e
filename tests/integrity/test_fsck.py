"""fsck finds every kind of damage that is planted, says what it means, and mends what can be mended."""

from __future__ import annotations

import hashlib
import secrets
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dreamlake_pipeline import layout
from dreamlake_pipeline.api.integrity import Found, FsckRepair, Repaired
from dreamlake_pipeline.api.server import BatchAsset
from dreamlake_pipeline.bss.fsck import records as fsck_records
from dreamlake_pipeline.findings import FINDINGS, Finding, Repair
from dreamlake_pipeline.ids import new_id
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.processing.catalog import EPISODES, FILES, write_table

from .conftest import OWNER, World, labels, sound, srt, telemetry

# What is damaged of each kind of file, three times: once it is missing, once cut off, once altered.
OUTPUTS = {
    "clip.mp4": ["stream/master.m3u8", "stream/{stream}.m3u8", "poster.jpg", "contact-sheet.jpg", "meta.json"],
    "sound.wav": ["waveform.png", "waveform.json"],
    "said.srt": ["track.vtt"],
    "flight.srt": ["data.parquet"],
    "grip.jsonl": ["data.parquet", "plot.png"],
}
OF_OUTPUT = {
    "missing": Finding.OUTPUT_MISSING,
    "cut": Finding.OUTPUT_WRONG_SIZE,
    "altered": Finding.OUTPUT_ALTERED,
}
OF_RAW = {"missing": Finding.RAW_MISSING, "cut": Finding.RAW_WRONG_SIZE, "altered": Finding.RAW_ALTERED}
OF_CHUNK = {"missing": Finding.CHUNK_MISSING, "cut": Finding.CHUNK_WRONG_SIZE, "altered": Finding.CHUNK_ALTERED}


class Planted(NamedTuple):
    """What is expected to be found; None: of whatever file, wherever."""

    code: Finding
    name: str | None
    what: str | None


def damage(world: World, key: str, how: str) -> None:
    """Remove an object, cut off its end, or change a byte in its middle."""
    if how == "missing":
        world.store.delete([key])
        return
    data, stored = bytearray(world.store.read(key)), world.store.head(key)
    assert stored is not None
    if how == "cut":
        del data[-1:]
    else:
        data[len(data) // 2] ^= 1
    world.store.put(key, bytes(data), content_type="application/octet-stream", metadata=stored.metadata)


@pytest.fixture(scope="module")
def filled(world: World, clip: bytes, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A project with files of every kind, some of them to be damaged; and a catalog."""
    files: dict[str, bytes] = {}
    for n, how in enumerate(OF_OUTPUT):
        files |= {
            f"/{how}/clip.mp4": clip,
            f"/{how}/sound.wav": sound(n),
            f"/{how}/said.srt": srt(how),
            f"/{how}/flight.srt": telemetry(n),
            f"/{how}/grip.jsonl": labels(n),
            f"/raw/{how}.srt": srt(f"raw {how}"),
            f"/chunk/{how}.wav": sound(10 + n),
        }
    files |= {f"/row/{name}.wav": sound(20 + n) for n, name in enumerate(ROWS)}
    files |= {f"/index/{name}.srt": srt(f"index {name}") for name in INDEXED}
    files |= {f"/batch/{name}.srt": srt(f"batch {name}") for name in BATCHES}
    files |= {"/whole.mp4": clip + bytes(8), "/whole.wav": sound(99), "/whole.srt": srt("whole")}
    world.ingest(files, tmp_path_factory.mktemp("files"))
    assert world.process() == len(files)
    assert {str(record.status) for record in world.records().values()} == {"ready"}
    for table in (FILES, EPISODES):
        write_table(world.store, table, [])
    return world


def _row(statement: str) -> Callable[[World, str], None]:
    return lambda world, record_id: world.sql(statement, id=record_id)


# What is changed in a record's row, and what is then found.
ROWS: dict[str, tuple[Callable[[World, str], None], Finding]] = {
    "size": (_row("UPDATE records SET size = size + 1 WHERE id = :id"), Finding.RECORD_DIFFERS),
    "sha256": (_row("UPDATE records SET sha256 = repeat('0', 64) WHERE id = :id"), Finding.RECORD_DIFFERS),
    "metadata": (
        _row("""UPDATE records SET metadata = metadata || '{"durationSec": 99}' WHERE id = :id"""),
        Finding.RECORD_DIFFERS,
    ),
    "renamed": (_row("UPDATE records SET recipe = 'another' WHERE id = :id"), Finding.RECORD_DIFFERS),
    "recipe": (_row("UPDATE records SET recipe = NULL WHERE id = :id"), Finding.READY_WITHOUT_RESULT),
    "nothing": (_row("UPDATE records SET metadata = NULL WHERE id = :id"), Finding.READY_WITHOUT_RESULT),
    "reference": (_row("DELETE FROM chunk_refs WHERE record_id = :id"), Finding.REFERENCE_MISSING),
    "unused": (
        _row("""INSERT INTO chunk_refs (record_id, sha256) SELECT :id, sha256 FROM chunks c WHERE NOT EXISTS (
            SELECT FROM chunk_refs f WHERE f.record_id = :id AND f.sha256 = c.sha256) LIMIT 1"""),
        Finding.REFERENCE_UNUSED,
    ),
    "unstored": (
        _row("""UPDATE chunks SET stored_at = NULL WHERE sha256 IN (
            SELECT sha256 FROM chunk_refs WHERE record_id = :id)"""),
        Finding.CHUNK_NOT_STORED,
    ),
}
INDEXED = {
    "gone": ("DELETE FROM assets WHERE bss_id = :id", Finding.NOT_INDEXED),
    "status": ("UPDATE assets SET status = 'failed' WHERE bss_id = :id", Finding.INDEX_DIFFERS),
    "size": ("UPDATE assets SET size = size + 1 WHERE bss_id = :id", Finding.INDEX_DIFFERS),
    "sha256": ("UPDATE assets SET sha256 = repeat('0', 64) WHERE bss_id = :id", Finding.INDEX_DIFFERS),
    "metadata": ("""UPDATE assets SET metadata = '{"cues": 7}' WHERE bss_id = :id""", Finding.INDEX_DIFFERS),
    "kind": ("UPDATE assets SET kind = 'label-track' WHERE bss_id = :id", Finding.INDEX_DIFFERS),
    "other": (
        "UPDATE assets SET bss_id = (SELECT min(bss_id) FROM assets WHERE bss_id <> :id) WHERE bss_id = :id",
        Finding.INDEX_OF_OTHER_RECORD,
    ),
}
_BATCH = """
    INSERT INTO batches (partition, owner, project, lease_until, state, closed_at)
    VALUES ('{0}', 'lab', '{1}', now() - interval '1 day', '{2}', {3});
    UPDATE records SET status = '{4}', partition = '{0}', reported_at = NULL WHERE id = '{{id}}'"""
BATCHES = {
    "closed": (_BATCH.format("lab/robot/1", "robot", "closed", "now()", "processing"), Finding.IN_CLOSED_BATCH),
    "queued": (_BATCH.format("lab/robot/2", "robot", "closed", "now()", "queued"), Finding.IN_CLOSED_BATCH),
    "other": (_BATCH.format("lab/arm/3", "arm", "open", "NULL", "queued"), Finding.IN_OTHER_BATCH),
    "none": (
        "UPDATE records SET status = 'processing', partition = NULL WHERE id = '{id}'",
        Finding.PROCESSING_WITHOUT_BATCH,
    ),
    "open": (_BATCH.format("lab/robot/4", "robot", "open", "NULL", "ready"), Finding.BATCH_LEFT_OPEN),
}


def plant(world: World) -> Iterator[Planted]:
    records = world.records()
    for how in OF_OUTPUT:
        for filename, outputs in OUTPUTS.items():
            record = records[f"/{how}/{filename}"]
            folder = layout.asset_prefix(record.owner, record.project, record.kind, record.id)
            for output in outputs:
                what = output.format(stream=(record.metadata or {}).get("streams", [""])[0])
                damage(world, folder + what, how)
                yield Planted(OF_OUTPUT[how], record.name, what)
        raw = records[f"/raw/{how}.srt"]
        damage(world, raw.staging_key, how)
        yield Planted(OF_RAW[how], raw.name, raw.staging_key)
        played = records[f"/chunk/{how}.wav"]
        [(sha256,)] = world.sql("SELECT sha256 FROM chunk_refs WHERE record_id = :id LIMIT 1", id=played.id)
        damage(world, layout.chunk_key(sha256), how)
        yield Planted(OF_CHUNK[how], None, layout.chunk_key(sha256))

    for name, (change, code) in ROWS.items():
        change(world, records[f"/row/{name}.wav"].id)
        yield Planted(code, None if code is Finding.CHUNK_NOT_STORED else f"/row/{name}.wav", None)
    for name, (statement, code) in INDEXED.items():
        world.sql(statement, world.index, id=records[f"/index/{name}.srt"].id)
        yield Planted(code, f"/index/{name}.srt", None)
    stray = BatchAsset(
        kind=Kind.VIDEO, namespace=OWNER, project="robot", name="/stray.mp4", bss_video_id=new_id(), status="ready"
    )
    world.lake.index.register_batch([stray])
    yield Planted(Finding.INDEX_WITHOUT_RECORD, "/stray.mp4", None)
    for name, (statements, code) in BATCHES.items():
        world.sql(statements.format(id=records[f"/batch/{name}.srt"].id))
        yield Planted(code, None if code is Finding.BATCH_LEFT_OPEN else f"/batch/{name}.srt", None)

    row, stranger = (hashlib.sha256(secrets.token_bytes(9)).hexdigest() for _ in range(2))
    world.sql("INSERT INTO chunks (sha256, size, stored_at, lease_until) VALUES (:row, 9, now(), now())", row=row)
    yield Planted(Finding.CHUNK_ROW_WITHOUT_OBJECT, None, layout.chunk_key(row))
    world.store.put(layout.chunk_key(stranger), b"stranger", content_type=layout.CHUNK_TYPE)
    yield Planted(Finding.CHUNK_OBJECT_WITHOUT_ROW, None, layout.chunk_key(stranger))
    world.store.put("chunks/readme.txt", b"hello", content_type="text/plain")
    yield Planted(Finding.FOREIGN_OBJECT, None, "chunks/readme.txt")
    folder = layout.asset_prefix(OWNER, "robot", Kind.AUDIO, new_id())
    world.store.put(f"{folder}meta.json", b"{}", content_type="application/json")
    yield Planted(Finding.FOLDER_WITHOUT_RECORD, None, folder)
    staged = layout.staging_key(OWNER, "robot", "a" * 64)
    world.store.put(staged, b"staged", content_type="text/plain")
    yield Planted(Finding.STAGED_UNACCOUNTED, None, staged)
    for key in (layout.CATALOG_KEY, layout.EPISODES_KEY):
        damage(world, key, "altered")
        yield Planted(Finding.CATALOG_ALTERED, None, key)


def is_found(planted: Planted, findings: list[Found]) -> bool:
    return any(
        found.code is planted.code
        and planted.name in (None, found.name)
        and planted.what in (None, found.what, found.sha256)
        for found in findings
    )


def test_every_kind_of_damage_is_found_and_mended(filled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world = filled
    monkeypatch.setattr("dreamlake_pipeline.client.fsck._SECOND_LOOK_SECONDS", 0.1)
    for deep in (False, True):
        assert world.fsck(deep=deep) == []
    monkeypatch.setattr("dreamlake_pipeline.bss.fsck.folders._GRACE_SECONDS", -60)

    planted = list(plant(world))
    assert len(planted) >= 50
    findings = world.fsck()
    assert [one for one in planted if not is_found(one, findings)] == []
    assert {found.code for found in findings} == {one.code for one in planted}
    assert "/whole" not in {found.name and found.name[:6] for found in findings}

    # What needs no reading is found without.
    shallow = world.fsck(deep=False)
    unread = {Finding.RAW_ALTERED, Finding.OUTPUT_ALTERED, Finding.CHUNK_ALTERED}
    unread |= {Finding.CATALOG_ALTERED, Finding.REFERENCE_UNUSED}
    assert {one.code for one in planted} - {found.code for found in shallow} == unread

    done = world.lake.repair(findings)
    lost = {found.name for found in done.left if found.code in OF_RAW.values()}
    assert lost == {"/raw/missing.srt", "/raw/cut.srt", "/raw/altered.srt"}
    world.process()
    left = world.fsck()
    assert {found.code for found in left} == {
        found.code for found in findings if FINDINGS[found.code].repair in (Repair.NONE, Repair.NOTED)
    }
    assert {found.name for found in left if found.code in OF_RAW.values()} == lost
    assert {str(record.status) for record in world.records().values()} == {"ready"}


def test_nothing_is_found_while_files_are_stored_processed_and_deleted(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a project of its own; the whole pool is looked at."""
    monkeypatch.setattr("dreamlake_pipeline.bss.fsck.walk.STEP_SECONDS", 0.05)
    faults: list[BaseException] = []
    is_over = threading.Event()

    def work() -> None:
        try:
            for n in range(3):
                files = {f"/{n}/{k}.wav": sound(1000 + 10 * n + k) for k in range(10)}
                world.ingest(files, tmp_path, project="busy")
                world.process()
                doomed = [record for name, record in world.records("busy").items() if name.startswith(f"/{n - 1}/")]
                for record in doomed:
                    world.lake.delete(record)
        except BaseException as fault:
            faults.append(fault)
        finally:
            is_over.set()

    thread = threading.Thread(target=work)
    thread.start()
    looks = 0
    found: list[Any] = []
    while not is_over.is_set() or not looks:
        found += world.fsck(f"busy@{OWNER}")
        looks += 1
    thread.join()
    assert faults == [] and found == []


def test_what_is_large_is_hashed_by_the_caller(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dreamlake_pipeline.bss.fsck.records.LARGE", 1)
    monkeypatch.setattr("dreamlake_pipeline.client.fsck._PIECE", 1000)  # bytes of a request
    world.ingest({"/a.wav": sound(50), "/b.jsonl": labels(50), "/c.srt": srt("c")}, tmp_path, project="large")
    world.process()
    assert world.fsck(f"large@{OWNER}") == []
    records = world.records("large")
    damage(world, records["/a.wav"].staging_key, "altered")
    table = records["/b.jsonl"]
    damage(world, layout.result_key(OWNER, "large", table.kind, table.id, "data.parquet"), "altered")
    found = {(one.name, one.code) for one in world.fsck(f"large@{OWNER}")}
    assert found == {("/a.wav", Finding.RAW_ALTERED), ("/b.jsonl", Finding.OUTPUT_ALTERED)}


@pytest.mark.parametrize("part", ["put", "parts"])
def test_lost_raw_bytes_come_back_when_the_file_is_uploaded_again(world: World, tmp_path: Path, part: str) -> None:
    """Under whatever name: two of the files have the same bytes. Until then, what was made of them plays."""
    project = f"lost-{part}"
    size = 0 if part == "put" else 5 * 2**20
    files = {f"/{how}.srt": srt(f"{project} {how}") + b"\n" * size for how in OF_RAW}
    files["/altered again.srt"] = files["/altered.srt"]
    world.ingest(files, tmp_path, project=project)
    world.process()
    for how in OF_RAW:
        damage(world, world.records(project)[f"/{how}.srt"].staging_key, how)
    found = world.fsck(f"{project}@{OWNER}")
    assert {one.code for one in found} == set(OF_RAW.values())
    assert len(world.lake.repair(found).left) == len(files)
    world.process()
    noted = world.records(project).values()
    assert all(record.is_playable and record.last_error is not None for record in noted)

    world.ingest(files, tmp_path, project=project)
    world.process()
    assert world.fsck(f"{project}@{OWNER}") == []
    assert [record.last_error for record in world.records(project).values()] == [None] * len(files)
    *_, summary = world.lake.ingest_events(next(tmp_path.iterdir()), episode=f"{project}@{OWNER}")
    assert (summary.bytes, summary.duplicate) == (0, len(files))


def test_a_step_goes_on_where_the_last_one_ended(filled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dreamlake_pipeline.bss.fsck.walk.STEP_SECONDS", 0.0)
    monkeypatch.setattr("dreamlake_pipeline.bss.fsck.records._DEEP_PAGE", 1)
    from dreamlake_pipeline.client.fsck import Checked

    counts = [one for one in filled.lake.fsck_events(f"robot@{OWNER}", deep=True) if isinstance(one, Checked)]
    assert counts[-1].counts["records"] == len(filled.records())


def test_a_repair_of_what_is_whole_harms_nothing(world: World, tmp_path: Path) -> None:
    """Whoever may write may send any finding: each is looked at again."""
    world.ingest({"/healthy.wav": sound(4001), "/other.wav": sound(4002)}, tmp_path, project="healthy")
    world.process()
    records = world.records("healthy")
    one = records["/healthy.wav"]
    chunks = world.sql("SELECT sha256 FROM chunk_refs WHERE record_id = :id", id=one.id)
    assert chunks
    rows = "SELECT sha256, stored_at, condemned_at FROM chunks WHERE sha256 = ANY(:hashes)"
    hashes = [row.sha256 for row in chunks]
    before = world.sql(rows, hashes=hashes)
    said = {"detail": "made up", "id": one.id, "owner": OWNER, "project": "healthy"}
    findings = [
        Found(code=code, sha256=sha256, partition=one.partition, **said)
        for code in Finding
        if FINDINGS[code].repair is not Repair.AGAIN or code in OF_CHUNK.values()
        for sha256 in hashes
    ]
    # That of a segment queues its players when it is wrong, and else nothing; the record itself may be queued by
    # everybody who may write it, and so is by its own id.
    corrected = world.lake.bss.http.post("/fsck/repair", FsckRepair(findings=findings), Repaired).corrected
    assert corrected == 0
    assert world.sql("SELECT sha256 FROM chunk_refs WHERE record_id = :id", id=one.id) == chunks
    assert world.sql(rows, hashes=hashes) == before
    world.process()
    assert world.fsck(f"healthy@{OWNER}") == []


def test_a_reference_that_came_to_be_used_is_kept(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record got another result between the look and the repair."""
    world.ingest({"/again.wav": sound(4003)}, tmp_path, project="again")
    world.process()
    one = world.records("again")["/again.wav"]
    unused = "ab" * 31 + "0a"
    world.sql("INSERT INTO chunks (sha256, size, stored_at, lease_until) VALUES (:s, 9, now(), now())", s=unused)
    world.sql("INSERT INTO chunk_refs (record_id, sha256) VALUES (:id, :s)", id=one.id, s=unused)
    found = Found(code=Finding.REFERENCE_UNUSED, detail="", id=one.id, sha256=unused)
    looked = fsck_records.spare_references

    def look_then_change(*args: Any) -> Any:
        spare = looked(*args)
        world.sql("UPDATE records SET updated_at = clock_timestamp() WHERE id = :id", id=one.id)
        return spare

    with monkeypatch.context() as patched:
        patched.setattr(sys.modules["dreamlake_pipeline.bss.fsck.repair"], "spare_references", look_then_change)
        assert world.lake.bss.http.post("/fsck/repair", FsckRepair(findings=[found]), Repaired).corrected == 0
    assert world.lake.bss.http.post("/fsck/repair", FsckRepair(findings=[found]), Repaired).corrected == 1
    world.sql("DELETE FROM chunks WHERE sha256 = :s", s=unused)
