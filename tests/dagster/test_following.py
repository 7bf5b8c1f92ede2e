"""One id follows a file: from what the command line prints through the logs of both services to the log of its run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from dreamlake_pipeline import logs
from dreamlake_pipeline.assets.partitions import BATCHES
from dreamlake_pipeline.server.app import create_app
from dreamlake_pipeline.settings import Settings

from .conftest import SECRET


def test_one_id_is_in_every_log_from_client_to_run(
    world: Any,
    samples: dict[str, bytes],
    serve: Callable[[FastAPI], AbstractContextManager[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DREAMLAKE_LOG_FORMAT", "json")
    logs.configure("test")
    folder = tmp_path / "recordings"
    folder.mkdir()
    (folder / "broken.mp4").write_bytes(samples["broken.mp4"])
    index = create_app(Settings(postgres_url=world.postgres_url, auth_secret=SECRET, bss_url=world.bss_url))
    with serve(index) as remote:
        environment = os.environ | {
            "DREAMLAKE_BSS_URL": world.bss_url,
            "DREAMLAKE_REMOTE": remote,
            "DREAMLAKE_API_KEY": world.token,
            "DREAMLAKE_NAMESPACE": world.owner,
            "DREAMLAKE_CACHE": str(tmp_path / "cache"),
        }
        command = [sys.executable, "-m", "dreamlake_pipeline.cli.main", "ingest", str(folder)]
        command += ["--episode", "lab:run-1", "--json", "--wait"]
        ingest = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            partition = _partition(world, ingest)
            run = world.run(partition)
            printed, _ = ingest.communicate(timeout=120)
        finally:
            ingest.kill()
    [failed] = [event for event in map(json.loads, printed.splitlines()) if event.get("status") == "failed"]
    request = failed["requestId"]

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith('{"at": ')]
    following = [line for line in lines if str(line.get("requestId")).startswith(request.split("-")[0])]
    assert any(line.get("route") == "/uploads/finish" and line["requestId"] == request for line in following)
    assert any(line.get("route") == "/assets/batch" for line in following)
    [told] = [line for line in following if line.get("logger") == "dreamlake.files"]
    assert (told["message"], told["requestId"]) == ("/broken.mp4 failed", request)
    assert (told["record"], told["run"]) == (failed["id"], run.run_id)
    # BSS tells in turn which run asked.
    assert any(
        line.get("route") == "/pipeline/batches/results" and str(line.get("requestId")).startswith(run.run_id)
        for line in lines
    )
    assert world.token not in json.dumps(lines)


def _partition(world: Any, ingest: subprocess.Popen) -> str:
    """The batch that forms of what is ingested."""
    deadline = time.monotonic() + 120
    while not (offers := world.claim()):
        assert ingest.poll() is None and time.monotonic() < deadline
        time.sleep(0.2)
    world.instance.add_dynamic_partitions(BATCHES, [offers[0].partition])
    return str(offers[0].partition)
