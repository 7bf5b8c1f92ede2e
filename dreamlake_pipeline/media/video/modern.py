"""A copy of a video for browsers of today: its own pictures in fragmented MP4, where these play them.

AV1, HEVC, VP9 and H.264 with AAC, Opus or FLAC are what HLS carries in fragmented MP4 and Chromium, Firefox and Safari
on recent hardware play (docs/media.md, "For browsers of today").
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import Code, DreamlakeError
from ..audio import channels
from ..audio.codec import aac_options, audio_reasons
from ..containers.mpegts import CLOCK
from ..containers.probe import AudioTrack, Probe, VideoTrack
from ..hls import cmaf
from ..hls.conformance.report import Report
from ..hls.segments import DROP_PRIMING, OnSegment
from ..hls.verify import Expected, verify
from ..results import VideoResult
from . import fragment_stills, timing
from .reasons import MAX_KEYFRAME_GAP, video_reasons
from .transcode import CLOCK_START, limits, source_node

_FOLDER = "modern-"
_CODECS = ("av1", "hevc", "vp9")
_PIXELS = ("yuv420p", "yuvj420p", "yuv420p10le")
# What keeps pictures out of MPEG-TS, and not out of fragmented MP4: every sample has a duration of its own there.
_NO_MATTER = {"video_codec", "pixel_format", "color_range", "odd_size", "frame_rate", "variable_frame_rate"}
_SOUND = ("opus", "flac")
_MOST_RATE = 48_000  # samples a second
_ROUNDING = 2  # ticks of 90 kHz


def modern_reasons(found: Probe) -> list[str]:
    """Why the pictures can't be copied for browsers of today, each as `code: explanation`; empty when they can."""
    video = found.video
    assert video is not None
    reasons = video_reasons(video)
    if video.codec in _CODECS:
        reasons = [one for one in reasons if one.partition(":")[0] not in _NO_MATTER]
        if video.picture.pix_fmt not in _PIXELS:
            reasons.append(f"pixel_format: {video.picture.pix_fmt} is not 4:2:0 of 8 or 10 bits")
        reasons += _cut_reasons(video)
    if found.alternates:
        reasons.append("audio_tracks: it has several sound tracks")
    return reasons


def _cut_reasons(video: VideoTrack) -> list[str]:
    if not video.starts_with_keyframe or not len(video.keyframes) or video.lead_in:
        return ["keyframes: the video does not start with a keyframe"]
    gap = int(np.diff(np.append(video.keyframes, video.end)).max()) * video.time_base
    return [f"keyframes: they are up to {float(gap):.1f} s apart"] if gap > MAX_KEYFRAME_GAP else []


def sound_reasons(audio: AudioTrack) -> list[str]:
    """Why sound can't be copied for browsers of today; empty when it can."""
    if audio.codec not in _SOUND:
        return [one.replace(" is not AAC", " is not AAC, Opus or FLAC") for one in audio_reasons(audio)]
    reasons = []
    if not audio.flow.is_steady:
        reasons.append(f"audio_times: the sound {audio.flow.words()}")
    if audio.flow.cuts or audio.flow.changes:
        reasons.append("audio_changes: the sound changes on the way")
    if audio.sample_rate > _MOST_RATE:
        reasons.append(f"audio_rate: {audio.sample_rate:,} Hz are more than {_MOST_RATE:,}")
    if (mixed := channels.reason(audio)) is not None:
        reasons.append(mixed)
    return reasons


def copy_modern(
    source: Path, found: Probe, out: Path, filename: str, on_segment: OnSegment | None
) -> VideoResult | list[str]:
    """Copy the pictures of a probed file, in a folder of its own below `out`, and verify them; why that can't be done,
    else, as `code: explanation`.

    Raises DreamlakeError for what is no word about the copy: a full disk, a time limit.
    """
    reasons = modern_reasons(found)
    if reasons:
        return reasons
    folder = Path(tempfile.mkdtemp(prefix=_FOLDER, dir=out))
    try:
        return _copy(source, found, folder, filename, on_segment)
    except DreamlakeError as error:
        # Damage that no probe foresees, times that can't be written, or a keyframe that is none.
        if error.code not in (Code.OUTPUT_INVALID, Code.MEDIA_CORRUPT, Code.MEDIA_UNSUPPORTED):
            raise
        shutil.rmtree(folder)
        return [f"copy_failed: {error.message.removesuffix('.')}"]


def _copy(source: Path, found: Probe, folder: Path, filename: str, on_segment: OnSegment | None) -> VideoResult:
    video, audio = found.video, found.audio
    assert video is not None
    sound = sound_reasons(audio) if audio is not None else []
    node = source_node(found)
    tracks = [node[str(track.index)] for track in (video, audio) if track is not None]
    options: dict[str, Any] = {"c:v": "copy"} | ({"tag:v": "hvc1"} if video.codec == "hevc" else {})
    if audio is not None:
        options |= _sound_options(audio, sound)
    _, written = cmaf.write(
        cmaf.output(*tracks, output_ts_offset=f"{float(CLOCK_START):.6f}", **options),
        source=source,
        folder=folder,
        limits=limits(source, video),
        subject=filename,
        on_segment=on_segment,
    )
    if written.video is None or (written.audio is None) != (audio is None):
        raise DreamlakeError(Code.OUTPUT_INVALID, f"Nothing came out of a track of {filename}.")
    warnings = list(found.warnings)
    last = int(video.pts[-1])
    end = timing.end(max(written.times), written.sound_end, video, last, warnings)
    fps = timing.rate(video, video.frames)
    stream = cmaf.to_stream(written, end, fps=timing.shown_rate(written.times, fps))
    lead = timing.lead(written.video - written.start)
    expected = Expected(
        duration=video.duration + lead + timing.trail(end, written.video, video),
        tolerance=video.frame_seconds + Fraction(_ROUNDING, CLOCK),
        frames=video.frames,
        span=(last - video.start) * video.time_base,
    )
    conformance = verify(written, stream, expected, filename)
    shots = fragment_stills.make_stills(written)
    assert stream.width and stream.height
    origin = timing.origin(video, audio, lead)
    return VideoResult(
        duration=float(sum(segment.duration for segment in stream.segments)),
        frames=video.frames,
        fps=float(fps),
        width=stream.width,
        height=stream.height,
        codec=video.codec,
        has_audio=audio is not None,
        streams=(stream,),
        audio=(),
        poster=shots.poster,
        contact_sheet=shots.contact_sheet,
        time_origin=timing.time_origin(video, origin, written.start),
        container=found.sniffed.container,
        source_streams=found.streams,
        mode="copy",
        transcode_reasons=tuple(sound),
        warnings=tuple(warnings),
        conformance=conformance,
        partial=video.partial,
    )


def _sound_options(audio: AudioTrack, reasons: list[str]) -> dict[str, Any]:
    if reasons:
        return aac_options(audio) | {"bsf:a": DROP_PRIMING}
    apart = audio.flow.apart
    return {"c:a": "copy", "bsf:a": DROP_PRIMING + (f"+lt(n\\,{apart})" if apart else "")}


def beside(made: VideoResult, modern: VideoResult, filename: str) -> VideoResult:
    """The result of a video that was made for every browser, with the copy for those of today before its streams.

    Raises DreamlakeError(OUTPUT_INVALID) where they do not belong into one master playlist.
    """
    report = Report()
    apart = abs(made.time_origin.stream_start - modern.time_origin.stream_start) * CLOCK
    report.must(
        "source: playback starts at the same time in both forms",
        apart <= _ROUNDING and made.time_origin.pts == modern.time_origin.pts,
    )
    report.must(
        "source: both forms last as long, to a frame",
        abs(made.duration - modern.duration) * modern.fps <= 1,
        f"{modern.duration:.3f} s and {made.duration:.3f} s",
    )
    report.raise_if_broken(filename)
    checks = [*report.checks, *modern.conformance["checks"]]
    known = {check["rule"] for check in made.conformance["checks"]}
    return replace(
        made,
        streams=(modern.streams[0], *made.streams),
        conformance={"checks": [*made.conformance["checks"], *(one for one in checks if one["rule"] not in known)]},
    )
