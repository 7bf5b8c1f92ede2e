"""A service in a process of its own, whose memory is looked at."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import psutil
import pytest

from tests.conftest import SECRET, free_port, wait_for_port


class Process(NamedTuple):
    """A service in a process of its own, and the URL of its database."""

    url: str
    running: psutil.Process
    database: str


@pytest.fixture(scope="module")
def process(new_database: Callable[[], str], object_store: Any, tmp_path_factory: Any) -> Iterator[Process]:
    """BSS as the stack runs it."""
    port, log, database = free_port(), tmp_path_factory.mktemp("bss") / "log", new_database()
    environment = os.environ | {
        "DREAMLAKE_POSTGRES_URL": database,
        "DREAMLAKE_AUTH_SECRET": SECRET,
        "DREAMLAKE_BUCKET": object_store.bucket,
    }
    command = [sys.executable, "-m", "uvicorn", "--factory", "dreamlake_pipeline.bss.app:create_app"]
    command += ["--http", "dreamlake_pipeline.connections:Connection", "--port", str(port), "--log-level", "warning"]
    with log.open("wb") as out:
        running = subprocess.Popen(
            command,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for_port(port, running, log)
        yield Process(f"http://127.0.0.1:{port}", psutil.Process(running.pid), database)
    finally:
        running.terminate()
        running.wait(10)
