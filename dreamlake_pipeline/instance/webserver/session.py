"""Who has logged in.

One secret is the login. The link that `dreamlake status` prints carries it and is exchanged for a cookie; programs
send it as a bearer token. The cookie is a token (JWT, HS256, RFC 7519) signed with the secret, not the secret itself.
"""

from __future__ import annotations

import hmac
import time
from hashlib import sha256

import jwt
from starlette.requests import HTTPConnection
from starlette.responses import Response

_ALGORITHM = "HS256"
_LIFETIME = 30 * 24 * 3600  # seconds


class Sessions:
    """Sessions by `secret`."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        # Cookies know no ports: two webservers that a browser reaches under one host must not share a name.
        self._name = f"dreamlake-dagster-{sha256(secret.encode()).hexdigest()[:8]}"

    def is_login(self, secret: str) -> bool:
        """Whether this is the login secret. It takes as long for a wrong one as for the right one."""
        return hmac.compare_digest(secret.encode(), self._secret.encode())

    def open(self, response: Response, *, secure: bool) -> None:
        """Give the browser a session. No script and no page of another site gets to use the cookie."""
        token = jwt.encode({"aud": self._name, "exp": int(time.time()) + _LIFETIME}, self._secret, _ALGORITHM)
        response.set_cookie(
            self._name, token, max_age=_LIFETIME, path="/", secure=secure, httponly=True, samesite="strict"
        )

    def is_open(self, connection: HTTPConnection) -> bool:
        """Whether the request has a session."""
        return self.has_token(connection) or self._is_session(connection.cookies.get(self._name, ""))

    def has_token(self, connection: HTTPConnection) -> bool:
        """Whether the request is a program's, with `Authorization: Bearer <secret>` (RFC 6750, 2.1)."""
        scheme, _, secret = connection.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self.is_login(secret.strip())

    def _is_session(self, token: str) -> bool:
        try:
            jwt.decode(
                token,
                self._secret,
                algorithms=[_ALGORITHM],
                audience=self._name,
                options={"require": ["aud", "exp"]},
            )
        except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError):
            return False
        return True
