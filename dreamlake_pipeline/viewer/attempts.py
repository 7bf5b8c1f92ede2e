"""How often somebody may try to log in."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from ipaddress import IPv6Address, ip_address

_MOST = 20  # attempts that failed
_SECONDS = 300.0  # in which they count
_ADDRESSES = 10_000


class Attempts:
    """Attempts that failed, by the address that they came from. Safe to share between threads.

    An IPv6 address counts with the 64 bits of its network, since whoever has one has all of these. Of more than 10,000
    addresses, those that have tried longest ago are forgotten.
    """

    def __init__(self) -> None:
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_of(self, address: str) -> float:
        """Seconds until this address may try again; 0 when it may now."""
        with self._lock:
            failed = self._failed.get(_network(address))
            if failed is None or len(failed) < _MOST:
                return 0.0
            return max(0.0, failed[0] + _SECONDS - time.monotonic())

    def fail(self, address: str) -> None:
        """Count an attempt that failed."""
        name = _network(address)
        with self._lock:
            self._failed.setdefault(name, deque(maxlen=_MOST)).append(time.monotonic())
            self._failed.move_to_end(name)
            if len(self._failed) > _ADDRESSES:
                self._failed.popitem(last=False)


def _network(address: str) -> str:
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, IPv6Address):
        return str(ip.ipv4_mapped or ip.packed[:8].hex())
    return str(ip)
