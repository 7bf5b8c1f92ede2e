"""/auth/revoked of both services: tokens that are not valid any more."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..ids import TOKEN_ID_PATTERN
from .common import Model, Timestamp

TokenId = Annotated[str, Field(pattern=TOKEN_ID_PATTERN, examples=["6b0cfb853f63a552ed01e219"])]


class RevokeTokens(Model):
    """Ids of tokens: the claim `jti`, or `sha256:` and the hash of what is signed, of a token without one."""

    ids: list[TokenId] = Field(min_length=1, max_length=1000)


class RevokedToken(Model):
    id: TokenId
    revoked_by: str = Field(description="The subject of the token that revoked it.")
    revoked_at: Timestamp
