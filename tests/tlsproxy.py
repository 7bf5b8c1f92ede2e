"""A reverse proxy with TLS, as nginx is one: requests go to the replicas of a service in turn.

Where a replica refuses the connection, the next one is asked; where it breaks off, the proxy says 502. Now and then
it says 502 without having asked, or 504 in the place of an answer.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
import threading
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
_PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"


class TlsProxy:
    """Fronts of services, each a port of its own: `fronts` has the ports of the replicas by the port of the front.

    With `fault_every` n, every nth request is answered by 502 or, after it was passed on, by 504.
    """

    def __init__(self, fronts: dict[int, Sequence[int]], certificate: Path, *, fault_every: int) -> None:
        self._fronts = fronts
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate)
        self.fault_every = fault_every
        self._numbers = itertools.count(1)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._servers: list[asyncio.Server] = []
        self.faults = 0

    def __enter__(self) -> TlsProxy:
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            self._loop.call_soon_threadsafe(server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _listen(self) -> None:
        for port, replicas in self._fronts.items():
            turns = itertools.cycle(range(len(replicas)))

            async def serve(
                reader: asyncio.StreamReader,
                writer: asyncio.StreamWriter,
                replicas: Sequence[int] = replicas,
                turns: itertools.cycle[int] = turns,
            ) -> None:
                with suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError):
                    while True:
                        await self._answer_one(reader, writer, replicas, next(turns))
                writer.transport.abort()

            self._servers.append(await asyncio.start_server(serve, HOST, port, ssl=self._tls, backlog=512))

    async def _answer_one(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, replicas: Sequence[int], turn: int
    ) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:-2])}
        if fields.get("expect", "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readexactly(int(fields.get("content-length", 0)))
        kept = [line for line in lines[:-2] if line.partition(":")[0].lower() not in ("connection", "expect")]
        kept += ["X-Forwarded-Proto: https", f"X-Forwarded-For: {HOST}", "Connection: close"]
        request = "\r\n".join(kept).encode("latin-1") + b"\r\n\r\n" + body

        number = next(self._numbers)
        is_faulty = self.fault_every and number % self.fault_every == 0
        fault = None if not is_faulty else ("502 Bad Gateway", "504 Gateway Time-out")[number // 7 % 2]
        answer = None if fault and fault.startswith("502") else await self._ask(request, replicas, turn)
        if fault or answer is None:
            self.faults += 1
            answer = _page(fault or "502 Bad Gateway", is_head=lines[0].startswith("HEAD"))
        writer.write(answer)
        await writer.drain()

    async def _ask(self, request: bytes, replicas: Sequence[int], turn: int) -> bytes | None:
        """The whole answer of one of the replicas; None when there is none."""
        for n in range(len(replicas)):
            try:
                reader, writer = await asyncio.open_connection(HOST, replicas[(turn + n) % len(replicas)])
            except OSError:
                continue
            try:
                writer.write(request)
                answer = await reader.read(-1)
            except OSError:
                return None
            finally:
                writer.close()
            head, end, rest = answer.partition(b"\r\n\r\n")
            lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
            return b"\r\n".join(lines) + end + rest if end else None
        return None


def _page(status: str, *, is_head: bool) -> bytes:
    page = _PAGE.format(status).encode()
    head = f"HTTP/1.1 {status}\r\nServer: nginx\r\nContent-Type: text/html\r\nContent-Length: {len(page)}\r\n\r\n"
    return head.encode() + (b"" if is_head else page)
