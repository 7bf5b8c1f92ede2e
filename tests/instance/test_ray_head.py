"""`RayJobLauncher` against a head that answers, refuses, breaks down, is slow, or is none."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance, DagsterInvariantViolationError, DagsterRun, DagsterRunStatus
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.errors import DagsterLaunchFailedError
from dagster._core.launcher.base import WorkerStatus
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import deserialize_value

from dreamlake_pipeline import __version__
from dreamlake_pipeline.instance import RayJobLauncher, ray, raydriver, rayhead
from dreamlake_pipeline.instance.watching import WORKER_TAG, Watcher
from tests.instance.fakehead import FakeHead

JOBS = """
from dagster import Definitions, job, op

@op
def nothing(): ...

@job
def succeeds():
    nothing()

defs = Definitions(jobs=[succeeds])
"""


@pytest.fixture
def head(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHead]:
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    one = FakeHead()
    one.start()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("ray")
    (made / "it's home").mkdir()
    (made / "jobs.py").write_text(JOBS)
    return made


@pytest.fixture(scope="module")
def instance(folder: Path) -> Iterator[DagsterInstance]:
    with DagsterInstance.local_temp(str(folder / "it's home")) as one:
        yield one


class Launching:
    """A launcher of an instance, and runs for it."""

    def __init__(self, instance: DagsterInstance, head: FakeHead, folder: Path, **config: Any) -> None:
        self.instance, self._folder = instance, folder
        self.launcher: RayJobLauncher[Any] = RayJobLauncher(head.address, **config)
        self.launcher.register_instance(instance)

    def run(self) -> DagsterRun:
        jobs = ReconstructableRepository.for_file(str(self._folder / "jobs.py"), "defs").get_reconstructable_job(
            "succeeds"
        )
        return self.instance.create_run_for_job(
            jobs.get_definition(), job_code_origin=jobs.get_python_origin(), status=DagsterRunStatus.STARTING
        )

    def launch(self, run: DagsterRun | None = None) -> DagsterRun:
        run = run or self.run()
        self.launcher.launch_run(type("Context", (), {"dagster_run": run})())
        return self.get(run)

    def get(self, run: DagsterRun) -> DagsterRun:
        found = self.instance.get_run_by_id(run.run_id)
        assert found is not None
        return found


@pytest.fixture
def launching(instance: DagsterInstance, head: FakeHead, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Launching:
    monkeypatch.setattr(ray, "_PAUSE", 0.05)
    return Launching(instance, head, folder, num_cpus=2.0, resources={"disk": 1.0}, labels={"zone": "a"})


def refused(launching: Launching) -> str:
    with pytest.raises(DagsterLaunchFailedError) as caught:
        launching.launch()
    told = str(caught.value)
    assert "\n" not in told and len(told) < 400 and "home" not in told, told
    return told


def test_a_run_is_one_job_with_what_it_needs(launching: Launching, head: FakeHead) -> None:
    run = launching.launch()
    [(name, asked)] = head.jobs.items()
    assert name == f"dagster-run-{run.run_id}" == run.tags[WORKER_TAG]
    assert asked["entrypoint_num_cpus"] == 2
    assert asked["entrypoint_resources"] == {"disk": 1} and asked["entrypoint_label_selector"] == {"zone": "a"}
    assert "runtime_env" not in asked  # which Ray's dashboard shows
    exec_, *driver, version, arguments = shlex.split(asked["entrypoint"])
    assert (exec_, driver) == ("exec", ["python", "-m", "dreamlake_pipeline.instance.raydriver"])
    assert version == __version__
    given = deserialize_value(arguments, ExecuteRunArgs)
    assert given.run_id == run.run_id and given.set_exit_code_on_failure
    assert "it's home" in str(given.instance_ref)  # an apostrophe breaks no shell line
    assert isinstance(launching.launcher, Watcher)


def test_as_many_cores_as_files_are_processed_at_a_time(
    instance: DagsterInstance, head: FakeHead, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DREAMLAKE_WORKERS", "3")
    Launching(instance, head, folder).launch()
    assert [asked["entrypoint_num_cpus"] for asked in head.jobs.values()] == [3]


@pytest.mark.parametrize("fault", ["lost", 500, 503, 502])
def test_a_launch_is_tried_again_and_starts_one_job(launching: Launching, head: FakeHead, fault: int | str) -> None:
    head.break_down(fault, method="POST", times=2)
    run = launching.launch()
    assert list(head.jobs) == [f"dagster-run-{run.run_id}"]
    assert [method for method, _ in head.asked].count("POST") == 3
    assert run.tags[WORKER_TAG] in head.jobs


def test_a_reply_that_comes_too_late_starts_no_second_job(
    launching: Launching, head: FakeHead, monkeypatch: pytest.MonkeyPatch
) -> None:
    launching.launcher._head._http.timeout = 0.3
    head.break_down("slow", method="POST")
    run = launching.launch()
    assert list(head.jobs) == [f"dagster-run-{run.run_id}"]


def test_a_head_that_is_started_is_waited_for(launching: Launching, head: FakeHead) -> None:
    head.stop()
    threading.Timer(0.5, head.start).start()
    launching.launch()
    assert len(head.jobs) == 1


def test_a_head_that_stays_away_is_named_and_the_run_is_not_started(
    launching: Launching, head: FakeHead, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray, "_PATIENCE", 0.3)
    head.break_down(500, times=100)
    assert f"127.0.0.1:{head.port} answers 500 (something is wrong)" in refused(launching)
    head.stop()
    told = refused(launching)
    assert f"Ray's head at 127.0.0.1:{head.port} does not answer" in told and "offered again" in told


def test_another_job_with_the_runs_id_is_not_taken_for_it(launching: Launching, head: FakeHead) -> None:
    run = launching.run()
    head.jobs[f"dagster-run-{run.run_id}"] = {"status": "RUNNING", "metadata": {}}
    with pytest.raises(DagsterLaunchFailedError, match="not the run's"):
        launching.launch(run)


@pytest.mark.parametrize(("fault", "said"), [(400, "takes no such job (something is wrong)"), (404, "no Ray head")])
def test_what_will_not_change_is_not_tried_again(launching: Launching, head: FakeHead, fault: int, said: str) -> None:
    head.break_down(fault, method="POST", times=100)
    assert said in refused(launching)
    assert len(head.asked) == 1


def test_an_answer_that_is_no_heads_is_said_to_be_none(launching: Launching, head: FakeHead) -> None:
    head.break_down("garbage", times=100)
    assert "is no Ray head that takes jobs" in refused(launching)


def test_a_head_that_wants_a_token_gets_it(
    launching: Launching, head: FakeHead, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    head.token = "s3cret-token"
    assert "wants a token: RAY_AUTH_MODE=token" in refused(launching)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "another")
    told = refused(launching)
    assert "takes another token than ours" in told and "another-" not in told
    monkeypatch.setenv("RAY_AUTH_TOKEN", head.token)
    launching.launch()
    # In a file, which may be replaced; the variable goes before it.
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    assert "There is no token for Ray's head in" in str(launching.launcher.check_run_worker_health(launching.run()).msg)
    (tmp_path / "token").write_text(f"{head.token}\n")
    launching.launch()
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    asked = len(head.headers)
    assert "wants a token" in refused(launching)
    assert not any("authorization" in headers for headers in head.headers[asked:])


@pytest.mark.parametrize("token", ["", " ", "a\nb", "schlüssel"])
def test_a_token_that_is_none_is_said_without_it(
    launching: Launching, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, token: str
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    (tmp_path / "token").write_text(token)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    told = refused(launching)
    assert "is empty or has characters" in told and (not token.strip() or token not in told)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("ray://head:10001", "Ray's own protocol"),
        ("head:6379", "no URL of HTTP"),
        ("10.0.0.1:8265", "no URL of HTTP"),
        ("", "no URL of HTTP"),
        ("http://", "no URL of HTTP"),
        ("http://head:port", "is none"),
        ("http://somebody:hidden@head:8265", "takes a token"),
    ],
)
def test_an_address_that_can_be_none_is_said_at_once(address: str, said: str) -> None:
    with pytest.raises(DagsterInvariantViolationError) as caught:
        RayJobLauncher(address)
    assert said in str(caught.value) and "hidden" not in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("number", [0.0, -1.0, float("nan"), float("inf")])
def test_a_run_without_cores_would_be_on_the_head(number: float) -> None:
    with pytest.raises(DagsterInvariantViolationError, match="above 0"):
        RayJobLauncher("http://head:8265", num_cpus=number)


def test_a_password_in_dagster_yaml_is_not_shown_to_ray(
    launching: Launching, head: FakeHead, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = launching.instance.get_ref()
    data = ref.run_storage_data._replace(config_yaml="{postgres_url: 'postgresql://me:hidden@db/x'}")
    monkeypatch.setattr(type(launching.instance), "get_ref", lambda self: ref._replace(run_storage_data=data))
    told = refused(launching)
    assert "URL with a password" in told and "hidden" not in told
    assert not head.asked


@pytest.mark.parametrize(
    ("job", "said"),
    [
        ({"status": "FAILED", "driver_exit_code": -9, "driver_agent_http_address": "http://10.1.2.3:52365"},
         "The process of the run on 10.1.2.3 was killed by SIGKILL."),
        ({"status": "FAILED", "driver_exit_code": 1, "message": "last logs: --secret"}, "exit code 1"),
        ({"status": "FAILED", "driver_exit_code": 127}, "no Python with dreamlake-pipeline"),
        ({"status": "FAILED", "driver_exit_code": 1, "message": "x\nNo module named dreamlake_pipeline\n"},
         "no Python with dreamlake-pipeline"),
        ({"status": "FAILED", "driver_exit_code": 78, "message": "x --secret\ndreamlake: this node has 0.0.9.\n"},
         "failed: this node has 0.0.9."),
        ({"status": "FAILED", "error_type": "JOB_SUPERVISOR_ACTOR_DIED", "message": "--secret"},
         "JOB_SUPERVISOR_ACTOR_DIED"),
        ({"status": "STOPPED"}, "was stopped"),
        ({"status": "SUCCEEDED", "driver_exit_code": 0}, "without saying what became"),
    ],
)  # fmt: skip
def test_the_end_of_a_job_is_told_in_a_sentence(
    launching: Launching, head: FakeHead, job: dict[str, Any], said: str
) -> None:
    run = launching.launch()
    head.jobs[run.tags[WORKER_TAG]] |= job
    health = launching.launcher.check_run_worker_health(run)
    assert health.status is WorkerStatus.FAILED and health.msg is not None
    assert said in health.msg and "secret" not in health.msg and "\n" not in health.msg
    assert launching.launcher.has_lost(run)


@pytest.mark.parametrize("status", ["PENDING", "RUNNING"])
def test_a_job_that_waits_or_runs_lives(launching: Launching, head: FakeHead, status: str) -> None:
    run = launching.launch()
    head.jobs[run.tags[WORKER_TAG]]["status"] = status
    assert launching.launcher.check_run_worker_health(run).status is WorkerStatus.RUNNING
    assert not launching.launcher.has_lost(run)
    told = launching.launcher.get_run_worker_debug_info(run)
    assert ("waits for a node" in told and "num_cpus 2.0" in told) if status == "PENDING" else told is None


@pytest.mark.parametrize("fault", [500, 502, 404, 401, 403, 429, "garbage", "lost", "slow", "refused"])
def test_a_head_that_does_not_say_what_became_of_a_run_fails_none(
    launching: Launching, head: FakeHead, fault: int | str
) -> None:
    """A 404 counts only in Ray's words: a proxy, or whatever listens at a wrong address, has its own."""
    run = launching.launch()
    launching.launcher._head._http.timeout = 0.3
    if fault == "refused":
        head.stop()
    else:
        head.break_down(fault, times=1000)
    health = launching.launcher.check_run_worker_health(run)
    assert health.status is WorkerStatus.RUNNING and health.msg and "\n" not in health.msg
    assert not launching.launcher.has_lost(run) and not launching.launcher.was_killed_alone(run)
    assert not launching.launcher.terminate(run.run_id)
    assert launching.get(run).status is DagsterRunStatus.STARTING
    assert "can't be ended now" in launching.instance.all_logs(run.run_id)[-1].message


def test_a_head_that_hangs_is_not_waited_for_by_each_run(launching: Launching, head: FakeHead) -> None:
    """Monitoring looks at one run after the other."""
    runs = [launching.launch() for _ in range(5)]
    launching.launcher._head._http.timeout = 0.3
    head.break_down("slow", times=1000)
    asked = len(head.asked)
    for run in runs:
        assert launching.launcher.check_run_worker_health(run).status is WorkerStatus.RUNNING
    assert len(head.asked) == asked + 1


def test_a_head_that_forgot_its_jobs_has_their_runs_failed(launching: Launching, head: FakeHead) -> None:
    run = launching.launch()
    head.jobs.clear()
    health = launching.launcher.check_run_worker_health(run)
    assert health.status is WorkerStatus.FAILED and "knows nothing of the run's job" in str(health.msg)
    assert launching.launcher.terminate(run.run_id)
    assert launching.get(run).status is DagsterRunStatus.CANCELED


def test_a_run_is_terminated(launching: Launching, head: FakeHead) -> None:
    run = launching.launch()
    assert launching.launcher.terminate(run.run_id)
    assert head.jobs[run.tags[WORKER_TAG]]["status"] == "STOPPED"
    assert launching.get(run).status is DagsterRunStatus.CANCELING
    assert launching.launcher.terminate(run.run_id)  # its job has ended: so has the run
    assert launching.get(run).status is DagsterRunStatus.CANCELED
    assert not launching.launcher.terminate(run.run_id) and not launching.launcher.terminate("no-run")


@pytest.mark.parametrize(("code", "alone"), [(-9, True), (-11, True), (-15, False), (1, False), (None, False)])
def test_only_a_signal_that_nobody_sends_on_purpose_says_anything_of_files(
    launching: Launching, head: FakeHead, code: int | None, alone: bool
) -> None:
    run = launching.launch()
    head.jobs[run.tags[WORKER_TAG]] |= {"status": "FAILED", "driver_exit_code": code}
    assert launching.launcher.was_killed_alone(run) is alone


def test_a_node_of_another_version_takes_no_run(launching: Launching, head: FakeHead) -> None:
    launching.launch()
    [asked] = head.jobs.values()
    *_, arguments = shlex.split(asked["entrypoint"])
    driver = [sys.executable, "-m", "dreamlake_pipeline.instance.raydriver", "0.0.1", arguments]
    found = subprocess.run(driver, capture_output=True, text=True, timeout=200, check=False)
    assert found.returncode == raydriver.DIFFERS
    [line] = found.stderr.splitlines()
    told = f"this node has dreamlake-pipeline {__version__}, and the run is of 0.0.1: install that here."
    assert line == f"dreamlake: {told}"
    message = {"status": "FAILED", "driver_exit_code": 78, "message": f"last logs:\n{found.stderr}"}
    assert rayhead._job(message).note == told


def test_a_node_executes_what_the_head_hands_it(launching: Launching, head: FakeHead) -> None:
    """As a shell, which Ray gives the line to."""
    run = launching.launch()
    [asked] = head.jobs.values()
    line = asked["entrypoint"].replace("exec python ", f"exec {shlex.quote(sys.executable)} ", 1)
    found = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=200, check=False)
    assert found.returncode == 0, found.stderr
    assert launching.get(run).status is DagsterRunStatus.SUCCESS
    assert launching.get(run).tags["dreamlake/host"]


def test_dagster_yaml_names_it(tmp_path: Path, head: FakeHead, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_HEAD", head.address)
    config = {"address": {"env": "RAY_HEAD"}, "num_cpus": 2, "resources": {"disk": 1}, "labels": {"zone": "a"}}
    named = {"module": "dreamlake_pipeline.instance", "class": "RayJobLauncher", "config": config}
    (tmp_path / "dagster.yaml").write_text(json.dumps({"run_launcher": named, "telemetry": {"enabled": False}}))
    with DagsterInstance.from_config(str(tmp_path)) as instance:
        launcher = instance.run_launcher
        assert isinstance(launcher, RayJobLauncher) and launcher.supports_check_run_worker_health
        assert launcher._needs == {
            "entrypoint_num_cpus": 2,
            "entrypoint_resources": {"disk": 1},
            "entrypoint_label_selector": {"zone": "a"},
        }
