"""Those who bring files: `dreamlake ingest`, which may be killed and is run again, and a robot's own uploader."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import boto3
import psutil

from dreamlake_pipeline.stack.state import BUCKET
from dreamlake_pipeline.storage import client_config

from .home import Home
from .inputs import Drop, Wave

DREAMLAKE = str(Path(sys.executable).with_name("dreamlake"))
_PAUSE = 1.0
_MOST_RERUNS = 200
_UNREACHABLE = 3  # the exit code


@dataclass(slots=True)
class Clients:
    """Brings waves of files, as many at a time as are asked for.

    `outcomes` counts how runs of the CLI ended: `done`, `killed`, or the reason for which they gave up. `findings` are
    what no client may do, whatever happens to the services.
    """

    home: Home
    say: Callable[[str], None]
    outcomes: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    brought: list[Wave] = field(default_factory=list)
    _processes: dict[int, psutil.Process] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def processes(self) -> list[psutil.Process]:
        """The CLI's processes that are at work now."""
        with self._lock:
            return [process for process in self._processes.values() if process.is_running()]

    def bring(self, wave: Wave) -> None:
        """Ingest a wave, again and again until the CLI says that all of it arrived, and drop its objects."""
        dropper = threading.Thread(target=self._drop_all, args=[wave.drops], daemon=True)
        dropper.start()
        for turn in range(_MOST_RERUNS):
            if self._ingest(wave, turn):
                break
            time.sleep(_PAUSE)
        else:
            self.findings.append(f"the ingest of {wave.folder.name} did not end in {_MOST_RERUNS} runs")
        dropper.join()
        with self._lock:
            self.brought.append(wave)

    def _ingest(self, wave: Wave, turn: int) -> bool:
        """Run `dreamlake ingest` once; whether everything has arrived."""
        log = self.home.folder / "clients" / f"{wave.folder.name}-{turn:02}"
        log.parent.mkdir(exist_ok=True)
        words = ["ingest", str(wave.folder), "--episode", f"{wave.project}@{wave.owner}", "--episode-per-folder"]
        out, err = log.with_suffix(".out"), log.with_suffix(".err")
        with out.open("wb") as stdout, err.open("wb") as stderr:
            code = self._run([*words, "--json"], stdout, stderr)
        if code < 0:
            self.outcomes["killed"] += 1
            return False
        said = err.read_text(errors="replace")
        events = list(_events(out))
        failed = [event for event in events if event.get("event") == "file" and event.get("status") == "failed"]
        is_whole = any(event.get("event") == "summary" for event in events)
        if "Traceback" in said:
            self.findings.append(f"a traceback in {err}")
        if code == 0 and is_whole:
            self.outcomes["done"] += 1
            return True
        # Files that were sent and then failed are the pipeline's to judge (check.py); others were not sent.
        unsent = [event for event in failed if not event.get("id")]
        if code == 1 and is_whole and not unsent:
            self.outcomes["done"] += 1
            return True
        why = unsent[0].get("reason") if unsent else said.strip().splitlines()[-1:] or "it says nothing"
        self.outcomes[f"gave up, exit {code}"] += 1
        if code != _UNREACHABLE:  # which it may say of a service that has never answered it
            self.findings.append(f"the client gave up with exit {code}, see {err}: {why}")
        self.say(f"the client gave up with exit {code}, {len(unsent)} files not sent: {why}")
        return False

    def _run(self, words: list[str], stdout: IO[bytes], stderr: IO[bytes]) -> int:
        started = subprocess.Popen(
            [DREAMLAKE, *words],
            env=self.home.environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        with self._lock:
            self._processes[started.pid] = psutil.Process(started.pid)
        try:
            return started.wait()
        finally:
            with self._lock:
                del self._processes[started.pid]

    def _drop_all(self, drops: list[Drop]) -> None:
        """Put objects through the door, each until the object store has acknowledged it."""
        for drop in drops:
            while not self._drop(drop):
                time.sleep(_PAUSE)

    def _drop(self, drop: Drop) -> bool:
        known = self.home.environment
        with suppress(Exception):  # whatever botocore makes of a fault: a robot tries again
            _client(known).put_object(Bucket=BUCKET, Key=drop.key, Body=drop.content, Metadata=drop.metadata)
            return True
        return False


def _client(known: dict[str, str]) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=known["AWS_ENDPOINT_URL"],
        aws_access_key_id=known["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=known["AWS_SECRET_ACCESS_KEY"],
        region_name=known["AWS_REGION"],
        config=client_config(),
    )


def _events(path: Path) -> list[dict[str, Any]]:
    events = []
    for line in path.read_text(errors="replace").splitlines():
        with suppress(ValueError):  # the last line of a process that was killed
            events.append(json.loads(line))
    return events
