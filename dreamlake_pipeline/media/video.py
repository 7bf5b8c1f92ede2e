"""A video file in, HLS out: kept as it is where that is right, transcoded where it is not, verified either way."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg as ffmpeg_python
import numpy as np

from ..errors import ERRORS, Code, DreamlakeError
from ..kinds import Kind
from . import ffmpeg, mpegts, segments, stills
from .audio_codec import aac_options, audio_reasons, output_rate
from .claims import read_claims
from .probe import MAX_PIXELS, AudioTrack, Probe, VideoTrack, probe, recognise
from .renditions import Best, make_alternates, make_ladder, name_tracks, verify_together
from .results import Mode, TimeOrigin, VideoResult
from .salvage import salvage
from .transcode import (
    CLOCK_START,
    CRF,
    KEYFRAME_SECONDS,
    MOST_FRAMES,
    PRESET,
    X264,
    display_size,
    hls_clock,
    limits,
    preview_times,
    transcode_options,
)
from .verify import Expected, verify

MAX_KEYFRAME_GAP = 12  # seconds; a copy can only be cut at keyframes
# Steps between frames that still count as a steady rate: half to twice the usual one.
_STEADY = (0.5, 2.0)
_REORDERED = 4
_PROFILES = {66, 77, 100}  # profile_idc of Baseline, Main and High: what every browser plays
_PART = "part-"
_ROUNDING = 2  # ticks of 90 kHz
LEAST_SALVAGED = Fraction(1, 2)  # seconds of a file that was cut off that are worth keeping
_TRAILING_SOUND = Fraction(1, 2)  # seconds of sound behind the last picture that are worth a word

# What of this decides about the bytes that come out; part of the recipe.
SETTINGS = {
    "preset": PRESET,
    "crf": CRF,
    "x264": X264,
    "keyframeSeconds": KEYFRAME_SECONDS,
    "mostFrames": MOST_FRAMES,
    "clockStart": float(CLOCK_START),
    "maxKeyframeGap": MAX_KEYFRAME_GAP,
}


def make_video(source: Path, out: Path, *, filename: str, ladder: tuple[int, ...] = ()) -> VideoResult:
    """Make HLS segments, a poster and a contact sheet of `source` in the directory `out`.

    `ladder` are the heights in pixels of further streams with smaller pictures; none is ever larger than the video.

    `out` must be empty or new, and private to this call; `filename` is the name for messages. `mode` of the result is
    about the picture; why sound was re-encoded is in `transcode_reasons` too, as `audio_…`.
    Raises DreamlakeError with a media code; what `out` holds then is worthless.
    """
    out.mkdir(parents=True, exist_ok=True)
    try:
        return _make_whole(source, out, probe(source, filename, wanted=Kind.VIDEO), filename, ladder)
    except DreamlakeError as error:
        if error.code is not Code.MEDIA_TRUNCATED:
            raise
        _empty(out)
        salvaged = _make_part(source, out, filename, ladder)
        if salvaged is None:
            raise
        return salvaged


def _make_whole(source: Path, out: Path, found: Probe, filename: str, ladder: tuple[int, ...]) -> VideoResult:
    """A copy where that is right; a transcode where it is not, or where what was copied turns out not to be."""
    assert found.video is not None
    reasons = video_reasons(found.video)
    sound = audio_reasons(found.audio) if found.audio else []
    while True:
        try:
            return _make(source, out, found, reasons, sound, filename, ladder)
        except DreamlakeError as error:
            # What no probe foresees, such as a picture size that changes on the way.
            if error.code is not Code.OUTPUT_INVALID:
                raise
            if not reasons:
                reasons = [f"copy_failed: {error.message}"]
            elif found.audio and not sound:
                sound = [f"audio_copy_failed: {error.message}"]
            else:
                raise
            _empty(out)


def _make_part(source: Path, out: Path, filename: str, ladder: tuple[int, ...]) -> VideoResult | None:
    """What can be made of a file that was cut off; None when its good part is too short or not good either."""
    demuxer = recognise(source, filename).demuxer
    assert demuxer is not None
    # Beside what is made, where no limit of ffmpeg's output counts it.
    with tempfile.TemporaryDirectory(prefix=_PART, dir=out) as folder:
        part = Path(folder) / "part"
        try:
            if not salvage(source, part, demuxer):
                return None
            found = probe(part, filename, wanted=Kind.VIDEO, partial=True)
            assert found.video is not None
            if found.video.duration < LEAST_SALVAGED:
                return None
            _refuse_undecodable(part, Path(folder), found, filename)
            made = _make_whole(part, out, found, filename, ladder)
        except DreamlakeError as error:
            if ERRORS[error.code].retryable and error.code is not Code.OUTPUT_INVALID:
                raise  # no word about the file
            return None
    announced = read_claims(source, demuxer).seconds
    of = f" of {announced:.1f} s" if announced and announced > made.duration else ""
    warning = f"Only the first {made.duration:.1f} s{of} could be read: the file is cut off."
    return replace(made, partial=True, warnings=(warning, *made.warnings))


def _refuse_undecodable(part: Path, folder: Path, found: Probe, filename: str) -> None:
    """Raises MEDIA_CORRUPT when a picture of a part can't be decoded without an error."""
    video = found.video
    assert video is not None and found.sniffed.demuxer is not None
    node = ffmpeg.source_input(found.sniffed.demuxer, threads=ffmpeg.THREADS, max_pixels=MAX_PIXELS)
    output = ffmpeg_python.output(node[str(video.index)], "-", f="null")
    finished = ffmpeg.run([output], source=part, cwd=folder, limits=limits(part, video), subject=filename)
    counted = ffmpeg.decoded(finished, video.index)
    if counted is None or counted.errors:
        raise DreamlakeError(Code.MEDIA_CORRUPT, f"{filename} is cut off, and damaged before that.")


def _empty(out: Path) -> None:
    """Away with what was made; the part of a file that it is made of stays."""
    for path in out.iterdir():
        if not path.is_dir():
            path.unlink()
        elif not path.name.startswith(_PART):
            shutil.rmtree(path)


def _make(
    source: Path,
    out: Path,
    found: Probe,
    reasons: list[str],
    sound: list[str],
    filename: str,
    ladder: tuple[int, ...],
) -> VideoResult:
    """Write, verify, describe; `reasons` to transcode the video, and those for its `sound`, are empty for a copy."""
    video, audio = found.video, found.audio
    assert video is not None
    mode: Mode = "transcode" if reasons else "copy"
    sound_options = _sound_options(audio, encode=bool(sound))
    warnings = list(found.warnings)
    finished = _write(source, out, found, sound_options, transcode=bool(reasons), filename=filename)
    frames = _frames(finished, video, warnings) if mode == "transcode" else video.frames
    shown = preview_times(video) if mode == "transcode" else video.pts
    fewer = len(shown) < video.frames
    if fewer:
        warnings.append(
            f"The playable version shows {len(shown)} of {video.frames} pictures, {MOST_FRAMES} a second at most."
        )

    written = segments.read_back(out, filename)
    if written.video is None:
        raise DreamlakeError(Code.OUTPUT_INVALID, f"Nothing came out of {filename}: the segments hold no picture.")
    rate = 0 if audio is None else output_rate(audio) if sound else audio.sample_rate
    end = _end(written, video, int(shown[-1]), rate, warnings)
    fps = _rate(video, frames)
    shown_fps = (len(shown) - 1) / ((int(shown[-1]) - video.start) * video.time_base) if fewer else fps
    stream = segments.to_stream(written, end, fps=shown_fps, independent=True)
    lead = _lead(written.video - written.start)
    expected = Expected(
        duration=video.duration + lead + _trail(end, written.video, video),
        tolerance=video.frame_seconds + Fraction(2, mpegts.CLOCK),
        frames=len(shown) if fewer else frames,
        span=(int(shown[-1]) - video.start) * video.time_base,
        keyframe_seconds=Fraction(KEYFRAME_SECONDS) if mode == "transcode" else None,
    )
    conformance = verify(written, stream, expected, filename)
    best = Best(
        written=written,
        stream=stream,
        end=end,
        origin=video.start * video.time_base - lead,
        expected=expected,
        copied=mode == "copy",
    )
    smaller = make_ladder(source, out, found, best, ladder, sound_options, filename) if ladder else []
    others = make_alternates(source, out, found, best, warnings, filename)
    tracks = name_tracks(audio, [(track, made) for track, made, _ in others]) if audio else ()
    if smaller or tracks:
        together = verify_together([(stream, written), *smaller], tracks, [made for *_, made in others], filename)
        against_source = [check for check in conformance["checks"] if check["rule"].startswith("source:")]
        conformance = {"checks": [*together["checks"], *against_source]}
    pictures = stills.make_stills(written, out, filename)
    assert stream.width and stream.height
    return VideoResult(
        duration=float(sum(segment.duration for segment in stream.segments)),
        frames=frames,
        fps=float(fps),
        width=stream.width,
        height=stream.height,
        codec=video.codec,
        has_audio=written.audio is not None,
        streams=(stream, *(made for made, _ in smaller)),
        audio=tracks,
        poster=pictures.poster,
        contact_sheet=pictures.contact_sheet,
        time_origin=_time_origin(video, written, lead),
        container=found.sniffed.container,
        source_streams=found.streams,
        mode=mode,
        transcode_reasons=(*reasons, *sound),
        warnings=tuple(warnings),
        conformance=conformance,
        partial=video.partial,
    )


def _frames(finished: ffmpeg.Finished, video: VideoTrack, warnings: list[str]) -> int:
    """The number of pictures that the decoder gave, which is what must come out of a transcode.

    Packets are not always pictures: some codecs hide one in another, some write fields.
    """
    counted = ffmpeg.decoded(finished, video.index)
    if counted is None:
        return video.frames
    if counted.frames != video.frames:
        warnings.append(f"The file has {video.frames} video packets, which decode to {counted.frames} pictures.")
    return counted.frames


def _lead(ticks: int) -> Fraction:
    """Seconds by which sound comes before the first picture; what rounding makes of none is none."""
    return Fraction(ticks, mpegts.CLOCK) if ticks > _ROUNDING else Fraction(0)


def video_reasons(video: VideoTrack) -> list[str]:
    """Why the video can't be kept as it is, each as `code: explanation`; empty when it can (DESIGN 6)."""
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
    if video.sample_aspect != 1:
        reasons.append(f"sample_aspect: pixels are {video.sample_aspect} as wide as high")
    if picture.width % 2 or picture.height % 2:
        reasons.append(f"odd_size: {picture.width} x {picture.height}")
    if video.hidden:
        reasons.append(f"edit_list: {video.hidden} pictures are cut away by the file's edit list")
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
        reasons.append("parameter_sets: picture size or profile change on the way")
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


def _sound_options(audio: AudioTrack | None, *, encode: bool) -> dict[str, Any]:
    if audio is None:
        return {}
    return (aac_options(audio) if encode else {"c:a": "copy"}) | {"bsf:a": segments.DROP_PRIMING}


def _write(
    source: Path, out: Path, found: Probe, sound: dict[str, Any], *, transcode: bool, filename: str
) -> ffmpeg.Finished:
    video, audio = found.video, found.audio
    assert video is not None and found.sniffed.demuxer is not None
    node = ffmpeg.source_input(found.sniffed.demuxer, threads=ffmpeg.THREADS, max_pixels=MAX_PIXELS)
    inputs = [node[str(track.index)] for track in (video, audio) if track is not None]
    options = transcode_options(video, display_size(video)) if transcode else {"c:v": "copy"}
    return ffmpeg.run(
        [segments.hls_output(*inputs, **options, **sound, **hls_clock())],
        source=source,
        cwd=out,
        limits=limits(source, video),
        subject=filename,
    )


def _end(written: segments.Written, video: VideoTrack, last: int, sample_rate: int, warnings: list[str]) -> Fraction:
    """Where playback ends, in ticks: with the last picture, whose time in the source is `last`, or with the sound when
    that goes on markedly longer."""
    last_frame = (video.end - last) * video.time_base * mpegts.CLOCK
    pictures = max(written.all_times(mpegts.H264)) + last_frame
    if written.audio is None:
        return pictures
    samples = written.access_units(mpegts.AAC_ADTS) * segments.AAC_FRAME
    sound = written.audio + Fraction(samples * mpegts.CLOCK, sample_rate)
    longer = (sound - pictures) / mpegts.CLOCK
    if longer > _TRAILING_SOUND:
        warnings.append(f"The sound goes on for {float(longer):.1f} s after the last picture.")
        return sound
    if longer < -2 * _TRAILING_SOUND:
        warnings.append(f"The sound ends {float(-longer):.1f} s before the last picture.")
    return pictures


def _trail(end: Fraction, first_picture: int, video: VideoTrack) -> Fraction:
    """Seconds of sound behind the last picture that count towards the duration."""
    return max(Fraction(0), (end - first_picture) / mpegts.CLOCK - video.duration)


def _rate(video: VideoTrack, frames: int) -> Fraction:
    """Frames a second as measured, or the rate that the file declares where the two agree to one in 500."""
    measured = video.measured_rate * Fraction(max(1, frames - 1), max(1, video.frames - 1))
    if video.rate and abs(measured / video.rate - 1) < Fraction(1, 500):
        return video.rate
    return Fraction(measured).limit_denominator(100_000)


def _time_origin(video: VideoTrack, written: segments.Written, lead: Fraction) -> TimeOrigin:
    """Playback starts with the first picture, or with sound that comes before it."""
    pts = video.start - round(lead / video.time_base)
    return TimeOrigin(
        source_start=float(pts * video.time_base),
        pts=pts,
        time_base=str(video.time_base),
        stream_start=written.start / mpegts.CLOCK,
    )
