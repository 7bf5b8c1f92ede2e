"""Calls that wait for the object store, several at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_IN_FLIGHT = 16

Argument = TypeVar("Argument")
Result = TypeVar("Result")


def side_by_side(work: Callable[[Argument], Result], arguments: Sequence[Argument]) -> list[Result]:
    """`work` on each argument, several at once, in order: for calls that wait for the object store."""
    if len(arguments) < 2:
        return [work(argument) for argument in arguments]
    with ThreadPoolExecutor(min(_IN_FLIGHT, len(arguments))) as pool:
        return list(pool.map(work, arguments))
