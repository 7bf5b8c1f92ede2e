"""Doors: proxies before the parts of the stack, by which every network fault comes.

A door passes bytes and knows nothing of what they say, so that signatures hold; only to answer in the place of its
part it reads the head of a request. All doors live in one thread.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

HOST = "127.0.0.1"
_BLOCK = 1 << 16
_SLOW = 20_000  # bytes per second

_PAGE = "<html>\r\n<head><title>{0}</title></head>\r\n<body><center><h1>{0}</h1></center></body>\r\n</html>\r\n"
_SLOW_DOWN = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)
ANSWERS = {
    "502": ("502 Bad Gateway", "text/html", _PAGE.format("502 Bad Gateway")),
    "504": ("504 Gateway Time-out", "text/html", _PAGE.format("504 Gateway Time-out")),
    "503": ("503 Slow Down", "application/xml", _SLOW_DOWN),
}
FAULTS = ("cut", "refuse", "stall", "lose", "break", "slow", *ANSWERS)


class Doors:
    """The doors of a stack, by the names of its processes. A context, at whose end they are closed."""

    def __init__(self, ways: dict[str, tuple[int, int]], seed: int, *, host: str = HOST) -> None:
        """`ways`: the port of each door, at the address `host`, and the port of the part behind it."""
        self._loop = asyncio.new_event_loop()
        self._doors = {name: _Door(host, *ways[name], random.Random(f"{seed}/{name}")) for name in ways}
        self._thread = threading.Thread(target=self._loop.run_forever, name="doors", daemon=True)

    def __enter__(self) -> Doors:
        self._thread.start()
        for door in self._doors.values():
            self._do(door.listen())
        return self

    def __exit__(self, *_: object) -> None:
        for door in self._doors.values():
            self._do(door.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def set(self, name: str, fault: str | None) -> None:
        """Begin a fault at a door, or end it (None).

        cut     every connection ends, by a reset
        refuse  and new ones are refused
        stall   nothing passes, and nothing is said
        lose    a request passes; its connection ends when the answer comes
        break   a connection ends after some bytes of what it sends
        slow    bytes pass slowly
        502 503 504   the door answers, as a proxy or an object store does
        """
        self._do(self._doors[name].set(fault))

    def lead(self, name: str, behind: int) -> None:
        """From now on, the part behind a door is at this port."""
        self._doors[name].behind = behind

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)


class _Door:
    def __init__(self, host: str, port: int, behind: int, chance: random.Random) -> None:
        self.behind = behind
        self._host = host
        self._port, self._chance = port, chance
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._fault: str | None = None
        self._changed = asyncio.Event()

    async def listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, self._host, self._port, backlog=512)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        self._cut()

    async def set(self, fault: str | None) -> None:
        self._fault = fault
        self._changed.set()
        self._changed = asyncio.Event()
        if fault == "refuse":
            await self.close()
        else:
            await self.listen()
        if fault == "cut" or fault in ANSWERS:
            self._cut()

    def _cut(self) -> None:
        for writer in list(self._open):
            _reset(writer)
        self._open.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        behind, is_broken = None, False
        try:
            if self._fault in ANSWERS:
                await _answer(reader, writer, self._fault)
                return
            there, behind = await asyncio.open_connection(HOST, self.behind)
            self._open.add(behind)
            left = self._chance.randrange(1, 300_000)
            sends = asyncio.ensure_future(self._pass_on(reader, behind, left))
            answers = asyncio.ensure_future(self._pass_back(there, writer))
            await asyncio.wait([answers, sends], return_when=asyncio.FIRST_EXCEPTION)
            is_broken = any(pump.done() and pump.exception() is not None for pump in (sends, answers))
            for pump in (sends, answers):
                pump.cancel()
        except OSError:
            is_broken = True
        finally:
            for end in (writer, behind):
                if end is not None:
                    self._open.discard(end)
                    if is_broken:
                        _reset(end)
                    end.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: int) -> None:
        while block := await reader.read(_BLOCK):
            await self._wait(len(block))
            if self._fault == "break":
                left -= len(block)
                if left < 0:
                    writer.write(block[: len(block) // 2])
                    raise ConnectionAbortedError
            writer.write(block)
            await writer.drain()
        with suppress(OSError):
            writer.write_eof()

    async def _pass_back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while block := await reader.read(_BLOCK):
            await self._wait(len(block))
            if self._fault == "lose":
                raise ConnectionAbortedError
            writer.write(block)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()

    async def _wait(self, size: int) -> None:
        while self._fault == "stall":
            await self._changed.wait()
        if self._fault == "slow":
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), size / _SLOW)


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection as a broken one ends: by RST, which a lingering time of 0 has the kernel send."""
    if (connection := writer.get_extra_info("socket")) is not None:
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, which: str) -> None:
    status, content_type, body = ANSWERS[which]
    with suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    writer.write(
        f"HTTP/1.1 {status}\r\nServer: nginx\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
        f"Connection: close\r\n\r\n{body}".encode()
    )
    with suppress(OSError, TimeoutError):
        await writer.drain()
        writer.write_eof()
        # What was still being sent is read, as nginx does: a reset would take the answer with it.
        async with asyncio.timeout(2):
            while await reader.read(_BLOCK):
                pass
