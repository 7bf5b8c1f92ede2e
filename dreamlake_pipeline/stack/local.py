"""HTTP to the stack's own processes."""

from __future__ import annotations

from functools import cache

import httpx


@cache
def local_http() -> httpx.Client:
    """A client for 127.0.0.1: no proxy, and no certificates, whose loading would cost more than all the requests."""
    return httpx.Client(trust_env=False, verify=False, timeout=3)  # noqa: S501 - plain HTTP on this machine
