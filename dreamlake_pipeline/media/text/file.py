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
from typing import Any, BinaryIO, NamedTuple

from .legacy_encodings import guess_legacy_encoding

MAX_BAD_LINES = 100
MAX_LINE_CHARS = 16 * 2**20
BLOCK_CHARS = 4 * 2**20

# Lone surrogates can't come out of a codec, so these mark what could not be read without hiding real text.
_UNDECODABLE = "\udcff"
_OVERLONG = "\udcfe"
_UNWRITTEN = "\udcfd"
_MARK = re.compile(f"[{_UNDECODABLE}{_OVERLONG}{_UNWRITTEN}]")
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

# One or a few NULs are damaged characters; so many in a row, or all that a line has, are a part of the file that was
# never written: file systems fill with zeros what a program reserved and did not get to, before the power went off.
_RUN = 8
_NULS = re.compile("\0+")
_MARK_AT_LINE_START = re.compile("(?<![^\r\n])\ufeff+")
_ZEROS = re.compile(rb"\0{64,}")  # no shorter run is shortened: so many bytes are more than _RUN NULs in any encoding


class BadLine(NamedTuple):
    """A line (1-based) of the source that could not be used, and why."""

    line: int
    reason: str


@dataclass
class Lines:
    """How many lines something was found in, and the numbers (1-based) of the first of them."""

    count: int = 0
    first: list[int] = field(default_factory=list)

    def add(self, line: int) -> None:
        self.count += 1
        if len(self.first) < _NAMED_LINES:
            self.first.append(line)

    def __str__(self) -> str:
        named = ", ".join(map(str, self.first))
        more = f", … ({self.count:,} in all)" if self.count > len(self.first) else ""
        return f"line{'s' if self.count > 1 else ''} {named}{more}"


_NAMED_LINES = 10


@dataclass
class BadLines:
    """Counts what could not be used and keeps the first `MAX_BAD_LINES` of it.

    `passed_over` are the lines that were left out on purpose, by what they are, such as "comment".
    """

    count: int = 0
    first: list[BadLine] = field(default_factory=list)
    passed_over: dict[str, Lines] = field(default_factory=dict)

    def add(self, line: int, reason: str) -> None:
        self.count += 1
        if len(self.first) < MAX_BAD_LINES:
            self.first.append(BadLine(line, reason))

    def pass_over(self, line: int, what: str) -> None:
        self.passed_over.setdefault(what, Lines()).add(line)


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
    BCP 47 tag, where something tells it. What was never written (`find_nuls`) does not count.
    """
    with _open_bytes(source) as file:
        head = _ZEROS.sub(lambda run: bytes(len(run[0]) % 2), file.read(_SAMPLE_BYTES))
        for mark, codec in _BOMS:
            if head.startswith(mark):
                return Encoding(codec)
        if b"\0" in head:
            utf16 = _detect_utf16(head)
            if utf16 or not _is_damaged_text(head):
                return utf16
        elif not head:
            return None
    with _open_bytes(source) as file:
        fault = _find_invalid_utf8(file)
    if fault is None:
        return Encoding("utf-8")
    with _open_bytes(source) as file:
        _skip(file, max(fault - _SAMPLE_BYTES // 2, 0))
        sample = _whole_lines(file.read(_SAMPLE_BYTES), at_start=fault <= _SAMPLE_BYTES // 2)
    return _detect_legacy(sample, language)


def explain_no_text(source: Path, filename: str) -> str:
    """Why `detect_encoding` found that a file is no text."""
    size = source.stat().st_size
    if not size:
        return f"{filename} is empty."
    with _open_bytes(source) as file:
        if not file.read(_SAMPLE_BYTES).strip(b"\0"):
            return f"{filename} was never written: all of its {size:,} bytes are zeros."
    return f"{filename} is not text."


@dataclass
class Nuls:
    """The NULs of a text, which no text has.

    `damaged` are the lines that hold some: each stands for a damaged character. Runs of them, of `bytes` bytes
    altogether, are parts of the file that were never written: `unwritten` are the lines that these begin in. `at_end`
    are the bytes of the one that the file ends with.
    """

    damaged: Lines = field(default_factory=Lines)
    unwritten: Lines = field(default_factory=Lines)
    bytes: int = 0
    at_end: int = 0

    @property
    def warnings(self) -> list[str]:
        found = []
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
    with source.open("rb") as raw:
        if wide == 1 and not any(b"\0" in block for block in iter(lambda: raw.read(_BLOCK_BYTES), b"")):
            return nuls
    line, run, before = 1, 0, "\n"  # the NULs in a row that the text so far ends with, and the character before them

    def end_run(after: str) -> None:
        nonlocal run
        if not run:
            return
        if run >= _RUN or (before in "\r\n" and after in "\r\n"):
            nuls.unwritten.add(line)
            nuls.bytes += run * wide
            nuls.at_end = 0 if after else run * wide
        else:
            nuls.damaged.add(line)
        run = 0

    with source.open(encoding=encoding.codec, errors=_ERRORS, newline="") as file:
        while block := file.read(_BLOCK_BYTES):
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


def read_lines(source: Path, encoding: Encoding) -> Iterator[str]:
    """The lines with their line ends. `problem_of` tells those that can't be used: of these, the text may be cut."""
    with _open_text(source, encoding) as file:
        while line := file.readline(MAX_LINE_CHARS):
            if len(line) == MAX_LINE_CHARS and line[-1] not in "\r\n":
                while (rest := file.readline(MAX_LINE_CHARS)) and rest[-1] not in "\r\n":
                    pass
                line = _OVERLONG + "\n"
            yield _tidy(line)


class Blocks:
    """The text of a file in blocks of whole lines, some megabytes each, to be split by `split_lines`."""

    def __init__(self, source: Path, encoding: Encoding) -> None:
        self._file = _open_text(source, encoding)
        self._returned = ""

    def __enter__(self) -> Blocks:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def take(self) -> str:
        """The next block; empty at the end of the file."""
        block = ""
        while not block and (found := self._read()):
            block = _tidy(found)
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
    if found[0] == _UNWRITTEN:
        return "The line is cut off: what follows in the file was never written."
    return f"The line has bytes that are not {encoding.name}."


def decode(data: bytes, encoding: Encoding) -> tuple[str, int]:
    """The text, with U+FFFD for what could not be decoded, and how many times that happened.

    So are NULs (WebVTT 6.1), a run of them that was never written once or, where it begins a line, not at all;
    `find_nuls` counts these.
    """
    text = data.decode(encoding.codec, errors=_ERRORS)
    damaged = text.count(_UNDECODABLE)
    return _tidy(text).replace(_UNDECODABLE, "\ufffd").replace(_UNWRITTEN, "\ufffd"), damaged


class _Shortened(io.RawIOBase):
    """The bytes of a file in which runs of zeros are cut to 64 to 67 of them, so that they fit into memory.

    A run keeps its length modulo 4, so that what follows stays whole in UTF-16 and UTF-32.
    """

    def __init__(self, source: Path) -> None:
        self._file = source.open("rb", buffering=0)
        self._zeros = 0  # read, and not given yet: more may follow
        self._held = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._held:
            block = self._file.read(_BLOCK_BYTES)
            if not block:
                self._held, self._zeros = _zeros(self._zeros), 0
                break
            if self._zeros or b"\0" in block:
                block = self._shorten(block)
            self._held = block
        given = self._held[: len(buffer)]
        self._held = self._held[len(given) :]
        buffer[: len(given)] = given
        return len(given)

    def close(self) -> None:
        self._file.close()
        super().close()

    def _shorten(self, block: bytes) -> bytes:
        rest = block.lstrip(b"\0")
        zeros = self._zeros + len(block) - len(rest)
        if not rest:
            self._zeros = zeros
            return b""
        text = rest.rstrip(b"\0")
        self._zeros = len(rest) - len(text)
        return _zeros(zeros) + _ZEROS.sub(lambda run: _zeros(len(run[0])), text)


def _zeros(count: int) -> bytes:
    return bytes(count if count < 64 else 64 + count % 4)


def _open_bytes(source: Path) -> BinaryIO:
    return io.BufferedReader(_Shortened(source), _BLOCK_BYTES)


def _open_text(source: Path, encoding: Encoding) -> io.TextIOWrapper:
    return io.TextIOWrapper(_open_bytes(source), encoding=encoding.codec, errors=_ERRORS, newline="")


def _skip(file: BinaryIO, size: int) -> None:
    while size > 0 and (block := file.read(min(size, _BLOCK_BYTES))):
        size -= len(block)


def _width_of(encoding: Encoding) -> int:
    """The bytes that a NUL has."""
    return 2 if encoding.codec.startswith("utf-16") else 4 if encoding.codec.startswith("utf-32") else 1


def _tidy(text: str) -> str:
    """Text that begins where a line begins, without the byte order marks and the unwritten parts at which lines begin.

    A NUL inside a line is U+FFFD; a mark stands where a line breaks off because what follows was never written.
    """
    if "\0" in text:
        text = _NULS.sub(_stand_in, text)
    if "\ufeff" in text:
        text = _MARK_AT_LINE_START.sub("", text)
    return text


def _stand_in(run: re.Match[str]) -> str:
    text, start, end = run.string, run.start(), run.end()
    begins = start == 0 or text[start - 1] in "\r\n"
    if end - start >= _RUN or (begins and (end == len(text) or text[end] in "\r\n")):
        return "" if begins else _UNWRITTEN
    return "\ufffd" * (end - start)


def _is_damaged_text(head: bytes) -> bool:
    """Whether bytes with a few NULs are text all the same: these are rare, and nothing else is a control character."""
    controls = sum(head.count(byte) for byte in range(1, 32) if byte not in b"\t\n\r\f\x1b\x1a")
    return not controls and head.count(0) * 10 <= len(head)


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


def _find_invalid_utf8(file: BinaryIO) -> int | None:
    """Where, near enough, the first byte lies that is not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
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
