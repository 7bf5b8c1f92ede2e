"""Bytes from the object store, by a URL that BSS has signed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import urllib3
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from ..errors import Code, DreamlakeError
from ..remote.pools import Pools

_TIMEOUT = urllib3.Timeout(connect=5, read=30)
_BLOCK = 2**18


@cache
def _pools() -> Pools:
    return Pools(connections=16)


def fetch(url: str, *, most: int) -> bytes:
    """The object. Raises NOT_FOUND, STORAGE_FAILED, and REQUEST_TOO_LARGE when it has more bytes than `most`."""
    return b"".join(blocks(url, most=most))


def blocks(url: str, *, most: int) -> Iterator[bytes]:
    """The object piece by piece. Raises as `fetch` does."""
    with _opened(url) as response:
        left = most
        while block := response.read(min(_BLOCK, left + 1)):
            left -= len(block)
            if left < 0:
                raise DreamlakeError(Code.REQUEST_TOO_LARGE, f"The file has more than {most} bytes.")
            yield block


@contextmanager
def _opened(url: str) -> Iterator[BaseHTTPResponse]:
    try:
        response = _pools().of(url).request("GET", url, preload_content=False, redirect=False, timeout=_TIMEOUT)
        try:
            if response.status == 404:
                raise DreamlakeError(Code.NOT_FOUND, "The object store has no such file.")
            if response.status != 200:
                raise DreamlakeError(Code.STORAGE_FAILED, f"The object store answers {response.status}.")
            yield response
        finally:
            response.close()
    except (HTTPError, OSError) as fault:
        raise DreamlakeError(Code.STORAGE_FAILED, "The object store does not answer.") from fault
