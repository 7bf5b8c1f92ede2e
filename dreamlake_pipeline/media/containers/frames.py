"""Sound that is a row of frames and nothing else: MPEG audio (layers II and III), ADTS and AC-3.

Each frame begins with a header that tells its length, so that a row of headers, each where the last frame ends, is
sound for sure, and can be found in a stream that begins in the middle of a frame.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

SURE_FRAMES = 8  # in a row: bytes that are no sound hold so many headers that agree by no accident
_SURE_AT_END = 3  # in a row, when the file ends with them

_BITRATES = {  # kbit/s by (MPEG-1?, layer)
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_AC3_BITRATES = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)  # kbit/s
# The first two bytes that a header of MPEG audio, ADTS or AC-3 may have.
_MAYBE = re.compile(rb"\xff[\xe2-\xe5\xf2-\xf5\xfa-\xfd\xf0\xf1\xf8\xf9]|\x0b\x77")
# What may lie behind the last frame without a word: tags, and bytes that are never sound.
_TAGS = (b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"ID3")
_LEAST_FOREIGN = 4096
_MOST_TAGS = 4  # between two frames; one is usual


@dataclass(frozen=True, slots=True)
class Frame:
    """The `length` of a frame in bytes, header included, and the `form` that all frames of one stream share."""

    length: int
    form: tuple[int, ...]


Header = Callable[[bytes, int], Frame | None]


def adts(data: bytes, at: int) -> Frame | None:
    """The ADTS frame (ISO/IEC 13818-7 6.2) whose header lies at `at`; None when there is none."""
    if at + 7 > len(data) or data[at] != 0xFF or data[at + 1] & 0xF6 != 0xF0 or (data[at + 2] >> 2) & 15 > 12:
        return None
    length = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
    return Frame(length, (data[at + 1] & 0xFE, data[at + 2] & 0xFC)) if length > 7 else None


def mpeg_audio(data: bytes, at: int) -> Frame | None:
    """The layer II or III frame (ISO/IEC 11172-3 2.4.1.3) whose header lies at `at`; None when there is none."""
    if at + 4 > len(data) or data[at] != 0xFF or data[at + 1] & 0xE0 != 0xE0:
        return None
    version, layer = (data[at + 1] >> 3) & 3, 4 - ((data[at + 1] >> 1) & 3)
    bitrate, rate = data[at + 2] >> 4, (data[at + 2] >> 2) & 3
    if version == 1 or layer not in (2, 3) or bitrate in (0, 15) or rate == 3:
        return None
    first = version == 3
    hertz = (44100, 48000, 32000)[rate] // {3: 1, 2: 2, 0: 4}[version]
    samples = 576 if layer == 3 and not first else 1152
    length = samples // 8 * _BITRATES[first, layer][bitrate] * 1000 // hertz + ((data[at + 2] >> 1) & 1)
    return Frame(length, (version, layer, rate))


def ac3(data: bytes, at: int) -> Frame | None:
    """The frame of AC-3 or E-AC-3 (ETSI TS 102 366 4.3, 4.4 and E.1.2) that begins at `at`; None when there is none."""
    if at + 6 > len(data) or data[at : at + 2] != b"\x0b\x77":
        return None
    version, rate = data[at + 5] >> 3, data[at + 4] >> 6
    if 10 < version <= 16:
        return Frame(2 * (((data[at + 2] & 7) << 8 | data[at + 3]) + 1), (1, rate))
    code = data[at + 4] & 63
    if version > 10 or rate == 3 or code >= 2 * len(_AC3_BITRATES):
        return None
    kilobits = _AC3_BITRATES[code >> 1]
    words = (2 * kilobits, 320 * kilobits // 147 + (code & 1), 3 * kilobits)[rate]
    return Frame(2 * words, (0, rate))


def is_enhanced(frame: bytes) -> bool:
    """Whether a frame of `ac3` is E-AC-3."""
    return frame[5] >> 3 > 10


def id3_length(head: bytes) -> int:
    """The length in bytes of the ID3v2 tag that the bytes begin with, footer included (ID3v2.4 3.1); 0 without one."""
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    size = (head[6] & 127) << 21 | (head[7] & 127) << 14 | (head[8] & 127) << 7 | head[9] & 127
    return 10 + size + (10 if head[5] & 0x10 else 0)


def starts(data: bytes, header: Header) -> bool:
    """Whether the bytes begin with two frames in a row, or with one that spans all there is."""
    frames, end = _row(data, 0, header, 2)
    return frames == 2 or (frames == 1 and end >= len(data))


def find(data: bytes, *, is_all: bool) -> tuple[Header, int] | None:
    """Where the first frames begin that are sound for sure, and of which sort; None without any.

    `is_all`: the file ends where the bytes end.
    """
    return _find(data, 0, is_all=is_all)


def _find(data: bytes, begin: int, *, is_all: bool) -> tuple[Header, int] | None:
    for candidate in _MAYBE.finditer(data, begin):
        at = candidate.start()
        header = ac3 if data[at] != 0xFF else mpeg_audio if data[at + 1] & 6 else adts
        frames, end = _row(data, at, header, SURE_FRAMES)
        if frames == SURE_FRAMES or (is_all and frames >= _SURE_AT_END and end >= len(data)):
            return header, at
    return None


def foreign_end(data: bytes) -> int:
    """How many bytes at the end of a file, which ends where `data` ends, lie behind the last frame of sound; 0 where
    those are few, or a tag, or where no frames are found at all."""
    end = 0
    while found := _find(data, end, is_all=True):
        header, begin = found
        end = _row(data, begin, header, len(data))[1]
    rest = data[end:] if end else b""
    return len(rest) if len(rest) >= _LEAST_FOREIGN and not rest.startswith(_TAGS) and any(rest) else 0


def _row(data: bytes, at: int, header: Header, most: int) -> tuple[int, int]:
    """How many frames of one form lie in a row from `at` on, up to `most`, and where the last one ends.

    ID3 tags between them, by which HTTP Live Streaming tells the time, belong to no frame.
    """
    form, count = None, 0
    while count < most and (frame := header(data, at)) and (form is None or frame.form == form):
        form, count, at = frame.form, count + 1, at + frame.length
        for _ in range(_MOST_TAGS):
            tag = id3_length(data[at : at + 10])
            if not tag:
                break
            at += tag
    return count, at
