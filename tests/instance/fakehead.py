"""A head of a Ray cluster as far as `RayJobLauncher` asks it: a real HTTP server that can be told to fail."""

from __future__ import annotations

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class FakeHead:
    """`jobs` are those that it knows, `asked` the requests that came: method and path. Of the next `times` requests by
    `method`, each is answered by `fault`: a status, "lost" (done, and no answer), "slow", or "garbage"."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.token: str | None = None
        self.fault: int | str | None = None
        self.method, self.times = "", 0
        self._end = threading.Event()
        self._server: ThreadingHTTPServer | None = None
        self.port = 0

    def start(self) -> None:
        head = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None: ...

            def do_GET(self) -> None:
                head.answer(self, b"")

            def do_POST(self) -> None:
                head.answer(self, self.rfile.read(int(self.headers.get("Content-Length") or 0)))

        self._end.clear()
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Let go of the port: connections are refused from then on."""
        self._end.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def break_down(self, fault: int | str, *, method: str = "", times: int = 1) -> None:
        self.fault, self.method, self.times = fault, method, times

    def answer(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        self.asked.append((request.command, request.path))
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        fault = None
        if self.times > 0 and self.method in ("", request.command):
            self.times, fault = self.times - 1, self.fault
        if fault == "slow":
            self._end.wait(60)
        if isinstance(fault, int):
            return self._send(request, fault, "Traceback (most recent call last):\n  File x\nsomething is wrong")
        if fault == "garbage":
            return self._send(request, 200, "<html>welcome</html>")
        if self.token is not None and request.headers.get("Authorization") != f"Bearer {self.token}":
            return self._send(request, 401, "Unauthorized: Missing authentication token")
        status, answer = self._do(request, body)
        if fault == "lost":
            request.close_connection = True
            request.connection.shutdown(socket.SHUT_RDWR)
            return None
        return self._send(request, status, answer)

    def _do(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, str]:
        match request.path.strip("/").split("/"):
            case ["api", "jobs"]:
                asked = json.loads(body)
                name = asked["submission_id"]
                if name in self.jobs:
                    # As Ray 2.60 answers: the agent's 400 is an exception of the head's (job_head.py).
                    said = f"ValueError: Job with submission_id {name} already exists. Please use a different one."
                    return 500, f"Traceback (most recent call last):\n{said}\n.\n"
                self.jobs[name] = {"status": "PENDING", **asked}
                return 200, json.dumps({"job_id": name, "submission_id": name})
            case ["api", "jobs", name, "stop"] if name in self.jobs:
                runs = self.jobs[name]["status"] in ("PENDING", "RUNNING")
                if runs:
                    self.jobs[name]["status"] = "STOPPED"
                return 200, json.dumps({"stopped": runs})
            case ["api", "jobs", name, *_] if name not in self.jobs:
                return 404, f"Job {name} does not exist"
            case ["api", "jobs", name]:
                return 200, json.dumps(self.jobs[name])
        return 404, "404: Not Found"

    @staticmethod
    def _send(request: BaseHTTPRequestHandler, status: int, text: str) -> None:
        data = text.encode()
        try:
            request.send_response(status)
            request.send_header("Content-Length", str(len(data)))
            request.end_headers()
            request.wfile.write(data)
        except OSError:
            return  # the client has gone, which may be what a test is about
