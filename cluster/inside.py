"""`python -m cluster.inside PLAN`: the first process of a node. It makes the node's folders its own, waits for its
cable, and keeps the worker server and Ray running there, as an init system does: what ends is started again, what was
orphaned is reaped.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

_PAUSE = 2.0  # seconds until something that ended is started again


@dataclass(frozen=True, slots=True)
class Plan:
    """What a node is. `folder` is its disk; `kept` are folders of the machine that it has to see under /tmp.

    `head`: the address of the cluster that it joins; None for the head itself. `core`: the only one that it may use.
    """

    name: str
    address: str
    folder: str
    kept: tuple[str, ...]
    cpus: int
    head: str | None
    core: int | None = None

    def dump(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> Plan:
        known = json.loads(text)
        return cls(**known | {"kept": tuple(known["kept"])})


DISK = "tmp"  # in a node's folder: its /tmp
RAY_PORT, DASHBOARD_PORT = 6379, 8265
_OBJECTS = 96 * 2**20  # bytes of Ray's object store, which nobody uses: runs are jobs


def ray_command(plan: Plan) -> list[str]:
    """What starts Ray on the node, in the foreground: on all but the head, what an installation starts it by, too."""
    options = [f"--node-ip-address={plan.address}", f"--object-store-memory={_OBJECTS}", "--include-log-monitor=false"]
    if plan.head is not None:
        worker = [str(Path(sys.executable).with_name("dreamlake")), "worker", "--address", f"{plan.head}:{RAY_PORT}"]
        return [*worker, "--num-cpus", str(plan.cpus), "--", *options]
    dashboard = [f"--dashboard-host={plan.address}", f"--dashboard-port={DASHBOARD_PORT}", "--include-dashboard=true"]
    start = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", f"--port={RAY_PORT}", "--num-cpus=0"]
    return [*start, "--block", "--disable-usage-stats", *options, *dashboard]


def main() -> None:
    plan = Plan.parse(sys.argv[1])
    if plan.core is not None:
        os.sched_setaffinity(0, {plan.core})
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    _move_in(plan)
    _wait_for_cable(plan.address)
    programs = [ray_command(plan)]
    if plan.head is not None:
        programs.append([sys.executable, "-P", "-m", "dreamlake_pipeline.media.run.worker_server"])
    _keep(programs)


def _end(*_: object) -> None:
    """The kernel kills what is left when the first process of a namespace ends."""
    os._exit(0)


def _move_in(plan: Plan) -> None:
    """Private /tmp and /dev/shm, and a name of its own."""
    disk = Path(plan.folder) / DISK
    disk.mkdir(mode=0o1777, parents=True, exist_ok=True)
    for folder in plan.kept:
        inside = disk / Path(folder).relative_to("/tmp")
        inside.mkdir(parents=True, exist_ok=True)
        _mount("--rbind", folder, str(inside))
    _mount("--rbind", str(disk), "/tmp")
    _mount("-t", "tmpfs", "-o", "mode=1777,size=512m", plan.name, "/dev/shm")
    subprocess.run(["hostname", plan.name], check=True)
    for folder in ("/tmp/home", "/tmp/dagster", "/tmp/scratch"):
        Path(folder).mkdir(mode=0o711, exist_ok=True)


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def _wait_for_cable(address: str) -> None:
    words = ["ip", "-oneline", "-4", "address", "show", "dev", "eth0", "up"]
    while f"inet {address}/" not in subprocess.run(words, capture_output=True, text=True, check=False).stdout:
        time.sleep(0.05)


def _keep(programs: list[list[str]]) -> None:
    """Run programs for ever."""
    running: dict[int, list[str]] = {}
    for words in programs:
        running[_start(words)] = words
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid not in running:
            continue  # an orphan
        words = running.pop(pid)
        print(f"{words[:4]} ended with {os.waitstatus_to_exitcode(status)}; it is started again", flush=True)
        time.sleep(_PAUSE)
        running[_start(words)] = words


def _start(words: list[str]) -> int:
    # Reaped by `_keep`, as everything is here.
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, start_new_session=True).pid


if __name__ == "__main__":
    main()
