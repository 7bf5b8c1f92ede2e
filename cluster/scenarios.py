"""What may happen to a cluster while it works, and what has to be true of each besides what always has
(`rounds.py`)."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import psutil

from dreamlake_pipeline.stack.health import problem_of
from torture import parts

from . import dagsterruns, namespaces
from .home import Cluster, wait_until
from .nodes import Node
from .rayjobs import Job, RayJobs

_WORK_BEGINS_WITHIN = 180.0
_LONG_AT_WORK = 0.7  # seconds: an ffmpeg of this age transcodes, and is there for some more
_RAY_NOTICES_WITHIN = 180.0
_ENDS_WITHIN = 60.0
# What a run has started is gone this long after the run itself.
_ORPHANS_END_WITHIN = 5.0
_ROLLED = ("bss", "server", "viewer", "code", "webserver", "daemon")
_PROCESS_OF = {"code": "dagster-code", "webserver": "dagster-webserver", "daemon": "dagster-daemon"}


@dataclass(slots=True)
class Happened:
    """What a fault was. `noticed`: seconds that Ray needed to notice it, or for which there was no Ray to ask; `wrong`
    are sentences. Jobs of the node at `address` that fail later than `begun`, by time.monotonic, failed by the fault.
    """

    what: str
    noticed: float = 0.0
    wrong: list[str] = field(default_factory=list)
    address: str | None = None
    begun: float = 0.0

    def look_back(self, jobs: RayJobs) -> None:
        """Ray may notice when all is well again: connections that lost much wait long before they try again, and it
        gives up a node whose health it could not ask for five times."""
        if self.address is None:  # as that of a job that never got a node
            return
        for job in list(jobs.jobs.values()):
            if job.address == self.address and job.status == "FAILED" and job.ended_at and job.ended_at > self.begun:
                self.noticed = max(self.noticed, job.ended_at - self.begun)


Scenario = Callable[[Cluster], Happened]


def calm(_: Cluster) -> Happened:
    """Nothing happens."""
    return Happened("nothing")


def kill_node(cluster: Cluster) -> Happened:
    """The power of a node fails while ffmpeg runs on it; it comes back, with an empty disk, when Ray has noticed."""
    busy = _at_work(cluster)
    victim, lost = busy.node, busy.jobs
    victim.kill()
    happened = Happened(f"{victim.name} died with {len(lost)} runs")
    happened.noticed = _until_ended(cluster, lost)
    happened.wrong += _not_elsewhere(cluster, lost, victim)
    cluster.start(victim)
    return happened


def kill_driver(cluster: Cluster) -> Happened:
    """The process of a run is killed; what it had started dies with it."""
    busy = _at_work(cluster)
    busy.driver.kill()
    victim, lost, orphans = busy.node, busy.jobs, busy.ffmpegs
    happened = Happened(f"the run on {victim.name} was killed, with {len(orphans)} ffmpegs")
    _, alive = psutil.wait_procs(orphans, timeout=_ORPHANS_END_WITHIN)
    if alive:
        happened.wrong.append(f"{len(alive)} ffmpegs of the run live {_ORPHANS_END_WITHIN:.0f} s after it")
    happened.noticed = _until_ended(cluster, lost)
    return happened


def kill_head(cluster: Cluster) -> Happened:
    """The head dies, and comes back without knowing of any job."""
    _at_work(cluster)
    begun = time.monotonic()
    cluster.head.kill()
    time.sleep(20)
    cluster.start_head()
    cluster.wait_for_nodes()
    return Happened("the head died for 20 s", noticed=time.monotonic() - begun)


def cut_link(seconds: float) -> Scenario:
    """Nothing passes between a node and the rest for so long."""

    def cut(cluster: Cluster) -> Happened:
        busy = _at_work(cluster)
        victim, begun = busy.node, time.monotonic()
        namespaces.cut(victim.cable)
        try:
            time.sleep(seconds)
        finally:
            namespaces.mend(victim.cable)
        cluster.wait_for_nodes()
        what = f"the link of {victim.name}, with {len(busy.jobs)} runs, was cut for {seconds:.0f} s"
        return Happened(what, noticed=seconds, address=victim.address, begun=begun)

    return cut


def terminate(cluster: Cluster) -> Happened:
    """Somebody ends a run on its page; its files are another run's."""
    busy = _at_work(cluster)
    victim, lost = busy.node, busy.jobs
    begun = time.monotonic()
    answer = dagsterruns.terminate(cluster.stack, lost[0].run_id)
    happened = Happened(f"the run on {victim.name} was ended by hand")
    if answer != "TerminateRunSuccess":
        happened.wrong.append(f"Dagster answers {answer} when a run is to be ended")

    def status() -> str:
        return next((run.status for run in dagsterruns.runs(cluster.stack) if run.run_id == lost[0].run_id), "")

    wait_until(lambda: status() in ("CANCELED", "FAILURE", "SUCCESS"), _ENDS_WITHIN, "the run has ended")
    if (ended := status()) != "CANCELED":
        happened.wrong.append(f"the run that was to be ended is {ended}")
    happened.noticed = time.monotonic() - begun
    return happened


def add_node(cluster: Cluster) -> Happened:
    """A node joins while there is work, and gets some of it."""
    _at_work(cluster)
    new = next(node for node in cluster.nodes.values() if not node.is_up)
    cluster.start(new)
    happened = Happened(f"{new.name} joined")
    cluster.wait_for_nodes()
    with suppress(TimeoutError):
        wait_until(lambda: _jobs_at(cluster, new) or not _waits(cluster), _WORK_BEGINS_WITHIN, f"{new.name} has a run")
    if not _jobs_at(cluster, new):
        why = "never had a run" if _waits(cluster) else "found all the work done: this takes more files"
        happened.wrong.append(f"{new.name} joined and {why}")
    return happened


def roll(cluster: Cluster) -> Happened:
    """Every service is told to end, one after the other, and starts again."""
    _at_work(cluster)
    begun = time.monotonic()
    for name in _ROLLED:
        for process in parts.ONE[name](cluster.world):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGINT if name == "code" else signal.SIGTERM)
        time.sleep(0.5)
        since = time.time() - 1
        known = _PROCESS_OF.get(name, name)

        def is_well(name: str = known, since: float = since) -> bool:
            return problem_of(cluster.stack, name, since=since) is None

        wait_until(is_well, 120, f"{known} does its work again")
    return Happened(f"{len(_ROLLED)} services were started again", noticed=time.monotonic() - begun)


SCENARIOS: dict[str, Scenario] = {
    "calm": calm,
    "kill-node": kill_node,
    "kill-driver": kill_driver,
    "kill-head": kill_head,
    "cut-30": cut_link(30),
    "cut-120": cut_link(120),
    "terminate": terminate,
    "add-node": add_node,
    "roll": roll,
}


@dataclass(frozen=True, slots=True)
class _Busy:
    """A node on which ffmpeg transcodes: the jobs on it, the process of one of these, and the ffmpegs."""

    node: Node
    jobs: list[Job]
    driver: psutil.Process
    ffmpegs: list[psutil.Process]


def _at_work(cluster: Cluster) -> _Busy:
    """Wait until a node transcodes."""

    def found() -> _Busy | None:
        for node in cluster.nodes.values():
            jobs, drivers = cluster.jobs.running_at(node.address), node.drivers()
            # The last to be looked at, since it is the first to be over.
            if jobs and drivers and (ffmpegs := node.ffmpegs(older_than=_LONG_AT_WORK)):
                return _Busy(node, jobs, min(drivers, key=lambda process: process.pid), ffmpegs)
        return None

    busy: _Busy = wait_until(found, _WORK_BEGINS_WITHIN, "ffmpeg runs on a node", every=0.05)
    return busy


def _until_ended(cluster: Cluster, lost: list[Job]) -> float:
    """Wait until Ray says that these jobs ended; the seconds that it took."""
    begun = time.monotonic()
    wait_until(
        lambda: all(job.ended_at is not None for job in lost), _RAY_NOTICES_WITHIN, "Ray notices that a run is gone"
    )
    return max(job.ended_at or begun for job in lost) - begun


def _not_elsewhere(cluster: Cluster, lost: list[Job], victim: Node) -> list[str]:
    """Sentences about lost runs whose files were not taken up on another node. It is waited for."""
    wrong = []
    for job in lost:
        try:
            address = wait_until(
                partial(_address_of_next, cluster, job.run_id), _RAY_NOTICES_WITHIN, "a further attempt runs"
            )
        except TimeoutError:
            wrong.append(f"the files of run {job.run_id} have no further attempt")
            continue
        if address == victim.address:
            wrong.append(f"the files of run {job.run_id} were tried again on the node that had died")
    return wrong


def _address_of_next(cluster: Cluster, run_id: str) -> str | None:
    """Where files of a lost run were tried again: as another attempt at their batch, or as batches of some of them."""
    known = dagsterruns.runs(cluster.stack)
    mine = next((run for run in known if run.run_id == run_id), None)
    if mine is None:
        return None
    query = "SELECT DISTINCT partition FROM bss.records WHERE was_in @> ARRAY[%s] AND partition IS NOT NULL"
    parts = {row["partition"] for row in cluster.world.rows(query, mine.partition)} - {mine.partition}
    for run in known:
        if run.partition in parts or (run.partition == mine.partition and run.attempt > mine.attempt):
            job = cluster.jobs.jobs.get(run.run_id)
            if job is not None and job.address:
                return job.address
    return None


def _waits(cluster: Cluster) -> int:
    """How many files are in no batch yet, or in one that no run has begun."""
    (waiting,) = cluster.world.rows(
        "SELECT count(*) AS n FROM bss.records r LEFT JOIN bss.batches b USING (partition) "
        "WHERE r.status IN ('registered', 'queued') AND b.run_id IS NULL"
    )
    return int(waiting["n"])


def _jobs_at(cluster: Cluster, node: Node) -> list[Job]:
    return [job for job in list(cluster.jobs.jobs.values()) if job.address == node.address]
