"""What must be known of an H.264 stream without decoding it: NAL units and the sequence parameter set (ITU-T H.264)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

IDR, SPS, PPS = 5, 7, 8
SLICES = frozenset({1, 2, 3, 4, IDR})

# profile_idc values whose SPS carries chroma format and bit depth (7.3.2.1.1).
_HIGH_PROFILES = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135}

# Bytes up to the cropping: twelve scaling lists and 255 offsets of frames take less than half of it (7.3.2.1.1).
_LONGEST_SPS = 4096

# In one packet: no level of the standard has a thousand slices in a picture (table A-1), and few units are no slices.
MOST_UNITS = 20_000


@dataclass(frozen=True, slots=True)
class SequenceParameters:
    """`codec` is the RFC 6381 string. `chroma` is chroma_format_idc (1: 4:2:0). Width and height are cropped.
    `sample_aspect` is the width of a pixel and its height, (1, 1) where nothing is said of it.
    """

    codec: str
    profile: int
    chroma: int
    bit_depth: int
    progressive: bool
    width: int
    height: int
    sample_aspect: tuple[int, int]
    full_range: bool


def units_with_length(data: bytes | memoryview, length_size: int) -> Iterator[memoryview]:
    """The NAL units of an access unit whose units carry their length (ISO/IEC 14496-15).

    Raises ValueError when the lengths do not add up, which is how damage shows without decoding, and for more than
    MOST_UNITS.
    """
    view = memoryview(data)
    at, end, left = 0, len(view), MOST_UNITS
    while at < end:
        left = _count_down(left)
        start = at + length_size
        length = int.from_bytes(view[at:start], "big")
        at = start + length
        if start > end or at > end or length == 0:
            raise ValueError(f"a NAL unit of {length} bytes does not fit its packet")
        yield view[start:at]


def units_with_start_code(data: bytes) -> Iterator[memoryview]:
    """The NAL units of a byte stream (Annex B). Raises ValueError for more than MOST_UNITS."""
    view, left = memoryview(data), MOST_UNITS
    start = data.find(b"\x00\x00\x01")
    while start >= 0:
        left = _count_down(left)
        following = data.find(b"\x00\x00\x01", start + 3)
        unit = view[start + 3 : following if following >= 0 else len(data)]
        if len(unit):
            yield unit
        start = following


def _count_down(left: int) -> int:
    if not left:
        raise ValueError(f"a packet has more than {MOST_UNITS:,} NAL units")
    return left - 1


def unit_type(unit: memoryview) -> int:
    return unit[0] & 31


def length_size(extradata: bytes | None) -> int | None:
    """Bytes of a NAL unit's length by the stream's avcC record; None for a byte stream."""
    return (extradata[4] & 3) + 1 if extradata and len(extradata) > 6 and extradata[0] == 1 else None


def parameter_sets(extradata: bytes | None) -> list[memoryview]:
    """The SPS and PPS units of a stream's header: avcC or Annex B; none of a header that has too many units."""
    if not extradata:
        return []
    if length_size(extradata) is None:
        try:
            return list(units_with_start_code(extradata))
        except ValueError:
            return []
    view, at, units = memoryview(extradata), 6, []
    counts = [extradata[5] & 31, None]
    for count in counts:
        if count is None:
            if at >= len(view):
                break
            count, at = view[at], at + 1
        for _ in range(count):
            length = int.from_bytes(view[at : at + 2], "big")
            units.append(view[at + 2 : at + 2 + length])
            at += 2 + length
    return [unit for unit in units if len(unit)]


def parse_sps(unit: memoryview) -> SequenceParameters:
    """Raises ValueError when it is no whole SPS. What lies behind its first _LONGEST_SPS bytes is not read."""
    return _parse_sps(bytes(unit[1:_LONGEST_SPS]).replace(b"\x00\x00\x03", b"\x00\x00"))


@lru_cache(maxsize=32)  # many streams repeat it at each keyframe
def _parse_sps(payload: bytes) -> SequenceParameters:
    if len(payload) < 4:
        raise ValueError("the sequence parameter set is too short")
    profile, constraints, level = payload[0], payload[1], payload[2]
    bits = _Bits(payload[3:])
    bits.ue()
    chroma, depth = 1, 8
    if profile in _HIGH_PROFILES:
        chroma = bits.ue()
        if chroma == 3:
            bits.u(1)
        depth = 8 + max(bits.ue(), bits.ue())
        bits.u(1)
        if bits.u(1):
            for index in range(8 if chroma != 3 else 12):
                if bits.u(1):
                    bits.skip_scaling_list(16 if index < 6 else 64)
    bits.ue()
    order_type = bits.ue()
    if order_type == 0:
        bits.ue()
    elif order_type == 1:
        bits.u(1)
        bits.ue()
        bits.ue()
        for _ in range(bits.ue()):
            bits.ue()
    bits.ue()
    bits.u(1)
    width, height = (bits.ue() + 1) * 16, (bits.ue() + 1) * 16
    progressive = bool(bits.u(1))
    if not progressive:
        height *= 2
        bits.u(1)
    bits.u(1)
    if bits.u(1):
        across, down = (2 if chroma in (1, 2) else 1), (2 if chroma == 1 else 1) * (1 if progressive else 2)
        width -= across * (bits.ue() + bits.ue())
        height -= down * (bits.ue() + bits.ue())
    codec = f"avc1.{profile:02x}{constraints:02x}{level:02x}"
    return SequenceParameters(codec, profile, chroma, depth, progressive, width, height, *_usability(bits))


# The proportions of pixels that aspect_ratio_idc stands for (table E-1), from 1 on.
_ASPECTS = ((1, 1), (12, 11), (10, 11), (16, 11), (40, 33), (24, 11), (20, 11), (32, 11), (80, 33), (18, 11), (15, 11),
            (64, 33), (160, 99), (4, 3), (3, 2), (2, 1))  # fmt: skip
_OWN_ASPECT = 255


def _usability(bits: _Bits) -> tuple[tuple[int, int], bool]:
    """Proportions of pixels and range of colours in the video usability information (E.1.1); many writers leave it out,
    and some cut it short."""
    aspect, full_range = (1, 1), False
    try:
        if bits.u(1):
            if bits.u(1):
                code = bits.u(8)
                if code == _OWN_ASPECT:
                    aspect = bits.u(16), bits.u(16)
                elif 1 <= code <= len(_ASPECTS):
                    aspect = _ASPECTS[code - 1]
            if bits.u(1):
                bits.u(1)
            if bits.u(1):
                bits.u(3)
                full_range = bool(bits.u(1))
    except ValueError:
        pass
    return aspect, full_range


class _Bits:
    """A bit reader with Exp-Golomb codes (9.1)."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = len(data) * 8

    def u(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise ValueError("the sequence parameter set ends too early")
        return self._value >> self._left & (1 << count) - 1

    def ue(self) -> int:
        zeros = 0
        while not self.u(1):
            zeros += 1
            if zeros > 32:
                raise ValueError("the sequence parameter set is damaged")
        return (1 << zeros) - 1 + self.u(zeros)

    def skip_scaling_list(self, size: int) -> None:
        last = following = 8
        for _ in range(size):
            if following:
                code = self.ue()
                following = (last + ((code + 1) // 2 if code & 1 else -(code // 2))) % 256
            last = following or last
