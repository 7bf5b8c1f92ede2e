"""Whether a file holds pictures or sound, by the header of its container: nothing is decoded, little is read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

from ...kinds import Kind
from . import ebml
from .boxes import boxes
from .sniff import HEAD_BYTES, Sniffed

_MOST_TOP_BOXES = 1000  # before the index: writers of many small ones put it first
_MOST_PARTS = 200  # of an index, or a track; and elements before a Matroska file's tracks
_TRACK_ENTRY, _TRACK_TYPE = b"\xae", b"\x83"  # RFC 9559 5.1.4.1, 5.1.4.1.3
_MATROSKA_KINDS = {1: Kind.VIDEO, 2: Kind.AUDIO}
_HANDLERS = {b"vide": Kind.VIDEO, b"soun": Kind.AUDIO}
_AVI_KINDS = {b"vids": Kind.VIDEO, b"auds": Kind.AUDIO}


def kind_of_content(file: BinaryIO, sniffed: Sniffed) -> Kind | None:
    """VIDEO for a file with pictures, AUDIO for one that holds sound only; None where its header does not say, or it is
    no media. Never raises for what the file holds.

    An audio book or song whose brand says that it is one (M4A) stays AUDIO: its video track has chapter pictures.
    """
    if sniffed.kind not in (Kind.VIDEO, Kind.AUDIO):
        return None
    read = {"mov": _mov, "matroska": _matroska, "avi": _avi}.get(sniffed.demuxer or "")
    if read is None:
        return sniffed.kind if sniffed.kind is Kind.AUDIO else None
    has_sound = False
    for kind in read(file, file.seek(0, os.SEEK_END)):
        if kind is Kind.VIDEO and sniffed.kind is Kind.VIDEO:
            return Kind.VIDEO
        has_sound = has_sound or kind is Kind.AUDIO
    return Kind.AUDIO if has_sound else None


def _mov(file: BinaryIO, size: int) -> Iterator[Kind]:
    """What the handlers of the tracks are for (ISO/IEC 14496-12 8.4.3), wherever the index (`moov`) lies."""
    for top in boxes(file, 0, size, most=_MOST_TOP_BOXES):
        if top.kind != b"moov":
            continue
        for track in boxes(file, top.body, min(top.end, size), most=_MOST_PARTS):
            if track.kind == b"trak":
                yield from _handlers(file, track.body, min(track.end, size))
        return


def _handlers(file: BinaryIO, at: int, end: int) -> Iterator[Kind]:
    for media in boxes(file, at, end, most=_MOST_PARTS):
        if media.kind != b"mdia":
            continue
        for box in boxes(file, media.body, min(media.end, end), most=_MOST_PARTS):
            if box.kind == b"hdlr":
                file.seek(box.body + 8)
                if kind := _HANDLERS.get(file.read(4)):
                    yield kind


def _matroska(file: BinaryIO, size: int) -> Iterator[Kind]:
    """The types of the tracks, which come before the first cluster (RFC 9559 5.1.4.1.3)."""
    for top in ebml.children(file, 0, size, most=8):
        if top.id != ebml.SEGMENT:
            continue
        for part in ebml.children(file, top.body, size if top.end is None else min(top.end, size), most=_MOST_PARTS):
            if part.id == ebml.CLUSTER:
                return
            if part.id == ebml.TRACKS and part.end is not None:
                yield from _track_types(file, part.body, min(part.end, size))
                return
        return


def _track_types(file: BinaryIO, at: int, end: int) -> Iterator[Kind]:
    for entry in ebml.children(file, at, end, most=_MOST_PARTS):
        if entry.id != _TRACK_ENTRY or entry.end is None:
            continue
        for item in ebml.children(file, entry.body, min(entry.end, end), most=_MOST_PARTS):
            if item.id == _TRACK_TYPE:
                file.seek(item.body)
                if kind := _MATROSKA_KINDS.get(int.from_bytes(file.read(1), "big")):
                    yield kind


def _avi(file: BinaryIO, size: int) -> Iterator[Kind]:
    """What the stream headers are of, which begin the file."""
    file.seek(0)
    for part in file.read(HEAD_BYTES).split(b"strh")[1:]:
        if kind := _AVI_KINDS.get(part[4:8]):
            yield kind
