"""Processes of the stack that no supervisor watches any more: found by the stack's id in their environment, or in
their arguments, since only the administrator can read the environment of a sealed process."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

import psutil

from .processes import STACK_ID
from .state import Stack

_PATIENCE = 12
_ROUNDS = 5


def end_all(stack: Stack) -> int:
    """End every process of this stack, Postgres last and in its own way; how many there were.

    A process belongs to the stack if its environment or its arguments name the stack's id, or if it descends from one
    that does (Postgres's own children overwrite both).
    """
    ended = 0
    for _ in range(_ROUNDS):
        found = find(stack)
        if not found:
            break
        ended += len(found)
        database = [process for process in found if _is_postmaster(stack, process)]
        family = [child for process in database for child in _descendants(process)]
        others = [process for process in found if process not in database and process not in family]
        _end(others, signal.SIGTERM)
        _end(database, signal.SIGINT, family)
    return ended


def find(stack: Stack) -> list[psutil.Process]:
    """Every living process of this stack, supervised or not, other than the caller and its ancestors."""
    marked = [process for process in psutil.process_iter() if _is_marked(stack, process)]
    found = dict.fromkeys(marked)
    for process in marked:
        found |= dict.fromkeys(_descendants(process))
    ours = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    return [process for process in found if process.pid not in ours and _is_alive(process)]


def _end(processes: list[psutil.Process], polite: signal.Signals, family: list[psutil.Process] | None = None) -> None:
    """Signal, wait, kill. psutil compares creation times: a process id that was given anew is left alone."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(polite)
    _, alive = psutil.wait_procs([*processes, *(family or [])], timeout=_PATIENCE if processes else 0)
    for process in alive:
        if _is_alive(process):
            with suppress(psutil.NoSuchProcess):
                process.kill()
    psutil.wait_procs(alive, timeout=3)


def _is_postmaster(stack: Stack, process: psutil.Process) -> bool:
    try:
        return int((stack.postgres_data / "postmaster.pid").read_text().split("\n", 1)[0]) == process.pid
    except (OSError, ValueError):
        return False


def _is_marked(stack: Stack, process: psutil.Process) -> bool:
    with suppress(psutil.Error, OSError):
        if f"--stack={stack.id}" in process.cmdline():
            return True
    with suppress(psutil.Error, OSError):
        return process.environ().get(STACK_ID) == stack.id
    return False


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
