"""Stills of a video in fragmented MP4: of nothing but the keyframes that they show."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import suppress

import av
import av.error
from av.video.frame import VideoFrame

from ..containers import fmp4
from ..containers.bounds import MAX_PIXELS
from ..hls import cmaf
from ..run import ffmpeg
from . import stills


def make_stills(written: cmaf.Written) -> stills.Stills:
    """As `stills.make_stills`: up to twelve keyframes are read and decoded, however long the video is."""
    picture = written.init.of_kind("video")
    assert picture is not None
    parts = [found for part in written.parts if (found := part.of(picture)) is not None]
    keyframes = [(at, int(number)) for at, part in enumerate(parts) for number in part.sync.nonzero()[0]]
    chosen = [keyframes[at] for at in stills.spread(len(keyframes))]
    return stills.drawn(_decoded(written.init_file.read() + _fragments(written, parts, chosen, picture)))


def _fragments(
    written: cmaf.Written, parts: Sequence[fmp4.Samples], chosen: Sequence[tuple[int, int]], track: fmp4.Track
) -> bytes:
    """A fragment of each of the chosen samples, given as numbers of segment and sample."""
    made = []
    for number, (at, sample) in enumerate(chosen, 1):
        with written.files[at].path.open("rb") as segment:
            segment.seek(int(parts[at].offsets[sample]))
            data = segment.read(int(parts[at].sizes[sample]))
        dts, duration = int(parts[at].dts[sample]), int(parts[at].durations[sample])
        made.append(fmp4.one_sample(track.id, number, dts, duration, data))
    return b"".join(made)


def _decoded(data: bytes) -> list[VideoFrame]:
    """The pictures of a fragmented MP4, in 4:2:0 of 8 bits. What can't be decoded is none."""
    frames: list[VideoFrame] = []
    with (
        suppress(av.error.FFmpegError),
        av.open(io.BytesIO(data), "r", format="mov", options=ffmpeg.input_options("mov")) as container,
    ):
        context = container.streams.video[0].codec_context
        context.thread_count = 1
        context.options = {"max_pixels": str(MAX_PIXELS)}
        frames.extend(frame.reformat(format="yuv420p") for frame in container.decode(video=0))
    return frames
