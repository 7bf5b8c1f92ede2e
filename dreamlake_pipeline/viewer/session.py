"""Who has logged in: a cookie that holds the API key, signed, for as long as the key is valid.

The key is nowhere else: in no URL, no page and no storage of the browser. The cookie is a JWT (HS256, RFC 7519) that no
script reads (HttpOnly) and no page of another site makes use of (SameSite=Strict).
"""

from __future__ import annotations

import hmac
import secrets
import time
from dataclasses import dataclass
from hashlib import sha256

import jwt
from starlette.requests import HTTPConnection
from starlette.responses import Response

from ..api.server import Me
from ..auth import Scope, token_id
from ..errors import Code, DreamlakeError

_ALGORITHM = "HS256"
_LIFETIME = 30 * 24 * 3600  # seconds, of a key that is valid for ever or for longer
_LONGEST_COOKIE = 4000  # bytes; browsers keep 4,096 of name, value and attributes (RFC 6265, 6.1)


@dataclass(frozen=True, slots=True)
class Session:
    """One login: the API key, whom it speaks for, and whether it may change anything."""

    id: str
    key: str
    sub: str
    can_write: bool

    @property
    def token_id(self) -> str:
        """The id by which the key is revoked."""
        return token_id(self.key)

    @property
    def tenant(self) -> str:
        """Whose share of the viewer's room this session uses: all sessions of a key have one together, since whoever
        has the key opens as many as they like."""
        return self.token_id


class Sessions:
    """Sessions signed by `secret`. `secure`: the browser sends the cookie over TLS only."""

    def __init__(self, secret: str, *, secure: bool = False) -> None:
        self._secret = secret
        self._secure = secure
        # Cookies know no ports: two viewers that a browser reaches under one host must not share a name.
        self.cookie = f"dreamlake-viewer-{sha256(secret.encode()).hexdigest()[:8]}"

    def open(self, response: Response, key: str, me: Me, *, secure: bool) -> None:
        """Give the browser a session. Raises DreamlakeError(UNAUTHENTICATED) for a key that no cookie can hold."""
        now = int(time.time())
        ends = now + _LIFETIME if me.expires_at is None else min(now + _LIFETIME, int(me.expires_at.timestamp()))
        claims = {
            "aud": self.cookie,
            "jti": secrets.token_hex(12),
            "key": key,
            "sub": me.sub,
            "write": me.scope == Scope.WRITE,
            "exp": ends,
        }
        token = jwt.encode(claims, self._secret, _ALGORITHM)
        if len(token) > _LONGEST_COOKIE:
            raise DreamlakeError(
                Code.UNAUTHENTICATED,
                "This key is too long for a browser to keep.",
                hint="Make one for fewer namespaces: `dreamlake token create`.",
            )
        response.set_cookie(
            self.cookie,
            token,
            max_age=max(1, ends - now),
            path="/",
            secure=self._secure or secure,
            httponly=True,
            samesite="strict",
        )

    def close(self, response: Response) -> None:
        """Have the browser forget its session."""
        response.delete_cookie(self.cookie, path="/", httponly=True, samesite="strict")

    def of(self, connection: HTTPConnection) -> Session | None:
        """The session of a request; None when it has none, or one that has ended."""
        token = connection.cookies.get(self.cookie, "")
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=[_ALGORITHM],
                audience=self.cookie,
                options={"require": ["aud", "exp", "jti", "key", "sub"]},
            )
        except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError, RecursionError):
            return None
        return Session(claims["jti"], claims["key"], claims["sub"], bool(claims.get("write")))

    def form_token(self, session: Session) -> str:
        """What every form of a page carries, so that no page of another site can send it in the session's name."""
        return hmac.new(self._secret.encode(), f"form {session.id}".encode(), sha256).hexdigest()

    def is_form_token(self, session: Session, token: str) -> bool:
        return hmac.compare_digest(self.form_token(session).encode(), token.encode())
