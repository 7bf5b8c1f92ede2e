"""Faults, drawn from a seed, and how each is done."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from dreamlake_pipeline.stack import leftovers

from . import doors, parts
from .clients import Clients
from .home import BEHIND_DOORS, LEASE, Home

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: `seconds` after the beginning, for so long. `pick` chooses among the processes that there are then."""

    at: float
    kind: str
    lasts: float
    pick: float

    def __str__(self) -> str:
        return f"{self.at:7.1f} s  {self.kind}" + (f" for {self.lasts:.1f} s" if self.lasts else "")


def _kinds() -> dict[str, tuple[float, float, float]]:
    """Each kind of fault: how often it comes, and for how long at the least and at the most."""
    kinds = {f"kill {name}": (1.0, 0.0, 0.0) for name in parts.ONE}
    kinds |= {"kill run": (4.0, 0.0, 0.0), "kill client": (3.0, 0.0, 0.0), "kill ffmpeg": (2.0, 0.0, 0.0)}
    # Half of them for longer than a lease.
    kinds |= {f"stop {name}": (0.5, 1.0, 2.0 * LEASE) for name in parts.WHOLE}
    kinds |= {"stop run": (2.0, 1.0, 2.5 * LEASE), "stop client": (0.5, 1.0, LEASE)}
    for door in BEHIND_DOORS:
        for fault in doors.FAULTS:
            if door != "postgres" or fault not in doors.ANSWERS:
                kinds[f"{fault} {door}"] = (0.3, 0.0, 0.0) if fault == "cut" else (0.3, 1.0, LEASE)
    return kinds | {"full disk": (1.5, 3.0, 1.5 * LEASE), "kill everything": (0.5, 0.0, 0.0)}


KINDS = _kinds()


def schedule(seed: int, seconds: float, kinds: Sequence[str] | None = None, *, mean_gap: float = 4.0) -> list[Fault]:
    """The faults of a seed, for so many seconds; of these kinds, or of all."""
    chance = random.Random(f"faults/{seed}")
    names = list(kinds or KINDS)
    unseen = chance.sample(names, len(names))  # every kind once, before chance alone has its way
    faults, at = [], chance.expovariate(1 / mean_gap)
    while at < seconds:
        kind = unseen.pop() if unseen else chance.choices(names, [KINDS[name][0] for name in names])[0]
        _, least, most = KINDS[kind]
        lasts = min(chance.uniform(least, most), max(0.0, seconds - at))
        faults.append(Fault(at, kind, lasts, chance.random()))
        at += chance.expovariate(1 / mean_gap)
    return faults


@dataclass(slots=True)
class Tormentor:
    """Does faults. `done` counts those that found something to hit; what ends by itself later is in `_under_way`."""

    home: Home
    clients: Clients
    say: Say
    done: Counter[str] = field(default_factory=Counter)
    _under_way: list[threading.Thread] = field(default_factory=list)
    _let_go: threading.Event = field(default_factory=threading.Event)

    def run(self, faults: Sequence[Fault]) -> None:
        """Do all of them, each at its time. When it returns, none is under way any more."""
        begun = time.monotonic()
        try:
            for fault in faults:
                time.sleep(max(0.0, begun + fault.at - time.monotonic()))
                thread = threading.Thread(target=self._do, args=[fault], name=fault.kind, daemon=True)
                thread.start()
                self._under_way.append(thread)
            for thread in self._under_way:
                thread.join()
        finally:
            self._let_go.set()  # when this is interrupted

    def _do(self, fault: Fault) -> None:
        try:
            hit = self._commit(fault)
        except Exception as wrong:
            self.say(f"{fault}: it could not be done ({type(wrong).__name__}: {wrong})")
            return
        if hit:
            self.done[fault.kind] += 1

    def _commit(self, fault: Fault) -> bool:
        """Do a fault and wait until it is over; whether there was anything to do it to."""
        verb, _, what = fault.kind.partition(" ")
        if fault.kind == "full disk":
            return self._fill_disk(fault)
        if fault.kind == "kill everything":
            return self._kill_everything(fault)
        if verb == "kill":
            found = self.clients.processes() if what == "client" else parts.ONE[what](self.home)
            return self._kill(fault, found)
        if verb == "stop":
            return self._stop(fault, self.clients.processes() if what == "client" else parts.WHOLE[what](self.home))
        self.say(str(fault))
        self.home.doors.set(what, verb)
        try:
            self._let_go.wait(fault.lasts)
        finally:
            self.home.doors.set(what, None)
        return True

    def _kill(self, fault: Fault, found: Sequence[psutil.Process]) -> bool:
        if not found:
            return False
        victim = sorted(found, key=lambda process: process.pid)[int(fault.pick * len(found))]
        with suppress(psutil.NoSuchProcess):
            self.say(f"{fault}: process {victim.pid}")
            victim.kill()
            return True
        return False

    def _stop(self, fault: Fault, found: Sequence[psutil.Process]) -> bool:
        stopped = []
        for process in found:
            with suppress(psutil.Error):
                process.send_signal(signal.SIGSTOP)
                stopped.append(process)
        if not stopped:
            return False
        self.say(f"{fault}: {len(stopped)} processes")
        self._let_go.wait(fault.lasts)
        for process in stopped:
            with suppress(psutil.Error):
                process.send_signal(signal.SIGCONT)
        return True

    def _fill_disk(self, fault: Fault) -> bool:
        if self.home.scratch is None:
            return False
        self.say(str(fault))
        ballast = self.home.scratch / f"ballast-{fault.at:.3f}"
        try:
            with suppress(OSError), ballast.open("wb", buffering=0) as out:
                while out.write(bytes(1 << 20)):
                    pass
            self._let_go.wait(fault.lasts)
        finally:
            ballast.unlink(missing_ok=True)
        return True

    def _kill_everything(self, fault: Fault) -> bool:
        """As when the machine is switched off and on, but for what the disk had not written yet."""
        with self.home.starting:
            found = leftovers.find(self.home.stack)
            self.say(f"{fault}: {len(found)} processes")
            mine = {process.pid for process in self.clients.processes()}
            for process in found:
                if process.pid not in mine:
                    with suppress(psutil.NoSuchProcess):
                        process.kill()
        self.home.up(tries=3)
        return True
