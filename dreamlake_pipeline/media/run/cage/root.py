"""A root directory of its own: of the file system there is nothing but what a worker needs, read-only but for `out`.

As bubblewrap does it (mount_namespaces(7), pivot_root(2)), without starting a program for it. Folders on the way to
what is needed are empty ones of a new tmpfs: so another user comes to an interpreter in a home that is closed to him.
"""

from __future__ import annotations

import ctypes
import os
import platform
from pathlib import Path

from .layer import ROOT, Layer, Missing, Plan
from .system import MOUNT_SETATTR, PIVOT_ROOT, call, syscall
from .view import DEVICES, readable

_NO_SUID, _NO_DEVICES, _BIND, _RECURSIVE, _PRIVATE = 2, 4, 4096, 16384, 1 << 18
_DETACH = 2
_READ_ONLY_ATTRIBUTE, _NO_SUID_ATTRIBUTE, _NO_DEVICES_ATTRIBUTE = 1, 2, 4
_AT_CURRENT, _AT_RECURSIVE = -100, 0x8000


class _Attributes(ctypes.Structure):
    _fields_ = (
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("namespace", ctypes.c_uint64),
    )


def enter(plan: Plan) -> Layer:
    """Change the root of this process, which must be in a mount namespace of its own. Raises Missing."""
    pivot_root = PIVOT_ROOT.get(platform.machine())
    if pivot_root is None:
        raise Missing(f"not known how on {platform.machine()}")
    place = f"{plan.room}/root"
    mask = os.umask(0o022)  # whoever the worker will be comes through
    try:
        _mount(None, "/", None, _RECURSIVE | _PRIVATE)
        _mount("tmpfs", place, "tmpfs", _NO_SUID | _NO_DEVICES, "mode=0755,size=1m")
        for path in [*readable(plan.ffmpeg), *DEVICES, plan.inputs]:
            if os.path.islink(path):  # noqa: PTH114
                _make_folder(place, os.path.dirname(path))  # noqa: PTH120
                Path(place + path).symlink_to(os.readlink(path))  # noqa: PTH115
            else:
                _bind(path, place)
        _make_folder(place, plan.outputs)
        _set_attributes(place, _READ_ONLY_ATTRIBUTE | _NO_SUID_ATTRIBUTE)
        _mount(plan.outputs, place + plan.outputs, None, _BIND)
        _set_attributes(place + plan.outputs, _NO_SUID_ATTRIBUTE | _NO_DEVICES_ATTRIBUTE)
        os.chdir(place)
        syscall(pivot_root, _text("."), _text("."))
        call("umount2", _text("."), _DETACH)
        os.chdir("/")
    except OSError as error:
        os.chdir("/")
        raise Missing(f"the system refuses a root directory of its own ({error})") from None
    finally:
        os.umask(mask)
    return Layer(ROOT, True, "of the file system only Python, libraries, ffmpeg and its own folder are there")


def _bind(path: str, place: str) -> None:
    if os.path.isdir(path):  # noqa: PTH112
        _make_folder(place, path)
    else:
        _make_folder(place, os.path.dirname(path))  # noqa: PTH120
        Path(place + path).touch()
    _mount(path, place + path, None, _BIND | _RECURSIVE)


def _make_folder(place: str, path: str) -> None:
    os.makedirs(place + path, mode=0o755, exist_ok=True)  # noqa: PTH103


def _set_attributes(place: str, attributes: int) -> None:
    wanted = _Attributes(attributes, 0, 0, 0)
    size = ctypes.sizeof(wanted)
    syscall(MOUNT_SETATTR, _AT_CURRENT, _text(place), _AT_RECURSIVE, ctypes.byref(wanted), size)


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    given = [None if text is None else _text(text) for text in (source, target, kind, options)]
    call("mount", *given[:3], ctypes.c_ulong(flags), given[3])


def _text(text: str) -> ctypes.c_char_p:
    return ctypes.c_char_p(os.fsencode(text))
