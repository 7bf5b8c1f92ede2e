"""Processes that hold secrets are closed to others of the same user, as the kernel has it (Linux)."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from secrets import token_hex
from typing import Any

import psutil
import pytest

from dreamlake_pipeline.stack import processes, state

from . import neighbour

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps others of a user out of a process")

# Another run of these tests on the same machine is looked at too, since the neighbour reads of every process.
SECRET = token_hex()
LIVES = "import pathlib, time; pathlib.Path('there').touch(); time.sleep(60)"


@contextmanager
def running(arguments: list[str], environment: dict[str, str], cwd: Path | None = None) -> Iterator[psutil.Process]:
    """A process that, like its neighbour, has no right to look into others: root is a user like any other then."""
    process = subprocess.Popen(
        arguments,
        env=environment,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=neighbour.drop_privilege,
    )
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(10)


def look(secrets: list[str], processes: list[psutil.Process]) -> tuple[dict[str, Any], set[int]]:
    """Where the neighbour found a secret, by process id, and whose memory it could not open."""
    done = subprocess.run(
        [sys.executable, neighbour.__file__],
        input=json.dumps({"secrets": secrets, "pids": [process.pid for process in processes]}),
        text=True,
        stdout=subprocess.PIPE,
        preexec_fn=neighbour.drop_privilege,
        check=True,
    )
    answer = json.loads(done.stdout)
    return answer["found"], set(answer["closed"])


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_a_process_that_is_not_sealed_is_read(tmp_path: Path) -> None:
    # Otherwise the tests below would show nothing.
    with running([sys.executable, "-c", LIVES], {"KEY": SECRET}, tmp_path) as process:
        wait_until((tmp_path / "there").exists)
        found, closed = look([SECRET], [process])
        assert found == {str(process.pid): ["environ", "memory"]}
        assert not closed


def test_a_sealed_module_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "lives.py").write_text(LIVES)
    arguments = [sys.executable, "-m", "dreamlake_pipeline.sealed", "lives"]
    with running(arguments, os.environ | {"KEY": SECRET, "PYTHONPATH": str(tmp_path)}, tmp_path) as process:
        wait_until((tmp_path / "there").exists)
        found, closed = look([SECRET], [process])
        assert found == {}
        assert closed == {process.pid}


def test_a_process_of_the_stack_is_not_read_and_no_program_is_started_with_a_secret(tmp_path: Path) -> None:
    stack = state.create(state.make_home(tmp_path / "home"))
    secrets = list(astuple(stack.credentials))
    environment = processes.common_environment(stack, os.environ | stack.environment())
    with running(processes.become_command(stack, "s3"), environment) as process:
        wait_until(lambda: listens(stack.ports["s3"]))
        sealed = 1 + processes.S3_WORKERS
        wait_until(lambda: len(look([], process.children(recursive=True))[1]) == processes.S3_WORKERS)
        family = [process, *process.children(recursive=True)]
        found, closed = look(secrets, family)
        assert found == {}
        # All of them but multiprocessing's tracker, which is told nothing.
        tracker = {one.pid for one in family if "resource_tracker" in " ".join(one.cmdline())}
        assert closed == {one.pid for one in family} - tracker
        assert len(closed) == sealed
        if os.geteuid() == 0:  # who may look at everything finds none in what programs were started with
            for one in family:
                assert not [key for key in secrets if key in " ".join(one.environ().values())]


def test_what_is_started_again_is_given_what_it_was_started_with() -> None:
    code = """
import os, sys
from dreamlake_pipeline import sealed
print(sys.argv[1:], "LATE" in os.environ, flush=True)
os.environ["LATE"] = "1"
turns = int(sys.argv[-1])
if turns < 3:
    sealed.start_again("--again", str(turns + 1))
"""
    done = subprocess.run([sys.executable, "-c", code, "own", "0"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "['own', '0'] False",
        *(f"['own', '0', '--again', '{turn}'] False" for turn in (1, 2, 3)),
    ]


def test_a_fork_stays_sealed_and_dumps_no_core() -> None:
    code = """
import os, resource
from dreamlake_pipeline import sealed
assert not sealed.is_sealed()
sealed.seal()
pid = os.fork()
if pid == 0:
    os._exit(0 if sealed.is_sealed() and resource.getrlimit(resource.RLIMIT_CORE) == (0, 0) else 1)
print(os.waitpid(pid, 0)[1])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0"]


def test_what_is_logged_can_be_shown(tmp_path: Path) -> None:
    (tmp_path / "logs.py").write_text("""
import logging
logging.basicConfig(format="%(levelname)s %(message)s")
logging.warning("GET %s failed", "/\\x1b]0;owned\\x07\\u202e\\x9b2J\\r\\nERROR forged")
try:
    raise ValueError("\\x1b[2J")
except ValueError:
    logging.exception("it\\x1b[1m")
""")
    done = subprocess.run(
        [sys.executable, "-m", "dreamlake_pipeline.sealed", "logs"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stderr.splitlines()
    assert not [char for char in done.stderr if (ord(char) < 32 and char != "\n") or char in "\x9b\u202e"]
    assert lines[0] == r"WARNING GET /\x1b]0;owned\x07\u202e\x9b2J\r"
    assert lines[1] == "    ERROR forged failed"
    assert lines[2] == r"ERROR it\x1b[1m"
    assert lines[-1] == r"ValueError: \x1b[2J"
