"""Ticks of the staging sensor that find nothing new, with many staged objects."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence

from dreamlake_pipeline import layout
from dreamlake_pipeline.ids import new_id
from dreamlake_pipeline.stack.state import BUCKET

from . import inputs
from .home import Home
from .measure import wait_until

_OWNER, _PROJECT = "bench", "ticks"


def stage_known(home: Home, numbers: range) -> None:
    """Objects that BSS knows as ready records: their rows are written by COPY, the objects are links to one file."""
    hashes = [hashlib.sha256(f"tick {number}".encode()).hexdigest() for number in numbers]
    prefix = layout.staging_prefix(_OWNER, _PROJECT)
    inputs.place_same_objects(home.stack.objects, BUCKET, prefix, hashes, b"of no consequence")
    with home.connect() as connection:
        columns = "id, kind, owner, project, name, staging_key, staging_hash, sha256, size, status, ready_at"
        with connection.cursor().copy(f"COPY bss.records ({columns}) FROM STDIN") as copy:
            for number, one in zip(numbers, hashes, strict=True):
                name = f"/run-{number // 1000:05}/mic-{number:07}.wav"
                copy.write_row((new_id(), "audio", _OWNER, _PROJECT, name, prefix + one, one, one, 17, "ready", "now"))
        connection.execute("ANALYZE bss.records")


def tick_seconds(home: Home, *, watch: float) -> Sequence[float]:
    """How long each tick of the next `watch` seconds took, and at least three.

    Without the first one, in which the code server imports what the sensor needs.
    """
    started = time.time()
    home.release_pipeline()
    ticks: list[float] = []

    def seen() -> bool:
        ended = [tick for tick in home.ticks(200) if tick["timestamp"] > started and tick["endTimestamp"]]
        ended.sort(key=lambda tick: float(tick["timestamp"]))
        ticks[:] = [tick["endTimestamp"] - tick["timestamp"] for tick in ended[1:]]
        return len(ticks) >= 3 and time.time() - started > watch

    wait_until(seen, timeout=600, every=1.0, what="four ticks of the staging sensor")
    home.hold_pipeline()
    return ticks
