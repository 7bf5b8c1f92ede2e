"""Changes files in ways that ffmpeg can't write: boxes of MP4 and elements of Matroska, put in or replaced by bytes."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

from dreamlake_pipeline.media.containers import ebml
from dreamlake_pipeline.media.containers.boxes import boxes

_SEEK_HEAD = b"\x11\x4d\x9b\x74"
_VOID = 0xEC
# Bytes of a sample entry's fields before the boxes in it (ISO/IEC 14496-12 12.1.3), and of `stsd` before its entries.
_FIELDS = {b"stsd": 8, b"avc1": 78, b"hvc1": 78, b"mp4v": 78, b"mp4a": 28}


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def edit_box(data: bytes, path: bytes, change: Callable[[bytes], bytes], *, track: int = 0) -> bytes:
    """MP4 whose box at `path` (such as b"moov/trak/edts") has the content `change(content)`; `track` is which `trak`,
    from zero. The sizes of what holds it follow; `moov` must be the last box, so that no offset of media changes."""
    return _edited(data, path.split(b"/"), change, track)


def _edited(data: bytes, path: list[bytes], change: Callable[[bytes], bytes], track: int) -> bytes:
    kind, *rest = path
    seen = 0
    for found in boxes(io.BytesIO(data), 0, len(data)):
        if found.kind != kind:
            continue
        if kind == b"trak" and seen < track:
            seen += 1
            continue
        body = data[found.body : found.end]
        if rest:
            fields = _FIELDS.get(kind, 0)
            body = body[:fields] + _edited(body[fields:], rest, change, track)
        else:
            body = change(body)
        return data[: found.at] + box(kind, body) + data[found.end :]
    raise AssertionError(f"no box {kind!r}")


def edit_list(*edits: tuple[int, int, float]) -> bytes:
    """An `edts` box of edits (ISO/IEC 14496-12 8.6.6): duration in units of the movie, start in those of the media (-1
    for nothing), rate."""
    rows = b"".join(struct.pack(">IiI", duration, start, round(rate * 65536)) for duration, start, rate in edits)
    return box(b"edts", box(b"elst", struct.pack(">II", 0, len(edits)) + rows))


def with_edits(data: bytes, edits: bytes, *, track: int = 0) -> bytes:
    """MP4 whose track has these edits in the place of its own."""

    def change(trak: bytes) -> bytes:
        kept = [trak[found.at : found.end] for found in boxes(io.BytesIO(trak), 0, len(trak)) if found.kind != b"edts"]
        return b"".join([kept[0], edits, *kept[1:]])

    return edit_box(data, b"moov/trak", change, track=track)


def with_descriptions(data: bytes, other: bytes, sample: int) -> bytes:
    """MP4 of one sample a chunk, whose samples from the given one on, counted from 1, have the description of the first
    track of another file (ISO/IEC 14496-12 8.5.2, 8.7.4)."""
    table, entries = b"moov/trak/mdia/minf/stbl/", []
    edit_box(other, table + b"stsd", lambda body: entries.append(body[8:]) or body)
    data = edit_box(data, table + b"stsd", lambda body: body[:4] + struct.pack(">I", 2) + body[8:] + entries[0])
    return edit_box(data, table + b"stsc", lambda body: struct.pack(">8I", 0, 2, 1, 1, 1, sample, 1, 2))


def with_aperture(data: bytes, entry: bytes, *aperture: int) -> bytes:
    """MP4 with a `clap` box (ISO/IEC 14496-12 12.1.4): width, height, horizontal and vertical offset, each as numerator
    and denominator; `entry` is the kind of the video's sample entry."""
    clap = box(b"clap", struct.pack(">IIIIiIiI", *aperture))
    path = b"moov/trak/mdia/minf/stbl/stsd/" + entry

    def change(body: bytes) -> bytes:
        return body + clap

    return edit_box(data, path, change)


def element(name: bytes, value: int | bytes) -> bytes:
    """An EBML element of an unsigned number of two bytes, or of bytes."""
    body = value if isinstance(value, bytes) else value.to_bytes(2, "big")
    return name + _size(len(body)) + body


def _size(length: int) -> bytes:
    return (1 << 56 | length).to_bytes(8, "big")


def add_to_video(data: bytes, *elements: bytes) -> bytes:
    """Matroska whose first Video element (RFC 9559 5.1.4.1.28) holds these elements too, in the place of its own of the
    same names. The SeekHead, whose positions are no longer right, becomes void."""
    return _added(data, [ebml.SEGMENT, ebml.TRACKS, b"\xae", b"\xe0"], elements)


def _added(data: bytes, path: list[bytes], elements: tuple[bytes, ...]) -> bytes:
    file, made, done = io.BytesIO(data), [], False
    names = {one[: 9 - one[0].bit_length()] for one in elements}
    for found in ebml.children(file, 0, len(data)):
        end = len(data) if found.end is None else found.end
        if path and found.id == path[0] and not done:
            body, done = _added(data[found.body : end], path[1:], elements), True
            made.append(found.id + _size(len(body)) + body)
        elif found.id == _SEEK_HEAD:
            made.append(bytes([_VOID]) + _size(end - found.body) + bytes(end - found.body))
        elif path or found.id not in names:
            made.append(data[found.at : end])
        if found.end is None:
            break
    return b"".join(made) + (b"" if path else b"".join(elements))
