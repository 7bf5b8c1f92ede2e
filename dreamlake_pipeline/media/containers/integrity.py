"""Whether a file is whole, by what its container says about its own length. Nothing is decoded.

What is missing of a file may be nothing that is played: the last bytes of a box that no sample lies in, an index
that can be done without. Such a file is whole, and `Missing.harmless` says that a warning is enough.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import BinaryIO

from . import ebml, riff, wave
from .boxes import Box, boxes, inside
from .frames import id3_length
from .samples import read_index
from .transport import find_layout

_UNKNOWN_SIZES = {0, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF}


_JOIN = (
    "Join the init segment and the segments in their order into one file, and upload that: `cat INIT SEGMENT… > FILE`."
)
_REPAIR = (
    "The camera may repair it when its card is put back; a program such as untrunc can with another recording of the "
    "same camera. If the original plays, upload it again."
)
_TS_HEAD = 64 * 1024  # bytes in which the packets of MPEG-TS are found
_MOST_BOXES = 1000  # in a movie box


@dataclass(frozen=True, slots=True)
class Missing:
    """`what` is missing, in words that go on from "it is not whole:"; `hint` says what to do where another upload of
    the same file is no help. `harmless`: nothing that is played is missing."""

    what: str
    hint: str | None = None
    harmless: bool = False

    def __str__(self) -> str:
        return self.what


def missing_part(file: BinaryIO, demuxer: str) -> Missing | None:
    """What is missing of a file that is played; None when nothing is, or the container does not tell."""
    found = look_for_end(file, demuxer)
    return None if found is None or found.harmless else found


def unplayed_part(file: BinaryIO, demuxer: str) -> Missing | None:
    """What is missing of a file that is not played; only MP4 and AVI tell that apart."""
    found = look_for_end(file, demuxer) if demuxer in ("mov", "avi") else None
    return found if found is not None and found.harmless else None


def look_for_end(file: BinaryIO, demuxer: str) -> Missing | None:
    """What is missing of a file, whether it is played or not."""
    size = file.seek(0, os.SEEK_END)
    if demuxer == "mov":
        return _mov(file, size)
    if demuxer == "avi":
        return _avi(file, size)
    if demuxer == "wav":
        what = wave.read(file).missing
    else:
        look = {"matroska": _matroska, "mpegts": _mpegts, "mp3": _mp3, "ogg": _ogg}.get(demuxer)
        what = look(file, size) if look else None
    return Missing(what) if what else None


def _short(missing: int) -> str:
    return f"{missing:,} bytes that its header announces are missing at its end"


def _mov(file: BinaryIO, size: int) -> Missing | None:
    """Top-level boxes (ISO/IEC 14496-12 4.2) must end where the file ends, with an index and media among them."""
    kinds: set[bytes] = set()
    movie, last, end = None, b"", 0
    for box in boxes(file, 0, size):
        kinds.add(box.kind)
        last, end = box.kind, box.end
        if box.kind == b"moov" and movie is None:
            movie = box
        if box.end > size and box.kind == b"mdat" and movie is not None and b"moof" not in kinds:
            return _cut_off_data(file, movie, box, size)
        if box.end > size and box.kind == b"moov":
            return _cut_off_movie(file, box, size)
        if box.end > size and box.kind in (b"mdat", b"moof"):
            return _cut_off_data(file, None, box, size)
    if b"moof" in kinds and movie is None:
        return Missing("it is one segment of a stream, whose `moov` box is in the init segment, another file", _JOIN)
    if movie is None:
        return _without_index(file, end, size)
    if b"mdat" not in kinds or last == b"moof":
        if b"mdat" not in kinds and any(box.kind == b"mvex" for box in inside(file, movie, size, most=_MOST_BOXES)):
            return Missing("it is the init segment of a stream: it says how to play it, and holds none of it", _JOIN)
        return Missing("its media data (`mdat`) are missing")
    if b"moof" in kinds and 0 < size - end < 8:
        return Missing("it ends in the middle of a fragment's header")
    return None


def _without_index(file: BinaryIO, end: int, size: int) -> Missing:
    """`end` is where the row of boxes ends that can be followed."""
    if end < size and (odd := odd_box(file, end, size)) is not None:
        return Missing(f"the length of its `{odd.kind.decode('latin-1')}` box at byte {odd.at:,} is not possible")
    return Missing("its index (`moov`) is missing, as when a recording was broken off", _REPAIR)


def odd_box(file: BinaryIO, at: int, size: int) -> Box | None:
    """The box at a place, which claims to be shorter than its own header and is followed by a box all the same: as if
    it were empty. None where there is no such box."""
    file.seek(at)
    head = file.read(16)
    known = (b"free", b"skip", b"wide", b"udta", b"uuid", b"meta", b"moov", b"mdat", b"moof")
    if len(head) < 16 or head[4:8] not in known or head[12:16] not in known:
        return None
    return Box(head[4:8], at, at + 8, at + 8) if 0 < int.from_bytes(head[:4], "big") < 8 else None


def _cut_off_data(file: BinaryIO, movie: Box | None, data: Box, size: int) -> Missing:
    """A box of media data that goes on behind the end of the file: its last bytes may be no sample's."""
    index = read_index(file, movie) if movie is not None else None
    whole = (
        index is not None
        and index.tracks
        and index.whole_before(size) == {track: tables.count for track, tables in index.tracks.items()}
    )
    return Missing(_short(data.end - size), harmless=bool(whole))


def _cut_off_movie(file: BinaryIO, movie: Box, size: int) -> Missing:
    """A movie box that is cut off may have all of its tracks: what comes behind them is titles and the like."""
    children = list(inside(file, movie, size, most=_MOST_BOXES))
    last = children[-1] if children else None
    described = last is not None and last.kind in (b"udta", b"meta", b"free", b"skip", b"uuid")
    has_tracks = any(child.kind == b"trak" for child in children)
    return Missing(_short(movie.end - size), harmless=described and has_tracks)


def _avi(file: BinaryIO, size: int) -> Missing | None:
    """The first RIFF chunk must fit into the file, or at least the list of its pictures and sound."""
    for chunk in riff.chunks(file, 0, size):
        if chunk.kind != b"RIFF" or chunk.length in _UNKNOWN_SIZES or chunk.end <= size:
            return None
        whole = any(part.form == b"movi" and part.end <= size for part in riff.chunks(file, chunk.body, size))
        return Missing(_short(chunk.end - size), harmless=whole)
    return None


def _matroska(file: BinaryIO, size: int) -> str | None:
    """The Segment element (RFC 8794, RFC 9559) must fit into the file when its size is known."""
    for _, element in zip(range(8), ebml.children(file, 0, size), strict=False):
        if element.id == ebml.SEGMENT:
            if element.end is None:
                return _live(file, element.body, size)
            return _short(element.end - size) if element.end > size else None
    return None


def _live(file: BinaryIO, at: int, size: int) -> str | None:
    """A recording whose writer did not know its size: it is whole when its last element is."""
    end = at
    for element in ebml.children(file, at, size):
        end = element.body if element.end is None else element.end
    return "it ends in the middle of a picture or sound packet" if end != size else None


def _mpegts(file: BinaryIO, size: int) -> str | None:
    """Packets have one size (ISO/IEC 13818-1 2.4.3.2); a stream may end behind any of them."""
    file.seek(0)
    layout = find_layout(file.read(_TS_HEAD))
    behind = layout.behind_last(size) if layout is not None else 0
    return f"it ends {behind} bytes into a packet" if behind else None


def _mp3(file: BinaryIO, size: int) -> str | None:
    """The Xing or Info tag in the first frame counts the bytes from there on, where an encoder wrote one."""
    file.seek(0)
    start = id3_length(file.read(10))
    if start >= size:
        return "it ends with its ID3 tag, before any sound"
    file.seek(start)
    frame = file.read(256)
    at = max(frame.find(b"Xing"), frame.find(b"Info"))
    if at < 0 or len(frame) < at + 16:
        return None
    flags = int.from_bytes(frame[at + 4 : at + 8], "big")
    if not flags & 2:
        return None
    field = at + 8 + (4 if flags & 1 else 0)
    expected = start + int.from_bytes(frame[field : field + 4], "big")
    # Some encoders count a frame more or less than they write.
    return _short(expected - size) if expected - size > 2048 else None


def _ogg(file: BinaryIO, size: int) -> str | None:
    """The last page (RFC 3533 6) must end where the file ends."""
    file.seek(max(0, size - 66_000))  # more than the largest page
    tail = file.read()
    at = tail.rfind(b"OggS")
    if at < 0:
        return None  # padding behind the last page; the demuxer decides
    lacing = tail[at + 27 : at + 27 + tail[at + 26]] if len(tail) > at + 26 else b""
    if len(tail) <= at + 26 or len(lacing) < tail[at + 26]:
        return "its last page is cut off"
    missing = at + 27 + len(lacing) + sum(lacing) - len(tail)
    return _short(missing) if missing > 0 else None
