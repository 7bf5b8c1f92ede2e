"""Runs of a real job location on a real Ray cluster, of one node on this machine."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from dagster import DagsterInstance, DagsterRunStatus
from dagster._core.launcher.base import WorkerStatus

from dreamlake_pipeline.instance.watching import HOST_TAG, WORKER_TAG
from tests.instance.conftest import DAGSTER_YAML, Runs
from tests.instance.raycluster import ray_cluster

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("ray"),
]


# Set where Ray has to be there, as in `.ci/run`: without it, the test fails instead of being skipped.
NEEDS_RAY = "DREAMLAKE_TEST_NEEDS_RAY"


class Jobs(Runs):
    """Runs that are jobs of the cluster."""

    def process(self, run_id: str) -> psutil.Process:
        """The process that Ray started for a run: it has the run's arguments."""
        found: list[psutil.Process] = []

        def look() -> bool:
            found[:] = [one for one in psutil.process_iter(["cmdline"]) if _is_driver(one, run_id)]
            return bool(found)

        self.until(look, 120)
        return min(found, key=lambda one: one.create_time())

    def ends(self, run_id: str) -> str:
        """What is said of the end of a run's job, once it is known."""
        launcher = self.instance.run_launcher
        self.until(lambda: launcher.check_run_worker_health(self.get(run_id)).status is WorkerStatus.FAILED, 120)
        return str(launcher.check_run_worker_health(self.get(run_id)).msg)


def _is_driver(one: psutil.Process, run_id: str) -> bool:
    line = one.info["cmdline"] or []
    return "dreamlake_pipeline.instance.raydriver" in line and run_id in line[-1]


@pytest.fixture(scope="module")
def jobs(instance_home: Path) -> Iterator[Jobs]:
    if importlib.util.find_spec("ray") is None:
        message = "Ray is not installed (`make ray`): nothing was run on a real cluster"
        pytest.fail(message) if os.environ.get("CI") or os.environ.get(NEEDS_RAY) else pytest.skip(message)
    (instance_home / "server.log").touch()
    with ray_cluster(cpus=2) as address:
        config = {"address": address, "num_cpus": 1}
        launcher = {"module": "dreamlake_pipeline.instance", "class": "RayJobLauncher", "config": config}
        lines = [line for line in DAGSTER_YAML.splitlines() if not line.startswith("run_launcher")]
        (instance_home / "dagster.yaml").write_text("\n".join([*lines, f"run_launcher: {json.dumps(launcher)}"]))
        with DagsterInstance.from_config(str(instance_home)) as instance:
            yield Jobs(instance_home, instance)


def test_runs_of_a_real_cluster(jobs: Any) -> None:
    """One test, since a cluster takes longer to start than all of it."""
    launcher = jobs.instance.run_launcher
    good, bad = jobs.launch("succeeds"), jobs.launch("fails")
    jobs.until(lambda: jobs.get(good).is_finished and jobs.get(bad).is_finished, 240)
    assert jobs.get(good).status is DagsterRunStatus.SUCCESS and jobs.get(bad).status is DagsterRunStatus.FAILURE
    assert jobs.get(good).tags[WORKER_TAG] == f"dagster-run-{good}" and jobs.get(good).tags[HOST_TAG]
    assert "ended with exit code 1; its log is in Ray's dashboard" in jobs.ends(bad)
    assert not launcher.was_killed_alone(jobs.get(bad))

    # A run that is killed takes along what it started, in whatever session; so does one whose keeper is killed.
    killed, kept = jobs.launch("takes_long"), jobs.launch("takes_long")
    for run_id, of_keeper in ((killed, False), (kept, True)):
        jobs.until(lambda run_id=run_id: (jobs.home / f"{run_id}.child").exists(), 240)
        assert launcher.check_run_worker_health(jobs.get(run_id)).status is WorkerStatus.RUNNING
        child, keeper = jobs.wait_for_child(run_id), jobs.process(run_id)
        [run] = keeper.children()
        (keeper if of_keeper else run).kill()
        jobs.until(lambda run=run: not _lives(run))
        if not of_keeper:
            jobs.until(lambda child=child: not _lives(child))
        else:
            child.kill()
        assert "was killed by SIGKILL" in jobs.ends(run_id)
        assert launcher.has_lost(jobs.get(run_id)) and launcher.was_killed_alone(jobs.get(run_id))
        jobs.instance.report_run_failed(jobs.get(run_id))

    ended = jobs.launch("takes_long")
    jobs.until((jobs.home / f"{ended}.child").exists, 240)
    child = jobs.wait_for_child(ended)
    assert launcher.terminate(ended)
    jobs.until(lambda: jobs.get(ended).is_finished, 120)
    assert jobs.get(ended).status is DagsterRunStatus.CANCELED
    jobs.until(lambda: not _lives(child))
    assert "stopped" in jobs.ends(ended)
    assert os.environ["RAY_AUTH_TOKEN"] not in json.dumps([str(log) for log in jobs.instance.all_logs(ended)])


def _lives(one: psutil.Process) -> bool:
    try:
        return one.is_running() and one.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
