"""Both services, as whoever looks reaches them: with a token of theirs."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256

from ..remote.patience import Patience
from ..remote.services import Services

_KEPT = 64  # tokens whose connections are kept
_WAIT_SECONDS = 2.0  # that a page waits for a service that is away
_SILENCE = 30.0  # seconds


@dataclass(slots=True)
class _Kept:
    services: Services
    users: int = 0


class Upstream:
    """Connections to both services for each token, those that were used last. Safe to share between threads."""

    def __init__(self, *, remote: str, bss_url: str) -> None:
        self._remote, self._bss_url = remote, bss_url
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def services(self, key: str) -> Iterator[Services]:
        """The services, talked to with this token. Raises UNAUTHENTICATED when no header can hold it."""
        name = sha256(key.encode("utf-8", "replace")).digest()
        with self._lock:
            kept = self._kept.get(name) or _Kept(
                Services(
                    remote=self._remote,
                    bss_url=self._bss_url,
                    api_key=key,
                    patience=Patience(_WAIT_SECONDS, silence=_SILENCE),
                )
            )
            kept.users += 1
            self._kept[name] = kept
            self._kept.move_to_end(name)
        try:
            yield kept.services
        finally:
            with self._lock:
                kept.users -= 1
                self._forget(_KEPT)

    def close(self) -> None:
        with self._lock:
            self._forget(0)

    def _forget(self, most: int) -> None:
        """Close the connections of the tokens that were used longest ago, except of those in use."""
        idle = [name for name, kept in self._kept.items() if not kept.users]
        for name in idle[: max(0, len(self._kept) - most)]:
            self._kept.pop(name).services.close()
