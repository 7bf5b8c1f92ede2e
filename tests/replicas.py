"""Replicas of the services: processes that may be ended and started again."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tests.conftest import wait_for_port
from tests.tlsproxy import HOST

APPS = {"bss": "dreamlake_pipeline.bss.app:create_app", "server": "dreamlake_pipeline.server.app:create_app"}


class Replica:
    """A process of a service; it may be ended and started again."""

    def __init__(self, name: str, port: int, environment: dict[str, str], log: Path) -> None:
        self.port = port
        self._log = log
        self._command = [
            *(sys.executable, "-m", "uvicorn", "--factory", APPS[name], "--host", HOST, "--port", str(port)),
            *("--http", "dreamlake_pipeline.connections:Connection", "--no-access-log", "--log-level", "warning"),
        ]
        self._environment = environment
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as out:
            return subprocess.Popen(
                self._command, env=self._environment, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
            )

    def wait(self) -> None:
        wait_for_port(self.port, self.process, self._log)

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(how)
        self.process.wait(30)

    def restart(self, how: signal.Signals) -> None:
        self.end(how)
        self.process = self._start()
