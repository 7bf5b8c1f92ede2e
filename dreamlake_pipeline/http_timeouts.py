"""HTTP connections that end when their client is silent: `--http dreamlake_pipeline.http_timeouts:TimedProtocol`.

uvicorn closes a connection that is idle between two requests, and waits for ever for one that has begun: for headers
that come a byte at a time, a body that stops, a reader that does not read. A few hundred of those use up a service.
"""

from __future__ import annotations

import asyncio
import fcntl
import struct
import termios
from contextlib import suppress
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class TimedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with bounds, in seconds. An answer that takes long is not bounded."""

    headers_within = 20.0  # from the connection, or from a request's first byte, to the end of its headers
    body_pause = 60.0  # the longest pause in a body
    reader_pause = 120.0  # the longest time in which the reader of an answer takes nothing

    _headers_timer: asyncio.TimerHandle | None = None
    _body_timer: asyncio.TimerHandle | None = None
    _reader_timer: asyncio.TimerHandle | None = None
    _heard = 0.0  # when bytes came last, by the loop's clock

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._headers_timer, self._body_timer, self._reader_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._heard = self.loop.time()
        super().data_received(data)
        if self._body_timer is None and (self.cycle is None or self.cycle.response_complete):
            # A request has begun, or what precedes one; uvicorn has stopped its own clock.
            self._expect_headers()

    def on_headers_complete(self) -> None:
        if self._headers_timer is not None:
            self._headers_timer.cancel()
            self._headers_timer = None
        super().on_headers_complete()
        if self._body_timer is None:
            self._body_timer = self.loop.call_later(self.body_pause, self._look_at_body)

    def on_message_complete(self) -> None:
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None
        super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._reader_timer is None:
            self._look_at_reader(unread=None)

    def resume_writing(self) -> None:
        if self._reader_timer is not None:
            self._reader_timer.cancel()
            self._reader_timer = None
        super().resume_writing()

    def _expect_headers(self) -> None:
        if self._headers_timer is None and not self.transport.is_closing():
            self._headers_timer = self.loop.call_later(self.headers_within, self._give_up)

    def _look_at_body(self) -> None:
        """Wait on for a body of which bytes came, or which the application itself has not taken yet."""
        silent = 0.0 if self.flow.read_paused else self.loop.time() - self._heard
        if silent >= self.body_pause:
            self._give_up()
        else:
            self._body_timer = self.loop.call_later(self.body_pause - silent, self._look_at_body)

    def _look_at_reader(self, unread: int | None) -> None:
        """Wait on for a reader who has taken some of what is to be sent since there were `unread` bytes of it."""
        left = self.transport.get_write_buffer_size() + _in_kernel(self.transport)
        if left == unread:
            self._give_up()
        else:
            self._reader_timer = self.loop.call_later(self.reader_pause, self._look_at_reader, left)

    def _give_up(self) -> None:
        self.transport.abort()


def _in_kernel(transport: asyncio.Transport) -> int:
    """How many bytes the system has taken from us that the reader has not acknowledged: some megabytes, which are hours
    for some readers. Linux says (SIOCOUTQ, tcp(7)); elsewhere it is 0."""
    with suppress(OSError, AttributeError):
        found = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
        return int(struct.unpack("i", found)[0])
    return 0
