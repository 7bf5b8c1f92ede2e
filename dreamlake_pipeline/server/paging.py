"""Pages by key: a cursor holds the sort key of the last item, so that pages neither skip nor repeat one
while others write."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from fastapi import Query
from pydantic import TypeAdapter

from ..api.common import Item, Listing, Text
from ..errors import Code, DreamlakeError

MAX_LIMIT = 1000

Cursor = Annotated[str | None, Query(description="From the page before; absent for the first.", max_length=8192)]
Limit = Annotated[int, Query(description="Most items of a page.", ge=1, le=MAX_LIMIT)]

Row = TypeVar("Row")

_KEY = TypeAdapter(list[Text])


def encode_cursor(*key: str) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None, *, length: int) -> tuple[str, ...] | None:
    """The key that `encode_cursor` was given, None for the first page.

    Raises DreamlakeError(INVALID_REQUEST) for what is no cursor of a list with keys of `length` parts.
    """
    if not cursor:
        return None
    try:
        key = _KEY.validate_json(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:
        key = []
    if len(key) == length:
        return tuple(key)
    raise DreamlakeError(
        Code.INVALID_REQUEST,
        "cursor: this list did not give it.",
        hint="Pass the `cursor` of the page before, or none.",
    )


def page(
    rows: Sequence[Row], limit: int, item: Callable[[Row], Item | None], key: Callable[[Row], tuple[str, ...]]
) -> Listing[Item]:
    """A page of the first `limit` rows; the caller asked for one row more to know whether there is another page. Rows
    that are no `item` are left out."""
    shown = rows[:limit]
    cursor = encode_cursor(*key(shown[-1])) if len(rows) > limit else None
    return Listing[Item](items=[made for row in shown if (made := item(row)) is not None], cursor=cursor)
