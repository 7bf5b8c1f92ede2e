"""Codes that log in once: what stands in the links of `dreamlake open` in the place of the key."""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections import OrderedDict
from hashlib import sha256
from typing import NamedTuple

from ..api.server import Me

_SECONDS = 600
_MOST, _MOST_OF_KEY = 1000, 20


class Login(NamedTuple):
    """Whose login a code is, and which page comes after it."""

    key: str
    me: Me
    next: str


class OnceCodes:
    """Codes, each of which is good once and for ten minutes. Of more than twenty of one key, and of more than a
    thousand, the oldest are forgotten.

    Logins are kept in memory alone: they end with the process, and no other one has them. A code says, signed by
    `secret`, which process made it and until when it is good; so one that reached another process of the same viewer is
    told from one that was made up or is too old. Safe to share between threads.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._process = secrets.token_hex(4)
        self._logins: OrderedDict[str, tuple[float, Login]] = OrderedDict()
        self._lock = threading.Lock()

    def make(self, login: Login) -> str:
        """A code that stands for this login."""
        said = f"{secrets.token_urlsafe(24)}.{self._process}.{int(time.time()) + _SECONDS}"
        code = f"{said}.{self._signature(said)}"
        with self._lock:
            self._logins[code] = (time.monotonic() + _SECONDS, login)
            of_key = [other for other, (_, kept) in self._logins.items() if kept.key == login.key]
            for other in of_key[:-_MOST_OF_KEY]:
                del self._logins[other]
            while len(self._logins) > _MOST or next(iter(self._logins.values()))[0] < time.monotonic():
                self._logins.popitem(last=False)
        return code

    def take(self, code: str) -> Login | None:
        """The login of a code that was not used before and is not too old."""
        with self._lock:
            until, login = self._logins.pop(code, (0.0, None))
        return login if until > time.monotonic() else None

    def is_of_another(self, code: str) -> bool:
        """Whether another process of this viewer made the code, and may still have its login."""
        said, _, signature = code.rpartition(".")
        if not hmac.compare_digest(self._signature(said).encode(), signature.encode("utf-8", "replace")):
            return False
        _, process, until = said.split(".")
        return process != self._process and time.time() < int(until)

    def _signature(self, said: str) -> str:
        return hmac.new(self._secret, b"link " + said.encode("utf-8", "replace"), sha256).hexdigest()[:32]
