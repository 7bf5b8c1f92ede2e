"""Another user, where this one is root: one out of the range that systemd keeps for such (DynamicUser= in
systemd.exec(5)), who is nobody's account and owns nothing but the worker's folder."""

from __future__ import annotations

import ctypes
import os
import stat
from pathlib import Path

import dreamlake_pipeline

from .layer import USER, Layer, Missing, Plan
from .system import libc

_FIRST, _COUNT = 61184, 65520 - 61184


def is_wanted() -> bool:
    return os.geteuid() == 0


def enter(plan: Plan, number: int) -> Layer:
    """Become a user, another one for each `number` that is in use at a time. Raises Missing."""
    user = _FIRST + number % _COUNT
    unreached = _not_reached_by(user, plan)
    if unreached:
        raise Missing(f"another user can't reach {unreached}")
    try:
        os.chown(plan.outputs, user, user)
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    except OSError as error:
        raise Missing(f"the system refuses another user ({error.strerror})") from None
    return Layer(USER, True, "another user than the run")


def _not_reached_by(user: int, plan: Plan) -> str | None:
    """What the worker needs and that user could not read; he is asked for by setfsuid(2)."""
    library = libc()
    library.setfsgid(ctypes.c_uint(user))
    library.setfsuid(ctypes.c_uint(user))
    try:
        for path in (os.__file__, dreamlake_pipeline.__file__, ctypes.__file__, plan.inputs):
            try:
                os.close(os.open(path, os.O_RDONLY))
            except OSError:
                return path
        try:
            if not Path(plan.ffmpeg).stat().st_mode & stat.S_IXOTH:
                return plan.ffmpeg
        except PermissionError:
            return plan.ffmpeg
        except OSError:  # that it is not there is another trouble
            return None
        return None
    finally:
        library.setfsuid(ctypes.c_uint(os.geteuid()))
        library.setfsgid(ctypes.c_uint(os.getegid()))
