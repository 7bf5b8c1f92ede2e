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
import yaml

from dreamlake_pipeline.stack import control, dagster_home, processes, state
from dreamlake_pipeline.stack.state import HOST, Stack
from torture.doors import Doors
from torture.home import BEHIND_DOORS, Home

from .inside import DASHBOARD_PORT
from .namespaces import BRIDGE
from .nodes import HEAD, Node, address_of, is_ffmpeg
from .rayjobs import RayJobs

REACHED = tuple(name for name in BEHIND_DOORS)  # what the nodes reach of the stack
LOGS_BUCKET = "dreamlake-logs"
START_SECONDS = 1800
UPLOAD_SECONDS = 2  # between two uploads of what a run has printed so far

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

    def node_at(self, address: str | None) -> Node | None:
        return next((node for node in self.nodes.values() if node.address == address), None)

    def start_head(self) -> None:
        self.head.start(cpus=0, head=None)

    def start(self, node: Node) -> None:
        """Switch a node on, and have it join the head."""
        core = list(self.nodes).index(node.name) % (os.cpu_count() or 1) if self.is_pinned else None
        node.start(cpus=self.slots, head=self.head.address, core=core)

    def wait_for_nodes(self, seconds: float = 300.0) -> None:
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
    places = max(1, nodes + spare) * slots
    settings = {
        "DREAMLAKE_BATCH_FILES": str(batch_files),
        "DREAMLAKE_BATCH_OPEN": str(places + 1),
        "DREAMLAKE_BATCH_OPEN_PER_OWNER": str(places + 1),
        "HOME": str(_home_of_aws(folder / "user", stack)),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": token,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }
    said: list[str] = []
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("DREAMLAKE_", "AWS_", "RAY_"))}
    address = f"http://{address_of(0)}:{DASHBOARD_PORT}"

    def write(stack: Stack) -> None:
        plain_write(stack)
        path = stack.dagster_home / "dagster.yaml"
        path.write_text(configured(path.read_text(), address if nodes else None, places))

    plain_write = dagster_home.write
    with (
        patch.dict(os.environ, inherited | settings, clear=True),
        patch.object(dagster_home, "write", write),
        Doors({name: (stack.ports[name], stack.ports[name]) for name in REACHED}, seed, host=BRIDGE) as doors,
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
            world.s3().create_bucket(Bucket=LOGS_BUCKET)
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
        "RAY_raylet_start_wait_time_s": "120",
        "NO_PROXY": "*",
        "no_proxy": "*",
    }


def configured(text: str, address: str | None, slots: int) -> str:
    """The stack's dagster.yaml with so many runs at a time, also of one owner. With the address of a head, they are
    jobs of its cluster, and what they print goes to S3."""
    known: dict[str, Any] = yaml.safe_load(text)
    if address is not None:
        known["run_launcher"] = {
            "module": "dreamlake_pipeline.instance.ray",
            "class": "RayJobLauncher",
            "config": {"address": address, "num_cpus": 1.0},
        }
        known["compute_logs"] = {
            "module": "dagster_aws.s3.compute_log_manager",
            "class": "S3ComputeLogManager",
            "config": {"bucket": LOGS_BUCKET, "prefix": "runs", "upload_interval": UPLOAD_SECONDS},
        }
        # A run that waits for a node is none that failed to start: its launcher knows whether Ray has its job.
        known["run_monitoring"]["start_timeout_seconds"] = START_SECONDS
    queue = known["run_coordinator"]["config"]
    queue["max_concurrent_runs"] = slots
    for limit in queue["tag_concurrency_limits"]:
        limit["limit"] = slots
    return yaml.safe_dump(known)


def _home_of_aws(folder: Path, stack: Stack) -> Path:
    """A home folder by which boto3 finds the object store: the stack gives its webserver no keys, which shows logs."""
    aws = folder / ".aws"
    aws.mkdir(parents=True, mode=0o700)
    keys = stack.credentials
    (aws / "credentials").write_text(
        f"[default]\naws_access_key_id = {keys.s3_access_key}\naws_secret_access_key = {keys.s3_secret_key}\n"
    )
    (aws / "config").write_text(
        f"[default]\nregion = {state.REGION}\nendpoint_url = http://{HOST}:{stack.ports['s3']}\n"
    )
    return folder


def wait_until(is_so: Callable[[], Any], seconds: float, what: str, *, every: float = 0.25) -> Any:
    """What `is_so` answers once that is true. Raises TimeoutError that says `what` did not come about."""
    until = time.monotonic() + seconds
    while not (answer := is_so()):
        if time.monotonic() > until:
            raise TimeoutError(f"it did not come about within {seconds:.0f} s that {what}")
        time.sleep(every)
    return answer
