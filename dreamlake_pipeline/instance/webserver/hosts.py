"""Which addresses the webserver answers under."""

from __future__ import annotations

import re
from collections.abc import Iterable

from starlette.datastructures import Headers

from ...errors import Code, DreamlakeError

# A name or address, IPv6 in brackets, and a port unless it is the scheme's own (RFC 9110, 7.2).
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(:[0-9]{1,5})?")


def allowed_hosts(port: int, more: Iterable[str]) -> frozenset[str]:
    """The values of `Host` that are ours: this machine's loopback names with the port, and `more`.

    A value counts as the browser sends it: with its port, unless that is the scheme's default. Raises
    DreamlakeError(USAGE) for one that is no host.
    """
    given = [host.strip().lower() for host in more]
    for host in given:
        if not _HOST.fullmatch(host):
            raise DreamlakeError(
                Code.USAGE,
                f"DREAMLAKE_DAGSTER_HOSTS cannot be used: {host!r} is no host.",
                hint="Name hosts as in `dagster.example.com, 10.0.0.5:3000`, without `http://`.",
            )
    return frozenset(given) | {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}


def host_of(headers: Headers) -> str:
    """The request's `Host` in lower case; empty when there is none, or more than one (RFC 9112, 3.2)."""
    hosts = headers.getlist("host")
    return hosts[0].strip().lower() if len(hosts) == 1 else ""
