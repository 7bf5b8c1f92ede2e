"""Connections of an HTTP server of ours, none of which may take memory or time without end.

`uvicorn --http dreamlake_pipeline.connections:Connection`. Uvicorn's own protocol closes a connection that is idle
between two requests. It waits for ever for the first byte of a request, for the end of its head, for a body that stops,
for the rest of a body that nobody reads, and for a client that does not read its answer; and it keeps a head of any
length. A few hundred such clients use up a service. Nor does it bound how many connections there are: without file
descriptors left, it accepts nobody. Here the longest idle one makes room for a new one. (How long a body of a service
may be, and take in all, is decided in `admission.py`.)
"""

from __future__ import annotations

import asyncio
import fcntl
import resource
import struct
import termios
from contextlib import suppress
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 256 * 1024  # what is read of a head at most; `web.py` refuses a smaller one with a proper answer
HEAD_SECONDS = 30.0  # from the connection, or the first byte of a request, to the end of its head
BODY_PAUSE_SECONDS = 60.0  # the longest pause in a body that the application reads
LINGER_SECONDS = 10.0  # for the rest of a body that was answered unread, so that the client comes to read the answer
STALL_SECONDS = 120.0  # for a client that takes nothing of its answer
# Connections at a time: a quarter of the file descriptors is left for the database, the object store and files.
MOST_CONNECTIONS = min(4096, max(64, resource.getrlimit(resource.RLIMIT_NOFILE)[0] * 3 // 4))


class Connection(HttpToolsProtocol):
    """A connection that is closed when its client keeps it waiting too long. An answer may take as long as it likes."""

    _awaits_head = True
    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None
    _body_timer: asyncio.TimerHandle | None = None
    _reader_timer: asyncio.TimerHandle | None = None
    _heard = 0.0  # when bytes came last, by the loop's clock

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        self._heard = self.loop.time()
        if len(self.connections) > MOST_CONNECTIONS:
            self._make_room()
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clocks()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._heard = self.loop.time()
        if self._awaits_head:
            self._head_bytes += len(data)
            # Uvicorn has stopped its own clock.
            self._expect_head()
        super().data_received(data)
        if self._awaits_head and self._head_bytes > HEAD_BYTES:
            self._give_up()

    def on_headers_complete(self) -> None:
        self._awaits_head, self._head_bytes = False, 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        super().on_headers_complete()
        self._look_at_body_after(BODY_PAUSE_SECONDS)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._awaits_head = True
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._awaits_head and not self.transport.is_closing():
            if self._body_timer is not None:
                self._body_timer.cancel()
            self._body_timer = self.loop.call_later(LINGER_SECONDS, self._give_up)

    def handle_websocket_upgrade(self) -> None:
        """The connection is another protocol's from now on, and so are its clocks (it sends pings)."""
        self._stop_clocks()
        super().handle_websocket_upgrade()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._reader_timer is None:
            self._look_at_reader(unread=None)

    def resume_writing(self) -> None:
        if self._reader_timer is not None:
            self._reader_timer.cancel()
            self._reader_timer = None
        super().resume_writing()

    def _make_room(self) -> None:
        """Close the connection that has been idle for longest; this one, which is new, when there is none."""
        idle = [one for one in self.connections if isinstance(one, Connection) and one is not self and one._is_idle]
        min(idle, key=lambda one: one._heard, default=self)._give_up()

    @property
    def _is_idle(self) -> bool:
        is_answered = self.cycle is None or self.cycle.response_complete
        return self._awaits_head and is_answered and not self.transport.is_closing()

    def _stop_clocks(self) -> None:
        for timer in (self._head_timer, self._body_timer, self._reader_timer):
            if timer is not None:
                timer.cancel()

    def _expect_head(self) -> None:
        if self._head_timer is None and not self.transport.is_closing():
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _look_at_body_after(self, seconds: float) -> None:
        self._body_timer = self.loop.call_later(seconds, self._look_at_body)

    def _look_at_body(self) -> None:
        """Wait on for a body of which bytes came, or which the application itself has not taken yet."""
        silent = 0.0 if self.flow.read_paused else self.loop.time() - self._heard
        if silent >= BODY_PAUSE_SECONDS:
            self._give_up()
        else:
            self._look_at_body_after(BODY_PAUSE_SECONDS - silent)

    def _look_at_reader(self, unread: int | None) -> None:
        """Wait on for a reader who has taken some of what is to be sent since there were `unread` bytes of it."""
        left = self.transport.get_write_buffer_size() + _in_kernel(self.transport)
        if left == unread:
            self._give_up()
        else:
            self._reader_timer = self.loop.call_later(STALL_SECONDS, self._look_at_reader, left)

    def _give_up(self) -> None:
        self.transport.abort()


def _in_kernel(transport: asyncio.Transport) -> int:
    """How many bytes the system has taken from us that the reader has not acknowledged: some megabytes, which are hours
    for some readers. Linux says (SIOCOUTQ, tcp(7)); elsewhere it is 0."""
    with suppress(OSError, AttributeError):
        found = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
        return int(struct.unpack("i", found)[0])
    return 0
