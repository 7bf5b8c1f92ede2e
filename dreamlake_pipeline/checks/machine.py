"""This machine, as one that processes files: ffmpeg, the cage, scratch space, open files, Dagster's configuration."""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import DreamlakeError
from ..settings import Settings
from ..slots import most_runs
from .finding import Finding, of_error, ok, warning, wrong

_SCRATCH_BYTES = 20 * 10**9  # a batch has some files of gigabytes at work
_OPEN_FILES = 4096

# Types of file systems (proc_mounts(5)) that are another machine's, and those that are memory.
_REMOTE = ("nfs", "cifs", "smb", "ceph", "glusterfs", "lustre", "beegfs", "gpfs", "9p", "fuse.", "afs", "efs")
_MEMORY = ("tmpfs", "ramfs")


def check(settings: Settings) -> Iterator[Finding]:
    yield from check_ffmpeg(settings)
    yield from check_scratch(settings)
    yield check_open_files()


def check_ffmpeg(settings: Settings) -> Iterator[Finding]:
    """Which ffmpeg runs, and each layer of the cage around what reads uploaded files."""
    from ..media.run.build import build, libav
    from ..media.run.workers import Workers

    try:
        found = build()
    except DreamlakeError as error:
        yield of_error("ffmpeg", error, "Leave DREAMLAKE_FFMPEG unset for the one that is included")
    else:
        yield ok("ffmpeg", found.version.partition(" Copyright")[0])
    try:
        with Workers(1) as workers:
            layers = workers.layers()
    except DreamlakeError as error:
        yield of_error("cage", error)
        return
    missing = [layer for layer in layers if not layer.holds]
    yield ok("cage", f"{len(layers) - len(missing)} of {len(layers)} layers hold")
    for layer in missing:
        what, hint = layer.why, "Run as root, or allow user namespaces and Landlock (deploy/README.md)"
        yield (wrong if settings.cage == "require" else warning)(f"cage {layer.name}", what, hint)
    if not (library := libav()).holds:
        what, _, hint = library.why.partition(": ")
        yield warning("libav", what, hint)


def check_scratch(settings: Settings, *, must_be_local: bool = False) -> Iterator[Finding]:
    """The folder for temporary files: whether it can be written, is a local disk, and has room."""
    folder = settings.scratch or Path(tempfile.gettempdir())
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".dreamlake-doctor-") as file:
            file.write(b"1")
            file.flush()
        free = shutil.disk_usage(folder).free
    except OSError as fault:
        hint = "Set DREAMLAKE_SCRATCH to a folder on a local disk that this user may write to"
        yield wrong("scratch", f"{folder} cannot be written: {fault.strerror or fault}", hint)
        return
    kind = filesystem_of(folder)
    hint = "Set DREAMLAKE_SCRATCH to a folder on a local disk with room for the files of a batch"
    what = f"{folder} ({kind or 'file system unknown'}, {free / 10**9:.0f} GB free)"
    if kind.startswith(_REMOTE):
        yield (wrong if must_be_local else warning)("scratch", f"{what} is on another machine's disk", hint)
    elif kind in _MEMORY:
        yield warning("scratch", f"{what} is memory", hint)
    elif free < _SCRATCH_BYTES:
        yield warning("scratch", what, hint)
    else:
        yield ok("scratch", what)


def filesystem_of(folder: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """The type of the file system that a folder is on, as proc_mounts(5) names it; empty where that can't be read."""
    real, found = Path(folder).resolve(), ("", "")
    try:
        lines = mounts.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        _, point, kind, *_ = line.split(" ")
        point = point.encode().decode("unicode_escape")  # a blank is written \040 there
        if real.is_relative_to(point) and len(point) >= len(found[0]):
            found = (point, kind)
    return found[1]


def check_open_files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < _OPEN_FILES:
        hint = f"Start processes with `ulimit -n {_OPEN_FILES}` or LimitNOFILE={_OPEN_FILES} (at most {hard} here)"
        return warning("open files", f"a process may open {soft}", hint)
    return ok("open files", f"a process may open {soft}")


def check_dagster_yaml(settings: Settings) -> Iterator[Finding]:
    """Whether $DAGSTER_HOME/dagster.yaml has the limits that follow from the settings."""
    import yaml

    part, home = "dagster.yaml", Path(os.environ["DAGSTER_HOME"])
    write = "Write it again: dreamlake dagster-yaml > $DAGSTER_HOME/dagster.yaml"
    try:
        found: Any = yaml.safe_load((home / "dagster.yaml").read_text())
        queue = (found.get("run_coordinator") or {}).get("config") or found.get("run_queue") or {}
        limits = {limit["key"]: limit["limit"] for limit in queue.get("tag_concurrency_limits") or []}
        runs, of_owner = int(queue["max_concurrent_runs"]), int(limits["dreamlake/owner"])
    except OSError as fault:
        yield wrong(part, f"{fault.filename} cannot be read: {fault.strerror}", write)
        return
    except (ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError):
        yield warning(part, "it does not say how many runs there are at a time, and of one owner", write)
        return
    wanted = most_runs(settings.slots, settings.launcher)
    if (runs, of_owner) != (wanted, settings.slots):
        what = f"{runs} runs at a time, {of_owner} of one owner; DREAMLAKE_SLOTS says {wanted} and {settings.slots}"
        yield warning(part, what, write)
    else:
        yield ok(part, f"{runs} runs at a time, {of_owner} of one owner")
