"""Reading text of any encoding by lines or by blocks of lines, and saying which lines could not be used."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from .encoding import Encoding
from .marks import ERRORS, MARK, OVERLONG, UNDECODABLE, UNWRITTEN
from .nuls import replace_nuls
from .zeros import open_bytes

MAX_LINE_CHARS = 16 * 2**20
BLOCK_CHARS = 4 * 2**20
# Byte order marks, and Ctrl-Z, with which DOS ends a text: joined files have either wherever one of them begins.
_MARKS_AT_LINE_START = re.compile("(?<![^\r\n])[\ufeff\x1a]+")


def read_lines(source: Path, encoding: Encoding) -> Iterator[str]:
    """The lines with their line ends. `problem_of` tells those that can't be used: of these, the text may be cut."""
    with _open_text(source, encoding) as file:
        while line := file.readline(MAX_LINE_CHARS):
            if len(line) == MAX_LINE_CHARS and line[-1] not in "\r\n":
                while (rest := file.readline(MAX_LINE_CHARS)) and rest[-1] not in "\r\n":
                    pass
                line = OVERLONG + "\n"
            yield _tidy(line, encoding)


class Blocks:
    """The text of a file in blocks of whole lines, some megabytes each, to be split by `split_lines`."""

    def __init__(self, source: Path, encoding: Encoding) -> None:
        self._file = _open_text(source, encoding)
        self._encoding = encoding
        self._returned = ""

    def __enter__(self) -> Blocks:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def take(self) -> str:
        """The next block; empty at the end of the file."""
        block = ""
        while not block and (found := self._read()):
            block = _tidy(found, self._encoding)
        return block

    def _read(self) -> str:
        block, self._returned = self._returned, ""
        if len(block) < BLOCK_CHARS:
            block += self._file.read(BLOCK_CHARS - len(block))
        if block and block[-1] != "\n":
            end = self._file.readline(MAX_LINE_CHARS)
            block += end
            if len(end) == MAX_LINE_CHARS and end[-1] not in "\r\n":
                while (rest := self._file.readline(MAX_LINE_CHARS)) and rest[-1] not in "\r\n":
                    pass
                block += "\n"
        return block

    def give_back(self, text: str) -> None:
        """What is left of the last block: the next one begins with it."""
        self._returned = text


def split_lines(block: str) -> list[str]:
    """The lines of a block as `read_lines` gives them."""
    lines = list(io.StringIO(block, newline=""))
    if len(block) > MAX_LINE_CHARS:
        lines = [line if len(line) <= MAX_LINE_CHARS else OVERLONG + "\n" for line in lines]
    return lines


def problem_of(line: str, encoding: Encoding) -> str | None:
    """Why a line of `read_lines` can't be used; None for a good one."""
    if line.isascii() or not (found := MARK.search(line)):
        return None
    if found[0] == OVERLONG:
        return f"The line is longer than {MAX_LINE_CHARS} characters."
    if found[0] == UNWRITTEN:
        return "The line is cut off: what follows in the file was never written."
    return f"The line has bytes that are not {encoding.name}."


def decode(data: bytes, encoding: Encoding) -> tuple[str, int]:
    """The text, with U+FFFD for what could not be decoded, and how many times that happened.

    So are NULs (WebVTT 6.1), a run of them that was never written once or, where it begins a line, not at all;
    `find_nuls` counts these.
    """
    text = data.decode(encoding.codec, errors=ERRORS)
    damaged = text.count(UNDECODABLE)
    return _tidy(text, encoding).replace(UNDECODABLE, "\ufffd").replace(UNWRITTEN, "\ufffd"), damaged


def _open_text(source: Path, encoding: Encoding) -> io.TextIOWrapper:
    return io.TextIOWrapper(open_bytes(source), encoding=encoding.codec, errors=ERRORS, newline="")


def _tidy(text: str, encoding: Encoding) -> str:
    """Text that begins where a line begins, without NULs and without the marks at which lines begin."""
    text = text.replace("\0", "") if encoding.nul_ended else replace_nuls(text)
    return _MARKS_AT_LINE_START.sub("", text) if "\ufeff" in text or "\x1a" in text else text
