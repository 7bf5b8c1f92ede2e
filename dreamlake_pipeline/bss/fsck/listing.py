"""What lies in the bucket, by listings: a page of one tells as much as a thousand looks at objects.

A listing is believed where it says that all is well. What it lacks, or has in another size, is looked at by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import islice

from ... import layout
from ..side_by_side import side_by_side
from .world import World

_WORTH = 3  # records, of which each has some objects
_MOST = 20_000  # objects that one listing tells of
_SECOND = 8  # digits of a record's id that say in which second it was made


def in_folders(world: World, folders: Iterable[str]) -> dict[str, int]:
    """Sizes by keys of what lies in these folders of records, as far as some were made in the same second."""
    seconds = Counter(folder[: folder[:-1].rindex("/") + 1 + _SECOND] for folder in folders)
    prefixes = sorted(prefix for prefix, count in seconds.items() if count >= _WORTH)
    listed = side_by_side(lambda prefix: list(islice(world.store.list_beginning(prefix), _MOST)), prefixes)
    return {item.key: item.size for page in listed for item in page}


def in_pool(world: World, after: str, limit: int) -> dict[str, int]:
    """Sizes by keys of up to so many segments whose hashes sort after `after`."""
    page = world.store.list_page(layout.CHUNK_PREFIX, after=layout.chunk_key(after) if after else "", limit=limit)
    return {item.key: item.size for item in page.objects}
