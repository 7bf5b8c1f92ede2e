"""Rows curves and zoom: what a page waits for that shows a label track, from question to answer over HTTP."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field

from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.remote.bss import BssClient

from . import inputs
from .home import Home
from .measure import BenchmarkError

_WIDTH = 1000  # pixels
# Parts of a track that are shown: the longest are told by buckets, the shortest by the entries themselves.
_SPANS = (0.5, 0.1, 0.03, 0.01, 0.003, 0.001)


@dataclass(slots=True)
class Curves:
    """Seconds of each go: of the whole span, for the first time that anybody asks for the track; and of a part."""

    whole: list[float] = field(default_factory=list)
    part: list[float] = field(default_factory=list)


def shown(home: Home, *, entries: int, fields: int, repeats: int) -> Curves:
    """A track of so many entries and fields a turn; all fields are shown."""
    told = Curves()
    chance = random.Random(1)
    names = [f"q{number}" for number in range(fields)]
    for turn in range(repeats):
        path, project = home.scratch / f"curves-{turn}.csv", home.new_project()
        inputs.write_measurements(path, entries=entries, fields=names, seed=turn)
        home.dreamlake("upload", path, "--episode", project)
        home.wait_ready(project, 1)
        with home.client() as lake:
            [record] = lake.bss.list_all(Kind.LABEL_TRACK, owner=project.partition("@")[2])
            lake.bss.get(record.kind, record.id)  # a connection
            duration = lake.bss.metadata(record.kind, record.id)["durationSec"]
            told.whole.append(_seconds(lake.bss, record.id, names, 0.0, duration))
            for share in _SPANS:
                start = chance.uniform(0, duration * (1 - share))
                told.part.append(_seconds(lake.bss, record.id, names, start, start + duration * share))
    return told


def _seconds(bss: BssClient, record_id: str, names: list[str], start: float, end: float) -> float:
    """Seconds to the answer as text: what reads it is a browser."""
    path = f"/{Kind.LABEL_TRACK.spec.route}/{record_id}/series"
    begun = time.perf_counter()
    text = bss.http.text(path, **{"fields": names, "from": start, "to": end, "width": _WIDTH})
    passed = time.perf_counter() - begun
    if text.count('"q') < len(names):
        raise BenchmarkError(f"{path} does not tell all of its fields.")
    return passed
