"""Start, stop and inspect the embedded stack."""

from __future__ import annotations

import fcntl
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import Code, DreamlakeError
from . import cage, dagster_home, health, leftovers, postgres, state, work
from .processes import PROCESSES, Process
from .state import BUCKET, REGION, Stack
from .supervision import ProcessInfo, Supervisor

Report = Callable[[str], None]

# Seconds for one process; a machine that is busy with other things may take a minute for what takes five seconds.
_START_TIMEOUT = 180
_LOG_LINES = 20
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """One process as `dreamlake status` shows it. `uptime` in seconds; `problem` says why it is not healthy;
    `login_url` logs a browser in, where one needs that."""

    name: str
    state: str
    pid: int | None
    uptime: float | None
    restarts: int
    url: str | None
    login_url: str | None
    healthy: bool
    problem: str | None
    log: str

    def as_dict(self) -> dict[str, Any]:
        """The JSON object of `dreamlake status --json`."""
        uptime = None if self.uptime is None else round(self.uptime, 1)
        return {
            "name": self.name,
            "state": self.state,
            "pid": self.pid,
            "uptimeSec": uptime,
            "restarts": self.restarts,
            "url": self.url,
            "loginUrl": self.login_url,
            "healthy": self.healthy,
            "problem": self.problem,
            "log": self.log,
        }


def up(home: Path, report: Report) -> Stack:
    """Start what does not run yet and wait until all of it is healthy; harmless when everything runs.

    `report` is called with a sentence for each step. Raises DreamlakeError(STACK_FAILED) that names the process
    which failed and ends with its last log lines; a stack that was down before is down again then.
    """
    home = state.make_home(home)
    with _lock(home, report):
        stack = state.load(home) or state.create(home)
        supervisor = Supervisor(stack)
        if supervisor.is_running():
            _start_processes(stack, supervisor, report)
            return stack
        if leftovers.end_all(stack):
            report("ended what an earlier start had left behind")
        if state.is_copied(home):
            _check_copy(stack)
        stack = _settle_addresses(state.complete(stack), report)
        supervisor = Supervisor(stack)
        try:
            postgres.prepare(stack, report)
            dagster_home.write(stack)
            supervisor.start()
            _start_processes(stack, supervisor, report)
        except BaseException:
            # Also when the user interrupts: nothing stays half running.
            report("stopping what was started")
            _stop(stack)
            raise
        return stack


def down(home: Path, report: Report) -> bool:
    """Stop all processes that `up` started, and theirs; False when none ran. Data stay."""
    stack = state.load(home)
    if stack is None:
        return False
    with _lock(stack.home, report):
        stack = state.load(home) or stack
        return _stop(stack)


def status(home: Path) -> list[ProcessStatus]:
    """Every process of the stack under `home`, in the order of starting; empty when none was ever started there."""
    stack = state.load(home)
    if stack is None:
        return []
    supervisor = Supervisor(stack)
    if supervisor.is_running():
        known = supervisor.processes()
    elif leftovers.find(stack):
        known = _all_of(
            "unsupervised", "The supervisor is gone and its processes are not: `dreamlake up` starts the stack anew"
        )
    else:
        known = _all_of("stopped", "it is stopped")
    with ThreadPoolExecutor(len(PROCESSES)) as pool:
        return list(pool.map(lambda process: _status_of(stack, process, known[process.name]), PROCESSES))


def cage_of(home: Path) -> list[cage.Layer]:
    """The layers around what reads strangers' files, as the stack under `home` has them; none when it does not run."""
    stack = state.load(home)
    return cage.layers(stack) if stack else []


def work_of(home: Path) -> work.Work | None:
    """The work of the stack under `home`; None when its BSS does not tell."""
    stack = state.load(home)
    url = stack.url_of("bss") if stack else None
    return work.work_of(url) if url else None


def _all_of(state: str, problem: str) -> dict[str, ProcessInfo]:
    return {process.name: ProcessInfo(process.name, state, None, None, 0, problem) for process in PROCESSES}


def _status_of(stack: Stack, process: Process, info: ProcessInfo) -> ProcessStatus:
    if info.is_alive:
        problem = health.problem_of(stack, process.name, since=time.time() - (info.uptime or 0))
    else:
        problem = info.error or f"it is {info.state}"
    healthy = problem is None
    return ProcessStatus(
        name=process.name,
        # The supervisor calls a process "starting" until it has lived for a while; it may long be at work.
        state="running" if healthy else info.state,
        pid=info.pid,
        uptime=info.uptime,
        restarts=info.restarts,
        url=stack.url_of(process.name),
        login_url=stack.login_url if process.name == "dagster-webserver" and stack.credentials.dagster_secret else None,
        healthy=healthy,
        problem=problem,
        log=str(stack.log_of(process.name)),
    )


def _start_processes(stack: Stack, supervisor: Supervisor, report: Report) -> None:
    """Start what does not run, each process as soon as those that it needs are healthy, and wait for all."""
    begun = time.monotonic()
    give_up = threading.Event()
    futures: dict[str, Future[None]] = {}

    def bring_up(process: Process) -> None:
        for need in process.needs:
            futures[need].result()
        if give_up.is_set():
            return
        starts = supervisor.starts(process.name)
        is_new = not supervisor.processes()[process.name].is_alive
        if is_new:
            supervisor.start_process(process.name)
        if not _wait_until_healthy(stack, supervisor, process.name, starts, give_up):
            return
        try:
            _finish_start(stack, process.name)
        except Exception as fault:
            raise _failure(stack, process.name, f"is there but of no use ({fault})") from fault
        if is_new:
            report(f"{process.name} is healthy ({time.monotonic() - begun:.1f} s)")

    with ThreadPoolExecutor(len(PROCESSES)) as pool:
        for process in PROCESSES:
            futures[process.name] = pool.submit(bring_up, process)
        try:
            wait(futures.values(), return_when=FIRST_EXCEPTION)
        finally:
            give_up.set()
    for future in futures.values():
        future.result()


def _wait_until_healthy(stack: Stack, supervisor: Supervisor, name: str, starts: int, give_up: threading.Event) -> bool:
    """True once it is; False when told to give up. Raises DreamlakeError when it dies twice or takes too long.

    `starts` is how often it had been started before.
    """
    deadline = time.monotonic() + _START_TIMEOUT
    problem: str | None = "it has not started"
    while time.monotonic() < deadline:
        info = supervisor.processes()[name]
        if info.state == "failed" or (not info.is_alive and supervisor.starts(name) >= starts + 2):
            raise _failure(stack, name, "ends when it is started")
        if info.is_alive:
            problem = health.problem_of(stack, name, since=time.time() - (info.uptime or 0))
            if problem is None:
                return True
        if give_up.wait(0.2):
            return False
    raise _failure(stack, name, f"is not healthy after {_START_TIMEOUT} s: {problem}")


def _finish_start(stack: Stack, name: str) -> None:
    """What others need of a process besides that it answers."""
    match name:
        case "postgres":
            postgres.make_roles(stack)
        case "s3":
            _make_bucket(stack)


def _make_bucket(stack: Stack) -> None:
    # Imported here: boto3 takes longer to import than the other verbs take to run.
    import boto3

    from ..storage import ObjectStore, client_config

    client = boto3.client(
        "s3",
        endpoint_url=stack.url_of("s3"),
        aws_access_key_id=stack.credentials.s3_access_key,
        aws_secret_access_key=stack.credentials.s3_secret_key,
        region_name=REGION,
        config=client_config(),
    )
    ObjectStore(client, BUCKET).create_bucket()


def _failure(stack: Stack, name: str, what: str) -> DreamlakeError:
    log = stack.log_of(name)
    try:
        lines = log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
    except OSError:
        lines = []
    end = _COLOUR.sub("", "\n".join(f"    {line}" for line in lines)) or "    (empty)"
    return DreamlakeError(Code.STACK_FAILED, f"{name} {what}. The end of its log, {log}:\n{end}")


def _settle_addresses(stack: Stack, report: Report) -> Stack:
    """Remember where the stack is, and other ports in the place of those that somebody else has taken meanwhile."""
    settled = stack.with_free_ports().with_socket()
    for name, port in settled.ports.items():
        if port != stack.ports[name]:
            report(f"port {stack.ports[name]} of {name} is taken by another program: using {port} from now on")
    settled.save()
    return settled


def _check_copy(stack: Stack) -> None:
    """Raises DreamlakeError(STACK_FAILED) for a copy that was made while the database ran: files of different moments
    are no database, which would be found out when it is too late."""
    pid_file = stack.postgres_data / "postmaster.pid"
    if pid_file.exists():
        raise DreamlakeError(
            Code.STACK_FAILED,
            f"{stack.home} was copied or moved while its database was running: the copy can't be relied on.",
            hint="Stop the stack with `dreamlake down` where it came from, and copy it again. If it was not running, "
            f"but killed, or if this is a snapshot that the file system took in one moment: delete {pid_file}.",
        )


def _stop(stack: Stack) -> bool:
    supervisor = Supervisor(stack)
    was_running = supervisor.is_running()
    supervisor.shut_down()
    return bool(leftovers.end_all(stack)) or was_running


@contextmanager
def _lock(home: Path, report: Report) -> Iterator[None]:
    """One `up` or `down` at a time."""
    with (home / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("waiting for another `dreamlake up` or `down` to finish")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
