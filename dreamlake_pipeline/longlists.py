"""Long answers, in pieces: a page of 1,000 records may have 64 MB, and a service reads and keeps only as much of it as
its client is about to take. What is made as a whole has the service's room until its client has taken it."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from itertools import islice

from pydantic_core import to_json
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from . import admission
from .api.bounded import MOST_BYTES
from .api.common import Item, Listing

AT_A_TIME, MOST_AT_A_TIME = 20, 50
_PIECE_BYTES = 2**16


class LongList(StreamingResponse):
    """`{"items": […], "cursor": …}` of at most `count` items, as its pieces come.

    While it is sent, it has in the service's room what it keeps at the worst: the items that are read at a time, each
    with as much as one may have, and their text. Too many clients that read slowly are told OVERLOADED.
    """

    media_type = "application/json"

    def __init__(self, pieces: Iterator[bytes], count: int) -> None:
        super().__init__(pieces)
        self._bytes_kept = 2 * min(count, MOST_AT_A_TIME) * MOST_BYTES

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with admission.room_of(scope, self._bytes_kept):
            await super().__call__(scope, receive, send)


class _Whole(StreamingResponse):
    """Bytes that are at hand. Too many clients that read slowly are told OVERLOADED."""

    def __init__(self, content: bytes, media_type: str) -> None:
        super().__init__(_parts(content), media_type=media_type, headers={"Content-Length": str(len(content))})
        self._bytes_kept = len(content)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with admission.room_of(scope, self._bytes_kept):
            await super().__call__(scope, receive, send)


async def _parts(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), _PIECE_BYTES):
        yield content[start : start + _PIECE_BYTES]


def answer_whole(content: bytes, media_type: str) -> Response:
    """These bytes, of whatever number."""
    if len(content) <= _PIECE_BYTES:
        return Response(content, media_type=media_type)
    return _Whole(content, media_type)


def answer_page(
    read: Callable[[str | None, int], Listing[Item]], *, cursor: str | None, limit: int
) -> Listing[Item] | LongList:
    """A page of `limit` items from `cursor` on, made of smaller ones, which `read(cursor, limit)` gives.

    Each is read in a transaction of its own: none is open while a client takes its time.
    """
    first = read(cursor, min(limit, AT_A_TIME))
    if first.cursor is None or limit <= AT_A_TIME:
        return first
    return LongList(_page(read, first, limit), limit)


def answer_items(read: Callable[[Sequence[str]], Sequence[object]], ids: Sequence[str]) -> LongList:
    """What `read` gives for the ids, some of them at a time."""
    return LongList(_items(read, ids), len(ids))


def _page(read: Callable[[str | None, int], Listing[Item]], first: Listing[Item], limit: int) -> Iterator[bytes]:
    cursor, left, steps = first.cursor, limit - len(first.items), _steps()
    pieces = _Pieces(first.items)
    del first  # while the client takes the text of some items, the items themselves are not kept
    yield b'{"items":['
    yield from pieces.take()
    while cursor is not None and left > 0:
        page = read(cursor, min(left, next(steps)))
        cursor, left = page.cursor, left - len(page.items)
        pieces.add(page.items)
        del page
        yield from pieces.take()
    yield b'],"cursor":' + to_json(cursor) + b"}"


def _items(read: Callable[[Sequence[str]], Sequence[object]], ids: Sequence[str]) -> Iterator[bytes]:
    rest, steps, pieces = iter(ids), _steps(), _Pieces()
    yield b'{"items":['
    while some := list(islice(rest, next(steps))):
        pieces.add(read(some))
        yield from pieces.take()
    yield b"]}"


class _Pieces:
    """Items as JSON with commas between them, in pieces of about `_PIECE_BYTES`, which are forgotten when they are
    taken: a server copies each into its buffers."""

    def __init__(self, items: Sequence[object] = ()) -> None:
        self._pieces: deque[bytes] = deque()
        self._separator = b""
        self.add(items)

    def add(self, items: Sequence[object]) -> None:
        piece = bytearray()
        for item in items:
            piece += self._separator + to_json(item, by_alias=True)
            self._separator = b","
            if len(piece) > _PIECE_BYTES:
                self._pieces.append(bytes(piece))
                piece.clear()
        if piece:
            self._pieces.append(bytes(piece))

    def take(self) -> Iterator[bytes]:
        while self._pieces:
            yield self._pieces.popleft()


def _steps() -> Iterator[int]:
    """How many items are read at a time: more and more, since a query costs as much as some ten of them."""
    step = AT_A_TIME
    while True:
        yield step
        step = min(2 * step, MOST_AT_A_TIME)
