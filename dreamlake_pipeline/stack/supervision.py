"""The supervisor of the stack: supervisord, reached over a unix socket that only its owner can open.

supervisord keeps what it was told to start running (a process that dies is started again, later each time),
and rotates the logs. The order of starting is `control`'s business: nothing starts by itself.
"""

from __future__ import annotations

import http.client
import os
import shlex
import socket
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterator
from configparser import RawConfigParser
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psutil
from supervisor.xmlrpc import Faults

from ..errors import Code, DreamlakeError
from . import processes
from .processes import PROCESSES, STACK_ID
from .state import Stack

_GENERATION = 2

_CALL_TIMEOUT = 10
_STOP_TIMEOUT = 60

_WORDS = {
    "STOPPED": "stopped",
    "STARTING": "starting",
    "RUNNING": "running",
    "BACKOFF": "restarting",
    "STOPPING": "stopping",
    "EXITED": "exited",
    "FATAL": "failed",
}


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """What the supervisor knows of a process. `uptime` in seconds; `restarts` since `dreamlake up`."""

    name: str
    state: str
    pid: int | None
    uptime: float | None
    restarts: int
    error: str | None

    @property
    def is_alive(self) -> bool:
        return self.state in ("starting", "running")


class Supervisor:
    """The supervisord of one stack. Safe to share between threads: each call is a connection of its own."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def is_running(self) -> bool:
        """Whether this stack's own supervisor answers."""
        try:
            with self._rpc() as rpc:
                return bool(rpc.getIdentification() == _identifier(self._stack))
        except DreamlakeError:
            return False

    def start(self) -> None:
        """Start supervisord in the background, with every process stopped. Raises DreamlakeError(STACK_FAILED)."""
        stack = self._stack
        for starts in stack.run.glob("*.starts"):
            starts.unlink()
        config = stack.run / "supervisord.conf"
        with config.open("w") as file:
            render_config(stack).write(file)
        started = subprocess.run(
            [sys.executable, "-P", "-m", "supervisor.supervisord", "--configuration", str(config)],
            cwd=stack.home,
            env=processes.common_environment(stack, os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if started.returncode != 0 or not self.is_running():
            raise DreamlakeError(
                Code.STACK_FAILED,
                f"The supervisor did not start: {started.stdout.strip() or 'it says nothing'}",
                hint=f"Its log is {stack.log_of('supervisor')}.",
            )

    def start_process(self, name: str) -> None:
        """Have a process started, and again whenever it dies; no matter if the supervisor is about to do so anyway."""
        with self._rpc() as rpc:
            try:
                rpc.startProcess(_full_name(name), False)
            except xmlrpc.client.Fault as fault:
                if fault.faultCode != Faults.ALREADY_STARTED:
                    raise

    def processes(self) -> dict[str, ProcessInfo]:
        """Every process by name, in the order of `PROCESSES`. Raises DreamlakeError(STACK_FAILED) when the stack was
        started by a version that had others."""
        with self._rpc() as rpc:
            told = {info["name"]: info for info in rpc.getAllProcessInfo()}
        if unknown := [process.name for process in PROCESSES if process.name not in told]:
            raise DreamlakeError(
                Code.STACK_FAILED,
                f"The running stack was started by another version of this program, without {', '.join(unknown)}.",
                hint="`dreamlake down`, then `dreamlake up`: data stay.",
            )
        return {process.name: self._info(told[process.name]) for process in PROCESSES}

    def shut_down(self) -> bool:
        """Stop every process, last group first, then supervisord; False when it did not end in time."""
        process = self._process()
        if process is None:
            return True
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT)
        except psutil.TimeoutExpired:
            return process.status() == psutil.STATUS_ZOMBIE
        return True

    def _process(self) -> psutil.Process | None:
        """supervisord itself: the recorded process id counts only if its environment names this stack."""
        try:
            process = psutil.Process(int((self._stack.run / "supervisord.pid").read_text()))
            return process if process.environ().get(STACK_ID) == self._stack.id else None
        except (OSError, ValueError, psutil.Error):
            return None

    def _info(self, told: dict[str, Any]) -> ProcessInfo:
        state = _WORDS.get(told["statename"], "unknown")
        is_alive = state in ("starting", "running")
        return ProcessInfo(
            name=told["name"],
            state=state,
            pid=told["pid"] or None,
            uptime=max(0.0, time.time() - told["start"]) if is_alive else None,
            restarts=max(0, self.starts(told["name"]) - 1),
            error=told["spawnerr"] or None,
        )

    def starts(self, name: str) -> int:
        """How often a process was started since the supervisor was (become.py notes each start)."""
        try:
            return len((self._stack.run / f"{name}.starts").read_text().splitlines())
        except FileNotFoundError:
            return 0

    @contextmanager
    def _rpc(self) -> Iterator[Any]:
        transport = _UnixTransport(str(self._stack.socket))
        try:
            with xmlrpc.client.ServerProxy("http://localhost", transport=transport) as proxy:
                yield proxy.supervisor
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as fault:
            raise DreamlakeError(
                Code.STACK_FAILED,
                f"The supervisor does not answer ({fault}).",
                hint=f"Its log is {self._stack.log_of('supervisor')}; `dreamlake down` ends all processes.",
            ) from fault


def render_config(stack: Stack) -> RawConfigParser:
    """supervisord's configuration. Paths are relative to its working directory, the home: nothing to quote."""
    config = RawConfigParser()
    inside = stack.socket.is_relative_to(stack.home)
    path = str(stack.socket.relative_to(stack.home) if inside else stack.socket)
    config["unix_http_server"] = {"file": _literal(path), "chmod": "0700"}
    config["rpcinterface:supervisor"] = {
        "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
    }
    config["supervisord"] = {
        "identifier": _identifier(stack),
        "pidfile": "run/supervisord.pid",
        "logfile": "logs/supervisor.log",
        "logfile_maxbytes": "10MB",
        "logfile_backups": "2",
        "nocleanup": "true",
        "umask": "077",
        **({"user": "root"} if os.geteuid() == 0 else {}),
    }
    for process in PROCESSES:
        config[f"program:{process.name}"] = {
            "command": _literal(shlex.join(processes.become_command(stack, process.name))),
            "autostart": "false",
            "autorestart": "true",
            # A process that dies before this many seconds is started again after 1, 2, 3, … seconds.
            "startsecs": "10",
            "startretries": "100",
            "stopsignal": process.stop_signal.name.removeprefix("SIG"),
            "stopwaitsecs": "12",
            # Whatever a process started in its group is told to stop with it.
            "stopasgroup": "true" if process.group == "dagster" else "false",
            "killasgroup": "true",
            "redirect_stderr": "true",
            "stdout_logfile": f"logs/{process.name}.log",
            "stdout_logfile_maxbytes": "10MB",
            "stdout_logfile_backups": "2",
        }
    for priority, group in enumerate(processes.GROUPS):
        config[f"group:{group}"] = {
            "programs": ",".join(process.name for process in PROCESSES if process.group == group),
            "priority": str(priority),
        }
    return config


def _identifier(stack: Stack) -> str:
    """By what a supervisor is known as this stack's. One of an earlier generation, whose processes listen elsewhere and
    know other secrets, is not taken for one: `up` ends it and starts the stack anew."""
    return f"dreamlake-{stack.id}-{_GENERATION}"


def _full_name(name: str) -> str:
    return next(f"{process.group}:{name}" for process in PROCESSES if process.name == name)


def _literal(text: str) -> str:
    """A value as it stands: supervisord expands `%(…)s`."""
    return text.replace("%", "%%")


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_CALL_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        return _UnixConnection(self._path)
