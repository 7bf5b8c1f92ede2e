"""Namespaces: a worker has processes, a network and IPC of its own, in which there is nothing but itself.

Nothing that it starts outlives it: it is the first process of its namespace, and all others end with it
(pid_namespaces(7)). Its network has no device that is up (network_namespaces(7)), so neither TCP nor UDP leads
anywhere, and no abstract socket of this machine is in it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from .layer import NAMESPACES, Layer, Missing
from .system import call

NEW_MOUNTS, _NEW_UTS, _NEW_IPC = 0x00020000, 0x04000000, 0x08000000
_NEW_USER, _NEW_PID, _NEW_NETWORK = 0x10000000, 0x20000000, 0x40000000


def prepare() -> bool:
    """Have the children of this process be in a process namespace of their own; whether it is in a user namespace now,
    as whoever is not root has to be. Raises Missing."""
    user, group = os.geteuid(), os.getegid()
    is_root = user == 0
    try:
        call("unshare", _NEW_PID if is_root else _NEW_PID | _NEW_USER)
        if not is_root:
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
            Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    except OSError as error:
        raise Missing(f"the system refuses new namespaces ({error.strerror})") from None
    return not is_root


def enter() -> Layer:
    """Put the first process of a process namespace into the others. Raises Missing."""
    try:
        call("unshare", _NEW_NETWORK | _NEW_IPC | _NEW_UTS | NEW_MOUNTS)
    except OSError as error:
        raise Missing(f"the system refuses a network of its own ({error.strerror})") from None
    return Layer(NAMESPACES, True, "processes, network and IPC of its own")


def end_others() -> None:
    """End every other process of the namespace, whose first one this must be: what a call has left."""
    with suppress(ProcessLookupError):
        os.kill(-1, 9)
    with suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
