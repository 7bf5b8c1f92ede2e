"""The encoding of a text file: what its bytes say, or what they most likely are."""

from __future__ import annotations

import codecs
import re
import unicodedata
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from .legacy_encodings import guess_legacy_encoding
from .marks import ERRORS, UNDECODABLE
from .zeros import BLOCK_BYTES, open_bytes

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is the beginning of this one
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE_BYTES = 64 * 2**10
_UNWRITTEN = re.compile(rb"\0{8,}")
_NULS_AT_LINE_ENDS = re.compile(rb"(?<=[^\r\n\0])\0+(?=[\r\n])|(?<=[\r\n])\0+(?=[^\r\n\0])")


@dataclass(frozen=True, slots=True)
class Encoding:
    """A Python codec, whether it was a guess (legacy encodings carry no mark of their own), and whether a sure one.

    `nul_ended`: most lines end with NULs, as C's strings do.
    """

    codec: str
    guessed: bool = False
    certain: bool = True
    nul_ended: bool = False

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
    with open_bytes(source) as file:
        head = file.read(_SAMPLE_BYTES)
        nul_ended = _is_nul_ended(head)
        head = head.replace(b"\0", b"") if nul_ended else _UNWRITTEN.sub(lambda run: bytes(len(run[0]) % 2), head)
        for mark, codec in _BOMS:
            if head.startswith(mark):
                return Encoding(codec)
        if b"\0" in head:
            utf16 = _detect_utf16(head)
            if utf16 or not _is_damaged_text(head):
                return utf16
        elif not head:
            return None
    with open_bytes(source) as file:
        fault = _find_invalid_utf8(file)
    if fault is None:
        return Encoding("utf-8", nul_ended=nul_ended)
    with open_bytes(source) as file:
        _skip(file, max(fault - _SAMPLE_BYTES // 2, 0))
        sample = _whole_lines(file.read(_SAMPLE_BYTES), at_start=fault <= _SAMPLE_BYTES // 2)
    return replace(_detect_legacy(sample, language), nul_ended=nul_ended)


def explain_no_text(source: Path, filename: str) -> str:
    """Why `detect_encoding` found that a file is no text."""
    size = source.stat().st_size
    if not size:
        return f"{filename} is empty."
    with open_bytes(source) as file:
        if not file.read(_SAMPLE_BYTES).strip(b"\0"):
            return f"{filename} was never written: all of its {size:,} bytes are zeros."
    return f"{filename} is not text."


def _is_nul_ended(head: bytes) -> bool:
    """Whether most lines of text have NULs before or behind their ends, and no other place has one."""
    if b"\0" not in head:
        return False
    runs = len(_NULS_AT_LINE_ENDS.findall(head))
    if runs < 2 or 2 * runs < max(head.count(b"\n"), head.count(b"\r")):
        return False
    plain = _NULS_AT_LINE_ENDS.sub(b"", head).strip(b"\0")
    return b"\0" not in plain and _is_damaged_text(plain)


def _is_damaged_text(head: bytes) -> bool:
    """Whether bytes with a few NULs are text all the same: these are rare, and nothing else is a control character."""
    controls = sum(head.count(byte) for byte in range(1, 32) if byte not in b"\t\n\r\f\x1b\x1a")
    plain = head.strip(b"\0")
    return bool(plain) and not controls and plain.count(0) * 10 <= len(plain)


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
    while block := file.read(BLOCK_BYTES):
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


def _skip(file: BinaryIO, size: int) -> None:
    while size > 0 and (block := file.read(min(size, BLOCK_BYTES))):
        size -= len(block)


def _whole_lines(sample: bytes, *, at_start: bool) -> bytes:
    """The sample without the lines that its ends cut, if any other is left."""
    begin = 0 if at_start else sample.find(b"\n") + 1
    end = sample.rfind(b"\n") + 1 if len(sample) == _SAMPLE_BYTES else len(sample)
    return sample[begin:end] or sample


def _detect_legacy(sample: bytes, language: str | None) -> Encoding:
    text = sample.decode("utf-8", errors=ERRORS)
    damaged = text.count(UNDECODABLE)
    readable = sum(not char.isascii() for char in text) - damaged
    if readable > 4 * damaged:
        return Encoding("utf-8")  # and the damaged lines are bad lines
    guess = guess_legacy_encoding(sample, language)
    return Encoding(guess.codec, guessed=True, certain=guess.certain)
