"""What lies in the bucket, by listings: a page of one tells as much as a thousand looks at objects.

A listing is believed where it says that all is well. What it lacks, or has in another size, is looked at by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice, takewhile

from ... import layout
from ...storage import ObjectInfo
from ..side_by_side import side_by_side
from .world import World

_WORTH = 3  # records, of which each has some objects
_MOST = 20_000  # objects that one listing tells of
_SECOND = 8  # digits of a record's id that say in which second it was made


def in_folders(world: World, folders: Iterable[str]) -> dict[str, int]:
    """Sizes by keys of what lies in these folders of records, as far as some were made in the same second."""
    seconds: dict[str, list[str]] = {}
    for folder in sorted(folders):
        seconds.setdefault(folder[: folder[:-1].rindex("/") + 1 + _SECOND], []).append(folder)
    worth = [(prefix, some[0], some[-1]) for prefix, some in seconds.items() if len(some) >= _WORTH]

    def listed(one: tuple[str, str, str]) -> list[ObjectInfo]:
        prefix, first, last = one
        items = islice(world.store.list_beginning(prefix, after=first), _MOST)
        return list(takewhile(lambda item: item.key < last or item.key.startswith(last), items))

    return {item.key: item.size for page in side_by_side(listed, worth) for item in page}


def in_pool(world: World, after: str, limit: int) -> dict[str, int]:
    """Sizes by keys of up to so many segments whose hashes sort after `after`."""
    # `/` sorts behind the dot that ends a hash: the page begins behind every form of that one.
    behind = f"{layout.CHUNK_PREFIX}{after}/" if after else ""
    page = world.store.list_page(layout.CHUNK_PREFIX, after=behind, limit=limit)
    return {item.key: item.size for item in page.objects}
