"""Reads the fragmented MP4 that was written: what its tracks are, and the samples of each fragment (ISO/IEC 14496-12).

An initialization segment is `ftyp` and `moov`, a media segment one `moof` and the `mdat` behind it (RFC 8216 3.3).
Only what this package writes is understood: a track of pictures, one of sound, samples that lie behind each other.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from . import codec_strings, keyframes
from .boxes import Box, at_path, boxes, inside

_MOST_BOXES = 1000  # in a row
_VISUAL, _SOUND = 78, 28  # bytes of a sample entry before its boxes (12.1.3, 12.2.3)
_CODECS: dict[bytes, tuple[Literal["video", "audio"], bytes, int]] = {
    b"avc1": ("video", b"avcC", _VISUAL),
    b"hvc1": ("video", b"hvcC", _VISUAL),
    b"av01": ("video", b"av1C", _VISUAL),
    b"vp09": ("video", b"vpcC", _VISUAL),
    b"mp4a": ("audio", b"esds", _SOUND),
    b"Opus": ("audio", b"dOps", _SOUND),
    b"fLaC": ("audio", b"dfLa", _SOUND),
}
_BASE_IS_MOOF = 0x020000  # of `tfhd` (8.8.7)
_TFHD = {0x01: 8, 0x02: 4, 0x08: 4, 0x10: 4, 0x20: 4}  # optional fields by their flags, and their bytes
_DURATION, _SIZE, _FLAGS, _OFFSET = 0x100, 0x200, 0x400, 0x800  # of a row of `trun` (8.8.8)
_NO_SYNC = 0x10000  # of a sample's flags (8.8.3.1)
_IS_SYNC = 0x2000000  # the sample depends on no other


class MalformedFragment(ValueError):
    """The bytes are no fragmented MP4 of the form that is written here."""


@dataclass(frozen=True, slots=True)
class Track:
    """A track by its sample entry, whose four letters `entry` are. `configuration` is what the codec's own box in it
    holds, `codec` its name as RFC 6381 has it; `width` and `height` in pixels, 0 for sound. `timescale` are ticks a
    second."""

    id: int
    kind: Literal["video", "audio"]
    entry: str
    codec: str
    configuration: bytes
    timescale: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Init:
    """An initialization segment. `edits` says whether any of its tracks has an edit list."""

    tracks: tuple[Track, ...]
    edits: bool

    def of_kind(self, kind: Literal["video", "audio"]) -> Track | None:
        return next((track for track in self.tracks if track.kind == kind), None)


@dataclass(frozen=True)
class Samples:
    """The samples of one track in a fragment, in the order of decoding; times in ticks of the track.

    `offsets` are places in the segment. `sync` says which can be decoded without any before them.
    """

    track: int
    dts: np.ndarray
    pts: np.ndarray
    durations: np.ndarray
    sizes: np.ndarray
    offsets: np.ndarray
    sync: np.ndarray

    def of(self, data: memoryview, at: int) -> memoryview:
        """The bytes of a sample, in those of the segment."""
        return data[int(self.offsets[at]) : int(self.offsets[at] + self.sizes[at])]

    @property
    def end(self) -> int:
        """When the last one is decoded, and as long as that lasts (8.8.12: where the next fragment begins)."""
        return int(self.dts[-1] + self.durations[-1])


@dataclass(frozen=True, slots=True)
class Fragment:
    """A media segment: `number` is its sequence number. `begins_anew` says whether its first picture can be decoded
    without any before it."""

    number: int
    tracks: tuple[Samples, ...]
    begins_anew: bool

    def of(self, track: Track | None) -> Samples | None:
        return next((found for found in self.tracks if track is not None and found.track == track.id), None)


def parse_init(data: bytes) -> Init:
    """What an initialization segment says. Raises MalformedFragment."""
    file = io.BytesIO(data)
    top = list(boxes(file, 0, len(data), most=_MOST_BOXES))
    if [box.kind for box in top] != [b"ftyp", b"moov"] or top[-1].end != len(data):
        raise MalformedFragment("it is not an `ftyp` and a `moov` box")
    movie = top[1]
    try:
        children = list(inside(file, movie, movie.end, most=_MOST_BOXES))
        tracks = [_track(file, box, movie.end) for box in children if box.kind == b"trak"]
    except (struct.error, IndexError, StopIteration):
        raise MalformedFragment("a box of a track is missing or cut off") from None
    if not tracks or not any(box.kind == b"mvex" for box in children):
        raise MalformedFragment("it announces no fragments")
    edits = any(True for _ in at_path(file, movie, movie.end, (b"trak", b"edts", b"elst"), most=_MOST_BOXES))
    return Init(tuple(tracks), edits)


def _track(file: io.BytesIO, track: Box, end: int) -> Track:
    def one(*path: bytes) -> bytes:
        box = next(at_path(file, track, end, path, most=_MOST_BOXES))
        file.seek(box.body)
        return file.read(box.end - box.body)

    header, media, table = one(b"tkhd"), one(b"mdia", b"mdhd"), one(b"mdia", b"minf", b"stbl", b"stsd")
    (number,) = struct.unpack_from(">I", header, 20 if header[0] == 1 else 12)
    (timescale,) = struct.unpack_from(">I", media, 20 if media[0] == 1 else 12)
    (entries,) = struct.unpack_from(">I", table, 4)
    stream = io.BytesIO(table)
    entry = next(boxes(stream, 8, len(table), most=1))
    if entries != 1 or entry.kind not in _CODECS or not timescale:
        raise MalformedFragment(f"its sample entry `{entry.kind.decode('latin-1')}` is none of those written here")
    kind, wanted, skipped = _CODECS[entry.kind]
    found = next(box for box in inside(stream, entry, len(table), skip=skipped, most=_MOST_BOXES) if box.kind == wanted)
    configuration = table[found.body : found.end]
    width, height = struct.unpack_from(">HH", table, entry.body + 24) if kind == "video" else (0, 0)
    try:
        codec = codec_strings.codec_of(entry.kind, configuration)
    except (IndexError, ValueError):
        raise MalformedFragment(f"its box `{wanted.decode()}` is cut off") from None
    return Track(number, kind, entry.kind.decode(), codec, configuration, timescale, width, height)


def parse_fragment(data: bytes | bytearray | memoryview, init: Init) -> Fragment:
    """What a media segment holds. Raises MalformedFragment where its boxes, or samples, do not add up."""
    try:
        return _parse_fragment(memoryview(data), init)
    except (struct.error, IndexError, OverflowError):
        raise MalformedFragment("a box of it is cut off") from None


def _parse_fragment(data: memoryview, init: Init) -> Fragment:
    moof, end = _pair(data)
    head = bytes(data[:moof])
    file = io.BytesIO(head)
    number, tracks = None, []
    for box in inside(file, Box(b"moof", 0, 8, moof), moof, most=_MOST_BOXES):
        if box.kind == b"mfhd":
            (number,) = struct.unpack_from(">I", head, box.body + 4)
        elif box.kind == b"traf":
            tracks.append(_samples(file, head, box, moof))
    known = [found.track for found in tracks]
    if number is None or not tracks or len(set(known)) < len(known) or set(known) - {one.id for one in init.tracks}:
        raise MalformedFragment("its `moof` has no number, no track, or one that was not announced")
    for found in tracks:
        if not len(found.sizes):
            raise MalformedFragment("a track of it has no sample")
        if int(found.offsets.min()) < moof + 8 or int((found.offsets + found.sizes).max()) > end:
            raise MalformedFragment("a sample lies outside of its `mdat`")
    fragment = Fragment(number, tuple(tracks), False)
    return replace(fragment, begins_anew=_begins_anew(data, fragment, init))


def _begins_anew(data: memoryview, fragment: Fragment, init: Init) -> bool:
    track = init.of_kind("video")
    pictures = fragment.of(track)
    if track is None or pictures is None or not pictures.sync[0]:
        return track is None
    following = np.flatnonzero(pictures.sync[1:])
    count = int(following[0]) + 1 if len(following) else len(pictures.sync)
    return keyframes.begins_anew(track.entry, track.configuration, (pictures.of(data, at) for at in range(count)))


def _pair(data: memoryview) -> tuple[int, int]:
    """Where the `moof` ends, and where the `mdat` behind it, and so the segment, does."""
    length, kind = struct.unpack_from(">I4s", data, 0)
    if kind != b"moof" or length + 8 > len(data):
        raise MalformedFragment("it does not begin with a `moof` box")
    behind, kind = struct.unpack_from(">I4s", data, length)
    if kind != b"mdat" or length + behind != len(data):
        raise MalformedFragment("it is not one `moof` and one `mdat` box")
    return length, length + behind


def _samples(file: io.BytesIO, head: bytes, traf: Box, end: int) -> Samples:
    children = list(inside(file, traf, end, most=_MOST_BOXES))
    header = next((box for box in children if box.kind == b"tfhd"), None)
    time = next((box for box in children if box.kind == b"tfdt"), None)
    runs = [box for box in children if box.kind == b"trun"]
    if header is None or time is None or not runs:
        raise MalformedFragment("a track of it has no header, time or samples")
    flags, track = struct.unpack_from(">II", head, header.body)
    if not flags & _BASE_IS_MOOF:
        raise MalformedFragment("its samples are not placed from the start of its `moof`")
    usual, at = {}, header.body + 8
    for flag, size in _TFHD.items():
        if flags & flag:
            usual[flag] = int.from_bytes(head[at : at + size], "big")
            at += size
    decoded = struct.unpack_from(">Q" if head[time.body] == 1 else ">I", head, time.body + 4)[0]
    parts = [_run(head, box, usual.get(0x08, 0), usual.get(0x10, 0), usual.get(0x20, 0)) for box in runs]
    durations, sizes, flagged, shown, offsets = (np.concatenate(column) for column in zip(*parts, strict=True))
    dts = decoded + np.cumsum(durations) - durations
    return Samples(track, dts, dts + shown, durations, sizes, offsets, flagged & _NO_SYNC == 0)


def _run(head: bytes, box: Box, duration: int, size: int, flags: int) -> tuple[np.ndarray, ...]:
    """Durations, sizes, flags, composition offsets and places of a run's samples."""
    word, count = struct.unpack_from(">II", head, box.body)
    at = box.body + 8
    offset, first_flags = 0, None
    if word & 0x01:
        (offset,) = struct.unpack_from(">i", head, at)
        at += 4
    if word & 0x04:
        (first_flags,) = struct.unpack_from(">I", head, at)
        at += 4
    fields = [field for field in (_DURATION, _SIZE, _FLAGS, _OFFSET) if word & field]
    if at + 4 * len(fields) * count > box.end or (not fields and count > box.end):
        raise MalformedFragment("a run announces more samples than it has")
    rows = np.frombuffer(head, ">u4", len(fields) * count, at).reshape(count, len(fields)) if fields else None

    def column(field: int, usual: int) -> np.ndarray:
        if rows is None or field not in fields:
            return np.full(count, usual, np.int64)
        return rows[:, fields.index(field)].astype(np.int64)

    sizes, flagged = column(_SIZE, size), column(_FLAGS, flags)
    if first_flags is not None and count:
        flagged[0] = first_flags
    shown = column(_OFFSET, 0).astype(np.uint32).astype(np.int32).astype(np.int64)
    return column(_DURATION, duration), sizes, flagged, shown, offset + np.cumsum(sizes) - sizes


def one_sample(track: int, number: int, dts: int, duration: int, data: bytes) -> bytes:
    """A media segment of one sync sample."""
    header = _box(b"mfhd", struct.pack(">II", 0, number))
    place = _box(b"tfhd", struct.pack(">II", _BASE_IS_MOOF, track)) + _box(b"tfdt", struct.pack(">IQ", 1 << 24, dts))
    run = struct.pack(">II", 0x01 | _DURATION | _SIZE | _FLAGS, 1)
    # Boxes have lengths of their own, whatever is in them: the sample comes behind this `moof` and the head of `mdat`.
    behind = 8 + len(header) + 8 + len(place) + 8 + len(run) + 16 + 8
    run += struct.pack(">iIII", behind, duration, len(data), _IS_SYNC)
    return _box(b"moof", header + _box(b"traf", place + _box(b"trun", run))) + _box(b"mdat", data)


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body
