"""A proxy before the object store that cuts the answers for some keys, refuses others, and passes everything else."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress

_HOST = "127.0.0.1"
_BLOCK = 1 << 16
_DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


class Cutter:
    """A context. The answer to a request in whose first bytes a key of `after` stands ends, by a reset, after so many
    bytes, those of its head among them. `cuts` counts these, and there are no more than `most`; at the first one, new
    connections are refused for `refuses` seconds. Requests for keys of `denied` are answered by 403."""

    def __init__(self, behind: int) -> None:
        """`behind`: the port of the store."""
        self.after: dict[str, int] = {}
        self.denied: set[str] = set()
        self.cuts = 0
        self.most = 1 << 30
        self.refuses = 0.0
        self._behind = behind
        self._listener = socket.create_server((_HOST, 0), backlog=256)
        self._port: int = self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://{_HOST}:{self._port}"

    def __enter__(self) -> Cutter:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def note_cut(self) -> None:
        self.cuts += 1
        if self.refuses:
            seconds, self.refuses = self.refuses, 0.0
            self._close()
            threading.Timer(seconds, self._open).start()

    def _open(self) -> None:
        self._listener = socket.create_server((_HOST, self._port), backlog=256)
        self._accept()

    def _close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                _Way(self, connection, socket.create_connection((_HOST, self._behind)))


class _Way:
    """One connection and the one behind it."""

    def __init__(self, cutter: Cutter, here: socket.socket, there: socket.socket) -> None:
        self._cutter, self._here, self._there = cutter, here, there
        self._left: int | None = None  # of the answer that is passed, until it is cut
        for pump in (self._pass_on, self._pass_back):
            threading.Thread(target=self._run, args=[pump], daemon=True).start()

    def _run(self, pump: Callable[[], None]) -> None:
        with suppress(OSError):
            pump()
        for end in (self._here, self._there):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _pass_on(self) -> None:
        while block := self._here.recv(_BLOCK):
            if any(key.encode() in block.partition(b"\r\n")[0] for key in self._cutter.denied):
                head = b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n"
                self._here.sendall(head % len(_DENIED) + (b"" if block.startswith(b"HEAD ") else _DENIED))
                continue
            found = [most for key, most in self._cutter.after.items() if key.encode() in block[:2000]]
            self._left = min(found, default=None) if block.startswith(b"GET ") else None
            self._there.sendall(block)

    def _pass_back(self) -> None:
        while block := self._there.recv(_BLOCK):
            if self._left is not None:
                if self._left < len(block) and self._cutter.cuts < self._cutter.most:
                    self._cutter.note_cut()
                    self._here.sendall(block[: self._left])
                    # By RST, which a lingering time of 0 has the kernel send.
                    self._here.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                self._left -= len(block)
            self._here.sendall(block)
