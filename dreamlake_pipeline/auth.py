"""Bearer tokens: JWT, HS256 (RFC 7519). Claims: sub, namespaces, scope, jti, iat, exp.

A token reaches the namespaces it names (`*` is all of them) with scope `read` or `write`. A playback
token (scope `play`) plays one asset and does nothing else: it travels in URLs that a browser opens.

Several keys may verify tokens, the first of which signs them: so a key is replaced without a moment at which valid
tokens are refused. A token is revoked by its id (`revocation.py`), which is its `jti`; of a token without one, a hash.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any

import jwt
from pydantic import BaseModel, Field, ValidationError, model_validator

from .errors import Code, DreamlakeError
from .ids import ID_PATTERN, TOKEN_ID_PATTERN, is_id, new_id
from .names import EVERY_NAMESPACE, SLUG_PATTERN

_ALGORITHM = "HS256"
_LONGEST_TOKEN = 16_384  # characters

# Seconds by which the clock of the machine that made a token may differ from the clock of the one that checks it
# (RFC 7519, 4.1.4 to 4.1.6: "a small leeway").
CLOCK_SKEW = 60


class Scope(StrEnum):
    READ = "read"
    WRITE = "write"
    PLAY = "play"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls, and what they reach."""

    sub: str
    namespaces: tuple[str, ...]
    scope: Scope
    token_id: str
    expires_at: datetime | None = None
    asset: str | None = None  # playback tokens only

    @property
    def tenant(self) -> str:
        """Whose share of a service's room this principal uses: all tokens of the same namespaces have one together, so
        that a tenant with many tokens has no more of it. Every other token has its own."""
        if not self.namespaces or EVERY_NAMESPACE in self.namespaces:
            return self.token_id
        return " ".join(sorted(set(self.namespaces)))

    def reaches(self, namespace: str) -> bool:
        return EVERY_NAMESPACE in self.namespaces or namespace in self.namespaces

    def require(self, namespace: str, scope: Scope) -> None:
        """Raise FORBIDDEN unless this principal may do `scope` in `namespace`."""
        if self.scope is Scope.PLAY or not self.reaches(namespace):
            raise DreamlakeError(Code.FORBIDDEN, f"This token does not reach namespace {namespace!r}.")
        self._require_scope(scope)

    def require_any(self, scope: Scope) -> None:
        """Raise FORBIDDEN unless this principal may do `scope` somewhere; what it reaches is then filtered."""
        if self.scope is Scope.PLAY:
            raise DreamlakeError(Code.FORBIDDEN, "A playback token only plays.")
        self._require_scope(scope)

    def require_service(self) -> None:
        """Raise FORBIDDEN unless this principal writes everywhere, as the pipeline does."""
        if EVERY_NAMESPACE not in self.namespaces:
            raise DreamlakeError(Code.FORBIDDEN, "Only a token for every namespace may use pipeline routes.")
        self._require_scope(Scope.WRITE)

    def require_play(self, asset: str) -> None:
        """Raise FORBIDDEN unless this is a playback token for `asset`."""
        if self.scope is not Scope.PLAY or self.asset != asset:
            raise DreamlakeError(Code.FORBIDDEN, "This playback URL is for another file.")

    def seconds_left(self, most: int) -> int:
        """For how many seconds something that this principal is given may be valid: `most`, and not longer than its
        token."""
        if self.expires_at is None:
            return most
        return max(1, min(most, int(self.expires_at.timestamp() - time.time())))

    def _require_scope(self, scope: Scope) -> None:
        if scope is Scope.WRITE and self.scope is not Scope.WRITE:
            raise DreamlakeError(Code.FORBIDDEN, "This token may only read.")


def issue_token(
    secret: str,
    *,
    sub: str,
    namespaces: list[str],
    scope: Scope,
    ttl: float | None,
    asset: str | None = None,
    token_id: str | None = None,
) -> str:
    """A signed token, valid for `ttl` seconds from now (None: for ever). Its id is a new one, unless it is given."""
    now = int(time.time())
    claims: dict[str, object] = {
        "sub": sub,
        "namespaces": namespaces,
        "scope": str(scope),
        "jti": token_id or new_id(),
        "iat": now,
    }
    if ttl is not None:
        claims["exp"] = now + int(ttl)
    if asset is not None:
        claims["asset"] = asset
    return jwt.encode(claims, secret, algorithm=_ALGORITHM)


# A NumericDate (RFC 7519, 2), up to the last second that `datetime` knows.
_Instant = Annotated[float, Field(strict=True, ge=0, le=253_402_300_799, allow_inf_nan=False)]
_Text = Annotated[str, Field(strict=True, min_length=1, max_length=255)]


class _Claims(BaseModel):
    """The claims of a token, each of its type and in its bounds; others are passed over."""

    sub: _Text
    scope: Scope
    namespaces: list[Annotated[str, Field(strict=True, pattern=rf"{SLUG_PATTERN}|^\*$")]] = []
    jti: Annotated[str, Field(strict=True, pattern=TOKEN_ID_PATTERN)] | None = None
    asset: Annotated[str, Field(strict=True, pattern=ID_PATTERN)] | None = None
    exp: _Instant | None = None
    nbf: _Instant | None = None
    iat: _Instant | None = None

    @model_validator(mode="after")
    def _names_an_asset_if_it_plays(self) -> _Claims:
        if (self.asset is not None) != (self.scope is Scope.PLAY):
            raise ValueError("an asset is named by playback tokens, and by no others")
        return self


def verify_token(keys: str | Sequence[str], token: str) -> Principal:
    """Who the token speaks for. Raises DreamlakeError(UNAUTHENTICATED) when it is expired, forged or malformed.

    One of `keys` must have signed it. `exp`, `nbf` and `iat` hold to within `CLOCK_SKEW`.
    """
    try:
        claims = _claims((keys,) if isinstance(keys, str) else tuple(keys), token)
    # A header that is nested deeply enough ends in a RecursionError of the JSON parser.
    except (jwt.PyJWTError, ValidationError, ValueError, TypeError, RecursionError):
        raise _refused() from None
    now = time.time()
    if claims.exp is not None and claims.exp <= now - CLOCK_SKEW:
        raise DreamlakeError(
            Code.UNAUTHENTICATED, "The token has expired.", hint="Make a new one: `dreamlake token create`."
        )
    if max(claims.nbf or 0, claims.iat or 0) > now + CLOCK_SKEW:
        raise _refused()
    return Principal(
        sub=claims.sub,
        namespaces=tuple(claims.namespaces),
        scope=claims.scope,
        token_id=claims.jti or _hash_id(token),
        expires_at=None if claims.exp is None else datetime.fromtimestamp(claims.exp, UTC),
        asset=claims.asset,
    )


def _refused() -> DreamlakeError:
    return DreamlakeError(Code.UNAUTHENTICATED, "The token is not valid here.", hint="Check DREAMLAKE_API_KEY.")


@lru_cache(maxsize=256)
def _claims(keys: tuple[str, ...], token: str) -> _Claims:
    """What the token claims, which is the same as often as it is sent. Raises what its parts raise, each time."""
    return _Claims.model_validate(_signed_claims(keys, token))


def _signed_claims(keys: Sequence[str], token: str) -> Any:
    """What the token claims, if one of the keys signed it. Times and types are not looked at yet."""
    if len(token) > _LONGEST_TOKEN:
        raise ValueError("the token is too long")
    times = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_sub": False, "verify_jti": False}
    for key in keys[:-1]:
        try:
            return jwt.decode(token, key, algorithms=[_ALGORITHM], options=times)  # type: ignore[arg-type]
        except jwt.InvalidSignatureError:
            continue
    return jwt.decode(token, keys[-1], algorithms=[_ALGORITHM], options=times)  # type: ignore[arg-type]


def token_id(token: str) -> str:
    """The id by which a token is revoked, without a look at who signed it. Raises ValueError for what is no token."""
    try:
        jti = jwt.decode(token, options={"verify_signature": False}).get("jti")
    except (jwt.PyJWTError, RecursionError, json.JSONDecodeError):
        raise ValueError("it is no token") from None
    return jti if isinstance(jti, str) and jti else _hash_id(token)


def is_token_id(text: str) -> bool:
    """Whether a token may have this id, whoever signed it."""
    return re.fullmatch(TOKEN_ID_PATTERN, text) is not None


def is_own_token_id(text: str) -> bool:
    """Whether the text has the form of the ids that tokens of ours are known by: a `jti` of `issue_token`, or the hash
    of a token without one."""
    return is_id(text) or re.fullmatch("sha256:[0-9a-f]{64}", text) is not None


def _hash_id(token: str) -> str:
    """The id of a token without a `jti`: the hash of what is signed. The signature is left out, since its base64 can be
    spelled in several ways."""
    signed = token.rpartition(".")[0]
    return f"sha256:{hashlib.sha256(signed.encode()).hexdigest()}"
