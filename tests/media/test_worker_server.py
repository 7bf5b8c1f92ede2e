"""The worker server: workers are forked from it, in the same cage, and end with it and with their runs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from dreamlake_pipeline.media.run import start
from dreamlake_pipeline.media.run.bounds import LOOK
from dreamlake_pipeline.media.run.workers import Workers
from dreamlake_pipeline.stack import cage, state

SECRETS = {"AWS_SECRET_ACCESS_KEY": "secret", "DREAMLAKE_AUTH_SECRET": "secret" * 8}


def wait_until(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(str(path)) == 0


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[psutil.Process]:
    """A worker server that was started with keys in its environment, which this process's workers come from."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "workers.sock")
        monkeypatch.setenv("DREAMLAKE_WORKER_SOCKET", str(path))
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "dreamlake_pipeline.media.run.worker_server"], env=os.environ | SECRETS
        )
        wait_until(lambda: listens(path) or process.poll() is not None)
        yield psutil.Process(process.pid)
        process.terminate()
        process.wait(30)


def test_workers_are_forked_from_it_in_the_same_cage(server: psutil.Process, monkeypatch: pytest.MonkeyPatch) -> None:
    with Workers(2) as workers:
        forked = workers.layers()
        assert workers.run(os.fspath, subject="x", bounds=LOOK, path="/plain") == "/plain"
        assert len(server.children()) == 1
        assert not [child for child in psutil.Process().children() if "run.worker" in " ".join(child.cmdline()[-2:])]
    wait_until(lambda: server.children() == [])
    monkeypatch.delenv("DREAMLAKE_WORKER_SOCKET")
    with Workers(1) as workers:
        assert workers.layers() == forked


def test_it_knows_no_secret_and_lets_nobody_else_in(server: psutil.Process) -> None:
    assert not set(server.environ()) & set(SECRETS)
    path = start.socket_path()
    assert path is not None and path.stat().st_mode & 0o777 == 0o600


def test_a_worker_ends_with_its_keeper_and_another_one_takes_its_place(server: psutil.Process) -> None:
    with Workers(1) as workers:
        workers.layers()
        [keeper] = server.children()
        [worker] = keeper.children()
        keeper.kill()
        wait_until(lambda: not worker.is_running())
        assert workers.run(os.fspath, subject="x", bounds=LOOK, path="/plain") == "/plain"


def test_workers_end_with_it(server: psutil.Process) -> None:
    with Workers(1) as workers:
        workers.layers()
        [keeper] = server.children()
        [worker] = keeper.children()
        server.send_signal(signal.SIGTERM)
        wait_until(lambda: not worker.is_running() and not keeper.is_running())
        # Nobody answers any more: workers are started without it.
        assert workers.run(os.fspath, subject="x", bounds=LOOK, path="/plain") == "/plain"


def test_who_only_looks_or_talks_nonsense_does_no_harm(server: psutil.Process) -> None:
    path = start.socket_path()
    for said in (b"", b"nonsense\n", b"[]\n", b'{"plan": "{}"}\n', b"\xff" * 100_000):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            connection.sendall(said)
    with Workers(1) as workers:
        assert workers.run(os.fspath, subject="x", bounds=LOOK, path="/plain") == "/plain"
    assert server.is_running()


def test_an_empty_variable_is_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DREAMLAKE_WORKER_SOCKET", "")
    assert start.socket_path() is None


def test_code_that_changed_is_imported_before_the_next_worker(server: psutil.Process) -> None:
    source = Path(start.__file__)
    with Workers(1) as workers:
        workers.layers()
        [before] = server.children()
        began, times = server.cpu_times().user, source.stat()
        os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns + 1))
        try:
            with Workers(1) as others:
                assert others.run(os.fspath, subject="x", bounds=LOOK, path="/plain") == "/plain"
                assert server.cpu_times().user > began + 0.1  # the imports, in the same process
                assert before in server.children()
        finally:
            os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))
        # What was started before goes on.
        assert workers.run(os.fspath, subject="x", bounds=LOOK, path="/plain") == "/plain"
    wait_until(lambda: server.children() == [])


def test_it_says_what_the_cage_is_to_who_may_not_import_media(server: psutil.Process, tmp_path: Path) -> None:
    path = start.socket_path()
    assert path is not None
    stack = replace(state.create(state.make_home(tmp_path / "home")), socket=path.with_name("supervisor.sock"))
    told = cage.layers(stack)
    with Workers(1) as workers:
        assert [(layer.name, layer.holds, layer.why) for layer in told[:-1]] == workers.layers()
    assert told[-1].name == "libav" and "carries FFmpeg" in told[-1].why
    assert cage.layers(replace(stack, socket=tmp_path / "supervisor.sock")) == []
