"""Which processes are what: the parts of a stack that can be killed and stopped."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import psutil

from dreamlake_pipeline.errors import DreamlakeError

from .home import Home

Find = Callable[[Home], list[psutil.Process]]


def _supervised(name: str) -> Find:
    def find(home: Home) -> list[psutil.Process]:
        with suppress(DreamlakeError, psutil.Error):
            info = home.supervisor().processes()[name]
            return [psutil.Process(info.pid)] if info.pid else []
        return []

    return find


def _children(name: str) -> Find:
    def find(home: Home) -> list[psutil.Process]:
        return [child for parent in _supervised(name)(home) for child in _family(parent)]

    return find


def _whole(name: str) -> Find:
    def find(home: Home) -> list[psutil.Process]:
        return [one for parent in _supervised(name)(home) for one in (parent, *_family(parent))]

    return find


def _runs(home: Home) -> list[psutil.Process]:
    """Forks of the run server, also of one that is dead: their arguments are its own."""
    servers = {process.pid for process in _supervised("dagster-runs")(home)}
    mark = f"--stack={home.stack.id}"
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            words = process.cmdline()
            if mark in words and "dagster-runs" in words and process.pid not in servers:
                found.append(process)
    return found


def _ffmpegs(home: Home) -> list[psutil.Process]:
    return [process for process in _children("workers")(home) if _is_ffmpeg(process)]


def _workers(home: Home) -> list[psutil.Process]:
    return [process for process in _children("workers")(home) if not _is_ffmpeg(process)]


def _is_ffmpeg(process: psutil.Process) -> bool:
    try:
        return "ffmpeg" in process.name()
    except psutil.Error:
        return False


def _family(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


# What can be killed: one process of those that are found.
ONE: dict[str, Find] = {
    "bss": _supervised("bss"),
    "server": _supervised("server"),
    "viewer": _supervised("viewer"),
    "daemon": _supervised("dagster-daemon"),
    "code": _supervised("dagster-code"),
    "run-server": _supervised("dagster-runs"),
    "run": _runs,
    "worker-server": _supervised("workers"),
    "worker": _workers,
    "ffmpeg": _ffmpegs,
    "s3": _supervised("s3"),
    "s3-worker": _children("s3"),
    "postgres": _supervised("postgres"),
    "postgres-backend": _children("postgres"),
    "webserver": _supervised("dagster-webserver"),
}
# What can be stopped for a while: all processes that are found.
WHOLE: dict[str, Find] = {
    "bss": _whole("bss"),
    "server": _whole("server"),
    "viewer": _whole("viewer"),
    "daemon": _whole("dagster-daemon"),
    "run": _runs,
    "s3": _whole("s3"),
    "postgres": _whole("postgres"),
}
