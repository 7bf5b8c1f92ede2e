"""The names of codecs in CODECS (RFC 6381), from the boxes that configure their decoders."""

from __future__ import annotations

_PROFILE_SPACES = ("", "A", "B", "C")
_DECODER_SPECIFIC = 0x05  # ISO/IEC 14496-1 7.2.2.1
_DESCRIPTORS = {0x03: 3, 0x04: 13}  # tags of those around it, and the bytes of each before the next one


def codec_of(entry: bytes, configuration: bytes) -> str:
    """The name for a sample entry by its configuration: what its `avcC`, `hvcC`, `av1C`, `vpcC` or `esds` box holds.

    Raises IndexError for one that is cut off, ValueError for one that is no such thing.
    """
    return _NAMES[entry](configuration)


def _avc1(box: bytes) -> str:
    """RFC 6381 3.3: profile, constraints and level of `avcC` (ISO/IEC 14496-15 5.3.3.1)."""
    return f"avc1.{box[1]:02x}{box[2]:02x}{box[3]:02x}"


def _hvc1(box: bytes) -> str:
    """ISO/IEC 14496-15 annex E.3: profile, compatibility flags with their bits reversed, tier and level, and the bytes
    of constraints without the zeros at their end."""
    if len(box) < 13:
        raise IndexError
    space, tier, profile = _PROFILE_SPACES[box[1] >> 6], box[1] >> 5 & 1, box[1] & 31
    compatible = int(f"{int.from_bytes(box[2:6], 'big'):032b}"[::-1], 2)
    constraints = "".join(f".{byte:X}" for byte in box[6:12].rstrip(b"\0"))
    return f"hvc1.{space}{profile}.{compatible:X}.{'LH'[tier]}{box[12]}{constraints}"


def _av01(box: bytes) -> str:
    """AV1 in ISOBMFF, 5: profile, level with its tier, and bits of a sample, by `av1C` (2.3.3)."""
    profile, level = box[1] >> 5, box[1] & 31
    tier, high, twelve = box[2] >> 7, box[2] >> 6 & 1, box[2] >> 5 & 1
    depth = (12 if twelve else 10) if high else 8
    return f"av01.{profile}.{level:02d}{'MH'[tier]}.{depth:02d}"


def _vp09(box: bytes) -> str:
    """VP Codec ISO Media File Format Binding: profile, level, and bits of a sample, by `vpcC`, which is a full box."""
    return f"vp09.{box[4]:02d}.{box[5]:02d}.{box[6] >> 4:02d}"


def _mp4a(box: bytes) -> str:
    """RFC 6381 3.3: the audio object type in the first bits of what `esds` has for the decoder (ISO/IEC 14496-3)."""
    at = 4
    while True:
        tag, at = box[at], at + 1
        while box[at] & 0x80:  # a length in sevens of bits
            at += 1
        at += 1
        if tag == _DECODER_SPECIFIC:
            first = box[at] >> 3
            return f"mp4a.40.{first if first != 31 else 32 + ((box[at] & 7) << 3 | box[at + 1] >> 5)}"
        if tag not in _DESCRIPTORS:
            raise ValueError(tag)
        at += _DESCRIPTORS[tag]


_NAMES = {
    b"avc1": _avc1,
    b"hvc1": _hvc1,
    b"av01": _av01,
    b"vp09": _vp09,
    b"mp4a": _mp4a,
    b"Opus": lambda _: "opus",
    b"fLaC": lambda _: "flac",
}
