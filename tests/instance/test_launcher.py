"""Runs that are forked: launched, ended, killed, and what is known of them meanwhile."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from dagster import DagsterEventType, DagsterRunStatus, RunsFilter
from dagster._core.errors import DagsterLaunchFailedError
from dagster._core.launcher.base import WorkerStatus
from dagster._daemon.monitoring.run_monitoring import monitor_started_run

from dreamlake_pipeline.instance import RunLogFiles, deaths, launcher, run_server
from dreamlake_pipeline.instance.wire import socket_path
from dreamlake_pipeline.instance.worker import Worker

# One worker of a parallel run has the run server.
pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("instance")]


def monitor(runs: Any) -> None:
    """What the daemon's run monitoring does about runs that have started."""
    for record in runs.instance.get_run_records(RunsFilter(statuses=[DagsterRunStatus.STARTED])):
        monitor_started_run(runs.instance, None, record, logging.getLogger("test"))  # type: ignore[arg-type]


def messages(runs: Any, run_id: str) -> str:
    return "\n".join(entry.message or "" for entry in runs.instance.all_logs(run_id))


def test_runs_succeed_each_in_a_process_of_its_own(runs: Any) -> None:
    launched = [runs.launch("succeeds") for _ in range(8)]
    assert {runs.wait(run_id) for run_id in launched} == {DagsterRunStatus.SUCCESS}
    assert len({runs.worker(run_id).pid for run_id in launched}) == len(launched)
    assert f"pid: {runs.worker(launched[0]).pid}" in messages(runs, launched[0])
    runs.until(lambda: not any(psutil.pid_exists(runs.worker(run_id).pid) for run_id in launched))  # no zombie either


def test_a_run_that_fails_says_why(runs: Any) -> None:
    run_id = runs.launch("fails")
    assert runs.wait(run_id) is DagsterRunStatus.FAILURE
    errors = [event.step_failure_data.error.to_string() for event in step_failures(runs, run_id)]
    assert len(errors) == 1 and "this one is broken" in errors[0]
    # What it printed is kept, a child's words too, once the log is complete.
    [captured] = [
        entry.dagster_event.logs_captured_data
        for entry in runs.instance.all_logs(run_id, of_type=DagsterEventType.LOGS_CAPTURED)
    ]
    key = [run_id, "compute_logs", captured.file_key]
    runs.until(lambda: runs.instance.compute_log_manager.is_capture_complete(key))
    printed = runs.instance.compute_log_manager.get_log_data(key)
    assert printed.stdout == b"about to break\nso says a child\n"
    assert b"STEP_FAILURE" in printed.stderr


def step_failures(runs: Any, run_id: str) -> list[Any]:
    return [
        entry.dagster_event
        for entry in runs.instance.all_logs(run_id)
        if entry.dagster_event and entry.dagster_event.is_step_failure
    ]


def test_a_run_whose_process_is_gone_is_known_to_be_lost(runs: Any) -> None:
    """Also before Dagster's monitoring looks: what was killed as it started is looked for after minutes only."""
    launched = runs.launch("takes_long")
    runs.wait_for_child(launched)
    assert not runs.instance.run_launcher.has_lost(runs.get(launched))
    os.kill(runs.worker(launched).pid, signal.SIGKILL)
    runs.until(lambda: runs.instance.run_launcher.has_lost(runs.get(launched)))
    monitor(runs)
    assert runs.get(launched).status is DagsterRunStatus.FAILURE


def test_a_killed_run_is_found_and_leaves_nothing_behind(runs: Any) -> None:
    run_id = runs.launch("takes_long")
    child = runs.wait_for_child(run_id)
    assert runs.instance.run_launcher.check_run_worker_health(runs.get(run_id)).status is WorkerStatus.RUNNING
    monitor(runs)
    assert runs.get(run_id).status is DagsterRunStatus.STARTED

    os.kill(runs.worker(run_id).pid, signal.SIGKILL)
    runs.until(lambda: not psutil.pid_exists(runs.worker(run_id).pid))
    monitor(runs)
    assert runs.get(run_id).status is DagsterRunStatus.FAILURE
    assert f"Process {runs.worker(run_id).pid} of the run is gone." in messages(runs, run_id)
    runs.until(lambda: not child.is_running())


def test_only_of_a_run_that_was_killed_alone_is_it_said(runs: Any) -> None:
    """By a signal that nobody sends on purpose, while no other run was, and as the server that forked it knows."""
    runs.server.terminate()  # what earlier tests killed is forgotten with it
    runs.server.wait(20)
    runs.start_server()
    known = runs.instance.run_launcher
    finished, asked, crashed = runs.launch("succeeds"), runs.launch("takes_long"), runs.launch("takes_long")
    assert runs.wait(finished) is DagsterRunStatus.SUCCESS
    for run_id, number in ((asked, signal.SIGTERM), (crashed, signal.SIGSEGV)):
        runs.wait_for_child(run_id)
        assert not known.was_killed_alone(runs.get(run_id)), "it lives"
        os.kill(runs.worker(run_id).pid, number)
        runs.until(lambda run_id=run_id: not psutil.pid_exists(runs.worker(run_id).pid))
    runs.until(lambda: known.was_killed_alone(runs.get(crashed)))
    assert not known.was_killed_alone(runs.get(asked)) and not known.was_killed_alone(runs.get(finished))
    # Another one is killed within seconds of it: that says nothing of either's files.
    other = runs.launch("takes_long")
    runs.wait_for_child(other)
    os.kill(runs.worker(other).pid, signal.SIGKILL)
    runs.until(lambda: not known.was_killed_alone(runs.get(crashed)))
    assert not known.was_killed_alone(runs.get(other))


def test_deaths_are_told_apart_by_time_and_process(monkeypatch: pytest.MonkeyPatch) -> None:
    known = deaths.Deaths()

    def death(at: float, status: int = signal.SIGKILL) -> Worker:
        monkeypatch.setattr(deaths.time, "monotonic", lambda: at)
        with subprocess.Popen(["true"]) as one:
            worker = Worker.of(one.pid)
            known.note_birth(one.pid)
        known.note(one.pid, status)
        return worker

    first, second = death(100), death(115)
    assert known.was_killed_alone(first) and known.was_killed_alone(second)
    assert not known.was_killed_alone(Worker.of(os.getpid())), "nothing is known of it"
    assert not known.was_killed_alone(Worker(first.pid, first.started - 60)), "it had the id before"
    death(120)
    assert known.was_killed_alone(first) and not known.was_killed_alone(second)
    others = [death(150, signal.SIGTERM), death(150, 1 << 8), death(150)]  # the second one exited with 1
    assert [known.was_killed_alone(one) for one in others] == [False, False, True]


def test_a_server_that_was_started_anew_knows_of_no_death(runs: Any) -> None:
    run_id = runs.launch("takes_long")
    runs.wait_for_child(run_id)
    runs.server.kill()
    runs.server.wait()
    os.kill(runs.worker(run_id).pid, signal.SIGKILL)
    runs.until(lambda: runs.worker(run_id).process() is None)
    assert not runs.instance.run_launcher.was_killed_alone(runs.get(run_id)), "there is no server"
    runs.start_server()
    runs.until(runs.listens)
    assert not runs.instance.run_launcher.was_killed_alone(runs.get(run_id))


def test_a_run_is_terminated(runs: Any) -> None:
    run_id = runs.launch("takes_long")
    child = runs.wait_for_child(run_id)
    assert runs.instance.run_launcher.terminate(run_id)
    assert runs.wait(run_id) is DagsterRunStatus.CANCELED
    runs.until(lambda: not child.is_running())
    assert not runs.instance.run_launcher.terminate(run_id)


def test_who_does_not_end_when_told_to_is_killed() -> None:
    script = "import signal; signal.signal(15, signal.SIG_IGN); print(1, flush=True); signal.pause()"
    stubborn = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    with stubborn:
        assert stubborn.stdout is not None and stubborn.stdout.readline()
        run_server.end([psutil.Process(stubborn.pid)], grace=0.2)
        assert stubborn.wait(10) == -signal.SIGKILL


def test_a_run_whose_process_has_ended_is_cancelled_all_the_same(runs: Any) -> None:
    run_id = runs.launch("takes_long")
    runs.wait_for_child(run_id)
    os.kill(runs.worker(run_id).pid, signal.SIGKILL)
    runs.until(lambda: runs.worker(run_id).process() is None)
    assert runs.instance.run_launcher.terminate(run_id)
    assert runs.get(run_id).status is DagsterRunStatus.CANCELED


def test_a_run_of_another_launcher_is_left_alone(runs: Any) -> None:
    run_id = runs.launch("takes_long")
    runs.wait_for_child(run_id)
    stranger = runs.get(run_id).with_tags({})
    assert runs.instance.run_launcher.check_run_worker_health(stranger).status is WorkerStatus.RUNNING


def test_a_process_id_that_was_given_anew_is_another_process() -> None:
    here = Worker.of(os.getpid())
    assert Worker.parse(str(here)) is not None and here.process() is not None
    assert Worker(here.pid, here.started - 60).process() is None
    assert Worker.parse("") is None


def test_runs_outlive_the_server_and_the_next_launch_waits_for_a_new_one(runs: Any) -> None:
    run_id = runs.launch("takes_long")
    runs.wait_for_child(run_id)
    runs.server.kill()
    runs.server.wait()
    assert runs.instance.run_launcher.check_run_worker_health(runs.get(run_id)).status is WorkerStatus.RUNNING
    threading.Timer(0.5, runs.start_server).start()
    assert runs.wait(runs.launch("succeeds")) is DagsterRunStatus.SUCCESS
    (runs.home / "go").touch()
    assert runs.wait(run_id) is DagsterRunStatus.SUCCESS


def test_changed_code_is_imported_before_the_next_run_and_runs_go_on(runs: Any) -> None:
    run_id = runs.launch("takes_long")
    child = runs.wait_for_child(run_id)
    (runs.home / "sitecustomize.py").write_text("changed = True\n")
    assert runs.wait(runs.launch("succeeds")) is DagsterRunStatus.SUCCESS
    assert "the code changed" in (runs.home / "server.log").read_text()
    assert runs.server.poll() is None
    # The run is still the server's: what it leaves behind is cleaned up.
    os.kill(runs.worker(run_id).pid, signal.SIGKILL)
    runs.until(lambda: not child.is_running())


def test_only_its_owner_can_talk_to_the_server_and_nobody_can_break_it(runs: Any) -> None:
    assert socket_path().stat().st_mode & 0o777 == 0o600
    for nonsense in (b"", b"nonsense\n", b"{}\n", b'{"stop": "1@0"}\n'):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(str(socket_path()))
            connection.sendall(nonsense)
    assert type(runs)(runs.home, runs.instance).start_server().wait(60) == 1
    assert runs.wait(runs.launch("succeeds")) is DagsterRunStatus.SUCCESS


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user reaches, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="dreamlake-tests-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def as_nobody(do: Callable[[], int]) -> int:
    """What a process of another user's comes to."""
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            code = do()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@only_root
def test_another_user_starts_no_run_even_when_the_socket_is_open_to_all(
    runs: Any, public_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = public_folder / "runs.sock"
    monkeypatch.setenv("DREAMLAKE_RUN_SOCKET", str(path))
    monkeypatch.setenv("DREAMLAKE_CACHE", str(public_folder))
    other = type(runs)(runs.home, runs.instance)
    server = other.start_server()
    try:
        other.until(other.listens)
        path.chmod(0o666)

        def ask() -> int:
            """7 when the server hangs up without a word, as it does on whom it does not talk to."""
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(30)
                connection.connect(str(path))
                try:
                    connection.sendall(b'{"run": "{}"}\n')
                    return 7 if connection.recv(100) == b"" else 1
                except (BrokenPipeError, ConnectionResetError):
                    return 7

        assert as_nobody(ask) == 7
        assert "another user's process was turned away" in (runs.home / "server.log").read_text()
        assert runs.wait(runs.launch("succeeds")) is DagsterRunStatus.SUCCESS
    finally:
        server.terminate()
        server.wait(20)


@only_root
def test_a_server_of_another_users_is_told_of_no_run(public_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = public_folder / "runs.sock"
    public_folder.chmod(0o777)
    monkeypatch.setenv("DREAMLAKE_RUN_SOCKET", str(path))
    told, tell = os.pipe()

    def pretend() -> int:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(str(path))
            path.chmod(0o777)
            listener.listen()
            os.write(tell, b"listening")
            connection, _ = listener.accept()
            connection.settimeout(30)
            return 7 if connection.recv(100) == b"" else 1

    came: list[int] = []
    thread = threading.Thread(target=lambda: came.append(as_nobody(pretend)))
    thread.start()
    assert os.read(told, 100) == b"listening"
    with pytest.raises(DagsterLaunchFailedError, match="another user's process"), launcher._run_server():
        pass
    thread.join(60)
    assert came == [7]


def test_a_tag_that_names_another_process_ends_no_other_process(runs: Any) -> None:
    """Whoever may start runs writes their tags."""
    run_id = runs.launch("takes_long")
    runs.wait_for_child(run_id)
    ours = runs.get(run_id).tags[launcher.WORKER_TAG]
    with subprocess.Popen(["sleep", "300"], start_new_session=True) as stranger:
        for pid in (stranger.pid, runs.server.pid, os.getpid()):
            runs.instance.add_run_tags(run_id, {launcher.WORKER_TAG: str(Worker.of(pid))})
            assert not runs.instance.run_launcher.terminate(run_id)
            assert psutil.Process(pid).is_running() and stranger.poll() is None
        stranger.kill()
    assert runs.listens()
    runs.instance.add_run_tags(run_id, {launcher.WORKER_TAG: ours})


@pytest.mark.parametrize("mode", [0o755, 0o777, 0o750, 0o700])
def test_what_runs_print_is_closed_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    folder = tmp_path / "storage"
    folder.mkdir()
    folder.chmod(mode)
    RunLogFiles.from_config_value(None, {})
    assert folder.stat().st_mode & 0o777 == mode & ~0o007
    folder.rmdir()
    RunLogFiles.from_config_value(None, {})
    assert folder.stat().st_mode & 0o777 == 0o700


def test_runs_end_with_the_server_when_it_is_told_to_end(runs: Any) -> None:
    run_id = runs.launch("takes_long")
    child = runs.wait_for_child(run_id)
    runs.server.terminate()
    assert runs.server.wait(20) == 0
    assert runs.wait(run_id) is DagsterRunStatus.FAILURE
    assert not child.is_running()
    runs.start_server()


def test_a_fork_is_known_whatever_its_server_was_started_as() -> None:
    """In the embedded stack, the server is `python -m dreamlake_pipeline.stack.become dagster-runs`."""
    code = """
import os, subprocess, sys, time
import psutil
from dreamlake_pipeline.instance.run_server import _is_fork
run = os.fork()
if run == 0:
    os.setsid()
    time.sleep(60)
other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
time.sleep(0.5)
asked = os.fork()
if asked == 0:
    print(*(_is_fork(psutil.Process(one)) for one in (run, other.pid, os.getppid())), flush=True)
    os._exit(0)
os.waitpid(asked, 0)
os.kill(run, 9)
other.kill()
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert found.stdout.split() == ["True", "False", "False"], found.stderr
