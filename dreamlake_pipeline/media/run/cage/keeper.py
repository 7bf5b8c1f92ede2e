"""The keeper of a worker: the process that forks it, waits, and leaves nothing of it behind.

It reads nothing that a stranger sent. It ends the worker, and all that this started, when its run has gone or has
closed the pipe of calls, and when all of them together take more memory than they may, or more of the disk without a
name: what a process deletes and keeps open is in no folder that could be counted.
"""

from __future__ import annotations

import os
import select
import signal
import stat
import sys
import time
import traceback
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path

from ....forkserver import adopt_orphans
from . import system
from .enter import Entrance
from .layer import Layer, Missing, Plan

_TICK = 0.5  # seconds
_SET_DEATH_SIGNAL = 1
_PAGE = os.sysconf("SC_PAGE_SIZE")


def keep(plan: Plan, calls: int, answers: int, work: Callable[[Plan, list[Layer]], None]) -> int:
    """Fork a caged process that does `work`, given the layers of its cage, and keep it until it has ended; the exit
    code of this one. `calls` is what it reads from, `answers` what it alone writes to."""
    adopt_orphans()
    entrance = Entrance(plan)
    entrance.prepare()
    watched, watching = os.pipe()
    number = os.getpid()
    pid = os.fork()
    if pid == 0:
        os.close(watching)
        _be_worker(plan, entrance, number, watched, work)
    os.close(watched)
    os.close(answers)
    try:
        _watch(pid, calls, plan.resident)
    finally:
        end_all()
    return 0


def _be_worker(
    plan: Plan, entrance: Entrance, number: int, watched: int, work: Callable[[Plan, list[Layer]], None]
) -> None:
    code = 1
    try:
        entrance.enter(number)
        _end_with_keeper(watched)
        work(plan, entrance.layers)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stderr.flush()
        # Nothing of the process that this one was forked from is to be torn down in its copy.
        os._exit(code)


def _end_with_keeper(watched: int) -> None:
    """A keeper that is killed takes its worker along (PR_SET_PDEATHSIG, which a change of user clears)."""
    with suppress(OSError, Missing):
        system.prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
    poll = select.poll()
    poll.register(watched, 0)
    if poll.poll(0):  # it is gone already
        os._exit(1)


def _watch(pid: int, calls: int, resident: int) -> None:
    """Return when the worker has ended, is not wanted any more, or is too large."""
    poll = select.poll()
    poll.register(calls, 0)  # nothing but its end is told
    ended = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None
    if ended is not None:
        poll.register(ended, select.POLLIN)
    while True:
        if poll.poll(_TICK * 1000 if ended is not None else 50):
            return
        if ended is None and os.waitpid(pid, os.WNOHANG)[0]:
            return
        kept = _descendants(os.getpid())
        if sum(map(_resident, kept)) + _nameless(kept) > resident:
            return


def end_all(but: Collection[int] = ()) -> None:
    """Kill and bury all children, and theirs, except some and theirs: the worker, and what it left where it had no
    process namespace."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        left = _descendants(os.getpid(), but)
        if but and not left:
            return
        for child in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.002)


def _descendants(pid: int, but: Collection[int] = ()) -> list[int]:
    """Processes that a process started, and those that they did (proc_pid_task(5)), except some and theirs; none where
    there is no /proc."""
    found, left = [], [pid]
    while left:
        one = left.pop()
        with suppress(OSError):
            for thread in Path(f"/proc/{one}/task").iterdir():
                children = [int(child) for child in (thread / "children").read_text().split()]
                children = [child for child in children if child not in but]
                found += children
                left += children
    return found


def _nameless(pids: Iterable[int]) -> int:
    """Bytes on the disk of files that processes have open or mapped and that are in no folder any more. The kernel
    tells root; of a process that is not dumpable it tells nobody else (proc(5)), whom the run's look at the disk is
    left to."""
    found: dict[tuple[int, int], int] = {}
    for pid in pids:
        with suppress(OSError), os.scandir(f"/proc/{pid}/fd") as descriptors:
            for descriptor in descriptors:
                with suppress(OSError):
                    file = descriptor.stat()
                    if stat.S_ISREG(file.st_mode) and not file.st_nlink:
                        found[file.st_dev, file.st_ino] = file.st_blocks * 512
        with suppress(OSError, ValueError), Path(f"/proc/{pid}/maps").open("rb") as mappings:
            for line in mappings:
                if line.endswith(b" (deleted)\n"):
                    place, _, _, device, number, _ = line.split(None, 5)
                    major, minor = (int(part, 16) for part in device.split(b":"))
                    start, end = (int(part, 16) for part in place.split(b"-"))
                    file_id = os.makedev(major, minor), int(number)
                    found[file_id] = max(found.get(file_id, 0), end - start)
    return sum(found.values())


def _resident(pid: int) -> int:
    """Bytes that a process has in memory."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError, ValueError):
        return 0
