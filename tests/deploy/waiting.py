"""Waiting for processes of an installation, which take long on a busy machine."""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.request
from pathlib import Path

_SECONDS = 150.0


def wait_for_socket(path: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until somebody listens at a unix socket."""
    deadline = time.monotonic() + _SECONDS
    while True:
        with socket.socket(socket.AF_UNIX) as client:
            if path.exists() and client.connect_ex(str(path)) == 0:
                return
        said = f"nobody listens at {path}: {log.read_text()[:2500]}"
        assert process.poll() is None and time.monotonic() < deadline, said
        time.sleep(0.1)


def wait_until_healthy(port: int, process: subprocess.Popen[bytes]) -> None:
    """Until `/healthz` answers 200."""
    deadline = time.monotonic() + _SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
                return
        except OSError:
            assert process.poll() is None and time.monotonic() < deadline, f"nothing healthy at port {port}"
            time.sleep(0.1)
