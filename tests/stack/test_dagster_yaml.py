"""Dagster's instance configuration: one template for the embedded stack and for installations of one's own."""

from __future__ import annotations

import importlib
import importlib.util
import re
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote

import psycopg
import pytest
import yaml
from typer.testing import CliRunner

from dreamlake_pipeline.cli.main import app
from dreamlake_pipeline.dagsterhome import instance_yaml
from dreamlake_pipeline.database import with_driver
from dreamlake_pipeline.settings import Settings
from dreamlake_pipeline.slots import Launcher
from dreamlake_pipeline.stack import dagster_home
from dreamlake_pipeline.stack.state import create

LAUNCHERS = get_args(Launcher)


@pytest.fixture
def dagster_postgres_url(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA dagster")
    url = with_driver(database, "psycopg2")
    return f"{url}{'&' if '?' in url else '?'}options={quote('-csearch_path=dagster')}"


def written(**settings: Any) -> dict[str, Any]:
    return dict(yaml.safe_load(instance_yaml(Settings(**settings))))


def test_dagster_accepts_the_file_and_keeps_to_its_schema(
    tmp_path: Path, database: str, dagster_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dagster import DagsterInstance
    from dagster._daemon.controller import create_daemon_of_type
    from dagster._daemon.run_coordinator import QueuedRunCoordinatorDaemon

    monkeypatch.setenv("DAGSTER_POSTGRES_URL", dagster_postgres_url)
    (tmp_path / "dagster.yaml").write_text(instance_yaml(Settings(slots=3)))
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
        assert limits.max_concurrent_runs == 9
        assert [(limit["key"], limit["limit"]) for limit in limits.tag_concurrency_limits] == [("dreamlake/owner", 3)]
    with psycopg.connect(database) as connection:
        tables = dict(connection.execute("SELECT schemaname, count(*) FROM pg_tables GROUP BY 1").fetchall())
    assert tables["dagster"] > 10
    assert "public" not in tables


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_dagster_takes_the_configuration_of_every_launcher(launcher: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each section is held to the schema of the class that it names, where that is installed."""
    from dagster._config import process_config, resolve_to_config_type

    text = instance_yaml(Settings(launcher=launcher, slots=64, workers=4))
    for variable in re.findall(r"env: (\w+)", text):
        monkeypatch.setenv(variable, "http://somewhere:1")
    settings = yaml.safe_load(text)
    for section in ("run_launcher", "compute_logs", "run_coordinator"):
        module, config = settings[section]["module"], settings[section].get("config", {})
        if not _is_installed(module):
            pytest.skip(f"{module}, which only installations with this launcher need, is not installed")
        named = getattr(importlib.import_module(module), settings[section]["class"])
        result = process_config(resolve_to_config_type(named.config_type()), config)
        assert result.success, result.errors
    assert settings["run_monitoring"]["start_timeout_seconds"] == (90 if launcher == "fork" else 308)


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize("slots", [1, 2, 64])
def test_all_limits_follow_from_the_number_of_slots(launcher: str, slots: int) -> None:
    """Whatever Dagster lets run is offered, or a slot stays empty; one owner alone keeps all slots busy."""
    settings = Settings(launcher=launcher, slots=slots)
    queue = written(launcher=launcher, slots=slots)["run_coordinator"]["config"]
    assert queue["max_concurrent_runs"] == (3 * slots if launcher == "fork" else slots)
    assert settings.batch_open == queue["max_concurrent_runs"] + 1
    assert queue["tag_concurrency_limits"][0]["limit"] == slots
    assert settings.batch_open_per_owner == slots + 1 <= settings.batch_open


def test_only_where_runs_work_makes_a_difference() -> None:
    """Two installations differ in their launcher, in where logs go, and in the limits, and in nothing else."""
    fork, ray = written(), written(launcher="ray", slots=64)
    assert {section for section in fork.keys() | ray.keys() if fork.get(section) != ray.get(section)} == {
        "run_launcher",
        "compute_logs",
        "run_coordinator",
        "run_monitoring",
    }
    assert ray["run_launcher"]["class"] == "RayJobLauncher"
    assert ray["run_launcher"]["config"]["num_cpus"] == Settings().workers
    assert fork["run_coordinator"].keys() == ray["run_coordinator"].keys()


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_the_stack_writes_what_the_command_prints(
    launcher: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DREAMLAKE_LAUNCHER", launcher)
    monkeypatch.setenv("DREAMLAKE_SLOTS", "7")
    (tmp_path / "dagster").mkdir()
    stack = create(tmp_path)
    dagster_home.write(stack)
    printed = CliRunner().invoke(app, ["dagster-yaml"])
    assert printed.exit_code == 0
    assert (stack.dagster_home / "dagster.yaml").read_text() == printed.output
    assert f"DREAMLAKE_LAUNCHER={launcher}, DREAMLAKE_SLOTS=7" in printed.output
    assert "{%" not in printed.output and "{{" not in printed.output


@pytest.mark.parametrize(("variable", "value"), [("DREAMLAKE_SLOTS", "0"), ("DREAMLAKE_LAUNCHER", "celery")])
def test_what_cannot_be_used_is_named(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    printed = CliRunner().invoke(app, ["dagster-yaml"])
    assert printed.exit_code != 0
    assert variable in str(printed.exception)
