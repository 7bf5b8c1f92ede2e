from __future__ import annotations

import shutil
from importlib.resources import as_file, files
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from dreamlake_pipeline.database import with_driver

ROOT = Path(__file__).parents[2]


@pytest.fixture
def dagster_postgres_url(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA dagster")
    url = with_driver(database, "psycopg2")
    return f"{url}{'&' if '?' in url else '?'}options={quote('-csearch_path=dagster')}"


@pytest.mark.parametrize("source", ["stack", "deploy"])
def test_dagster_accepts_the_file_and_keeps_to_its_schema(
    tmp_path: Path, database: str, dagster_postgres_url: str, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    from dagster import DagsterInstance
    from dagster._daemon.controller import create_daemon_of_type
    from dagster._daemon.run_coordinator import QueuedRunCoordinatorDaemon

    monkeypatch.setenv("DAGSTER_POSTGRES_URL", dagster_postgres_url)
    if source == "deploy":
        shutil.copy(ROOT / "deploy" / "dagster.yaml", tmp_path)
    else:
        with as_file(files("dreamlake_pipeline.stack") / "dagster.yaml") as file:
            shutil.copy(file, tmp_path)
    with DagsterInstance.from_config(str(tmp_path)) as instance:
        instance.add_dynamic_partitions("batches", ["a"])
        assert instance.get_dynamic_partitions("batches") == ["a"]
        assert instance.run_monitoring_enabled
        assert instance.run_retries_enabled
        assert not instance.telemetry_enabled
        queue = create_daemon_of_type(QueuedRunCoordinatorDaemon.daemon_type(), instance)
        assert isinstance(queue, QueuedRunCoordinatorDaemon)
        assert queue.interval_seconds == 0.5
        limits = instance.get_concurrency_config().run_queue_config
        assert limits is not None
        assert limits.max_concurrent_runs >= 6
        assert [limit["key"] for limit in limits.tag_concurrency_limits] == ["dreamlake/owner"]
    with psycopg.connect(database) as connection:
        tables = dict(connection.execute("SELECT schemaname, count(*) FROM pg_tables GROUP BY 1").fetchall())
    assert tables["dagster"] > 10
    assert "public" not in tables
