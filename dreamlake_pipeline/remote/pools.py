"""Connection pools of urllib3: direct ones, and ones through the proxy that the environment names for a URL."""

from __future__ import annotations

import threading
from typing import Any
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

from .. import tls
from ..errors import Code, DreamlakeError

_BLOCK = 1 << 20


class Pools:
    """One pool for each way out. Safe to share between threads."""

    def __init__(self, connections: int) -> None:
        """With up to `connections` to a host; who wants one more waits."""
        self._connections = connections
        self._proxies = getproxies()
        self._pools: dict[tuple[str | None, bool], urllib3.PoolManager] = {}
        self._lock = threading.Lock()
        self._is_closed = False

    def of(self, url: str) -> urllib3.PoolManager:
        """The pool for this URL. Raises ValueError when the URL has a port that is none, DreamlakeError(USAGE) when the
        pools are closed."""
        parts = urlsplit(url)
        proxy, is_secure = self.proxy_of(parts), parts.scheme == "https"
        with self._lock:
            if self._is_closed:
                raise DreamlakeError(Code.USAGE, "The connection is closed.", hint="Make a new DreamLake().")
            if (proxy, is_secure) not in self._pools:
                options: dict[str, Any] = {
                    "maxsize": self._connections,
                    "num_pools": 4,
                    "block": True,
                    "blocksize": _BLOCK,
                }
                if is_secure:  # reading the authorities takes longer than many a command
                    options["ssl_context"] = tls.context()
                self._pools[proxy, is_secure] = (
                    urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)
                )
            return self._pools[proxy, is_secure]

    def proxy_of(self, parts: SplitResult) -> str | None:
        """The proxy on the way to a URL. None is for this machine, whatever the environment says."""
        proxy = self._proxies.get(parts.scheme) or self._proxies.get("all")
        if proxy and not _is_loopback(parts.hostname) and not proxy_bypass(parts.netloc):
            return proxy
        return None

    def close(self) -> None:
        """End what is open; twice is harmless."""
        with self._lock:
            self._is_closed = True
            for pool in self._pools.values():
                pool.clear()


def _is_loopback(host: str | None) -> bool:
    return host in ("localhost", "::1") or (host or "").startswith("127.")
