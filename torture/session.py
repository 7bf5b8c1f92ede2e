"""One torture from its beginning to its end: calm, faults, rest, and what is true then."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from dreamlake_pipeline.stack.health import problem_of
from dreamlake_pipeline.stack.processes import PROCESSES

from .check import Checked, check, check_by_fsck, check_no_orphans
from .clients import Clients
from .faults import Tormentor, schedule
from .gardener import Gardener
from .home import Home, running
from .inputs import Inputs, Wave

# Beyond the work itself (issue 11, item 3): a torture whose files take longer to settle has failed.
SETTLES_WITHIN = 30.0

_LONGEST_SETTLING = 1500.0  # then it is looked at as it is
_LONGEST_TELLING = 300.0
_LONGEST_RETURN = 120.0
_LAST_WAVE = 0.8  # of the time of faults: what is brought later is brought in peace
_MOST_WAITING = 150  # files that are not settled, until another wave is brought


@dataclass(frozen=True, slots=True)
class Size:
    """How much is brought in one wave, by how many clients at a time.

    `tells`: some files are bad, and some are deleted. It takes up to a minute until the index has heard of those.
    """

    sounds: int
    videos: int
    texts: int
    drops: int
    clients: int = 2
    tells: bool = True


WHOLE = Size(sounds=40, videos=8, texts=8, drops=4)
SHORT = Size(sounds=8, videos=3, texts=4, drops=2, clients=1, tells=False)


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of a torture. `settled`: seconds from the last fault until nothing was under way; `work`: how many of
    them what was left would have taken in calm, by the first wave."""

    seed: int
    seconds: float
    faults: Counter[str]
    clients: Counter[str]
    checked: Checked
    settled: float
    work: float

    @property
    def beyond(self) -> float:
        return max(0.0, self.settled - self.work)

    @property
    def is_good(self) -> bool:
        return not self.checked.wrong and self.beyond <= SETTLES_WITHIN


def torture(
    folder: Path,
    seed: int,
    seconds: float,
    say: Callable[[str], None],
    *,
    size: Size = WHOLE,
    kinds: Sequence[str] | None = None,
    mean_gap: float = 4.0,
) -> Ended:
    """Start a stack under `folder` and torture it for so many seconds. Its files stay there."""
    inputs = Inputs(folder / "inputs", seed)
    plan = schedule(seed, seconds, kinds, mean_gap=mean_gap)
    say(f"seed {seed}: {len(plan)} faults in {seconds:.0f} s, in {folder}")
    for fault in plan:
        say(f"    {fault}")
    with running(folder, seed) as home:
        clients = Clients(home, say)
        calm = _calm(home, clients, inputs, size)
        say(f"calm: {calm * 1000:.0f} ms a file")
        tormentor = Tormentor(home, clients, say)
        bringing = [
            threading.Thread(target=_bring, args=[home, clients, numbers, inputs, size, seconds], daemon=True)
            for numbers in _numbers(size.clients)
        ]
        for thread in bringing:
            thread.start()
        with Gardener(home, clients, seed, deletes=size.tells) as gardener:
            tormentor.run(plan)
            ended, left = time.monotonic(), _left(home, clients, len(gardener.deleted))
        with suppress(Exception):  # the supervisor may have given up a process that was killed again and again
            home.up()
        gardener.finish()
        say(f"the last fault is over: {left} files are left")
        for thread in bringing:
            thread.join()
        gone = {file.place for file in gardener.deleted}
        _settle(home, clients, ended, say, gone)
        settled = time.monotonic() - ended
        say(f"settled after {settled:.1f} s")
        _wait_until_told(home)
        gardener.clear()
        expected = [file for wave in clients.brought for file in wave.expected if file.place not in gone]
        checked = check(home, expected)
        check_no_orphans(checked, home)
        check_by_fsck(home.environment, checked)
        _check_processes(home, checked)
        checked.counts["deleted"] = len(gone)
        checked.counts["freed"] = gardener.freed.total()
        for finding in clients.findings:
            checked.find("client", finding)
        return Ended(seed, seconds, tormentor.done, clients.outcomes, checked, settled, left * calm)


def _calm(home: Home, clients: Clients, inputs: Inputs, size: Size) -> float:
    """Bring the first wave in peace; the seconds that a file took."""
    wave = _wave(inputs, 0, size)
    begun = time.monotonic()
    clients.bring(wave)
    _settle(home, clients, begun, lambda _: None, set())
    return (time.monotonic() - begun) / len(wave.expected)


_making = threading.Lock()


def _wave(inputs: Inputs, number: int, size: Size) -> Wave:
    with _making:
        return inputs.wave(
            number,
            sounds=size.sounds,
            videos=size.videos,
            texts=size.texts,
            drops=size.drops,
            bad=size.tells and number % 2 == 0,
        )


def _wait_until_told(home: Home) -> None:
    """Wait until the index has heard of all deletions."""
    until = time.monotonic() + _LONGEST_TELLING
    while time.monotonic() < until and home.rows("SELECT FROM bss.deletions LIMIT 1"):
        time.sleep(1)


def _check_processes(home: Home, checked: Checked) -> None:
    """Every process of the stack is there again, and does its work."""
    until = time.monotonic() + _LONGEST_RETURN
    for process in PROCESSES:
        while (problem := problem_of(home.stack, process.name, since=0)) and time.monotonic() < until:
            time.sleep(1)
        if problem:
            checked.find("away", f"{process.name}: {problem}")
        else:
            checked.counts["processes that do their work"] += 1


def _numbers(clients: int) -> list[Iterator[int]]:
    """Numbers of waves for each client."""
    return [iter(range(1 + n, 10_000, clients)) for n in range(clients)]


def _bring(home: Home, clients: Clients, numbers: Iterator[int], inputs: Inputs, size: Size, seconds: float) -> None:
    """Bring waves while there are faults, never more than can be digested."""
    until = time.monotonic() + seconds * _LAST_WAVE
    chance = random.Random(0)
    while time.monotonic() < until:
        if _left(home, clients) < _MOST_WAITING:
            clients.bring(_wave(inputs, next(numbers), size))
        time.sleep(chance.uniform(0.5, 1.5))


def _left(home: Home, clients: Clients, deleted: int = 0) -> int:
    """How many files that were brought, or are registered, are neither settled nor deleted."""
    try:
        (row,) = home.rows("SELECT count(*) FILTER (WHERE status IN ('ready', 'failed')) AS n FROM bss.records")
        (every,) = home.rows("SELECT count(*) AS n FROM bss.records")
    except psycopg.Error:
        return _MOST_WAITING
    brought = sum(len(wave.expected) for wave in clients.brought) - deleted
    return max(every["n"], brought) - row["n"]


def _settle(home: Home, clients: Clients, since: float, say: Callable[[str], None], gone: set[Any]) -> None:
    """Wait until every file that was brought is settled, but for those that were deleted, and nothing is open."""
    expected = {file.place for wave in clients.brought for file in wave.expected} - gone
    told = time.monotonic()
    while time.monotonic() - since < _LONGEST_SETTLING:
        with suppress(psycopg.Error):
            rows = home.rows("SELECT owner, project, episode, name, status FROM bss.records")
            settled = {
                (row["owner"], row["project"], row["episode"], row["name"])
                for row in rows
                if row["status"] in ("ready", "failed")
            }
            unsettled = sum(row["status"] not in ("ready", "failed") for row in rows)
            (opened,) = home.rows("SELECT count(*) AS n FROM bss.batches WHERE state = 'open'")
            if expected <= settled and not unsettled and not opened["n"]:
                return
            if time.monotonic() - told > 15:
                told, missing = time.monotonic(), len(expected - settled)
                say(f"{told - since:.0f} s: {unsettled} unsettled, {missing} missing, {opened['n']} batches open")
        time.sleep(0.25)
