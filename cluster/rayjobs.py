"""What Ray's head says of nodes and jobs, looked at again and again: a head that is killed forgets all of it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

import httpx

_EVERY = 0.5
_TIMEOUT = 5.0
RUN_ID = "dagster/run-id"  # in a job's metadata


@dataclass(slots=True)
class Job:
    """A run as Ray knew it when it was last asked. `ended_at`: when it was first seen to have ended, by
    time.monotonic."""

    run_id: str
    address: str | None = None
    status: str = "PENDING"
    message: str = ""
    ended_at: float | None = None


class RayJobs:
    """A context, in which the jobs are watched. `jobs` has them by the ids of their runs."""

    def __init__(self, address: str, token: str) -> None:
        self.jobs: dict[str, Job] = {}
        self._http = httpx.Client(
            base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=_TIMEOUT, trust_env=False
        )
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="jobs", daemon=True)

    def __enter__(self) -> RayJobs:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join(2 * _TIMEOUT)
        self._http.close()

    def nodes(self) -> set[str]:
        """The addresses of the nodes that Ray takes to be alive; none while the head does not answer."""
        try:
            answer = self._http.get("/api/v0/nodes").raise_for_status().json()
        except (httpx.HTTPError, ValueError):
            return set()
        known = answer["data"]["result"]["result"]
        return {node["node_ip"] for node in known if node["state"] == "ALIVE"}

    def running_at(self, address: str) -> list[Job]:
        return [job for job in list(self.jobs.values()) if job.address == address and job.status == "RUNNING"]

    def _watch(self) -> None:
        while not self._ends.wait(_EVERY):
            try:
                known = self._http.get("/api/jobs/").raise_for_status().json()
            except (httpx.HTTPError, ValueError):
                continue
            for told in known:
                self._note(told)

    def _note(self, told: dict[str, Any]) -> None:
        run_id = (told.get("metadata") or {}).get(RUN_ID)
        if run_id is None:
            return
        job = self.jobs.setdefault(run_id, Job(run_id))
        job.status, job.message = told["status"], told.get("message") or ""
        where = (told.get("driver_info") or {}).get("node_ip_address")
        job.address = where or _host_of(told.get("driver_agent_http_address")) or job.address
        if job.ended_at is None and job.status in ("FAILED", "STOPPED", "SUCCEEDED"):
            job.ended_at = time.monotonic()


def _host_of(url: str | None) -> str | None:
    return httpx.URL(url).host if url else None
