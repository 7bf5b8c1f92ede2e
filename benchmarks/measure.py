"""Measuring: wall seconds, CPU seconds of everything concerned, peak memory; two sides by turns."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from statistics import median

import psutil

from dreamlake_pipeline.errors import DreamlakeError

_SAMPLE_SECONDS = 0.5
_DISK_BLOCK, _DISK_BLOCKS, _DISK_GOES = 2**23, 32, 3


class BenchmarkError(Exception):
    """What was measured did not do its work, or this machine can't measure it: a sentence for a person."""


def print_lines(lines: Callable[[Path], Iterator[str]]) -> int:
    """Print what is measured below a temporary folder; the exit code, 1 when a measurement failed."""
    try:
        with tempfile.TemporaryDirectory(prefix="dreamlake-bench-", ignore_cleanup_errors=True) as root:
            for line in lines(Path(root)):
                print(line, flush=True)
    except (BenchmarkError, DreamlakeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def median_seconds(do: Callable[[], object], goes: int) -> float:
    """What doing this takes."""
    seconds = []
    for _ in range(goes):
        begun = time.perf_counter()
        do()
        seconds.append(time.perf_counter() - begun)
    return median(seconds)


@dataclass(frozen=True, slots=True)
class Sample:
    """One go at one side: wall seconds, CPU seconds (user and system) of all processes that took part, and the share
    of the time in which the machine's cores did nothing at all, for whomever."""

    seconds: float
    cpu_seconds: float
    idle: float = 0.0


@dataclass(slots=True)
class Pairs:
    """The goes at both sides, by turns; `allowance` in seconds is added to the yardstick. `floors` has the seconds of
    each turn below which nothing that does the work can be, where that was measured."""

    ours: list[Sample] = field(default_factory=list)
    yardstick: list[Sample] = field(default_factory=list)
    allowance: float = 0.0
    floors: list[float] = field(default_factory=list)

    @property
    def times_floor(self) -> list[float]:
        """Ours to the floor, turn by turn."""
        return [ours.seconds / floor for ours, floor in zip(self.ours, self.floors, strict=False)]

    @property
    def ratios(self) -> list[float]:
        """Ours to the yardstick's, turn by turn: neighbours in time share the machine's mood."""
        turns = zip(self.ours, self.yardstick, strict=True)
        return [ours.seconds / (yardstick.seconds + self.allowance) for ours, yardstick in turns]


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and greatest of several values."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(median(values), min(values), max(values))


def by_turns(
    repeats: int,
    ours: Callable[[int], Sample],
    yardstick: Callable[[int], Sample],
    *,
    allowance: float = 0.0,
    floors: Callable[[int], float] | None = None,
) -> Pairs:
    """A B A B …: each side is given the number of the turn, so that it can take content that is new. `floors` is asked
    after both."""
    pairs = Pairs(allowance=allowance)
    for turn in range(repeats):
        os.sync()  # what was written before is not to be flushed at the expense of what comes
        pairs.ours.append(ours(turn))
        os.sync()
        pairs.yardstick.append(yardstick(turn))
        if floors is not None:
            pairs.floors.append(floors(turn))
    return pairs


@contextmanager
def sampling(*roots: psutil.Process, itself: bool = False) -> Iterator[Callable[[], Sample]]:
    """Gives a function that says what passed since: CPU of this process's children and of `roots` and theirs.

    `itself`: this process does the work that is measured.
    """

    def used() -> float:
        return cpu_seconds(roots) + (time.process_time() if itself else 0)

    cpu, (idle, whole), started = used(), _machine_seconds(), time.perf_counter()

    def passed() -> Sample:
        seconds, (idle_now, whole_now) = time.perf_counter() - started, _machine_seconds()
        return Sample(seconds, used() - cpu, (idle_now - idle) / max(whole_now - whole, 1e-9))

    yield passed


def _machine_seconds() -> tuple[float, float]:
    """Seconds in which the machine's cores were idle (for a disk, too), and all of their seconds."""
    times = psutil.cpu_times()
    # What guests used is in `user` already (proc(5)).
    counted = {name: value for name, value in times._asdict().items() if not name.startswith("guest")}
    return counted["idle"] + counted.get("iowait", 0.0), sum(counted.values())


def cpu_seconds(roots: Sequence[psutil.Process]) -> float:
    """CPU seconds that the trees of `roots` and our children have used so far, ended processes included.

    A process that ended is counted with its parent once that has waited for it. Our own work is watching: not counted.
    """
    me = psutil.Process()
    times = me.cpu_times()
    total = times.children_user + times.children_system
    living = [*me.children(recursive=True)]
    for root in roots:
        with suppress(psutil.Error):
            living += [root, *root.children(recursive=True)]
    for process in dict.fromkeys(living):
        with suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return float(total)


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def disk_bandwidth(folder: Path) -> float:
    """Bytes a second that the disk of a folder takes for good: the best of some goes."""
    block, path = os.urandom(_DISK_BLOCK), folder / "disk-bandwidth"
    seconds = []
    for _ in range(_DISK_GOES):
        started = time.perf_counter()
        with path.open("wb") as out:
            for _ in range(_DISK_BLOCKS):
                out.write(block)
            out.flush()
            os.fsync(out.fileno())
        seconds.append(time.perf_counter() - started)
        path.unlink()
    return _DISK_BLOCKS * _DISK_BLOCK / min(seconds)


def run(command: Sequence[str | Path], *, environment: Mapping[str, str], folder: Path) -> str:
    """Run a command to its end; what it wrote to stdout. Raises BenchmarkError that ends with its stderr."""
    words = [str(word) for word in command]
    out, err = folder / "stdout", folder / "stderr"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(words, env=dict(environment), stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)
        try:
            process.wait()
        except BaseException:
            end_tree(psutil.Process(process.pid))
            raise
    if process.returncode != 0:
        said = err.read_text(errors="replace")[-1500:]
        raise BenchmarkError(f"`{' '.join(words)[:200]}` ended with {process.returncode}: {said}")
    return out.read_text(errors="replace")


def end_tree(top: psutil.Process) -> None:
    """End a process and its descendants, and wait for them; one that has ended is no error."""
    family = [top]
    with suppress(psutil.NoSuchProcess):
        family += top.children(recursive=True)
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    for process in psutil.wait_procs(family, timeout=10)[1]:
        with suppress(psutil.NoSuchProcess):
            process.kill()


# A small process that waits for the command: a child's peak begins with what its parent had when it was forked.
_WATCH = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


def peak_of(command: Sequence[str | Path], *, environment: Mapping[str, str], folder: Path) -> int:
    """Run a command to its end; the most memory in bytes that its process had. Raises as `run` does."""
    said = run([sys.executable, "-I", "-S", "-c", _WATCH, *command], environment=environment, folder=folder)
    return int(said) * (1 if sys.platform == "darwin" else 1024)


class PeakMemory:
    """The most memory that any process which starts meanwhile uses, with its descendants: a run of a batch.

    Proportional set sizes, so that pages which a forked process shares with its parent are not counted twice.
    """

    def __init__(self, root: psutil.Process) -> None:
        self.bytes = 0
        self._root = root
        self._old: set[int] = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._old = {process.pid for process in self._root.children(recursive=True)}
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(_SAMPLE_SECONDS):
            with suppress(psutil.Error):
                new = {p.pid: p for p in self._root.children(recursive=True) if p.pid not in self._old}
                tops = [process for process in new.values() if process.ppid() not in new]
                self.bytes = max([self.bytes, *(_memory(top) for top in tops)])


def _memory(top: psutil.Process) -> int:
    total = 0
    for process in [top, *top.children(recursive=True)]:
        with suppress(psutil.Error):
            if not process.name().startswith("postgres"):
                total += process.memory_full_info().pss
    return total


def wait_until(condition: Callable[[], bool], *, timeout: float, every: float, what: str) -> None:
    """Return once `condition` holds. Raises BenchmarkError when it does not within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise BenchmarkError(f"{what} did not happen within {timeout:.0f} s.")
        time.sleep(every)
