"""Landlock: which files a process reaches, which TCP ports, whose abstract sockets, whom it may signal.

Ours, in a few calls: PyPI's `landlock` is an alpha that knows files only. Anybody may restrict himself, and no child of
his gets out; a process in a domain can't trace or look into one outside either (Linux, Documentation/userspace-api/
landlock.rst). What the running kernel does not know is left out, by its ABI.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable

from .layer import LANDLOCK, Layer, Missing, Plan
from .system import (
    LANDLOCK_ADD_RULE,
    LANDLOCK_CREATE_RULESET,
    LANDLOCK_RESTRICT_SELF,
    refuse_new_privileges,
    syscall,
)
from .view import DEVICES, readable

_VERSION = 1 << 0  # LANDLOCK_CREATE_RULESET_VERSION
_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MAKE_SOCKET, _MAKE_FIFO, _MAKE_BLOCK, _MAKE_CHARACTER = 1 << 9, 1 << 10, 1 << 11, 1 << 6
_TRUNCATE, _IOCTL = 1 << 14, 1 << 15
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL  # the others are of folders
_FILES_OF_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_TCP, _TCP_ABI = 0b11, 4  # bind, connect
_SCOPES, _SCOPES_ABI = 0b11, 6  # abstract sockets, signals

_READ = _EXECUTE | _READ_FILE | _READ_DIR


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def abi() -> int:
    """That of the running kernel. Raises Missing."""
    try:
        return syscall(LANDLOCK_CREATE_RULESET, None, 0, _VERSION)
    except OSError as error:
        raise Missing(f"the kernel has no Landlock ({error.strerror})") from None


def enter(plan: Plan) -> Layer:
    """Restrict this process, which gets no new privileges. Raises Missing."""
    version = abi()
    files = _FILES_OF_ABI[max(known for known in _FILES_OF_ABI if known <= version)]
    attributes = _Ruleset(files, _TCP if version >= _TCP_ABI else 0, _SCOPES if version >= _SCOPES_ABI else 0)
    size = 24 if version >= _SCOPES_ABI else 16 if version >= _TCP_ABI else 8
    try:
        refuse_new_privileges()
        _restrict(plan, files, attributes, size)
    except OSError as error:
        raise Missing(f"the kernel takes no rules ({error.strerror})") from None
    kept = ["files"]
    kept += ["TCP"] if version >= _TCP_ABI else []
    kept += ["abstract sockets", "signals"] if version >= _SCOPES_ABI else []
    return Layer(LANDLOCK, True, f"ABI {version}: {', '.join(kept)}")


def _restrict(plan: Plan, files: int, attributes: _Ruleset, size: int) -> None:
    ruleset = syscall(LANDLOCK_CREATE_RULESET, ctypes.byref(attributes), size, 0)
    try:
        _allow(ruleset, [*readable(plan.ffmpeg), plan.inputs], _READ & files)
        _allow(ruleset, DEVICES, (_READ_FILE | _WRITE_FILE | _TRUNCATE) & files)
        devices = _MAKE_SOCKET | _MAKE_FIFO | _MAKE_BLOCK | _MAKE_CHARACTER
        _allow(ruleset, [plan.outputs], files & ~(devices | _EXECUTE | _IOCTL))
        syscall(LANDLOCK_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, paths: Iterable[str], access: int) -> None:
    """Allow `access` to paths and what is below them; to a file, what can be done with one."""
    for path in paths:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:  # it is not there, and so it is not needed
            continue
        try:
            is_folder = stat.S_ISDIR(os.fstat(place).st_mode)
            rule = _PathBeneath(access if is_folder else access & _OF_FILES, place)
            syscall(LANDLOCK_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
        finally:
            os.close(place)
