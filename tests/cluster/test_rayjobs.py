"""What is known of jobs, from what a head says, and after it has forgotten them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from cluster.rayjobs import RUN_ID, RayJobs

TOKEN = "a-token"


class Head(BaseHTTPRequestHandler):
    """Answers as a head does (Ray 2.60: dashboard/modules/job/pydantic_models.py, util/state/common.py)."""

    jobs: ClassVar[list[dict[str, Any]]] = []
    nodes: ClassVar[list[dict[str, str]]] = []
    is_well: ClassVar[bool] = True

    def do_GET(self) -> None:
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            return self.send_error(401)
        if not self.is_well:
            return self.send_error(500)
        body = self.jobs if self.path == "/api/jobs/" else {"data": {"result": {"result": self.nodes}}}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())
        return None

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    Head.jobs, Head.nodes, Head.is_well = [], [], True
    with ThreadingHTTPServer(("127.0.0.1", 0), Head) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def job(run_id: str, status: str, address: str | None) -> dict[str, Any]:
    where = {"driver_info": {"node_ip_address": address}} if address else {"driver_info": None}
    return {"metadata": {RUN_ID: run_id}, "status": status, "message": None} | where


def wait_until(is_so: Any) -> None:
    until = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_job_is_known_after_the_head_has_forgotten_it(address: str) -> None:
    with RayJobs(address, TOKEN) as known:
        Head.jobs = [job("one", "RUNNING", "10.77.0.11"), {"metadata": {}, "status": "RUNNING"}]
        wait_until(lambda: known.running_at("10.77.0.11"))
        assert known.running_at("10.77.0.12") == [] and known.jobs.keys() == {"one"}
        Head.jobs = [job("one", "FAILED", None)]
        wait_until(lambda: known.jobs["one"].ended_at)
        ended = known.jobs["one"].ended_at
        Head.is_well = False
        time.sleep(1)
        Head.is_well, Head.jobs = True, [job("two", "PENDING", None)]
        wait_until(lambda: "two" in known.jobs)
        assert (known.jobs["one"].address, known.jobs["one"].ended_at) == ("10.77.0.11", ended)


def test_nodes_are_those_that_live_and_none_while_the_head_is_away(address: str) -> None:
    with RayJobs(address, TOKEN) as known:
        Head.nodes = [{"node_ip": "10.77.0.11", "state": "ALIVE"}, {"node_ip": "10.77.0.12", "state": "DEAD"}]
        assert known.nodes() == {"10.77.0.11"}
        Head.is_well = False
        assert known.nodes() == set()
    with RayJobs(address, "another") as refused:
        Head.is_well = True
        assert refused.nodes() == set()
