"""Large objects in several parts at once, from a store that answers ranges as a test wants it to."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any

import pytest

from dreamlake_pipeline.client.fetch.filling import fill
from dreamlake_pipeline.client.fetch.partial import Partial
from dreamlake_pipeline.client.fetch.source import PARTS, Source
from dreamlake_pipeline.client.stages import Flow
from dreamlake_pipeline.client.transfer import Transfer
from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.remote.patience import Patience, Stopped
from dreamlake_pipeline.remote.refusal import StoreAway

MB = 2**20
PART = 8 * MB
BODY = Random(5).randbytes(41 * MB + 123)
SHA256 = hashlib.sha256(BODY).hexdigest()


class Store:
    """Answers ranges of `body`, and knows the first bytes that were `asked`, and the `most` answered at once.

    `before` is called with the first byte of each, and may wait, or raise to break the connection in the middle of the
    part; `after` when it was sent.
    """

    def __init__(self) -> None:
        self.body, self.most = BODY, 0
        self.before: Callable[[int], None] = lambda _: None
        self.after: Callable[[int], None] = lambda _: None
        self.asked: list[int] = []
        store, running, lock = self, 0, threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                nonlocal running
                found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers["Range"] or "bytes=0-")
                assert found
                start, end = int(found[1]), int(found[2] or len(store.body) - 1) + 1
                with lock:
                    running += 1
                    store.most = max(store.most, running)
                    store.asked.append(start)
                try:
                    self.answer(start, store.body[start:end])
                finally:
                    with lock:
                        running -= 1

            def answer(self, start: int, part: bytes) -> None:
                self.send_response(206 if self.headers["Range"] else 200)
                self.send_header("Content-Length", str(len(part)))
                self.end_headers()
                try:
                    store.before(start)
                except ConnectionError:
                    self.wfile.write(part[: len(part) // 2])
                    self.close_connection = True
                else:
                    self.wfile.write(part)
                    store.after(start)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, _: int) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/object"


@pytest.fixture
def store() -> Iterator[Store]:
    one = Store()
    yield one
    one.server.shutdown()
    one.server.server_close()


def fetch(store: Store, path: Path, *, seconds: float = 60) -> None:
    """As a download does, with `seconds` of patience."""
    flow = Flow()
    patience = Patience(seconds, stopping=flow.stopping)
    transfer = Transfer(16, patience)
    source = Source(transfer, patience, flow.pool("part", threads=PARTS, depth=2 * PARTS))
    done = flow.channel(1, writers=1)

    def work() -> Iterator[list[None]]:
        with Partial(str(path), "key") as partial:
            fill(partial, source, store.url, name="/a", size=len(BODY), sha256=SHA256, can_resume=True)
            assert not path.exists()
            partial.put_in_place(replace=False)
        yield [None]

    flow.source(work(), done)
    try:
        for _ in flow.results(done, every=0.5):
            pass
    finally:
        transfer.close()


def part_file(path: Path) -> Path:
    return path.with_name(f".{path.name}.key.part")


def test_parts_arrive_in_any_order(store: Store, tmp_path: Path) -> None:
    asked, behind = threading.Barrier(4), threading.Barrier(4)

    def late(start: int) -> None:
        """Four parts are asked for before any of them comes, and the first one comes after the next three."""
        if start < 4 * PART:
            asked.wait(60)
        if start == 0:
            behind.wait(60)

    def sent(start: int) -> None:
        if 0 < start < 4 * PART:
            behind.wait(60)

    store.after = sent
    store.before = late
    fetch(store, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == BODY
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]
    assert sorted(store.asked) == list(range(0, len(BODY), PART))
    assert store.most == 4


def test_a_connection_that_breaks_is_taken_up_in_the_part(store: Store, tmp_path: Path) -> None:
    def broken(start: int) -> None:
        if start == PART:
            raise ConnectionError

    store.before = broken
    fetch(store, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == BODY
    assert len(store.asked) == 7
    assert PART + PART // 2 in store.asked


def test_what_came_without_a_gap_is_kept(store: Store, tmp_path: Path) -> None:
    def broken(start: int) -> None:
        if 2 * PART <= start < 3 * PART:
            raise ConnectionError

    store.before = broken
    with pytest.raises(StoreAway):
        fetch(store, tmp_path / "a", seconds=0.5)
    assert part_file(tmp_path / "a").read_bytes() == BODY[: 2 * PART]
    store.before, store.asked = (lambda _: None), []
    fetch(store, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == BODY
    assert min(store.asked) == 2 * PART


@pytest.mark.parametrize("end", [3 * MB, 3 * MB + 5000, PART - 1])
def test_what_a_killed_process_left_is_gone_on_with_before_its_gap(store: Store, tmp_path: Path, end: int) -> None:
    with part_file(tmp_path / "a").open("wb") as left:
        left.write(BODY[:end])
        left.seek(2 * PART)
        left.write(BODY[2 * PART : 3 * PART])
    fetch(store, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == BODY
    assert end - 2 * MB < min(store.asked) <= end


@pytest.mark.parametrize("at", [0, 3 * PART, len(BODY) - 1])
def test_wrong_bytes_leave_nothing(store: Store, tmp_path: Path, at: int) -> None:
    store.body = BODY[:at] + bytes([BODY[at] ^ 1]) + BODY[at + 1 :]
    with pytest.raises(DreamlakeError, match="has SHA-256") as fault:
        fetch(store, tmp_path / "a")
    assert fault.value.code is Code.HASH_MISMATCH
    assert list(tmp_path.iterdir()) == []


def test_an_object_that_became_shorter_leaves_nothing(store: Store, tmp_path: Path) -> None:
    store.body = BODY[: 3 * PART - 1]
    with pytest.raises(DreamlakeError, match=r"has 25,165,823 bytes, not 25,165,824") as fault:
        fetch(store, tmp_path / "a")
    assert fault.value.code is Code.HASH_MISMATCH
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_once_it_is_closed(tmp_path: Path) -> None:
    with Partial(str(tmp_path / "a"), "key") as partial:
        partial.place(0, BODY[: 2 * MB])
        partial.place(3 * MB, BODY[3 * MB : 4 * MB])
        partial.follow(2 * MB)
    with pytest.raises(Stopped):
        partial.place(4 * MB, b"late")
    assert part_file(tmp_path / "a").read_bytes() == BODY[: 2 * MB]
