"""Where the sound of a WAV file lies: its chunks, held against the file.

Recorders write the sizes in a WAV's header last, if they live to do so. What its header says is believed as far as
the file agrees; for any other, `read` gives a header that is right.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from typing import BinaryIO

from .excerpt import Excerpt

FORMS = (b"RIFF", b"RF64", b"BW64")
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_UNKNOWN = 0x7FFFF000  # what programs that write into a pipe say is this or more, or 0
_ROUNDING = Fraction(1, 10)  # seconds by which a header may be wrong without being a sign of anything
_SEARCHED = 2**20  # bytes in which `data` is looked for where chunks do not lead to it, and chunks behind sound
_PADDING = 4096  # empty bytes behind the sound that need no word
_MOST_CHUNKS = 10_000
_MOST_CHANNELS = 4096  # whose samples fit into the two bytes that a block's size has
_PROBES = 64  # places at which bytes behind the sound are looked at
# Chunks that are common in WAV files (RIFF, EBU Tech 3285 and 3306, Adobe, Apple, ID3), by which a missing pad byte is
# found out.
_KNOWN = frozenset(
    (
        b"fmt |data|fact|LIST|cue |smpl|inst|plst|labl|note|ltxt|bext|iXML|ixml|axml|aXML|chna|cart|umid|levl|link|"
        b"ds64|JUNK|junk|PAD |FLLR|PEAK|id3 |ID3 |DISP|_PMX|LGWV|AFAn|acid|strc|cset|afsp|elm1|regn|minf|ovwf|SAUR|"
        b"wavl|slnt|r64m|wamd|guan|mext"
    ).split(b"|")
)


@dataclass(frozen=True, slots=True)
class Format:
    """The `fmt ` chunk: `tag` is that of the sub-format where it is extensible; sizes in bytes."""

    tag: int
    channels: int
    sample_rate: int
    byte_rate: int
    block: int
    bits: int
    raw: bytes

    @property
    def is_extensible(self) -> bool:
        return self.raw[:2] == struct.pack("<H", _EXTENSIBLE) and len(self.raw) >= 26

    @property
    def is_plain(self) -> bool:
        """Whether samples lie side by side, so that all sizes follow from the format."""
        has_form = self.tag in (_PCM, _FLOAT) and 0 < self.channels <= _MOST_CHANNELS
        return has_form and 0 < self.bits <= 64 and self.sample_rate > 0

    @property
    def true_block(self) -> int:
        """Bytes of one sample of all channels, whatever `block` says. 20 or 24 bits may lie in four bytes."""
        if not self.is_plain:
            return max(1, self.block)
        in_four = self.tag == _PCM and 16 < self.bits < 32 and self.block == 4 * self.channels
        return self.channels * (4 if in_four else -(-self.bits // 8))

    def seconds(self, length: int) -> Fraction | None:
        """How long so many bytes of sound last; None where the format does not tell."""
        rate = self.true_block * self.sample_rate if self.is_plain else self.byte_rate
        return Fraction(length, rate) if rate > 0 else None

    def corrected(self) -> bytes:
        """The chunk's body with sizes that follow from its format."""
        block = self.true_block
        bits = 8 * block // self.channels if block == 4 * self.channels else self.bits
        # FFmpeg takes 24 valid bits in four bytes for floating point.
        rest = self.raw[16:18] + struct.pack("<H", bits) + self.raw[20:] if self.is_extensible else self.raw[16:]
        return self.raw[:8] + struct.pack("<IHH", block * self.sample_rate, block, bits) + rest


@dataclass(slots=True)
class Wave:
    """What `read` found. `excerpt` is the file with a header that is right; None where its own is. `missing` says, in
    words, what is not there; `warnings` are sentences about what was read otherwise than the header has it."""

    missing: str | None = None
    excerpt: Excerpt | None = None
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Chunk:
    id: bytes
    at: int  # of its body
    length: int  # as its header has it

    @property
    def end(self) -> int:
        return self.at + self.length


def is_wave(head: bytes) -> bool:
    return head[:4] in FORMS and head[8:12] == b"WAVE"


def read(file: BinaryIO) -> Wave:
    """Find the sound of a WAV file; `file` is one by its first 12 bytes."""
    return _Reader(file).read()


class _Reader:
    def __init__(self, file: BinaryIO) -> None:
        self.file, self.size = file, file.seek(0, os.SEEK_END)
        self.found = Wave()
        self.is_wide = self._bytes(0, 4) != b"RIFF"  # RF64 and BW64 have 64-bit sizes in a chunk of their own
        self.is_regular = True

    def _bytes(self, at: int, length: int) -> bytes:
        self.file.seek(at)
        return self.file.read(length)

    def read(self) -> Wave:
        found = self.found
        chunks: dict[bytes, _Chunk] = {}
        data = None
        for chunk in islice(self._chunks(12), _MOST_CHUNKS):
            if chunk.id == b"data":
                data = chunk
                break
            chunks.setdefault(chunk.id, chunk)
        if data is None or b"fmt " not in chunks:
            data = self._search(chunks) or data
        if data is None:
            found.missing = "its sound (the chunk `data`) is missing"
            return found
        form = self._format(chunks.get(b"fmt "))
        if form is None:
            found.missing = "the description of its sound (the chunk `fmt `) is missing"
            return found
        announced = self._announced(data, chunks.get(b"ds64"))
        end = self._end(data.at, announced, form)
        if found.missing is None and (not self.is_regular or end != data.at + (announced or 0)):
            fact = chunks.get(b"fact") if end == data.at + (announced or 0) else None
            found.excerpt = Excerpt(self._header(form, fact, end - data.at), data.at, end)
        return found

    def _chunks(self, at: int) -> Iterator[_Chunk]:
        """The chunks from `at` on, as far as they lead; where a pad byte is missing, the next chunk's id shows it."""
        while at + 8 <= self.size:
            chunk = _Chunk(*self._head(at))
            if not _is_id(chunk.id):
                return
            yield chunk
            at = chunk.end
            if at & 1 and chunk.id != b"data":
                unpadded, padded = self._bytes(at, 4), self._bytes(at + 1, 4)
                if unpadded in _KNOWN and padded not in _KNOWN:
                    self.is_regular = False
                else:
                    at += 1

    def _head(self, at: int) -> tuple[bytes, int, int]:
        head = self._bytes(at, 8)
        return head[:4], at + 8, int.from_bytes(head[4:], "little")

    def _search(self, chunks: dict[bytes, _Chunk]) -> _Chunk | None:
        """The sound and its format by their ids alone, where a chunk with a wrong size leads past them."""
        head = self._bytes(0, _SEARCHED)
        for name in (b"fmt ", b"data"):
            at = head.find(name, 12)
            if at < 0 or at + 8 > self.size:
                return None
            chunks[name] = _Chunk(*self._head(at))
        self.is_regular = False
        self.found.warnings.append("A chunk before its sound has a wrong size; its sound was found all the same.")
        return chunks[b"data"]

    def _format(self, chunk: _Chunk | None) -> Format | None:
        raw = self._bytes(chunk.at, min(chunk.length, 4096)) if chunk else b""
        if len(raw) < 14:
            return None
        tag, channels, sample_rate, byte_rate, block = struct.unpack("<HHIIH", raw[:14])
        bits = int.from_bytes(raw[14:16], "little")
        if tag == _EXTENSIBLE and len(raw) >= 26:
            tag = int.from_bytes(raw[24:26], "little")
        form = Format(tag, channels, sample_rate, byte_rate, block, bits, raw)
        if form.is_plain and form.true_block * form.sample_rate >= 2**32:
            return None  # no sound has so many channels at such a rate
        if form.is_plain and form.corrected()[12:] != raw[12:]:
            self.is_regular = False
        return form

    def _announced(self, data: _Chunk, wide: _Chunk | None) -> int | None:
        """Bytes of sound by the header's word; None where it does not know."""
        length = data.length
        if self.is_wide and length == 0xFFFFFFFF and wide is not None and wide.length >= 16:
            length = int.from_bytes(self._bytes(wide.at + 8, 8), "little")
            return length if 0 < length < 2**63 else None
        is_unknown = length == 0 or (length >= _UNKNOWN and data.at + length > self.size)
        return None if is_unknown else length

    def _end(self, start: int, announced: int | None, form: Format) -> int:
        """Where the sound ends. Tells of what is missing, and of what lies behind it."""
        there = self.size - start
        if announced is None:
            # Nothing at all may be true: then chunks follow, or the file's end.
            behind = self._sound_behind(start)
            return start + behind // form.true_block * form.true_block
        if announced > there:
            excess = form.seconds(announced - there)
            if excess is None or excess > _ROUNDING:
                self.found.missing = f"{announced - there:,} bytes that its header announces are missing at its end"
            else:
                self.found.warnings.append(
                    f"Its header announces {_seconds(excess)} more of sound than there is, at its end."
                )
            return start + there // form.true_block * form.true_block
        behind = self._sound_behind(start + announced)
        more = form.seconds(behind)
        if more is None or more <= _ROUNDING:
            return start + announced
        length = (announced + behind) // form.true_block * form.true_block
        said, is_there = form.seconds(announced), form.seconds(length)
        assert said is not None and is_there is not None
        self.found.warnings.append(
            f"Its header announces {_seconds(said)} of sound; {_seconds(is_there)} are there, and all of it is read. "
            "A recorder that is stopped all at once leaves such a header."
        )
        return start + length

    def _sound_behind(self, at: int) -> int:
        """How many bytes from `at` on are sound: none where chunks or tags begin there, or where all is empty."""
        if self.size - at < 12:
            return max(0, self.size - at)
        if any(self._is_foreign(place) for place in (at, at + 1)):
            return 0
        end = self._chunks_at_end(at)
        if not self._is_empty(at, end):
            return end - at
        if end - at > _PADDING:
            self.found.warnings.append(f"{end - at:,} empty bytes (zeros) behind its sound are left out.")
        return 0

    def _is_foreign(self, at: int) -> bool:
        """Whether something else than sound begins at `at`: a chunk, a tag, or another WAV file."""
        head = self._bytes(at, 12)
        if is_wave(head):
            self.found.warnings.append(
                f"Another WAV file follows behind its sound, {self.size - at:,} bytes that are left out: "
                "upload it as a file of its own."
            )
            return True
        return head[:3] in (b"ID3", b"TAG") or head[:8] == b"APETAGEX" or head[:4] in _KNOWN or self._are_chunks(at)

    def _are_chunks(self, at: int) -> bool:
        """Whether chunks, one behind the other, lead from `at` to the end of the file."""
        ends = [chunk.end for chunk in islice(self._chunks(at), _MOST_CHUNKS)]
        return bool(ends) and self.size - 1 <= ends[-1] <= self.size + 1

    def _chunks_at_end(self, at: int) -> int:
        """Where chunks begin that end with the file; its end without any."""
        first = max(at, self.size - _SEARCHED)
        tail = self._bytes(first, _SEARCHED)
        places = sorted(place for name in _KNOWN if (place := tail.rfind(name)) >= 0)
        return next((first + place for place in places if self._are_chunks(first + place)), self.size)

    def _is_empty(self, at: int, end: int) -> bool:
        step = max(4096, (end - at) // _PROBES)
        return not any(any(self._bytes(place, min(4096, end - place))) for place in range(at, end, step))

    def _header(self, form: Format, fact: _Chunk | None, length: int) -> bytes:
        """A header as RF64 (EBU Tech 3306), which has room for any length."""
        body = form.corrected() if form.is_plain else form.raw
        chunks = _chunk(b"fmt ", body)
        if fact is not None and fact.length <= 4096:
            chunks += _chunk(b"fact", self._bytes(fact.at, fact.length))
        whole = 4 + 8 + 28 + len(chunks) + 8 + length
        sizes = struct.pack("<QQQI", whole, length, length // form.true_block if form.is_plain else 0, 0)
        return b"RF64\xff\xff\xff\xffWAVE" + _chunk(b"ds64", sizes) + chunks + b"data\xff\xff\xff\xff"


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) & 1)


def _is_id(name: bytes) -> bool:
    return len(name) == 4 and all(32 <= byte < 127 for byte in name)


def _seconds(seconds: Fraction) -> str:
    return f"{float(seconds):,.1f} s" if seconds >= 1 else f"{float(seconds * 1000):.3g} ms"
