"""No privileges, no new ones, no look into this process: capabilities(7), PR_SET_NO_NEW_PRIVS(2const)."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

from .layer import PRIVILEGES, Layer, Missing
from .system import SET_DUMPABLE, call, prctl, refuse_new_privileges

_DROP_BOUNDING, _SET_SECUREBITS, _CLEAR_AMBIENT = 24, 28, (47, 4)
_NO_ROOT = 0b1111  # NOROOT and NO_SETUID_FIXUP, both locked: user 0 is a user as others are
_CAPABILITIES = range(64)
_VERSION_3 = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def enter() -> Layer:
    """Give up every capability, for this process and all that it starts. Raises Missing."""
    try:
        for capability in _CAPABILITIES:
            with suppress(OSError):  # there are fewer, or this process has none to drop
                prctl(_DROP_BOUNDING, capability)
        with suppress(OSError):
            prctl(_SET_SECUREBITS, _NO_ROOT)
        with suppress(OSError):
            prctl(*_CLEAR_AMBIENT)
        header, none = _Header(_VERSION_3, 0), (ctypes.c_uint32 * 6)()
        call("capset", ctypes.byref(header), ctypes.byref(none))
        refuse_new_privileges()
        prctl(SET_DUMPABLE, 0)
    except OSError as error:
        raise Missing(f"the system refuses to drop privileges ({error.strerror})") from None
    who = "root without capabilities" if os.geteuid() == 0 else "no capabilities"
    return Layer(PRIVILEGES, True, f"{who}, no new privileges")
