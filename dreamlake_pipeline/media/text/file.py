"""Reading text of unknown encoding line by line, and saying which lines could not be used."""

from __future__ import annotations

import codecs
import io
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple

from .legacy_encodings import guess_legacy_encoding

MAX_BAD_LINES = 100
MAX_LINE_CHARS = 16 * 2**20
BLOCK_CHARS = 4 * 2**20

# Lone surrogates can't come out of a codec, so these mark what could not be read without hiding real text.
_UNDECODABLE = "\udcff"
_OVERLONG = "\udcfe"
_MARK = re.compile(f"[{_UNDECODABLE}{_OVERLONG}]")
_ERRORS = "dreamlake-mark"


def _mark_undecodable(fault: UnicodeError) -> tuple[str, int]:
    assert isinstance(fault, UnicodeDecodeError)
    return _UNDECODABLE, max(fault.end, fault.start + 1)


codecs.register_error(_ERRORS, _mark_undecodable)

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is the beginning of this one
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE_BYTES = 64 * 2**10
_BLOCK_BYTES = 2**20


class BadLine(NamedTuple):
    """A line (1-based) of the source that could not be used, and why."""

    line: int
    reason: str


@dataclass
class BadLines:
    """Counts what could not be used and keeps the first `MAX_BAD_LINES` of it."""

    count: int = 0
    first: list[BadLine] = field(default_factory=list)

    def add(self, line: int, reason: str) -> None:
        self.count += 1
        if len(self.first) < MAX_BAD_LINES:
            self.first.append(BadLine(line, reason))


@dataclass(frozen=True, slots=True)
class Encoding:
    """A Python codec, whether it was a guess (legacy encodings carry no mark of their own), and whether a sure one."""

    codec: str
    guessed: bool = False
    certain: bool = True

    @property
    def name(self) -> str:
        return self.codec.removesuffix("-sig")

    @property
    def warning(self) -> str | None:
        """What to tell of a guess; None when it is none."""
        if not self.guessed:
            return None
        if self.certain:
            return f"The file does not say its encoding; it was read as {self.name}."
        return (
            f"The file does not say its encoding; it was guessed to be {self.name}, with low certainty: "
            "too few of its letters tell. Save it as UTF-8 if words look wrong."
        )


def detect_encoding(source: Path, language: str | None = None) -> Encoding | None:
    """The encoding of a text file; None when it is no text. Reads a file of any size in bounded memory.

    A byte order mark decides; then UTF-8 if all of the file (or all but a few damaged bytes) is valid; then
    the likeliest legacy encoding of the text around the first byte that is not. `language` is the text's, as a
    BCP 47 tag, where something tells it.
    """
    with source.open("rb") as file:
        head = file.read(_SAMPLE_BYTES)
        for mark, codec in _BOMS:
            if head.startswith(mark):
                return Encoding(codec)
        if b"\0" in head:
            utf16 = _detect_utf16(head)
            if utf16 or not _is_damaged_text(head):
                return utf16
        fault = _find_invalid_utf8(file)
        if fault is None:
            return Encoding("utf-8")
        file.seek(max(fault - _SAMPLE_BYTES // 2, 0))
        sample = _whole_lines(file.read(_SAMPLE_BYTES), at_start=fault <= _SAMPLE_BYTES // 2)
    return _detect_legacy(sample, language)


def read_lines(source: Path, encoding: Encoding) -> Iterator[str]:
    """The lines with their line ends. `problem_of` tells those that can't be used: of these, the text may be cut."""
    with source.open(encoding=encoding.codec, errors=_ERRORS, newline="") as file:
        while line := file.readline(MAX_LINE_CHARS):
            if len(line) == MAX_LINE_CHARS and line[-1] not in "\r\n":
                while (rest := file.readline(MAX_LINE_CHARS)) and rest[-1] not in "\r\n":
                    pass
                line = _OVERLONG + "\n"
            yield line


class Blocks:
    """The text of a file in blocks of whole lines, some megabytes each, to be split by `split_lines`."""

    def __init__(self, source: Path, encoding: Encoding) -> None:
        self._file = source.open(encoding=encoding.codec, errors=_ERRORS, newline="")
        self._returned = ""

    def __enter__(self) -> Blocks:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def take(self) -> str:
        """The next block; empty at the end of the file."""
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
        lines = [line if len(line) <= MAX_LINE_CHARS else _OVERLONG + "\n" for line in lines]
    return lines


def is_whole(text: str) -> bool:
    """Whether all of the text could be decoded."""
    return text.isascii() or not _MARK.search(text)


def problem_of(line: str, encoding: Encoding) -> str | None:
    """Why a line of `read_lines` can't be used; None for a good one."""
    if line.isascii() or not (found := _MARK.search(line)):
        return None
    if found[0] == _OVERLONG:
        return f"The line is longer than {MAX_LINE_CHARS} characters."
    return f"The line has bytes that are not {encoding.name}."


def decode(data: bytes, encoding: Encoding) -> tuple[str, int]:
    """The text, with U+FFFD for what could not be decoded, and how many times that happened."""
    text = data.decode(encoding.codec, errors=_ERRORS)
    return text.replace(_UNDECODABLE, "\ufffd"), text.count(_UNDECODABLE)


def _detect_utf16(head: bytes) -> Encoding | None:
    """UTF-16 without a mark: times, line ends and Latin letters have a zero in one of two bytes, always the same one.

    What else has zeros is no text: it does not decode, or to control characters and to some that no one has assigned.
    """
    pairs = len(head) // 2
    zeros = (head[: pairs * 2 : 2].count(0), head[1 : pairs * 2 : 2].count(0))
    for codec, zero, other in (("utf-16-be", zeros[0], zeros[1]), ("utf-16-le", zeros[1], zeros[0])):
        if zero > pairs * 0.1 and other < zero * 0.5:
            try:
                text = head[: pairs * 2 - 2].decode(codec)  # whose last character may be half of a pair
            except UnicodeDecodeError:
                continue
            if not any(unicodedata.category(char) in ("Cc", "Cn", "Co") for char in set(text) - set("\t\n\r\f")):
                return Encoding(codec, guessed=True)
    return None


def _is_damaged_text(head: bytes) -> bool:
    """Whether bytes with a few NULs are text all the same: these are rare, and nothing else is a control character."""
    controls = sum(head.count(byte) for byte in range(1, 32) if byte not in b"\t\n\r\f\x1b\x1a")
    return not controls and head.count(0) * 10 <= len(head)


def _find_invalid_utf8(file: BinaryIO) -> int | None:
    """Where, near enough, the first byte lies that is not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    file.seek(0)
    position = 0
    while block := file.read(_BLOCK_BYTES):
        try:
            decoder.decode(block)
        except UnicodeDecodeError as fault:
            return position + fault.start
        position += len(block)
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return max(position - 1, 0)
    return None


def _whole_lines(sample: bytes, *, at_start: bool) -> bytes:
    """The sample without the lines that its ends cut, if any other is left."""
    begin = 0 if at_start else sample.find(b"\n") + 1
    end = sample.rfind(b"\n") + 1 if len(sample) == _SAMPLE_BYTES else len(sample)
    return sample[begin:end] or sample


def _detect_legacy(sample: bytes, language: str | None) -> Encoding:
    text = sample.decode("utf-8", errors=_ERRORS)
    damaged = text.count(_UNDECODABLE)
    readable = sum(not char.isascii() for char in text) - damaged
    if readable > 4 * damaged:
        return Encoding("utf-8")  # and the damaged lines are bad lines
    guess = guess_legacy_encoding(sample, language)
    return Encoding(guess.codec, guessed=True, certain=guess.certain)
