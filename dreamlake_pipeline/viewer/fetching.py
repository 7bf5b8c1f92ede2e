"""Bytes from the object store, by a URL that BSS has signed."""

from __future__ import annotations

from functools import cache

import urllib3
from urllib3.exceptions import HTTPError

from ..client.pools import Pools
from ..errors import Code, DreamlakeError

_TIMEOUT = urllib3.Timeout(connect=5, read=30)


@cache
def _pools() -> Pools:
    return Pools(connections=16)


def fetch(url: str, *, most: int) -> bytes:
    """The object. Raises NOT_FOUND, STORAGE_FAILED, and REQUEST_TOO_LARGE when it has more bytes than `most`."""
    try:
        response = _pools().of(url).request("GET", url, preload_content=False, redirect=False, timeout=_TIMEOUT)
        try:
            if response.status == 404:
                raise DreamlakeError(Code.NOT_FOUND, "The object store has no such file.")
            if response.status != 200:
                raise DreamlakeError(Code.STORAGE_FAILED, f"The object store answers {response.status}.")
            content: bytes = response.read(most + 1)
        finally:
            response.close()
    except (HTTPError, OSError) as fault:
        raise DreamlakeError(Code.STORAGE_FAILED, "The object store does not answer.") from fault
    if len(content) > most:
        raise DreamlakeError(Code.REQUEST_TOO_LARGE, f"The file has more than {most} bytes.")
    return content
