"""The marks that stand in decoded text for what could not be read."""

from __future__ import annotations

import codecs
import re

# Lone surrogates can't come out of a codec, so these mark what could not be read without hiding real text.
UNDECODABLE = "\udcff"
OVERLONG = "\udcfe"
UNWRITTEN = "\udcfd"
MARK = re.compile(f"[{UNDECODABLE}{OVERLONG}{UNWRITTEN}]")
ERRORS = "dreamlake-mark"


def _mark_undecodable(fault: UnicodeError) -> tuple[str, int]:
    assert isinstance(fault, UnicodeDecodeError)
    return UNDECODABLE, max(fault.end, fault.start + 1)


codecs.register_error(ERRORS, _mark_undecodable)


def is_whole(text: str) -> bool:
    """Whether all of the text could be decoded."""
    return text.isascii() or not MARK.search(text)
