"""The names that somebody may have meant who wrote one that is not there."""

from __future__ import annotations

import heapq
import shlex
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from itertools import islice

MOST_NAMES = 5000  # looked at: an error is not worth more time than that, half a second

_MOST_SHOWN = 3
_MUCH_LESS = 0.85  # of how like the first is: names that are less like than that are not meant
_LEAST_LIKE = 0.6  # of difflib's ratio, 0 to 1; its own default for close matches
_LEAST_PART = 3  # characters: a shorter text is a part of too many names


def nearest(wanted: str, names: Iterable[str]) -> list[str]:
    """At most three of the names that are like `wanted`, the most like first; of the first MOST_NAMES of them.

    Upper and lower case count as the same. A name is also like a text that it contains, or that contains it.
    """
    return [name for name, _ in rated(wanted, names)]


def rated(wanted: str, names: Iterable[str]) -> list[tuple[str, float]]:
    """The same, and how like each of them is: 1 is equal."""
    sought = wanted.casefold()
    matcher = SequenceMatcher(None, autojunk=False)
    matcher.set_seq2(sought)
    found: list[tuple[float, int, str]] = []
    for name in dict.fromkeys(islice(names, MOST_NAMES)):
        likeness = _likeness(matcher, sought, name.casefold())
        if likeness >= _LEAST_LIKE:
            found.append((likeness, _common(sought, name.casefold()), name))
    best = heapq.nsmallest(_MOST_SHOWN, found, key=lambda one: (-one[0], -one[1], one[2]))
    return [(name, likeness) for likeness, _, name in best if likeness >= _MUCH_LESS * best[0][0]]


def did_you_mean(names: Sequence[str]) -> str | None:
    """A hint that names them, as one would write them in a shell; None when there are none."""
    if not names:
        return None
    quoted = [shlex.quote(name) for name in names]
    *others, last = quoted
    return f"Did you mean {', '.join(others)} or {last}?" if others else f"Did you mean {last}?"


def _common(one: str, other: str) -> int:
    """How many characters both begin with."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _likeness(matcher: SequenceMatcher[str], sought: str, name: str) -> float:
    if name == sought:
        return 1.0
    shorter, longer = sorted((sought, name), key=len)
    least = _LEAST_LIKE if len(shorter) >= _LEAST_PART and shorter in longer else 0.0
    matcher.set_seq1(name)
    if matcher.real_quick_ratio() < _LEAST_LIKE or matcher.quick_ratio() < _LEAST_LIKE:
        return least
    return max(least, matcher.ratio())
