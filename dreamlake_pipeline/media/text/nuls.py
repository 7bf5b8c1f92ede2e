"""NULs, which no text has: damaged characters, or parts of a file that were never written."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from .bad_lines import Lines
from .encoding import Encoding
from .marks import ERRORS, UNWRITTEN
from .zeros import BLOCK_BYTES

# One or a few NULs are damaged characters; so many in a row, or all that a line has, are a part of the file that was
# never written: file systems fill with zeros what a program reserved and did not get to, before the power went off.
_RUN = 8
_NULS = re.compile("\0+")


@dataclass
class Nuls:
    """The NULs of a text, which no text has.

    `damaged` are the lines that hold some: each stands for a damaged character. Runs of them, of `bytes` bytes
    altogether, are parts of the file that were never written: `unwritten` are the lines that these begin in. `at_end`
    are the bytes of the one that the file ends with. `at_line_ends` are those of a file whose lines end with them.
    """

    damaged: Lines = field(default_factory=Lines)
    unwritten: Lines = field(default_factory=Lines)
    bytes: int = 0
    at_end: int = 0
    at_line_ends: int = 0

    @property
    def warnings(self) -> list[str]:
        found = []
        if self.at_line_ends:
            found.append(f"{self.at_line_ends:,} NULs at the ends of lines, as C's strings have them, were left out.")
        if self.damaged.count:
            found.append(f"A NUL stands for a damaged character, which became U+FFFD: {self.damaged}.")
        if self.at_end and self.unwritten.count == 1:
            found.append(
                f"The last {self.at_end:,} bytes were never written: they are zeros, from {self.unwritten} on."
            )
        elif self.bytes:
            end = f", {self.at_end:,} of them at its end" if self.at_end else ""
            found.append(
                f"{self.bytes:,} bytes of the file were never written: they are zeros{end} ({self.unwritten}). "
                "What stands behind them may have lost its beginning."
            )
        return found


def find_nuls(source: Path, encoding: Encoding) -> Nuls:
    """Count and locate the NULs of a text file, in one pass over it and in bounded memory."""
    nuls, wide = Nuls(), _width_of(encoding)
    if encoding.nul_ended:
        with source.open("rb") as raw:
            nuls.at_line_ends = sum(block.count(0) for block in iter(lambda: raw.read(BLOCK_BYTES), b""))
        return nuls
    with source.open("rb") as raw:
        if wide == 1 and not any(b"\0" in block for block in iter(lambda: raw.read(BLOCK_BYTES), b"")):
            return nuls
    line, run, before = 1, 0, "\n"  # the NULs in a row that the text so far ends with, and the character before them

    def end_run(after: str) -> None:
        nonlocal run
        if not run:
            return
        if run >= _RUN or (before in "\r\n\x1a" and after in "\r\n"):
            nuls.unwritten.add(line)
            nuls.bytes += run * wide
            nuls.at_end = 0 if after else run * wide
        else:
            nuls.damaged.add(line)
        run = 0

    with source.open(encoding=encoding.codec, errors=ERRORS, newline="") as file:
        while block := file.read(BLOCK_BYTES):
            at = 0
            for found in _NULS.finditer(block):
                if found.start() > at:
                    end_run(block[at])
                    line += _count_ends(block, at, found.start(), before)
                    before = block[found.start() - 1]
                run += found.end() - found.start()
                at = found.end()
            if at < len(block):
                end_run(block[at])
                line += _count_ends(block, at, len(block), before)
                before = block[-1]
    end_run("")
    return nuls


def _count_ends(text: str, start: int, stop: int, before: str) -> int:
    """The line ends (CR, LF or CRLF) in a part of the text, if it follows `before`."""
    joined = before == "\r" and text[start] == "\n"
    return text.count("\n", start, stop) + text.count("\r", start, stop) - text.count("\r\n", start, stop) - joined


def _width_of(encoding: Encoding) -> int:
    """The bytes that a NUL has."""
    return 2 if encoding.codec.startswith("utf-16") else 4 if encoding.codec.startswith("utf-32") else 1


def replace_nuls(text: str) -> str:
    """Text that begins where a line begins, without the unwritten parts at which lines begin.

    A NUL inside a line is U+FFFD; a mark stands where a line breaks off because what follows was never written.
    """
    return _NULS.sub(_stand_in, text) if "\0" in text else text


def _stand_in(run: re.Match[str]) -> str:
    text, start, end = run.string, run.start(), run.end()
    begins = start == 0 or text[start - 1] in "\r\n\x1a"  # Ctrl-Z, with which DOS ends a text and fills its last block
    if end - start >= _RUN or (begins and (end == len(text) or text[end] in "\r\n")):
        return "" if begins else UNWRITTEN
    return "\ufffd" * (end - start)
