"""Processes die at every crash point, and all of it heals: docs/reliability.md is what is held here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dreamlake_pipeline.crashpoints import VARIABLE, CrashPoint, reached
from dreamlake_pipeline.storage import ObjectStore
from tests.torture.crashes import System, system
from torture.check import Checked, check, check_no_orphans
from torture.inputs import Expected, Inputs

P = CrashPoint

# Who dies there.
CLIENT = {P.UPLOAD_PLANNED, P.UPLOAD_SENT, P.UPLOAD_REGISTERED, P.UPLOAD_INDEXED}
SERVICE = {
    *(P.MULTIPART_BEGUN, P.MULTIPART_COMPLETED, P.MULTIPART_ENDED, P.RECORDS_WRITTEN, P.RECORDS_COMMITTED),
    *(P.ENTRIES_COMMITTED, P.BATCH_FORMED, P.RESULTS_WRITTEN, P.RESULTS_COMMITTED, P.READY_WRITTEN),
}
SENSOR = {P.OBJECTS_ADOPTED, P.BATCHES_CLAIMED}
DELETION = {P.DELETION_WRITTEN, P.DELETION_COMMITTED}
RESTORATION = {P.RESTORATION_WRITTEN, P.RESTORATION_COMMITTED}
TELLING = {P.DELETION_TOLD}
COLLECTION = {
    *(P.RECORDS_PURGED, P.FOLDERS_EMPTIED, P.STAGED_DELETED),
    *(P.CHUNKS_CONDEMNED, P.CHUNKS_UNSTORED, P.CHUNKS_DELETED),
}
REBUILD = {P.BUCKET_READ, P.RECORDS_REBUILT}
RUN = set(P) - CLIENT - SERVICE - SENSOR - DELETION - RESTORATION - TELLING - COLLECTION - REBUILD

# What stays open for the garbage collector (docs/reliability.md).
LEFT_OPEN = {P.MULTIPART_BEGUN: "the multipart upload of"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Expected]]:
    """A video that goes up in parts, sounds, label files, some of them under two names, and bad files."""
    inputs = Inputs(tmp_path_factory.mktemp("inputs") / "files", 1)
    wave = inputs.wave(0, sounds=2, videos=1, texts=2, drops=0, bad=True)
    folder = wave.folder.rename(wave.folder.with_name("lab"))
    return folder, wave.files


@pytest.fixture
def whole(
    files: tuple[Path, list[Expected]], tmp_path: Path, new_database: Callable[[], str], object_store: ObjectStore
) -> Iterator[System]:
    (tmp_path / "files").symlink_to(files[0])
    with system(tmp_path, new_database(), object_store) as whole:
        yield whole


@pytest.fixture
def expected(files: tuple[Path, list[Expected]]) -> list[Expected]:
    """The files as they are when all of them are processed."""
    return [
        replace(file, owner="lab", project="cups", episode=None, name=f"/{file.episode}{file.name}")
        for file in files[1]
    ]


@pytest.mark.parametrize("point", sorted(CLIENT | SERVICE | SENSOR | RUN))
def test_a_crash_on_the_way_to_ready_heals(point: CrashPoint, whole: System, expected: list[Expected]) -> None:
    crash(point, whole)
    check_nothing_is_promised_that_is_not_there(whole)
    if point in CLIENT | {P.OBJECTS_ADOPTED}:
        whole.start_services()
        assert whole.ingest() == 0
    whole.heal()
    checked = check(whole, expected)
    if allowed := LEFT_OPEN.get(point):
        checked.wrong["open"] = [what for what in checked.wrong.get("open", []) if allowed not in what]
    assert_good(checked, expected)


def assert_good(checked: Checked, expected: list[Expected]) -> None:
    assert {kind: found for kind, found in checked.wrong.items() if found} == {}
    assert checked.counts["ready"] + checked.counts["bad, and said so"] == len(expected)


def make_ready(whole: System) -> list[str]:
    """Ingest and process everything; the ids of the video and of a label file."""
    whole.start_services()
    assert whole.ingest() == 0
    whole.heal()
    rows = whole.rows("""
        SELECT DISTINCT ON (kind) id FROM bss.records WHERE status = 'ready' AND kind IN ('video', 'label-track')
        ORDER BY kind, name""")
    assert len(rows) == 2
    return [row["id"] for row in rows]


def without(whole: System, ids: list[str], expected: list[Expected]) -> list[Expected]:
    """What is expected when the records of these ids are deleted."""
    rows = whole.rows("SELECT name FROM bss.records WHERE id = ANY(%s)", ids)
    gone = {row["name"] for row in rows}
    return [file for file in expected if file.name not in gone]


def restart_services(whole: System, at: CrashPoint) -> None:
    whole.stop_services()
    whole.start_services(at)


@pytest.mark.parametrize("point", sorted(DELETION | TELLING))
def test_a_crash_while_records_are_deleted_heals(
    point: CrashPoint, whole: System, expected: list[Expected], new_database: Callable[[], str]
) -> None:
    ids = make_ready(whole)
    left = without(whole, ids, expected)
    restart_services(whole, point)
    assert whole.delete(ids) == 0
    if point in TELLING:
        assert whole.tell_index(at=point) == -signal.SIGKILL
    else:
        assert whole.died
    assert whole.tell_index() == 0
    assert_good(check(whole, left), left)
    assert {row["id"] for row in whole.rows("SELECT id FROM bss.deleted_records")} == set(ids)
    # So it is when both databases are lost.
    whole.stop_services()
    whole.postgres_url = new_database()
    whole.start_services()
    assert whole.rebuild() == 0
    assert_good(check(whole, left), left)


@pytest.mark.parametrize("point", sorted(RESTORATION))
def test_a_crash_while_records_are_restored_heals(
    point: CrashPoint, whole: System, expected: list[Expected], new_database: Callable[[], str]
) -> None:
    ids = make_ready(whole)
    assert whole.delete(ids) == 0
    restart_services(whole, point)
    assert whole.restore(ids) == 0
    assert whole.died
    assert whole.tell_index() == 0
    assert_good(check(whole, expected), expected)
    whole.stop_services()
    whole.postgres_url = new_database()
    whole.start_services()
    assert whole.rebuild() == 0
    assert_good(check(whole, expected), expected)


@pytest.mark.parametrize("point", sorted(COLLECTION))
def test_a_crash_while_garbage_is_collected_heals(point: CrashPoint, whole: System, expected: list[Expected]) -> None:
    whole.settings = {"deleted_kept": 0, "garbage_wait": 0, "url_ttl": 60}
    ids = make_ready(whole)
    left = without(whole, ids, expected)
    assert whole.delete(ids) == 0
    assert whole.tell_index() == 0
    whole.let_time_pass()
    restart_services(whole, point)
    assert whole.collect() == 0
    assert whole.died, f"no collection came by {point}"
    check_nothing_is_promised_that_is_not_there(whole)
    for _ in range(2):  # what is condemned is freed by a later collection
        assert whole.collect() == 0
    checked = check(whole, left)
    check_no_orphans(checked, whole)
    assert_good(checked, left)


@pytest.mark.parametrize("point", sorted(REBUILD))
def test_a_crash_while_the_records_are_rebuilt_heals(
    point: CrashPoint, whole: System, expected: list[Expected], new_database: Callable[[], str]
) -> None:
    make_ready(whole)
    before = whole.rows("SELECT id, name, sha256, status FROM bss.records ORDER BY id")
    whole.stop_services()
    whole.postgres_url = new_database()
    whole.start_services(at=point)
    assert whole.rebuild() == 0
    assert whole.died
    assert whole.rows("SELECT id, name, sha256, status FROM bss.records ORDER BY id") == before
    assert_good(check(whole, expected), expected)


def test_every_point_is_somebodys() -> None:
    tested = [CLIENT, SERVICE, SENSOR, RUN, DELETION, RESTORATION, TELLING, COLLECTION, REBUILD]
    assert sum(map(len, tested)) == len(CrashPoint)


def crash(point: CrashPoint, whole: System) -> None:
    """Have the process that comes by the point die there, and see to it that it did."""
    if point in SERVICE:
        assert whole.crash_service(point) == 0, "the client is to go on with a service that is started again"
        assert whole.died, f"no service came by {point}"
        return
    whole.start_services()
    if point in CLIENT:
        assert whole.ingest(at=point) == -signal.SIGKILL
        return
    if point is P.OBJECTS_ADOPTED:
        whole.ingest(at=P.UPLOAD_SENT)
    else:
        assert whole.ingest() == 0
    if point in SENSOR:
        assert whole.tick(at=point)[0] == -signal.SIGKILL
        return
    _, partitions = whole.tick()
    assert -signal.SIGKILL in [whole.run(partition, at=point) for partition in partitions], f"no run came by {point}"


def check_nothing_is_promised_that_is_not_there(whole: System) -> None:
    """Right after the crash: what is called ready is whole, and in the index."""
    ready = whole.rows("SELECT * FROM bss.records WHERE status = 'ready'")
    entries = {row["bss_id"]: row for row in whole.rows("SELECT bss_id, status FROM dreamlake.asset_details")}
    assert [record["id"] for record in ready if entries[record["id"]]["status"] != "ready"] == []
    keys = {item.key for item in whole.store.list_all("")}
    refs = whole.rows("SELECT sha256, stored_at FROM bss.chunk_refs JOIN bss.chunks USING (sha256)")
    assert [row["sha256"] for row in refs if row["stored_at"] is None or f"chunks/{row['sha256']}.ts" not in keys] == []
    named = {
        line.rsplit("/", 1)[-1]
        for key in keys
        if key.endswith(".m3u8")
        for line in whole.store.read(key).decode().splitlines()
        if line.endswith(".ts")
    }
    assert [chunk for chunk in named if f"chunks/{chunk}" not in keys] == [], "a playlist names what is not stored"


def test_a_process_dies_only_where_its_environment_says() -> None:
    program = (
        "from dreamlake_pipeline.crashpoints import *\nfor point in CrashPoint:\n    reached(point)\n    print(point)"
    )
    told = os.environ | {VARIABLE: "chunks-stored"}
    done = subprocess.run([sys.executable, "-c", program], env=told, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    told.pop(VARIABLE)
    done = subprocess.run([sys.executable, "-c", program], env=told, capture_output=True, text=True, check=True)
    assert done.stdout.split() == list(CrashPoint)


def test_a_point_costs_nothing() -> None:
    begun = time.process_time()
    for _ in range(100_000):
        reached(P.CHUNKS_STORED)
    assert time.process_time() - begun < 0.5  # 5 µs each, of which a file has a dozen
