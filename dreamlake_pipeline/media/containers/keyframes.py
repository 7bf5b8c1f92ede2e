"""Whether a sample, as MP4 stores it, begins a run of pictures that can be decoded without any before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

# NAL unit types of HEVC (ITU-T H.265 table 7-1): IDR, BLA without leading pictures that refer to what is missing, and
# those that may have some; RASL are such pictures.
_HEVC_CLOSED, _HEVC_OPEN, _HEVC_SKIPPED = {17, 18, 19, 20}, {16, 21}, {8, 9}
_HEVC_SLICES = 32
_H264_SLICES, _H264_IDR = range(1, 6), 5
_AV1_SEQUENCE, _AV1_FRAMES = 1, (3, 6)  # OBU types (AV1 6.2.2)
_AV1_HEADER = 4  # bytes of `av1C` before its OBUs


def begins_anew(entry: str, configuration: bytes, samples: Iterable[memoryview]) -> bool:
    """Whether the first of some samples does; the others, up to the next sync sample, are looked at where that says
    more. A sample that is cut off does not. `entry` and `configuration` are those of its track (fmp4.py)."""
    try:
        return _LOOKS[entry](configuration, iter(samples))
    except (IndexError, StopIteration):
        return False


def _h264(configuration: bytes, samples: Iterator[memoryview]) -> bool:
    kinds = (unit[0] & 31 for unit in _units(next(samples), (configuration[4] & 3) + 1))
    return next(kind for kind in kinds if kind in _H264_SLICES) == _H264_IDR


def _hevc(configuration: bytes, samples: Iterator[memoryview]) -> bool:
    size = (configuration[21] & 3) + 1
    first = next(kind for kind in _hevc_kinds(next(samples), size) if kind < _HEVC_SLICES)
    if first in _HEVC_CLOSED:
        return True
    return first in _HEVC_OPEN and not any(_HEVC_SKIPPED & set(_hevc_kinds(sample, size)) for sample in samples)


def _hevc_kinds(sample: memoryview, size: int) -> Iterator[int]:
    return (unit[0] >> 1 & 63 for unit in _units(sample, size))


def _units(sample: memoryview, size: int) -> Iterator[memoryview]:
    """NAL units by the lengths before them, of `size` bytes each."""
    at = 0
    while at + size < len(sample):
        end = at + size + int.from_bytes(sample[at : at + size], "big")
        yield sample[at + size : min(end, len(sample))]
        at = end


def _av1(configuration: bytes, samples: Iterator[memoryview]) -> bool:
    """AV1 in ISOBMFF, 2.4: the first frame is a key frame that is shown, and its sequence header is at hand."""
    has_sequence = any(kind == _AV1_SEQUENCE for kind, _ in _obus(memoryview(configuration)[_AV1_HEADER:]))
    for kind, body in _obus(next(samples)):
        has_sequence |= kind == _AV1_SEQUENCE
        if kind in _AV1_FRAMES:
            # show_existing_frame 0, frame_type KEY_FRAME, show_frame 1 (5.9.2).
            return has_sequence and body[0] >> 4 == 0b0001
    return False


def _obus(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """OBUs (AV1 5.3): their types, and what is behind their headers."""
    at = 0
    while at < len(data):
        header = data[at]
        at += 2 if header & 4 else 1
        length = len(data) - at
        if header & 2:
            length, shift = 0, 0
            while True:
                byte = data[at]
                at += 1
                length |= (byte & 0x7F) << shift
                shift += 7
                if not byte & 0x80 or shift > 56:
                    break
        yield header >> 3 & 15, data[at : at + length]
        at += length


def _vp9(_: bytes, samples: Iterator[memoryview]) -> bool:
    """VP9 6.2: a frame header that begins with the marker, shows no earlier frame, and is of a key frame."""
    first = next(samples)[0]
    bits = f"{first:08b}"
    if not bits.startswith("10"):
        return False
    at = 5 if bits[2:4] == "11" else 4  # profile 3 has a reserved bit
    return bits[at : at + 2] == "00"


_LOOKS = {"avc1": _h264, "hvc1": _hevc, "av01": _av1, "vp09": _vp9}
