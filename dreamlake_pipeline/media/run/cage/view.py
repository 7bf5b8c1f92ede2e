"""What of the file system a worker needs beside its room: Python, its libraries, and ffmpeg."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

import dreamlake_pipeline

DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")
_SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store"),
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/localtime"),
)


def readable(ffmpeg: str) -> list[str]:
    """Folders and files, none of them below another one; no device."""
    python = sysconfig.get_paths()
    folders = {
        *(python[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")),
        *(path for path in sys.path if path.endswith(("site-packages", "dist-packages", "lib-dynload"))),
        str(Path(sys.base_prefix, "lib")),
        str(Path(dreamlake_pipeline.__file__).parent),
    }
    found: list[str] = []
    for path in sorted({*_SYSTEM, *folders, ffmpeg, os.path.realpath(ffmpeg)}):
        if os.path.lexists(path) and not any(path == above or path.startswith(above + "/") for above in found):
            found.append(path)
    return found
