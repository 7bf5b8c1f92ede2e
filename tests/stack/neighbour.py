"""Another process of the same user, which looks for secrets: run by test_sealed.py and test_stack.py.

It reads what Linux shows of every process (arguments, environment, memory), without the administrator's right to look
into all of them, and prints what it found as JSON: `{"found": {pid: [where, …]}, "closed": [pid, …]}`.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from pathlib import Path

PR_CAPBSET_DROP = 24


def drop_privilege() -> None:
    """Become, with the next program, one that has no right but its user's, also when that is root; for `preexec_fn`."""
    for capability in range(64):
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)  # fails for who has not got it


def memory_of(pid: int) -> list[bytes]:
    """The parts of a process's memory that hold its data. Raises PermissionError."""
    parts = []
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            place, mode, *_ = line.split()
            if mode.startswith("rw"):
                start, end = (int(part, 16) for part in place.split("-"))
                memory.seek(start)
                try:
                    parts.append(memory.read(min(end - start, 1 << 26)))
                except OSError:
                    continue
    return parts


def main() -> None:
    given = json.load(sys.stdin)
    secrets = [secret.encode() for secret in given["secrets"]]
    found: dict[int, list[str]] = {}
    closed = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        for kind in ("cmdline", "environ"):
            try:
                text = (process / kind).read_bytes()
            except OSError:
                continue
            if any(secret in text for secret in secrets):
                found.setdefault(int(process.name), []).append(kind)
    for pid in given["pids"]:
        try:
            memory = memory_of(pid)
        except PermissionError:
            closed.append(pid)
            continue
        except OSError:
            continue
        if any(secret in part for part in memory for secret in secrets):
            found.setdefault(pid, []).append("memory")
    print(json.dumps({"found": found, "closed": closed}))


if __name__ == "__main__":
    main()
