"""`dreamlake worker`: a machine that is not fit is told why and starts nothing; one that is becomes Ray."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from dreamlake_pipeline.api.pipeline import Build, ClaimBatches
from dreamlake_pipeline.database import BSS_SCHEMA, SERVER_SCHEMA
from dreamlake_pipeline.migrations import migrate
from dreamlake_pipeline.processing.build import differences, own_build
from dreamlake_pipeline.remote.http import ServiceClient
from dreamlake_pipeline.remote.pipeline import PipelineClient
from dreamlake_pipeline.storage import ObjectStore

# Stands in for Ray's console script, which replaces this process: it says what it was started with.
RAY = """
import json, os, shutil, sys
def main():
    print(json.dumps({"arguments": sys.argv[1:], "key": os.environ["DREAMLAKE_API_KEY"],
                      "patience": os.environ["RAY_JOB_STOP_WAIT_TIME_S"], "python": shutil.which("python")}))
    return 7
"""


@pytest.fixture(scope="session")
def migrated(new_database: Callable[[], str]) -> str:
    """A database with all three schemas."""
    url = new_database()
    migrate(url, schema=BSS_SCHEMA, package="dreamlake_pipeline.bss")
    migrate(url, schema=SERVER_SCHEMA, package="dreamlake_pipeline.server")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA dagster; CREATE TABLE dagster.runs ()")
    return url


@pytest.fixture
def node(
    environment: dict[str, str],
    services: Any,
    object_store: ObjectStore,
    migrated: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, str]:
    """The environment of a node that is fit, with something in Ray's place."""
    scripts = tmp_path / "site" / "ray" / "scripts"
    scripts.mkdir(parents=True)
    (scripts.parent / "__init__.py").touch()
    (scripts / "__init__.py").touch()
    (scripts / "scripts.py").write_text(RAY)
    dagster = make_url(migrated).set(drivername="postgresql+psycopg2")
    variables = environment | {
        "DREAMLAKE_API_KEY": services.token("*", ttl=10**7),
        "DREAMLAKE_BUCKET": object_store.bucket,
        "DREAMLAKE_POSTGRES_URL": migrated,
        "DAGSTER_POSTGRES_URL": dagster.update_query_dict({"options": "-csearch_path=dagster"}).render_as_string(False),
        "DREAMLAKE_SCRATCH": str(tmp_path),
        "PYTHONPATH": str(tmp_path / "site"),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.fixture
def tell(services: Any) -> Callable[[Build], None]:
    """Has BSS know what the pipeline makes results with, as the staging sensor does."""

    def told(build: Build) -> None:
        limits = ClaimBatches(
            max_batches=1,
            max_open=1,
            max_open_per_owner=1,
            max_files=1,
            max_bytes=1,
            settle_seconds=3600,
            processing_grace_seconds=3600,
            lease_seconds=1,
            max_attempts=1,
            build=build,
        )
        with ServiceClient("BSS", services.bss_url, services.token("*")) as http:
            client = PipelineClient(http)
            client.claim(limits)
            client.claim(limits)
            known = client.build()
            assert known.build == build and known.told_at is not None

    return told


def worker(*arguments: str) -> tuple[int, list[str], str]:
    done = subprocess.run(
        [sys.executable, "-m", "dreamlake_pipeline.cli.main", "worker", *arguments],
        capture_output=True,
        text=True,
        timeout=180,
        env=os.environ,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout.splitlines(), done.stderr


def wrong(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("wrong")]


@pytest.mark.usefixtures("node")
def test_a_machine_that_is_fit_becomes_a_node(tell: Callable[[Build], None]) -> None:
    tell(own_build())
    code, lines, _ = worker("--address", "head:6379", "--num-cpus", "3", "--", "--labels=rack=a")
    assert wrong(lines) == []
    assert code == 7, lines  # Ray's own: it is in this process's place
    said = json.loads(lines[-1])
    assert said["arguments"][:3] == ["start", "--address=head:6379", "--num-cpus=3"]
    assert "--block" in said["arguments"] and said["arguments"][-1] == "--labels=rack=a"
    # The node's environment has the secrets, and no argument: every user of the machine reads those.
    assert said["key"] == os.environ["DREAMLAKE_API_KEY"]
    assert said["key"] not in str(said["arguments"])
    assert said["patience"] == "20"
    # A shell there starts runs by `python`: it is the one that was checked, however this was called.
    assert said["python"] == str(Path(sys.executable).parent / "python")


@pytest.mark.usefixtures("node")
def test_a_machine_with_another_ffmpeg_is_refused(tell: Callable[[Build], None]) -> None:
    tell(own_build().model_copy(update={"ffmpeg": "ffmpeg version 8.1.3 Copyright"}))
    code, lines, err = worker("--address", "head:6379")
    [line] = wrong(lines)
    assert code == 1 and "ffmpeg is" in line and "'8.1.3' there" in line
    assert "Ray was not started" in err
    assert not any("arguments" in line for line in lines)


@pytest.mark.usefixtures("node")
def test_a_machine_that_lacks_several_things_hears_of_each(
    tell: Callable[[Build], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tell(own_build())
    monkeypatch.setenv("DREAMLAKE_SCRATCH", str(tmp_path / "not mounted"))
    monkeypatch.setenv("DREAMLAKE_BUCKET", "no-such-bucket")
    code, lines, _ = worker("--check")
    assert code == 1
    assert [line.split()[1] for line in wrong(lines)] == ["scratch", "bucket"]


def test_without_ray_it_is_one_line(node: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "site" / "ray").rename(tmp_path / "site" / "away")
    blocked = tmp_path / "site" / "sitecustomize.py"
    # Where Ray is installed, this interpreter does not find it.
    blocked.write_text(
        "import importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name == 'ray' else find(name, *more)\n"
    )
    monkeypatch.delenv("DAGSTER_POSTGRES_URL")
    code, lines, _ = worker("--address", "head:6379")
    assert code == 1
    missing, variables = wrong(lines)
    assert "Ray is not installed" in missing and "dreamlake-pipeline[ray]" in missing
    assert "DAGSTER_POSTGRES_URL not set" in variables


def test_an_address_is_needed() -> None:
    code, _, err = worker()
    assert code == 2 and "--address" in err


def test_differences_name_what_to_install() -> None:
    here = Build(version="1.0", ffmpeg="ffmpeg version 9 Copyright", recipes={"video": "a", "audio": "b"})
    assert differences(here, here) == []
    assert differences(here, here.model_copy(update={"version": "1.1"})) == [
        "dreamlake-pipeline is 1.0 here, and 1.1 there"
    ]
    [libraries] = differences(here, here.model_copy(update={"recipes": {"video": "a", "audio": "c"}}))
    assert "audio" in libraries and "video" not in libraries
