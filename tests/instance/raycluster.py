"""A Ray cluster of one node on this machine, of which nothing listens but on 127.0.0.1."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import psutil

# Far more than it takes: machines of tests are busy. Ray itself gives up a node that was not there within 30 s.
_STARTED_WITHIN, _ATTEMPTS = 180.0, 4


@contextmanager
def ray_cluster(cpus: int) -> Iterator[str]:
    """The address of its head; the variables of its token are set in this process's environment meanwhile."""
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)}
    before = {name: os.environ.get(name) for name in token}
    os.environ.update(token)
    try:
        for attempt in range(_ATTEMPTS):
            # Ray's sockets lie deep, and a path of one has 107 bytes at most.
            with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as folder:
                process, address = _start(Path(folder), cpus)
                try:
                    if not _comes_up(process, address, token["RAY_AUTH_TOKEN"]):
                        assert attempt + 1 < _ATTEMPTS, (Path(folder) / "start.log").read_text()[-3000:]
                        continue
                    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
                    assert not _reachable(family), "somebody else could reach it"
                    yield address
                    return
                finally:
                    _end(process)
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _start(folder: Path, cpus: int) -> tuple[subprocess.Popen[bytes], str]:
    gcs, dashboard, client, agent, *workers = _free_ports(10)
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        # It is what has Ray keep to the loopback address, on Linux, too (ray_constants.py, services.py).
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_JOB_STOP_WAIT_TIME_S": "30",
    }
    arguments = {
        "num-cpus": cpus, "node-ip-address": "127.0.0.1", "port": gcs,
        "dashboard-host": "127.0.0.1", "dashboard-port": dashboard, "dashboard-agent-listen-port": agent,
        "ray-client-server-port": client, "worker-port-list": ",".join(map(str, workers)),
        "temp-dir": folder, "object-store-memory": 80_000_000, "include-log-monitor": "false",
    }  # fmt: skip
    with (folder / "start.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--disable-usage-stats",
             *(f"--{name}={value}" for name, value in arguments.items())],
            stdout=log, stderr=log, env=environment,
        )  # fmt: skip
    return process, f"http://127.0.0.1:{dashboard}"


def _comes_up(process: subprocess.Popen[bytes], address: str, token: str) -> bool:
    deadline = time.monotonic() + _STARTED_WITHIN
    while not _answers(address, token):
        if process.poll() is not None or time.monotonic() > deadline:
            return False
        time.sleep(0.3)
    return True


def _answers(address: str, token: str) -> bool:
    """Whether the head answers, and has an agent that takes jobs."""
    headers = {"Authorization": f"Bearer {token}"}
    try:
        with httpx.Client(base_url=address, headers=headers, timeout=30, trust_env=False) as http:
            if not http.get("/api/version").is_success:
                return False
            # What Ray answers while no agent is there is a fault of its own.
            job = {"submission_id": secrets.token_hex(4), "entrypoint": "true", "entrypoint_num_cpus": 0.01}
            return http.post("/api/jobs/", json=job).is_success
    except httpx.HTTPError:
        return False


def _reachable(family: list[psutil.Process]) -> list[str]:
    found = []
    for one in family:
        try:
            listening = [found.laddr for found in one.net_connections("inet") if found.status == psutil.CONN_LISTEN]
        except psutil.Error:
            continue
        found += [f"{one.pid}: {at.ip}" for at in listening if at.ip not in ("127.0.0.1", "::1", "::ffff:127.0.0.1")]
    return found


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it, and all that it started: `ray stop` would end every cluster of this machine."""
    family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for one in family:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    psutil.wait_procs(family, timeout=20)  # they would write into the folder that is deleted now
