"""A target at work in a process of its own, whose time and memory are bounded, and what it finds."""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from .mutate import Mutator

REGRESSIONS = Path(__file__).parent / "regressions"  # findings of earlier runs, each `TARGET-HASH`
SEEDS_VARIABLE = "DREAMLAKE_FUZZ_SEEDS"  # folders of further seeds, as PATH has them
SECONDS = 5  # of the processor, of one input
_WAITING = 10  # times as long it may take by the clock, on a machine that has other things to do
_START_SECONDS = 300.0  # until the first input
_MEMORY = 3 * 2**30
_MOST_SEED_BYTES = 1 << 16


class Slow(BaseException):
    """An input that takes longer than SECONDS; no parser may catch it."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a run over a target: how many inputs, and the files of the findings."""

    target: str
    inputs: int
    seconds: float
    findings: list[Path]


def seeds_of(target: str) -> Iterator[bytes]:
    """Beginnings with tokens behind them, what was found before, and files that a variable names."""
    from .targets import BEGINNINGS, TOKENS

    for begin in BEGINNINGS.get(target, (b"",)):
        yield begin
        yield from (begin + token * 3 for token in TOKENS.get(target, ()))
    yield from (path.read_bytes() for path in sorted(REGRESSIONS.glob(f"{target}-*")))
    for folder in filter(None, os.environ.get(SEEDS_VARIABLE, "").split(os.pathsep)):
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file() and not path.is_symlink():
                with path.open("rb") as file:
                    yield file.read(_MOST_SEED_BYTES)


def run(target: str, seconds: float, findings: Path, *, number: int = 0) -> Ran:
    """Run a target for some time, in as many processes as it kills. Findings are files, with the traceback beside.

    The time of a process begins when it has started. Raises RuntimeError when it does not start.
    """
    findings.mkdir(parents=True, exist_ok=True)
    started, inputs, found = time.monotonic(), 0, []
    while (left := seconds - (time.monotonic() - started)) > 0.5:
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            words = [sys.executable, "-m", "fuzz.run", target, str(left), str(findings), str(number), folder]
            child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            _wait_for_start(child, Path(folder) / "current", target)
            try:
                out, _ = child.communicate(timeout=left + 2 * _WAITING * SECONDS)
            except subprocess.TimeoutExpired:  # code that no signal reaches
                child.kill()
                out, _ = child.communicate()
            lines = out.splitlines()
            found += [Path(line) for line in lines if not line.isdigit()]
            inputs += max((int(line) for line in lines if line.isdigit()), default=0)
            if child.returncode:
                data = (Path(folder) / "current").read_bytes()
                found.append(_keep(findings, target, data, f"the process ended with {child.returncode}"))
        number += 1000
    return Ran(target, inputs, time.monotonic() - started, sorted(set(found)))


def _wait_for_start(child: subprocess.Popen[str], first: Path, target: str) -> None:
    until = time.monotonic() + _START_SECONDS
    while not first.exists():
        if child.poll() is not None or time.monotonic() > until:
            child.kill()
            child.communicate()
            raise RuntimeError(f"the target {target} does not start")
        time.sleep(0.05)


def _keep(findings: Path, target: str, data: bytes, why: str) -> Path:
    path = findings / f"{target}-{hashlib.sha256(data).hexdigest()[:16]}"
    path.write_bytes(data)
    path.with_suffix(".txt").write_text(why)
    return path


def check(target: str, data: bytes, folder: Path) -> str | None:
    """Why an input is a finding; None for one that is read or refused in time."""
    from .targets import EXPECTED, MEDIA, PARSERS

    parse = (PARSERS | MEDIA)[target]
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.setitimer(signal.ITIMER_REAL, _WAITING * SECONDS)
    try:
        parse(data, folder)
    except EXPECTED:
        return None
    except Slow:
        return f"slow: {SECONDS} s of the processor, or {_WAITING * SECONDS} s in all\n{traceback.format_exc()}"
    except Exception:
        return traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
    return None


def _stop(_number: int, _frame: FrameType | None) -> Any:
    raise Slow


def _child(target: str, seconds: float, findings: Path, number: int, folder: Path) -> None:
    from .targets import TOKENS

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGALRM, _stop)
    signal.signal(signal.SIGPROF, _stop)
    mutator = Mutator(list(seeds_of(target)), TOKENS.get(target, ()), number)
    started, inputs, told = time.monotonic(), 0, set()
    while time.monotonic() - started < seconds:
        data = mutator.make()
        (folder / "current").write_bytes(data)
        inputs += 1
        if why := check(target, data, folder):
            place = "\n".join(why.splitlines()[-4:])  # one finding for each place
            if place not in told:
                told.add(place)
                print(_keep(findings, target, data, why), flush=True)
        elif inputs % 50 == 0:
            mutator.keep(data)
        if inputs % 100 == 0:
            print(inputs, flush=True)
    print(inputs, flush=True)


if __name__ == "__main__":
    name, left, kept, start, place = sys.argv[1:]
    _child(name, float(left), Path(kept), int(start), Path(place))
