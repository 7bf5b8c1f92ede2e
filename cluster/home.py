"""The embedded stack with Ray nodes around it: runs are jobs of the cluster, and everything else is as it always is."""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil

from dreamlake_pipeline.stack import control, processes, state
from dreamlake_pipeline.stack.state import HOST, Stack
from torture.doors import Doors
from torture.home import BEHIND_DOORS, Home

from .inside import DASHBOARD_PORT
from .namespaces import BRIDGE
from .nodes import HEAD, Node, address_of, is_ffmpeg
from .rayjobs import RayJobs

WORKERS = 2  # files that a run works on at a time

Say = Callable[[str], None]


@dataclass(slots=True)
class Cluster:
    """A running stack and its nodes, of which the first `standing` are up unless something happens. `slots` is how many
    runs each node takes at a time."""

    world: Home
    jobs: RayJobs
    head: Node
    nodes: dict[str, Node]
    standing: int
    slots: int
    say: Say
    is_pinned: bool = False

    @property
    def stack(self) -> Stack:
        return self.world.stack

    def start_head(self) -> None:
        self.head.start(cpus=0, head=None)

    def start(self, node: Node) -> None:
        """Switch a node on, and have it join the head."""
        core = list(self.nodes).index(node.name) % (os.cpu_count() or 1) if self.is_pinned else None
        node.start(cpus=self.slots * WORKERS, head=self.head.address, core=core)

    def wait_for_nodes(self, seconds: float = 600.0) -> None:
        """Return once Ray has every node that is up, the head included."""
        wanted = {self.head.address, *(node.address for node in self.nodes.values() if node.is_up)}
        wait_until(lambda: wanted <= self.jobs.nodes(), seconds, f"Ray has the nodes {sorted(wanted)}")

    def ffmpegs(self) -> list[psutil.Process]:
        """On whichever node, and beside the stack."""
        return [process for process in psutil.process_iter() if is_ffmpeg(process)]


@contextmanager
def running(
    folder: Path,
    seed: int,
    say: Say,
    *,
    nodes: int,
    spare: int = 1,
    batch_files: int,
    slots: int = 1,
    is_pinned: bool = False,
) -> Iterator[Cluster]:
    """A new stack under `folder` with a head and so many nodes; `spare` more are known, and off. Down at the end.

    Without any node, runs are forked beside the daemon, `slots` at a time. With `is_pinned`, each node has one core.
    Must be called in the namespaces of `namespaces.enter`.
    """
    token = secrets.token_hex(24)
    home = state.make_home(folder / "home")
    stack = state.create(home)
    address = f"http://{address_of(0)}:{DASHBOARD_PORT}"
    settings = {
        "DREAMLAKE_BATCH_FILES": str(batch_files),
        "DREAMLAKE_LAUNCHER": "ray" if nodes else "fork",
        "DREAMLAKE_SLOTS": str(max(1, nodes + spare) * slots),
        "DREAMLAKE_WORKERS": str(WORKERS),
        "DREAMLAKE_RAY_ADDRESS": address,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": token,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }
    said: list[str] = []
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("DREAMLAKE_", "AWS_", "RAY_"))}
    with (
        patch.dict(os.environ, inherited | settings, clear=True),
        Doors({name: (stack.ports[name], stack.ports[name]) for name in BEHIND_DOORS}, seed, host=BRIDGE) as doors,
        RayJobs(address, token) as jobs,
    ):
        environment = inherited | settings | stack.environment()
        world = Home(stack, doors, folder, None, environment, said)
        of_node = node_environment(stack, inherited | settings)
        workers = {}
        for number in range(1, nodes + spare + 1):
            name = f"node{number}"
            workers[name] = Node(name, number, folder / name, of_node)
        head = Node(HEAD, 0, folder / HEAD, of_node)
        cluster = Cluster(world, jobs, head, workers, nodes, slots, say, is_pinned)
        try:
            world.stack = control.up(home, said.append)
            if nodes:
                cluster.start_head()
                cluster.wait_for_nodes()
            # One after the other: Ray gives a start half a minute, and each is some seconds of both cores.
            for node in list(workers.values())[:nodes]:
                cluster.start(node)
                cluster.wait_for_nodes()
            say(f"the stack is up, and {nodes} nodes with a head")
            yield cluster
        finally:
            for node in (*workers.values(), head):
                node.kill()
            control.down(home, said.append)


def node_environment(stack: Stack, inherited: dict[str, str]) -> dict[str, str]:
    """What a node has in its environment: what the stack's own runs have, with the services where a node reaches them.
    No secret is in a job's description, which Ray's dashboard shows."""
    known = processes.environment(stack, "dagster-runs", inherited)
    own = {processes.STACK_ID, "DREAMLAKE_HOME", "DREAMLAKE_RUN_SOCKET"}
    reached = {key: value.replace(HOST, BRIDGE) for key, value in known.items() if key not in own}
    return reached | {
        "HOME": "/tmp/home",
        "DAGSTER_HOME": "/tmp/dagster",
        "DREAMLAKE_SCRATCH": "/tmp/scratch",
        "DREAMLAKE_WORKER_SOCKET": "/tmp/workers.sock",
        "NO_PROXY": "*",
        "no_proxy": "*",
    }


def wait_until(is_so: Callable[[], Any], seconds: float, what: str, *, every: float = 0.25) -> Any:
    """What `is_so` answers once that is true. Raises TimeoutError that says `what` did not come about."""
    until = time.monotonic() + seconds
    while not (answer := is_so()):
        if time.monotonic() > until:
            raise TimeoutError(f"it did not come about within {seconds:.0f} s that {what}")
        time.sleep(every)
    return answer
