"""The one rule for text of others on a terminal or in a log: what a terminal obeys, or does not show, is written out.

Names of files, fields of their tables and titles of their streams are anybody's. Escape sequences (ECMA-48) move the
cursor and set titles and clipboards, bidirectional controls (Unicode 23.2, CVE-2021-42574) show other text than there
is, line ends make entries of a log that nobody wrote.
"""

from __future__ import annotations

import logging
import unicodedata


def visible(text: str) -> str:
    """The text with an escape as Python writes it (`\\x1b`, `\\u202e`) for each control and format character (Unicode's
    categories Cc and Cf), line and paragraph separator, half of a surrogate pair, and what no version of Unicode known
    here has assigned. A text that is shown so stays as it is when it is shown again."""
    if text.isprintable():
        return text
    return "".join(char if _is_shown(char) else repr(char)[1:-1] for char in text)


def _is_shown(char: str) -> bool:
    return char.isprintable() or unicodedata.category(char) == "Zs"


def make_logs_visible() -> None:
    """Have every message that is logged in this process, by whatever library and handler, show what strangers sent (the
    path of a URL, a file's name) by this rule. Further lines of a message are indented: they pass for no other one."""
    logging.setLogRecordFactory(_VisibleRecord)


class _VisibleRecord(logging.LogRecord):
    def getMessage(self) -> str:
        return _visible_lines(super().getMessage(), between="\n    ")

    @property
    def exc_text(self) -> str | None:
        return self._exc_text

    @exc_text.setter
    def exc_text(self, text: str | None) -> None:
        self._exc_text = text and _visible_lines(text, between="\n")


def _visible_lines(text: str, between: str) -> str:
    return between.join(map(visible, text.split("\n")))
