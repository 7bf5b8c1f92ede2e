"""How a video is transcoded: codec, filters, keyframes, and the clock that all renditions of it share."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ..containers.probe import MAX_PIXELS, Probe, VideoTrack
from ..run import ffmpeg
from .fit import REPORT, fit_filters

KEYFRAME_SECONDS = 2  # of a transcode
# The MPEG-TS time of the file's start. Without one of its own, each output would start where its codec's delay puts it,
# and renditions would not be in step. Apple's tools start at ten seconds too.
CLOCK_START = Fraction(10)
_MUXER_DELAY = Fraction(7, 5)  # what FFmpeg's MPEG-TS muxer adds

MOST_FRAMES = 60  # a second; screens show no more
# Times are rounded to milliseconds in some containers. No fraction that a time comes near, so that two ways of
# computing it agree.
_SLOT_ROUNDING = 0.0512345
PRESET = "veryfast"
CRF = 20
# Its lookahead thread races with its two frame threads: on a busy machine one run in four gave other bytes.
X264 = "sync-lookahead=0"
X264_DELAY = 2  # pictures between decoding and showing one, since B-frames refer to B-frames


def preview_times(video: VideoTrack) -> np.ndarray:
    """The times of the pictures that a transcode shows, in units of the track's time base.

    All of them, one that shares its time with another a unit later; above 60 a second, the first in each sixtieth.
    """
    if video.repeated:
        order = np.arange(video.frames)
        return np.maximum.accumulate(video.pts - order) + order
    if video.measured_rate <= MOST_FRAMES + Fraction(1, 2):
        return video.pts
    slots = np.floor((video.pts - video.start) * float(video.time_base) * MOST_FRAMES + _SLOT_ROUNDING)
    return video.pts[np.diff(slots, prepend=-1) > 0]


def hls_clock(start: Fraction = CLOCK_START) -> dict[str, Any]:
    """The output options by which time zero of an output is `start` seconds on the clock of its segments."""
    return {"output_ts_offset": f"{float(start - _MUXER_DELAY):.6f}"}


def limits(source: Path, video: VideoTrack, streams: int = 1) -> ffmpeg.Limits:
    """Time and bytes that grow with the file and its length, enough for transcodes on a slow and busy machine."""
    size, seconds = source.stat().st_size, float(video.duration)
    return ffmpeg.Limits(
        seconds=300 + streams * 20 * seconds + size / 10e6,
        output_bytes=streams * (64 * 2**20 + 2 * size + round(seconds * 100e6 / 8)),
    )


def source_node(found: Probe, **more: Any) -> Any:
    """The ffmpeg-python input node of a probed video, whose decoder is given nothing that it can't decode; `more` are
    further options of it."""
    assert found.video is not None and found.sniffed.demuxer is not None
    options: dict[str, Any] = {"threads": ffmpeg.THREADS, "max_pixels": MAX_PIXELS}
    if found.video.lead_in:
        options["bsf:v"] = f"noise=drop=lt(n\\,{found.video.lead_in})"
    return ffmpeg.source_input(found.sniffed.demuxer, **options, **more)


def transcode_options(video: VideoTrack, size: tuple[int, int]) -> dict[str, Any]:
    """x264 so that each frame of the source comes out once, at its time, and each segment can stand alone."""
    return {
        "c:v": "libx264",
        "preset": PRESET,
        "crf": CRF,
        "threads:v": ffmpeg.THREADS,
        "x264-params": X264,
        "vf": _filters(video, size),
        "fps_mode": "passthrough",
        "enc_time_base:v": "demux",
        "force_key_frames": f"expr:gte(t,n_forced*{KEYFRAME_SECONDS})",
        "forced-idr": 1,
        "sc_threshold": 0,
        "g": 9999,
        "flags:v": "+bitexact+cgop",
        **({"bf": 0} if _is_uneven(video) else {}),
    }


def _is_uneven(video: VideoTrack) -> bool:
    """Whether pictures that are decoded out of their order could leave a gap for a browser.

    It takes a picture for the first after a gap when its DTS comes later than the last one's by more than twice as long
    as that is shown, and drops all up to the next keyframe (W3C Media Source Extensions, coded frame processing). In
    their order, the steps are the same however uneven they are.
    """
    if video.is_uneven:
        return True
    steps = np.diff(preview_times(video))
    return len(steps) > 0 and bool(steps.max() > 2 * steps.min())


def _filters(video: VideoTrack, size: tuple[int, int]) -> str:
    picture = video.picture
    filters = []
    if video.shifts:
        earlier = [0, *(more for _, more in video.shifts)]
        steps = [
            f"{more - last}*gte(PTS-STARTPTS,{at - video.start})"
            for (at, more), last in zip(video.shifts, earlier, strict=False)
        ]
        filters.append(f"setpts='PTS+{'+'.join(steps)}'")
    if video.repeated:
        filters.append("setpts='if(isnan(PREV_OUTPTS),PTS,max(PTS,PREV_OUTPTS+1))'")
    if len(preview_times(video)) < video.frames:
        slot, before = (f"floor(({time}-start_t)*{MOST_FRAMES}+{_SLOT_ROUNDING})" for time in ("t", "prev_selected_t"))
        filters.append(f"select='isnan(prev_selected_t)+gt({slot},{before})'")
    if picture.interlaced:
        filters.append("bwdif=mode=send_frame:deint=interlaced")
    if picture.hdr:
        filters += [
            "zscale=t=linear:npl=100",
            "format=gbrpf32le",
            "zscale=p=bt709",
            "tonemap=hable:desat=0",
            "zscale=t=bt709:m=bt709:r=tv",
        ]
    filters += fit_filters(size, ":out_color_matrix=bt709" if picture.rgb else "")
    return REPORT + ",".join(filters)


def display_size(video: VideoTrack) -> tuple[int, int]:
    """Width and height as shown: turned upright, with square pixels, even."""
    picture = video.picture
    width, height = round(picture.width * video.sample_aspect), picture.height
    if picture.rotation in (90, 270):
        width, height = height, width
    return max(2, width // 2 * 2), max(2, height // 2 * 2)
