"""A torture of some seconds, and that the tools of `make torture` do what they say."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dreamlake_pipeline.stack.processes import PROCESSES
from torture import parts
from torture.doors import FAULTS, HOST, Doors
from torture.faults import KINDS, schedule
from torture.inputs import Inputs
from torture.session import SHORT, torture

# All that a run of some seconds can recover from in some more: what is stopped for longer than a lease is for
# `make torture`.
_BRIEF = [
    *("kill client", "kill run", "kill bss", "kill server", "kill viewer"),
    *("kill s3-worker", "kill postgres-backend", "kill worker"),
    *("cut bss", "cut s3", "cut postgres", "502 bss", "503 s3", "lose bss"),
]


@pytest.mark.stack
@pytest.mark.timeout(600)
def test_a_short_torture_loses_nothing(tmp_path: Path) -> None:
    ended = torture(tmp_path / "torture", 11, 15, print, size=SHORT, kinds=_BRIEF, mean_gap=1.0)
    assert dict(ended.checked.wrong) == {}
    assert ended.checked.counts["ready"] > 20
    assert ended.checked.counts["processes that do their work"] == len(PROCESSES)
    assert ended.faults.total() >= 7


def test_every_process_of_the_stack_is_killed() -> None:
    """Whoever adds one adds it to the parts that can be killed."""
    named = {"dagster-daemon": "daemon", "dagster-code": "code", "dagster-runs": "run-server"}
    named |= {"dagster-webserver": "webserver", "workers": "worker-server"}
    assert {named.get(process.name, process.name) for process in PROCESSES} <= parts.ONE.keys()


def test_a_seed_draws_the_same_faults_again_and_every_kind_of_them() -> None:
    assert schedule(7, 600) == schedule(7, 600)
    assert schedule(7, 600) != schedule(8, 600)
    assert {fault.kind for fault in schedule(7, 600)} == KINDS.keys()


def test_no_fault_outlasts_the_time_that_was_given() -> None:
    assert all(fault.at + fault.lasts <= 100.001 for fault in schedule(3, 100, mean_gap=0.5))


def test_a_wave_is_the_same_whatever_was_made_before_it(tmp_path: Path) -> None:
    asked = {"sounds": 2, "videos": 2, "texts": 4, "drops": 2, "bad": True}
    one, other = Inputs(tmp_path / "one", 5), Inputs(tmp_path / "other", 5)
    first = [one.wave(0, **asked), one.wave(1, **asked), one.wave(2, **asked)]
    second = [other.wave(0, **asked), other.wave(2, **asked)]
    assert first[0].expected == second[0].expected
    assert first[2].expected == second[1].expected
    places = [file.place for made in first for file in made.expected]
    assert len(set(places)) == len(places)


@contextmanager
def part() -> Iterator[tuple[int, list[bytes]]]:
    """A part that answers every block with `ok:` and the block; its port, and what it was sent."""
    sent: list[bytes] = []
    listener = socket.create_server((HOST, 0))

    def converse(connection: socket.socket) -> None:
        with connection:
            try:
                while block := connection.recv(65536):
                    sent.append(block)
                    connection.sendall(b"ok:" + block)
            except OSError:
                pass

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=converse, args=[connection], daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1], sent
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def ask(port: int, words: bytes, timeout: float = 20) -> bytes:
    with socket.create_connection((HOST, port), timeout) as connection:
        connection.sendall(words)
        return connection.recv(65536)


def talk(connection: socket.socket) -> None:
    """Send far more than any door lets pass that breaks what it passes."""
    for _ in range(1000):
        connection.sendall(bytes(65536))
        assert connection.recv(65536 * 4)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_door_does_its_fault_and_opens_again(fault: str, free_port: int) -> None:
    with part() as (behind, sent), Doors({"part": (free_port, behind)}, 1) as doors:
        assert ask(free_port, b"before") == b"ok:before"
        with socket.create_connection((HOST, free_port), 20) as old:
            old.sendall(b"first")
            assert old.recv(100) == b"ok:first"
            doors.set("part", fault)
            match fault:
                case "cut" | "refuse" | "502" | "503" | "504":
                    with pytest.raises(ConnectionResetError):
                        assert old.recv(100) == b"", "it ended, and was not reset"
                case "stall":
                    old.sendall(b"late")
                    with pytest.raises(TimeoutError):
                        ask(free_port, b"new", timeout=0.3)
                case "lose":
                    with pytest.raises(ConnectionResetError):
                        ask(free_port, b"lost")
                    assert sent[-1] == b"lost"
                case "break":
                    with pytest.raises((ConnectionResetError, BrokenPipeError)):
                        talk(old)
                case "slow":
                    assert ask(free_port, b"slow") == b"ok:slow"
            if fault == "refuse":
                with pytest.raises(ConnectionRefusedError):
                    ask(free_port, b"refused")
            if fault.isdigit():
                assert ask(free_port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").startswith(f"HTTP/1.1 {fault} ".encode())
            doors.set("part", None)
            if fault == "stall":
                assert old.recv(100) == b"ok:late"
        assert ask(free_port, b"after") == b"ok:after"
