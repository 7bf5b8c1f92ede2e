"""Rows 8 and 15: one file on an idle stack, against a run of an empty asset, by a sensor and the default launcher."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import httpx
import psutil
import yaml

from dreamlake_pipeline.kinds import Kind

from . import empty, inputs
from .directories import wake
from .home import REPOSITORY, Home
from .measure import BenchmarkError, Pairs, Sample, by_turns, end_tree, sampling, wait_until

_SCHEMA = "bench_dagster"
_LOOKS_EVERY = 5.0  # seconds between two looks of Dagster's own daemon which sensor is due
_GOLDEN = 0.618  # turns at these fractions of that meet it in every phase


@dataclass(frozen=True, slots=True)
class OneFile:
    """Both sides by the clock of the database: `ready` is ours from registration to ready, the yardstick's from the
    drop to the run's end. `command` has the same goes, ours from the start of `dreamlake upload --wait` to its end."""

    ready: Pairs
    command: Pairs


def one_file(home: Home, *, repeats: int) -> OneFile:
    """Upload a video of a megabyte each turn."""
    commands: list[Sample] = []
    with _other_dagster(home) as dagster:

        def ours(turn: int) -> Sample:
            path, project = home.scratch / f"one-{turn}.mp4", home.new_project()
            inputs.write_h264(path, inputs.MB, turn, home.scratch)
            _wait_for_phase(turn)
            with sampling(home.root, *dagster.processes) as passed:
                home.dreamlake("upload", path, "--episode", project, "--wait")
                commands.append(passed())
            return replace(commands[-1], seconds=_check_playable(home, project))

        def yardstick(turn: int) -> Sample:
            _wait_for_phase(turn)
            with sampling(home.root, *dagster.processes) as passed:
                seconds = dagster.drop()
                return Sample(seconds, passed().cpu_seconds)

        # The first one waits for the daemon to load the code location, and ours for much that is loaded once.
        dagster.drop()
        wake(home)
        ready = by_turns(repeats, ours, yardstick, floors=lambda _: inputs.MB / home.disk_bandwidth)
        return OneFile(ready, replace(ready, ours=commands))


def _wait_for_phase(turn: int) -> None:
    time.sleep(_LOOKS_EVERY * (turn * _GOLDEN % 1))


def _check_playable(home: Home, project: str) -> float:
    """Seconds from registration to ready. Raises BenchmarkError unless a player is given the playlist."""
    name, _, owner = project.partition("@")
    with home.connect() as connection:
        row = connection.execute(
            "SELECT id, extract(epoch FROM ready_at - created_at) FROM bss.records WHERE owner = %s AND project = %s",
            [owner, name],
        ).fetchone()
    assert row is not None
    with home.client() as client:
        url = client.bss.playback(Kind.VIDEO, row[0]).url
    if "#EXTM3U" not in httpx.get(url, trust_env=False).text:
        raise BenchmarkError(f"{url} is ready and is no playlist.")
    return float(row[1])


class _Dagster:
    """A daemon of its own with the default launcher, on the stack's Postgres, in a schema of its own."""

    def __init__(self, home: Home, process: subprocess.Popen[bytes], drops: Path) -> None:
        self.processes = [psutil.Process(process.pid)]
        self._home, self._process, self._drops = home, process, drops

    def drop(self) -> float:
        """Drop a file; seconds to the end of the run that it causes."""
        before = len(list(self._drops.iterdir()))
        dropped = time.time()
        (self._drops / f"{before:04}").touch()
        ended: list[float] = []

        def succeeded() -> bool:
            if self._process.poll() is not None:
                raise BenchmarkError("The daemon of the empty asset ended.")
            with self._home.connect() as connection:
                if connection.execute("SELECT to_regclass(%s)", [f"{_SCHEMA}.runs"]).fetchone() == (None,):
                    return False
                query = f"SELECT end_time FROM {_SCHEMA}.runs WHERE status = 'SUCCESS' AND start_time > %s"
                ended[:] = [float(row[0]) for row in connection.execute(query, [dropped]) if row[0]]
            return bool(ended)

        wait_until(succeeded, timeout=120, every=0.1, what="the run of an empty asset")
        return ended[0] - dropped


@contextmanager
def _other_dagster(home: Home) -> Iterator[_Dagster]:
    folder = home.scratch / "dagster"
    drops = folder / "drops"
    drops.mkdir(parents=True)
    # The stack's own settings, but for the launcher (leaving it out means the default one) and for the queue, which is
    # Dagster's own at its quickest.
    settings = yaml.safe_load((home.stack.dagster_home / "dagster.yaml").read_text())
    settings.pop("run_launcher", None)
    settings["run_queue"] = settings.pop("run_coordinator")["config"] | {"dequeue_interval_seconds": 1}
    (folder / "dagster.yaml").write_text(json.dumps(settings))
    with home.connect() as connection:
        connection.execute(f"CREATE SCHEMA {_SCHEMA}")
    url = home.postgres_url.replace("postgresql:", "postgresql+psycopg2:", 1)
    environment = home.environment | {
        "DAGSTER_HOME": str(folder),
        "DAGSTER_POSTGRES_URL": f"{url}?options={quote(f'-csearch_path={_SCHEMA}', safe='')}",
        "PYTHONPATH": f"{folder}{os.pathsep}{REPOSITORY}",  # Dagster leaves the first place out
        empty.DROPS: str(drops),
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "dagster._daemon", "run", "--module-name", "benchmarks.empty"],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    daemon = psutil.Process(process.pid)
    try:
        yield _Dagster(home, process, drops)
    except BenchmarkError as error:
        raise BenchmarkError(f"{error} {(folder / 'log').read_text(errors='replace')[-1500:]}") from error
    finally:
        end_tree(daemon)
        process.wait(10)
