"""Text from strangers on its way to a terminal or a log: what would move the cursor or turn the line is escaped."""

from __future__ import annotations

import re
import unicodedata

# Unicode's control, format (U+202E turns what follows from right to left), surrogate, private and unassigned
# characters, and the separators of lines and paragraphs.
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_PLAIN = re.compile(r"[\x20-\x7e]*")


def printable(text: str) -> str:
    """The text in one line, with every character that is not printed as `\\x1b`, `\\u202e` or `\\U000e0001`."""
    if _PLAIN.fullmatch(text):
        return text
    return "".join(map(_escape, text))


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode() if unicodedata.category(char) in _UNPRINTABLE else char
