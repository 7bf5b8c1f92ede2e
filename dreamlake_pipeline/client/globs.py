"""Patterns of `--include` and `--exclude`."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase


def matches(path: str, globs: Sequence[str]) -> bool:
    """Whether a path below the folder, or its last part, matches one of the globs."""
    return any(fnmatchcase(path, glob) or fnmatchcase(path.rpartition("/")[2], glob) for glob in globs)


def matches_below(path: str, globs: Sequence[str]) -> bool:
    """Whether a path, or one of the folders that it lies in, matches."""
    parts = path.split("/")
    return any(matches("/".join(parts[: count + 1]), globs) for count in range(len(parts)))
