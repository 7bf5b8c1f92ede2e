"""The calls of Linux that Python has no name for, through the C library."""

from __future__ import annotations

import ctypes
import os
from functools import cache
from typing import Any

from .layer import Missing, is_linux

# Numbers of system calls from 424 on are the same on every architecture (Linux, include/uapi/asm-generic/unistd.h).
MOUNT_SETATTR = 442
LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446
_SET_NO_NEW_PRIVILEGES = 38
SET_DUMPABLE = 4
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}  # this one is older


@cache
def libc() -> Any:
    if not is_linux():
        raise Missing("this system is no Linux")
    return ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: Any) -> int:
    """A function of the C library. Raises OSError when it says -1."""
    return _checked(getattr(libc(), name)(*arguments))


def syscall(number: int, *arguments: Any) -> int:
    """A system call by its number. Raises OSError."""
    function = libc().syscall
    function.restype = ctypes.c_long
    return _checked(function(ctypes.c_long(number), *(_long(one) for one in arguments)))


def refuse_new_privileges() -> None:
    """Whoever restricts himself must not gain privileges by it (PR_SET_NO_NEW_PRIVS(2const)). Raises OSError."""
    prctl(_SET_NO_NEW_PRIVILEGES, 1)


def prctl(option: int, *arguments: int) -> int:
    """prctl(2). Raises OSError."""
    given = [*arguments, 0, 0, 0, 0][:4]
    return call("prctl", ctypes.c_int(option), *(ctypes.c_ulong(one) for one in given))


def _long(value: Any) -> Any:
    return ctypes.c_long(value) if isinstance(value, int) else value


def _checked(result: int) -> int:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
