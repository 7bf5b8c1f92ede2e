"""Small batches here, large ones on a cluster; and what is asked of a run later is asked of its launcher."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, job, op
from dagster._core.launcher.base import CheckRunHealthResult, RunLauncher, WorkerStatus

from dreamlake_pipeline.assets.run import _at_most
from dreamlake_pipeline.instance import BySizeRunLauncher, ForkRunLauncher, RayJobLauncher
from dreamlake_pipeline.instance.watching import (
    LAUNCHER_TAG,
    MOST_BYTES_TAG,
    MOST_FILES_TAG,
    WORKER_TAG,
)


@op
def nothing() -> None: ...


@job
def alone() -> None:
    nothing()


class Noting(RunLauncher[Any]):
    """A launcher that notes what it is asked."""

    supports_check_run_worker_health = True

    def __init__(self, name: str) -> None:
        self.name, self.asked = name, []
        super().__init__()

    def launch_run(self, context: Any) -> None:
        assert self._instance.get_run_by_id(context.dagster_run.run_id).tags[LAUNCHER_TAG] == self.name
        self.asked.append("launch")

    def terminate(self, run_id: str) -> bool:
        self.asked.append("terminate")
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        self.asked.append("health")
        return CheckRunHealthResult(WorkerStatus.RUNNING, self.name)

    def get_run_worker_debug_info(self, run: DagsterRun, include_container_logs: bool | None = True) -> str:
        return self.name


class Knowing(Noting):
    """One that knows how its runs ended."""

    def has_lost(self, run: DagsterRun) -> bool:
        return True

    def was_killed_alone(self, run: DagsterRun) -> bool:
        return False

    def starts_at_once(self, run: DagsterRun) -> bool:
        return True


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral(str(tmp_path_factory.mktemp("composite"))) as one:
        yield one


class Launching:
    def __init__(self, instance: DagsterInstance) -> None:
        self.instance = instance
        self.here, self.cluster = Knowing("here"), Noting("cluster")
        self.launcher = BySizeRunLauncher(self.here, self.cluster, small_files=2, small_bytes=1000)
        self.launcher.register_instance(instance)

    def run(self, **tags: str) -> DagsterRun:
        named = {name.replace("__", "/").replace("_", "-"): value for name, value in tags.items()}
        return self.instance.create_run_for_job(alone, tags=named, status=DagsterRunStatus.STARTED)

    def launch(self, **tags: str) -> DagsterRun:
        run = self.run(**tags)
        self.launcher.launch_run(type("Context", (), {"dagster_run": run})())
        found = self.instance.get_run_by_id(run.run_id)
        assert found is not None
        return found


@pytest.fixture
def launching(instance: DagsterInstance) -> Launching:
    return Launching(instance)


PARTITION = {"dagster__partition": "me/robot/2026-11-22T10-15-03Z-3f2a"}


@pytest.mark.parametrize(
    ("tags", "name"),
    [
        ({"dreamlake__files": "1", "dreamlake__bytes": "1000", **PARTITION}, "here"),
        ({"dreamlake__files": "2", "dreamlake__bytes": "0", **PARTITION}, "here"),
        ({"dreamlake__files": "3", "dreamlake__bytes": "3", **PARTITION}, "cluster"),
        ({"dreamlake__files": "1", "dreamlake__bytes": "1001", **PARTITION}, "cluster"),
        (PARTITION, "cluster"),  # a run that a person started: what is in its batch is not said
        ({}, "here"),  # the catalog, garbage collection
        ({"dreamlake__files": "-1", "dreamlake__bytes": "x", **PARTITION}, "cluster"),
        ({"dreamlake__files": "1" * 400, "dreamlake__bytes": "1", **PARTITION}, "cluster"),
        ({"dreamlake__files": "²", "dreamlake__bytes": "1", **PARTITION}, "cluster"),
    ],
)
def test_a_run_goes_where_its_size_belongs(launching: Launching, tags: dict[str, str], name: str) -> None:
    run = launching.launch(**tags)
    launchers = {"here": launching.here, "cluster": launching.cluster}
    assert run.tags[LAUNCHER_TAG] == name
    assert {one: launcher.asked for one, launcher in launchers.items() if launcher.asked} == {name: ["launch"]}
    # What is asked of it later is asked there.
    assert launching.launcher.check_run_worker_health(run).msg == name
    assert launching.launcher.get_run_worker_debug_info(run) == name
    assert launching.launcher.terminate(run.run_id)
    assert launchers[name].asked == ["launch", "health", "terminate"]
    # Of what a launcher can't say, what is safe holds.
    assert launching.launcher.starts_at_once(run) is (name == "here")
    assert launching.launcher.has_lost(run) is (name == "here")
    assert launching.launcher.was_killed_alone(run) is (name == "cluster")


def test_a_batch_that_is_small_stays_so(launching: Launching) -> None:
    """What came since it was offered is not added to it beyond that: it would be a large one here."""
    small = launching.launch(dreamlake__files="1", dreamlake__bytes="10", **PARTITION)
    assert (small.tags[MOST_FILES_TAG], small.tags[MOST_BYTES_TAG]) == ("2", "1000")
    assert (_at_most(small, MOST_FILES_TAG, 500), _at_most(small, MOST_FILES_TAG, 1)) == (2, 1)
    large = launching.launch(dreamlake__files="9", dreamlake__bytes="10", **PARTITION)
    assert MOST_FILES_TAG not in large.tags and _at_most(large, MOST_FILES_TAG, 500) == 500


@pytest.mark.parametrize("told", ["", "-5", "many", "1e9", "9" * 50])
def test_a_bound_that_somebody_wrote_is_none(launching: Launching, told: str) -> None:
    assert _at_most(launching.run().with_tags({MOST_FILES_TAG: told}), MOST_FILES_TAG, 500) == 500


@pytest.mark.parametrize(
    ("tags", "name"),
    [({WORKER_TAG: "123@456.78"}, "here"), ({WORKER_TAG: "dagster-run-1"}, "cluster"), ({LAUNCHER_TAG: "x"}, "here")],
)
def test_runs_of_before_are_known_by_their_process(launching: Launching, tags: dict[str, str], name: str) -> None:
    assert launching.launcher.check_run_worker_health(launching.run().with_tags(tags)).msg == name


def test_dagster_yaml_names_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of any two launchers: what an environment variable holds is read as Dagster reads it elsewhere."""
    monkeypatch.setenv("RAY_HEAD", "http://127.0.0.1:8265")
    ray = {
        "module": "dreamlake_pipeline.instance",
        "class": "RayJobLauncher",
        "config": {"address": {"env": "RAY_HEAD"}},
    }
    named = {
        "module": "dreamlake_pipeline.instance",
        "class": "BySizeRunLauncher",
        "config": {"cluster": ray, "small_files": {"env": "SMALL"}},
    }
    monkeypatch.setenv("SMALL", "5")
    (tmp_path / "dagster.yaml").write_text(json.dumps({"run_launcher": named, "telemetry": {"enabled": False}}))
    with DagsterInstance.from_config(str(tmp_path)) as instance:
        launcher = instance.run_launcher
        assert isinstance(launcher, BySizeRunLauncher) and launcher.supports_check_run_worker_health
        assert launcher._small_files == 5
        here, cluster = launcher._launchers["here"], launcher._launchers["cluster"]
        assert isinstance(here, ForkRunLauncher) and isinstance(cluster, RayJobLauncher)
        assert here._instance is instance and cluster._instance is instance
        assert cluster._head.place == "127.0.0.1:8265"
