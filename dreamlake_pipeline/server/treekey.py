"""Tree order: a folder, then all that is in it, then its next sibling.

Paths themselves do not sort so, because `/` is above some characters (`/a-b` comes between `/a` and `/a/x`). With
the separator below every character that a name can have (control characters are not allowed), they do. The column
`tree_key` of the tables is computed the same way.
"""

from __future__ import annotations

_SEPARATOR = "\x01"


def tree_key(path: str) -> str:
    """The key by which a path sorts in tree order."""
    return path.replace("/", _SEPARATOR)


def keys_below(folder: str) -> tuple[str, str]:
    """Two keys with everything below a folder, at any depth, between them."""
    prefix = tree_key(folder).rstrip(_SEPARATOR) + _SEPARATOR
    return prefix, _behind(prefix)


def keys_from(prefix: str) -> tuple[str, str]:
    """The first key of the paths that start with `prefix`, and the first one behind them."""
    return tree_key(prefix), _behind(tree_key(prefix))


def _behind(prefix: str) -> str:
    """The lowest text above all that start with `prefix`, which holds a separator at least."""
    kept = prefix.rstrip("\U0010ffff")
    following = ord(kept[-1]) + 1
    return kept[:-1] + chr(0xE000 if following == 0xD800 else following)
