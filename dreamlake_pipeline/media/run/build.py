"""Which ffmpeg runs: its path, and the version line that is part of every recipe.

Whatever stands there is started in a worker alone, also to ask its version: a program planted in its place would
read what its parent knows.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import imageio_ffmpeg

from ...errors import Code, DreamlakeError
from .bounds import LOOK
from .cage.layer import Layer

# Releases before these read outside a buffer on hostile input (CVE-2026-8461, CVE-2026-107697).
SAFE_RELEASES = {7: (7, 1, 5), 8: (8, 1, 3)}
_OLDEST_MAJOR = min(SAFE_RELEASES)
_SECONDS = 30
_LEARNS_WITHIN = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class Build:
    """The ffmpeg that runs: its path, and its version line."""

    path: str
    version: str


_known: list[tuple[Build, tuple[int, ...] | None]] = []  # with the `_mark` of the file
_in_worker: list[str] = []  # the path, in a worker


def known() -> Build | None:
    """What this process knows of it so far."""
    return _known[0][0] if _known else None


def work_with(path: str) -> None:
    """Make this process a worker, which starts this ffmpeg."""
    _in_worker[:] = [path]


def tell(found: Build | None) -> None:
    """Have this process know what its run does."""
    if found is not None:
        _known[:] = [(found, _mark(found.path))]


@cache
def path() -> str:
    """The ffmpeg of the setting `ffmpeg`, else the one that imageio-ffmpeg carries."""
    from ...settings import Settings  # half of all that a worker process imports, and none of them reads settings

    return str(Settings().ffmpeg or imageio_ffmpeg.get_ffmpeg_exe())


def build() -> Build:
    """The ffmpeg that `path` names. Raises DreamlakeError(STACK_FAILED) when it can't be run or has known holes."""
    if not _known or (not _in_worker and _known[0][1] != _mark(path())):
        tell(look_at(_in_worker[0]) if _in_worker else _ask(path()))
    return _known[0][0]


def _mark(path: str) -> tuple[int, ...] | None:
    """What tells a file from another one that is put in its place."""
    try:
        stat = Path(path).stat()
    except OSError:
        return None
    return (stat.st_ino, stat.st_size, stat.st_mtime_ns)


def learn() -> None:
    """Have this process know `build()`, although it may start no thread and open no connection, which forks of it could
    not share: a fork asks. Where that fails, or takes long, whoever needs it asks then."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            os.write(writer, json.dumps(asdict(build())).encode())
        os._exit(0)
    os.close(writer)
    is_told, _, _ = select.select([reader], [], [], _LEARNS_WITHIN)
    answer = os.read(reader, select.PIPE_BUF) if is_told else b""
    os.close(reader)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with suppress(ValueError):
        tell(Build(**json.loads(answer)))


def _ask(path: str) -> Build:
    from .workers import Workers

    with Workers(1) as workers:
        return workers.run(look_at, subject="ffmpeg", bounds=LOOK, path=path)


def look_at(path: str) -> Build:
    """What the ffmpeg at `path` says of itself; a call of a worker. Raises as `build` does."""
    try:
        output = subprocess.run(
            [path, "-hide_banner", "-version"], capture_output=True, text=True, timeout=_SECONDS, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise DreamlakeError(Code.STACK_FAILED, f"ffmpeg does not run at {path}: {error}.") from None
    version = next(iter(output.splitlines()), "")
    if not is_safe(version):
        raise DreamlakeError(
            Code.STACK_FAILED,
            f"The ffmpeg at {path} is too old to be given files of strangers ({version}).",
            hint="Use 7.1.5, 8.1.3 or newer, or leave DREAMLAKE_FFMPEG unset for the one that is included.",
        )
    return Build(path, version)


def libav() -> Layer:
    """Whether the libraries that PyAV carries are of a safe release, as the program has to be. For Python 3.11 there is
    no wheel of such a PyAV: the cage alone stands between them and the machine, and they are told of beside its layers.
    """
    import av

    version = str(getattr(av, "ffmpeg_version_info", ""))
    why = f"PyAV {av.__version__} carries FFmpeg {version}"
    if not is_safe(version):
        why += ", which has known holes: the cage has to hold; with Python 3.12, PyAV has a newer one"
    return Layer("libav", is_safe(version), why)


def is_safe(version: str) -> bool:
    """Whether a version, as FFmpeg's programs and libraries say it, is of a release without the known holes. One that
    names no release, as builds of a day do, is taken to be new."""
    release = re.search(r"(?:version |^)n?(\d+)\.(\d+)(?:\.(\d+))?", version)
    if release is None:
        return True
    number = tuple(int(part or 0) for part in release.groups())
    return number[0] >= _OLDEST_MAJOR and number >= SAFE_RELEASES.get(number[0], (0,))
