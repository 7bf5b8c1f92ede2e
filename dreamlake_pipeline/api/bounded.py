"""How much of a file a record may tell: what a file holds decides neither how large its record is nor that of a list.

Names of fields, titles of streams, warnings and bad lines are the file's. Whole lists of them lie in files beside the
record, or in what was made; a record has their beginning and how many there are.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from itertools import islice
from typing import Any

from pydantic_core import to_json

MOST_BYTES = 64 * 2**10  # of a record's metadata as JSON: a list of 1,000 records is 64 MB at the worst
MOST_ITEMS = 200  # of a list
MOST_CHARS = 1000  # of a text
_LEAST_CHARS = 40
# What a player needs whole; its length is ours.
_WHOLE = frozenset({"streams", "renditions", "ladder", "audioTracks", "conformance"})


def bounded(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata in `MOST_BYTES`: long texts end with a mark and how long they are, long lists with a count beside
    them (`fieldsTotal`; of texts, in a last item). Both are cut further until all of it fits."""
    chars, items = MOST_CHARS, MOST_ITEMS
    whole = {key: value for key, value in metadata.items() if key in _WHOLE}
    others = {key: value for key, value in metadata.items() if key not in _WHOLE}
    while True:
        found = {key: _cut(value, chars, sys.maxsize) for key, value in whole.items()}
        for key, value in _with_totals(others, items).items():
            found[shortened(key, chars)] = _cut(value, chars, items)
        if not items or len(to_json(found)) <= MOST_BYTES:
            return found
        chars, items = max(chars // 2, _LEAST_CHARS), items // 2


def shortened(text: str, most: int = MOST_CHARS) -> str:
    """The text, or its beginning with a mark and how long it is."""
    return text if len(text) <= most else f"{text[: max(most - 30, 1)]}… ({len(text):,} characters)"


def _cut(value: Any, chars: int, items: int) -> Any:
    if isinstance(value, str):
        return shortened(value, chars)
    if isinstance(value, Mapping):
        some = dict(islice(value.items(), items))
        return {shortened(key, chars): _cut(item, chars, items) for key, item in _with_totals(some, items).items()}
    if isinstance(value, list):
        more = [f"… and {len(value) - items:,} more."] if len(value) > items and _are_texts(value) else []
        return [*(_cut(item, chars, items) for item in value[:items]), *more]
    return value


def _are_texts(values: list[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _with_totals(values: Mapping[str, Any], items: int) -> dict[str, Any]:
    """The values, and behind each list or object that is to be cut how many items it has."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found[key] = value
        is_long = isinstance(value, list | Mapping) and len(value) > items
        if is_long and not (isinstance(value, list) and _are_texts(value)):
            found[f"{key}Total"] = values.get(f"{key}Total", len(value))
    return found
