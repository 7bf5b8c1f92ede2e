"""A video track as it is used: what its first picture says, and the times of all."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from av.video.frame import VideoFrame

from . import h264
from .crop import Crop
from .edit_times import Shifts

# color_trc values of HDR: SMPTE ST 2084 (PQ) and ARIB STD-B67 (HLG), by ITU-T H.273.
_HDR_TRANSFERS = {16, 18}
_FULL_RANGE = 2


@dataclass(frozen=True, slots=True)
class Picture:
    """What the first decoded picture says, and how large it is when its container's crop is cut off; `rotation` in
    degrees, of what is left."""

    width: int
    height: int
    pix_fmt: str
    rotation: int
    mirrored: bool
    interlaced: bool
    full_range: bool
    hdr: bool
    rgb: bool


@dataclass(frozen=True)
class VideoTrack:
    """The video stream that is used. `pts` holds the presented frames' times in order, `end` where the last one ends,
    both in units of `time_base`. `hidden` counts packets that an edit list keeps out of the presentation.
    `keyframes` are times of pictures that are marked as such, `idr` how many of them are IDR pictures with their
    parameter sets at hand, `changes` how many come with another size or profile than the first (H.264 only).
    `damaged` counts packets whose NAL units do not add up. `crop` is what the container cuts off each picture.
    `lead_in` counts the packets at the start that no decoder should be given: what they refer to is not there.
    `partial`: it is the good part of a file that was cut off. `shifts` is what was added to the times that FFmpeg's
    demuxer gives (edit_times.py). `only` is the picture of a single keyframe. `is_uneven`: pictures came out with
    gaps that the times of packets do not show.
    """

    index: int
    codec: str
    profile: str | None
    sample_aspect: Fraction
    rate: Fraction | None
    time_base: Fraction
    picture: Picture
    pts: np.ndarray
    end: int
    hidden: int
    keyframes: np.ndarray
    idr: int
    changes: int
    damaged: int
    starts_with_keyframe: bool
    sps: h264.SequenceParameters | None
    times_stored: bool
    crop: Crop | None
    lead_in: int
    partial: bool
    shifts: Shifts = ()
    only: VideoFrame | None = field(default=None, repr=False, compare=False)
    is_uneven: bool = False

    @property
    def frames(self) -> int:
        return len(self.pts)

    @property
    def start(self) -> int:
        return int(self.pts[0])

    @property
    def duration(self) -> Fraction:
        """Seconds from the first frame's start to the last one's end."""
        return (self.end - self.start) * self.time_base

    @property
    def repeated(self) -> bool:
        """Whether several pictures share one time."""
        return bool((np.diff(self.pts) <= 0).any())

    @property
    def measured_rate(self) -> Fraction:
        """Frames a second, on average."""
        span = (int(self.pts[-1]) - self.start) * self.time_base
        return (self.frames - 1) / span if self.frames > 1 and span else 1 / self.duration

    @property
    def frame_seconds(self) -> Fraction:
        """How long a frame is usually shown: the unit of 'within one frame'."""
        steps = np.diff(self.pts)
        return Fraction(int(np.median(steps)) if len(steps) else self.end - self.start) * self.time_base


def read_picture(frame: VideoFrame, crop: Crop | None) -> Picture:
    """What a decoded picture says; `crop` is what its container cuts off."""
    name = frame.format.name
    cut = crop if crop is not None and crop.fits(frame.width, frame.height) else Crop(0, 0, 0, 0)
    return Picture(
        width=frame.width - cut.left - cut.right,
        height=frame.height - cut.top - cut.bottom,
        pix_fmt=name,
        rotation=round(frame.rotation) % 360,
        mirrored=_is_mirrored(frame),
        interlaced=bool(frame.interlaced_frame),
        full_range=name.startswith("yuvj") or frame.color_range == _FULL_RANGE,
        hdr=frame.color_trc in _HDR_TRANSFERS,
        rgb="rgb" in name or "bgr" in name or name.startswith(("gbr", "pal")),
    )


def _is_mirrored(frame: VideoFrame) -> bool:
    """Whether the display matrix, nine 32-bit numbers, turns the picture over: its determinant is negative."""
    try:
        data: Any = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV knows no name for other side data of this frame, such as the view of MV-HEVC
        return False
    if data is None:
        return False
    a, b, _, c, d, *_ = struct.unpack("=9i", memoryview(data))
    return a * d - b * c < 0
