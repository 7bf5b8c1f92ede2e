"""Stills of a video in fragmented MP4: of a file that holds nothing but the keyframes that they show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from ..containers import fmp4
from ..hls import cmaf
from ..results import RawSegment
from ..run import ffmpeg
from . import stills

_CHOSEN = "stills.mp4"


def make_stills(written: cmaf.Written, out: Path, subject: str) -> stills.Stills:
    """As `stills.make_stills`. However long the video is, twelve keyframes of it are read and decoded; the pictures of
    one that has a single keyframe are all."""
    picture = written.init.of_kind("video")
    assert picture is not None
    parts = [found for part in written.parts if (found := part.of(picture)) is not None]
    keyframes = [(at, int(number)) for at, part in enumerate(parts) for number in part.sync.nonzero()[0]]
    path = out / _CHOSEN
    with path.open("wb") as file:
        file.write(written.init_file.read())
        if len(keyframes) == 1:
            frames = len(parts[0].sizes)
            file.write(written.files[0].read())
        else:
            chosen = [keyframes[at] for at in stills.spread(len(keyframes))]
            frames = len(chosen)
            _write(file, written.files, parts, chosen, picture)
    return stills.draw(ffmpeg.source_input("mov", threads=1), frames, path, out, subject)


def _write(
    file: BinaryIO,
    files: Sequence[RawSegment],
    parts: Sequence[fmp4.Samples],
    chosen: Sequence[tuple[int, int]],
    track: fmp4.Track,
) -> None:
    """A fragment of each of the chosen samples, given as numbers of segment and sample."""
    for number, (at, sample) in enumerate(chosen, 1):
        with files[at].path.open("rb") as segment:
            segment.seek(int(parts[at].offsets[sample]))
            data = segment.read(int(parts[at].sizes[sample]))
        file.write(
            fmp4.one_sample(track.id, number, int(parts[at].dts[sample]), int(parts[at].durations[sample]), data)
        )
