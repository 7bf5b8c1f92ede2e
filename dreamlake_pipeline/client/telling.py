"""What an iterator gives, and between it what its caller waits for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from ..remote.patience import Patience, Waiting
from .stages import Flow

Item = TypeVar("Item")


def telling(patience: Patience, items: Iterable[Item]) -> Iterator[Item | Waiting]:
    """The items, and between them what `patience` has to tell while the next one is waited for.

    They are made by another thread. Leaving the iteration stops it, and whoever waits by this patience.
    """
    flow = Flow(patience.stopping)
    made = flow.channel(100, writers=1)
    flow.source(([item] for item in items), made)
    for some in flow.results(made, every=0.5):
        yield from some
        yield from patience.told()
    yield from patience.told()
