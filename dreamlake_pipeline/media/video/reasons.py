"""Why a video can't be kept as it is (docs/media.md, "Transcoded, and why"). The record tells its owner."""

from __future__ import annotations

import numpy as np

from ..containers.probe import VideoTrack
from .transcode import MOST_FRAMES, preview_times

MAX_KEYFRAME_GAP = 12  # seconds; a copy can only be cut at keyframes
# Steps between frames that still count as a steady rate: half to twice the usual one.
_STEADY = (0.5, 2.0)
_REORDERED = 4
_PROFILES = {66, 77, 100}  # profile_idc of Baseline, Main and High: what every browser plays


def video_reasons(video: VideoTrack) -> list[str]:
    """Why the video can't be kept as it is, each as `code: explanation`; empty when it can."""
    picture, reasons = video.picture, []
    if video.codec != "h264":
        reasons.append(f"video_codec: {video.codec} is not H.264")
    sps = video.sps
    if picture.pix_fmt not in ("yuv420p", "yuvj420p") or (sps is not None and sps.profile not in _PROFILES):
        reasons.append(f"pixel_format: {picture.pix_fmt} ({video.profile or 'no profile'}) is not 8-bit 4:2:0")
    if picture.full_range:
        reasons.append("color_range: full-range colour")
    if picture.hdr:
        reasons.append("hdr: high dynamic range is tone-mapped")
    if picture.interlaced or (sps is not None and not sps.progressive):
        reasons.append("interlaced: the picture consists of fields")
    if picture.rotation or picture.mirrored:
        turned = " and ".join(
            [f"turned by {picture.rotation} degrees"] * bool(picture.rotation) + ["mirrored"] * picture.mirrored
        )
        reasons.append(f"rotation: the file asks to be shown {turned}")
    if video.crop is not None:
        crop = video.crop
        reasons.append(
            f"crop: the file cuts {crop.left}, {crop.top}, {crop.right} and {crop.bottom} pixels off "
            "(left, top, right, bottom)"
        )
    if video.sample_aspect != 1:
        reasons.append(f"sample_aspect: pixels are {video.sample_aspect} as wide as high")
    if picture.width % 2 or picture.height % 2:
        reasons.append(f"odd_size: {picture.width} x {picture.height}")
    if video.hidden or video.shifts:
        reasons.append("edit_list: the file's edit list presents parts of it only, or some several times")
    if len(preview_times(video)) < video.frames:
        reasons.append(f"frame_rate: {float(video.measured_rate):.0f} frames a second are more than {MOST_FRAMES}")
    reasons += _time_reasons(video)
    if video.codec == "h264":
        reasons += _cut_reasons(video)
    return reasons


def _time_reasons(video: VideoTrack) -> list[str]:
    if not video.times_stored:
        return ["times: the container stores no times of presentation"]
    steps = np.diff(video.pts)
    if video.partial:
        steps = steps[:-_REORDERED]  # pictures between the last ones may be those that were cut off
    if not len(steps):
        return []
    if video.repeated:
        return ["times: several pictures share one time"]
    usual = float(np.median(steps))
    if steps.min() < _STEADY[0] * usual or steps.max() > _STEADY[1] * usual:
        return [
            "variable_frame_rate: frames last from "
            f"{float(int(steps.min()) * video.time_base):.3f} to {float(int(steps.max()) * video.time_base):.3f} s"
        ]
    return []


def _cut_reasons(video: VideoTrack) -> list[str]:
    reasons = []
    if video.damaged:
        reasons.append(f"damaged: {video.damaged} packets do not add up")
    if video.sps is None:
        reasons.append("parameter_sets: the stream's header can't be read")
    if video.changes:
        reasons.append("parameter_sets: size, profile, pixels or colours of the picture change on the way")
    if not video.starts_with_keyframe or not len(video.keyframes):
        reasons.append("keyframes: the video does not start with a keyframe")
    elif video.idr < len(video.keyframes):
        open_ended = len(video.keyframes) - video.idr
        reasons.append(f"open_gop: {open_ended} of {len(video.keyframes)} keyframes are no IDR pictures")
    if len(video.keyframes):
        gap = int(np.diff(np.append(video.keyframes, video.end)).max()) * video.time_base
        if gap > MAX_KEYFRAME_GAP:
            reasons.append(f"keyframes: they are up to {float(gap):.1f} s apart")
    return reasons
