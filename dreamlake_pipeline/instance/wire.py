"""How the launcher and the run server talk: lines of JSON over a unix socket that only its owner can open."""

from __future__ import annotations

import json
import os
import socket
import struct
from pathlib import Path
from typing import Any

from ..settings import Settings


def socket_path() -> Path:
    """Where the run server listens: the setting `run_socket`, else `$DAGSTER_HOME/runs.sock`."""
    return Settings().run_socket or Path(os.environ.get("DAGSTER_HOME", ".")) / "runs.sock"


def is_of_this_user(connection: socket.socket) -> bool:
    """Whether the process at the other end is this user's, or root's.

    The kernel says who connected or listened (SO_PEERCRED, unix(7)). Where it can't be asked, the modes of the socket
    and its folder alone keep others out.
    """
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", told)
    return uid in (os.geteuid(), 0)


def is_of_this_machine(connection: socket.socket) -> bool:
    """Whether the process at the other end is one that this process can see: the kernel tells no id of others."""
    if not hasattr(socket, "SO_PEERCRED"):
        return False
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return struct.unpack("3i", told)[0] > 0


class Line:
    """One conversation. Every call raises OSError when the other side is gone or silent for `timeout` seconds."""

    def __init__(self, connection: socket.socket, timeout: float) -> None:
        connection.settimeout(timeout)
        self._connection = connection
        self._file = connection.makefile("rw", encoding="utf-8", newline="\n")

    def send(self, message: dict[str, Any]) -> None:
        self._file.write(json.dumps(message) + "\n")
        self._file.flush()

    def receive(self) -> dict[str, Any]:
        line = self._file.readline()
        if not line.endswith("\n"):
            raise ConnectionResetError("the other side ended the conversation")
        return dict(json.loads(line))

    def close(self) -> None:
        try:
            self._file.close()
        finally:
            self._connection.close()
