"""Connections of the services' HTTP server, none of which may take memory or time without end.

`uvicorn --http dreamlake_pipeline.connections:Connection`. Uvicorn's own protocol waits for ever for the first byte of
a request, for the end of its head, for the rest of a body that nobody reads, and for a client that does not read its
answer; and it keeps a head of any length. (How long a body may be, and may take, is decided in `admission.py`.)
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 256 * 1024  # what is read of a head at most; `web.py` refuses a smaller one with a proper answer
HEAD_SECONDS = 30.0  # from the connection, or the first byte of a request, to the end of its head
LINGER_SECONDS = 10.0  # for the rest of a body that was answered unread, so that the client comes to read the answer
STALL_SECONDS = 120.0  # for a client that reads nothing of its answer


class Connection(HttpToolsProtocol):
    """A connection that is closed when a request's head, or the reading of an answer, takes too long."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._awaits_head = True
        self._head_bytes = 0
        self._reading: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._close_after(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._go_on_reading()
        self._go_on_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._awaits_head:
            self._head_bytes += len(data)
            if self._reading is None:
                self._close_after(HEAD_SECONDS)
        super().data_received(data)
        if self._awaits_head and self._head_bytes > HEAD_BYTES:
            self.transport.abort()

    def on_headers_complete(self) -> None:
        self._awaits_head, self._head_bytes = False, 0
        self._go_on_reading()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._awaits_head = True
        self._go_on_reading()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._awaits_head and not self.transport.is_closing():
            self._close_after(LINGER_SECONDS)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._writing is None:
            self._writing = self.loop.call_later(STALL_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._go_on_writing()

    def _close_after(self, seconds: float) -> None:
        self._go_on_reading()
        self._reading = self.loop.call_later(seconds, self.transport.close)

    def _go_on_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _go_on_writing(self) -> None:
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None
