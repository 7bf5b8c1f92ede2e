"""What a container's headers say of its pictures that FFmpeg's demuxers, or PyAV, do not pass on."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from .avi import Chunks, read_chunks
from .crop import Crop, read_crops
from .edits import Edit, odd_edits, read_edits


@dataclass(frozen=True, slots=True)
class Headers:
    """`crops` as `read_crops` has them, `chunks` of AVI by the number of the stream, `edits` of MP4 by the id
    of the track."""

    crops: dict[int, Crop] = field(default_factory=dict)
    chunks: dict[int, Chunks] = field(default_factory=dict)
    edits: dict[int, list[Edit]] = field(default_factory=dict)

    def crop(self, demuxer: str, stream: Any, number: int) -> Crop | None:
        """Of a stream of PyAV's, which is the video track of this number, from zero."""
        return self.crops.get(stream.id if demuxer == "mov" else number)

    @property
    def odd_edits(self) -> list[Edit]:
        """The edits of any track that are not followed."""
        # Picture and sound are edited alike, on clocks of their own.
        found = {(edit.start, edit.end, edit.rate): edit for edits in self.edits.values() for edit in odd_edits(edits)}
        return list(found.values())


def read_headers(file: BinaryIO, demuxer: str) -> Headers:
    """Never raises for what the file holds: a header that can't be read says nothing."""
    size = file.seek(0, os.SEEK_END)
    return Headers(
        crops=read_crops(file, demuxer),
        chunks=read_chunks(file, size) if demuxer == "avi" else {},
        edits=read_edits(file, size) if demuxer == "mov" else {},
    )
