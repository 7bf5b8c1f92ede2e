"""`dreamlake doctor` of the embedded stack, as its operator and as the user of one service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from dreamlake_pipeline.stack.state import Stack


def doctor(environment: dict[str, str]) -> tuple[int, dict[str, dict[str, Any]]]:
    done = subprocess.run(
        [sys.executable, "-m", "dreamlake_pipeline.cli.main", "doctor", "--json"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, {one["part"]: one for one in map(json.loads, done.stdout.splitlines())}


def test_the_embedded_stack_is_well(running_stack: Stack) -> None:
    code, found = doctor(running_stack.environment())
    assert [one for one in found.values() if one["level"] in ("wrong", "left out")] == []
    assert code == 0
    assert {"postgres", "schema bss", "schema dreamlake", "dagster tables", "bucket delete", "BSS", "dagster"} <= set(
        found
    )
    assert {"DreamLake Server", "viewer", "dagster.yaml", "ffmpeg", "cage", "scratch"} <= set(found)


def test_the_user_of_one_service_has_its_own_schema_looked_at(running_stack: Stack) -> None:
    code, found = doctor(running_stack.environment() | {"DREAMLAKE_POSTGRES_URL": running_stack.postgres_url("bss")})
    assert code == 0
    assert "schema bss" in found and "schema dreamlake" not in found
