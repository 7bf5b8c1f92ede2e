"""Revoking tokens: the two services do not know each other, so both are told and both are asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..api.bss import Success
from ..api.common import Listing
from ..api.tokens import RevokedToken, RevokeTokens
from ..errors import DreamlakeError
from ..remote.http import ServiceClient

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Revoked:
    """A token that is revoked, and at which services: at all of them, unless one could not be told."""

    token: RevokedToken
    services: tuple[str, ...]


def revoke(services: Sequence[ServiceClient], ids: Sequence[str]) -> None:
    """Revoke tokens by their ids, at every service; twice is a success. Raises DreamlakeError of the first service that
    refused or did not answer, after the others were told."""
    faults = []
    for service in services:
        try:
            service.post("/auth/revoke", RevokeTokens(ids=list(ids)), Success)
        except DreamlakeError as error:
            faults.append(error)
    if faults:
        raise faults[0]


def revoked(services: Sequence[ServiceClient]) -> list[Revoked]:
    """The revoked tokens, the last revoked first. Raises DreamlakeError."""
    found: dict[str, Revoked] = {}
    for service in services:
        for token in _all(service):
            known = found.get(token.id, Revoked(token, ()))
            found[token.id] = Revoked(known.token, (*known.services, service.name))
    return sorted(found.values(), key=lambda one: one.token.revoked_at, reverse=True)


def _all(service: ServiceClient) -> Iterator[RevokedToken]:
    cursor: str | None = None
    while True:
        page = service.get("/auth/revoked", Listing[RevokedToken], cursor=cursor, limit=_PAGE)
        yield from page.items
        if not (cursor := page.cursor):
            return
