"""What runs print, shown where they were not: from the bucket, or as a word about where it lies."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance, job, op
from dagster._core.storage.compute_log_manager import ComputeIOType

from dreamlake_pipeline.instance import RunLogFiles
from dreamlake_pipeline.instance.bucketlogs import RunLogsInBucket
from dreamlake_pipeline.instance.watching import HOST_TAG
from dreamlake_pipeline.storage import ObjectStore


@op
def nothing() -> None: ...


@job
def alone() -> None:
    nothing()


def in_bucket(store: ObjectStore, home: Path, monkeypatch: pytest.MonkeyPatch, **config: Any) -> RunLogsInBucket:
    """As dagster.yaml makes it, on a machine of its own."""
    monkeypatch.setenv("DREAMLAKE_BUCKET", store.bucket)
    settings = {"bucket": {"env": "DREAMLAKE_BUCKET"}, "prefix": "run-logs", "skip_empty_files": True} | config
    named = {"module": "dreamlake_pipeline.instance.bucketlogs", "class": "RunLogsInBucket", "config": settings}
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text(json.dumps({"compute_logs": named, "telemetry": {"enabled": False}}))
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    manager = DagsterInstance.from_config(str(home)).compute_log_manager
    assert isinstance(manager, RunLogsInBucket)
    return manager


RUN = """
import os, sys, time
import psutil
from dreamlake_pipeline.instance.bucketlogs import RunLogsInBucket
before = len(psutil.Process().children())
with RunLogsInBucket(sys.argv[1], prefix="run-logs", upload_interval=1).capture_logs(sys.argv[2].split("/")):
    os.write(1, b"from the run\\n")
    os.system("echo from a child >&2")
    time.sleep(float(sys.argv[3]))
    more = len(psutil.Process().children()) - before
sys.exit(more)  # four processes for each run would cost as much as a small run
"""


def test_what_a_run_printed_is_shown_by_another_machine(
    object_store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = ["whole", "compute_logs", "abc"]
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "node"))
    subprocess.run([sys.executable, "-c", RUN, object_store.bucket, "/".join(key), "0"], check=True, timeout=200)
    assert (tmp_path / "node" / "storage").stat().st_mode & 0o777 == 0o700
    there = in_bucket(object_store, tmp_path / "ui", monkeypatch)
    assert there.is_capture_complete(key)
    shown = there.get_log_data(key)
    assert (shown.stdout, shown.stderr) == (b"from the run\n", b"from a child\n")
    there.delete_logs(log_key=key)
    assert not there.is_capture_complete(key)


def test_a_run_that_was_cut_off_shows_what_it_had_printed(
    object_store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = in_bucket(object_store, tmp_path / "ui", monkeypatch)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "node"))
    with subprocess.Popen([sys.executable, "-c", RUN, object_store.bucket, "cut/compute_logs/abc", "600"]) as run:
        try:
            for _ in range(2000):
                if (shown := there.get_log_data(["cut", "compute_logs", "abc"]).stdout) is not None:
                    break
                assert run.poll() is None
                time.sleep(0.1)
        finally:
            run.kill()
    assert shown == b"from the run\n"
    assert there.get_log_data(["cut", "compute_logs", "abc"]).stdout == shown  # also now that it is gone
    assert not there.is_capture_complete(["cut", "compute_logs", "abc"])


def test_a_bucket_that_is_away_ends_neither_the_run_nor_the_sending(
    object_store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    key = ["later", "compute_logs", "abc"]
    manager = in_bucket(object_store, tmp_path, monkeypatch, skip_empty_files=False)
    Path(manager.local_manager.get_captured_local_path(key, "err")).parent.mkdir(parents=True)
    Path(manager.local_manager.get_captured_local_path(key, "err")).write_text("a word")
    there = manager._s3_session
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        manager._s3_session = type(manager)(
            object_store.bucket, endpoint_url=f"http://127.0.0.1:{nobody.getsockname()[1]}"
        )._s3_session
        manager.on_progress(key)
    assert "is sent later" in caplog.text
    manager._s3_session = there
    manager.on_progress(key)
    assert manager.cloud_storage_has_logs(key, ComputeIOType.STDERR, partial=True)


@pytest.mark.parametrize("home", [None, "", "/proc/none"])  # the last as in a container whose root is read-only
def test_without_a_home_it_leaves_nothing_on_a_node(
    object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: str | None
) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    if home is not None:
        monkeypatch.setenv("DAGSTER_HOME", home)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    manager = RunLogsInBucket(object_store.bucket)
    [folder] = tmp_path.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700 and manager.upload_interval == 10
    manager.dispose()
    assert not list(tmp_path.iterdir())


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DagsterInstance]:
    named = {"module": "dreamlake_pipeline.instance", "class": "RunLogFiles"}
    (tmp_path / "dagster.yaml").write_text(json.dumps({"compute_logs": named, "telemetry": {"enabled": False}}))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with DagsterInstance.from_config(str(tmp_path)) as one:
        yield one


def test_it_is_said_where_the_logs_of_another_machine_lie(instance: DagsterInstance) -> None:
    logs = instance.compute_log_manager
    assert isinstance(logs, RunLogFiles)
    here = instance.create_run_for_job(alone, tags={HOST_TAG: socket.gethostname()})
    there = instance.create_run_for_job(alone, tags={HOST_TAG: "node-7\x1b[31m"})
    unknown = instance.create_run_for_job(alone)
    for run_id in (here.run_id, unknown.run_id, "no-run"):
        key = [run_id, "compute_logs", "abc"]
        assert not logs.is_capture_complete(key)
        assert (logs.get_log_data(key).stdout, logs.get_log_data(key).stderr) == (None, None)
    key = [there.run_id, "compute_logs", "abc"]
    assert logs.is_capture_complete(key)
    shown = logs.get_log_data(key)
    assert shown.stdout is None and shown.stderr is not None
    told = shown.stderr.decode()
    assert "on the machine node-7" in told and f"{there.run_id}/compute_logs/abc.err there" in told
    assert "\x1b" not in told
    assert logs.get_log_data(key, cursor=shown.cursor).stderr == b""
    # Where a shared folder has them, they are shown.
    Path(logs.get_captured_local_path(key, "err")).parent.mkdir(parents=True)
    Path(logs.get_captured_local_path(key, "err")).write_text("printed\n")
    assert logs.get_log_data(key).stderr == b"printed\n"
