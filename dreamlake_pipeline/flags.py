"""What a person thinks of an episode."""

from __future__ import annotations

from enum import StrEnum


class Flag(StrEnum):
    GOOD = "good"
    BAD = "bad"


class FlagFilter(StrEnum):
    """A flag, or none: which episodes are meant, and how a flag is taken away."""

    GOOD = "good"
    BAD = "bad"
    NONE = "none"
