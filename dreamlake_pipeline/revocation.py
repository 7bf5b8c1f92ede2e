"""Tokens that were revoked: a table of their ids in each service's own schema, and the routes that fill it.

BSS and DreamLake Server do not know each other: `dreamlake token revoke` tells both. A service reads its table again
after `FRESH_SECONDS` at the latest, so a token ends within that time everywhere, and a request costs no query.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Engine, text

from .admission import Holder, Reader, new_router
from .api.bss import Success
from .api.common import Listing
from .api.tokens import RevokedToken, RevokeTokens, TokenId
from .auth import Principal, Scope
from .errors import Code, DreamlakeError
from .names import EVERY_NAMESPACE

FRESH_SECONDS = 3.0

TABLE = r"""
CREATE TABLE revoked_tokens (
    id         text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9._\:-]{1,128}$'),
    revoked_by text NOT NULL,
    revoked_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE revoked_tokens IS 'Ids of tokens that are not valid any more, whatever they say themselves.'"""


class Revocations:
    """The revoked ids of a service, as its table had them a moment ago. Safe to share between threads."""

    def __init__(self, database: Engine) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._ids: frozenset[str] = frozenset()
        self._read_at = float("-inf")

    async def check(self, principal: Principal) -> None:
        """Raise UNAUTHENTICATED when the principal's token was revoked."""
        if not self._is_fresh():
            await run_in_threadpool(self._read)
        if principal.token_id in self._ids:
            raise DreamlakeError(
                Code.UNAUTHENTICATED, "The token was revoked.", hint="Make a new one: `dreamlake token create`."
            )

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._read_at < FRESH_SECONDS

    def _read(self) -> None:
        with self._lock:
            if self._is_fresh():
                return
            began = time.monotonic()
            with self._database.connect() as connection:
                self._ids = frozenset(connection.execute(text("SELECT id FROM revoked_tokens")).scalars())
            self._read_at = began

    def add(self, ids: Sequence[str], *, by: str) -> None:
        """Revoke tokens; twice is a success. This process knows of it at once."""
        with self._database.begin() as connection:
            connection.execute(
                text("""
                INSERT INTO revoked_tokens (id, revoked_by) SELECT id, :by FROM unnest(CAST(:ids AS text[])) AS t(id)
                ORDER BY id COLLATE "C" ON CONFLICT DO NOTHING"""),
                {"ids": sorted(set(ids)), "by": by},
            )
        self._read_at = float("-inf")

    def list_page(self, *, cursor: str | None, limit: int) -> Listing[RevokedToken]:
        """One page of the revoked tokens, in the order of their ids."""
        with self._database.connect() as connection:
            rows = (
                connection.execute(
                    text("""
                    SELECT id, revoked_by, revoked_at FROM revoked_tokens
                    WHERE id > :after ORDER BY id LIMIT :limit"""),
                    {"after": cursor or "", "limit": limit + 1},
                )
                .mappings()
                .all()
            )
        items = [RevokedToken.model_validate(dict(row)) for row in rows[:limit]]
        return Listing[RevokedToken](items=items, cursor=items[-1].id if len(rows) > limit else None)


def router(revocations: Revocations) -> APIRouter:
    """The routes of a service that revoke tokens, and list those that were."""
    routes = new_router(tags=["auth"])

    @routes.post("/auth/revoke", summary="Revoke tokens by their ids")
    def revoke(body: RevokeTokens, caller: Holder) -> Success:
        """Every token may revoke itself; others, only one that writes in every namespace. The playback URLs that were
        made with a token end with it. Twice is a success. DreamLake Server and BSS are told both.
        """
        if set(body.ids) != {caller.token_id}:
            caller.require(EVERY_NAMESPACE, Scope.WRITE)
        revocations.add(body.ids, by=caller.sub)
        return Success()

    @routes.get("/auth/revoked", summary="Tokens that were revoked")
    def list_revoked(
        caller: Reader,
        cursor: Annotated[TokenId | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> Listing[RevokedToken]:
        """For a token that reaches every namespace. Pass `cursor` back for the next page."""
        caller.require(EVERY_NAMESPACE, Scope.READ)
        return revocations.list_page(cursor=cursor, limit=limit)

    return routes
