"""A video file in, HLS out: kept as it is where that is right, transcoded where it is not, verified either way."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg as ffmpeg_python
import numpy as np

from ...errors import ERRORS, Code, DreamlakeError
from ...kinds import Kind
from ...playback import PlaybackMode
from ..audio.codec import DAMAGED, aac_options, audio_reasons, output_rate
from ..audio.forms import COUNTED, Form, change_warnings, changes, counted
from ..containers import mpegts
from ..containers.claims import read_claims
from ..containers.probe import Probe, VideoTrack, probe, probe_video, recognise
from ..containers.salvage import LEAST_SALVAGED, salvage
from ..hls import segments
from ..hls.verify import Expected, verify
from ..results import AudioRendition, Mode, SoundOnly, Stream, VideoResult
from ..run import ffmpeg
from . import short, stills, timing
from .damage import LEFT_OUT, damage_warning, pictures_are_whole
from .fit import size_changes
from .modern import beside, copy_modern
from .reasons import MAX_KEYFRAME_GAP, video_reasons
from .renditions import Best, ladder_sizes, make_alternates, make_ladder, name_tracks, verify_together
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
    source_node,
    transcode_options,
)

_PART = "part-"
_ATTEMPT = "attempt-"

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


def make_video(
    source: Path,
    out: Path,
    *,
    filename: str,
    ladder: tuple[int, ...] = (),
    playback: PlaybackMode = PlaybackMode.EVERYWHERE,
    on_segment: segments.OnSegment | None = None,
) -> VideoResult:
    """Make HLS segments, a poster and a contact sheet of `source` in the directory `out`.

    `ladder` are the heights in pixels of further streams with smaller pictures; none is ever larger than the video.
    `playback` says for which browsers; a ladder is of H.264, and so is what a copy for browsers of today has beside it.
    `on_segment` hears, from another thread, of segments of the best stream as they are written, before anything is
    verified. What it heard of need not be in the result: the picture may turn out to have to be made in another way.

    `out` must be empty or new, and private to this call; `filename` is the name for messages. `mode` of the result is
    about the picture; why sound was re-encoded is in `transcode_reasons` too, as `audio_…`.
    Raises DreamlakeError with a media code; what `out` holds then is worthless.
    """
    out.mkdir(parents=True, exist_ok=True)
    if not ladder and playback is PlaybackMode.EVERYWHERE and source.stat().st_size <= short.MOST_BYTES:
        made = make_short_video(source.read_bytes(), filename=filename)
        if made is not None:
            return made
    return make_long_video(source, out, filename=filename, ladder=ladder, playback=playback, on_segment=on_segment)


def make_short_video(data: bytes, *, filename: str) -> VideoResult | None:
    """`make_video` of the bytes of a file that needs no ffmpeg (see short.py), in memory; None for any other, and for
    whatever is wrong with one: `make_long_video` says that."""
    if not short.may_be_short(data):
        return None
    try:
        found = probe_video(data, filename, short.may_be_copied)
        copied = short.copy(data, found, filename) if found is not None and short.is_short(found) else None
        if found is None or found.video is None or copied is None:
            return None
        way, warnings = _Way(found, filename, [], []), list(found.warnings)
        pictures = _copied_pictures(found.video)
        best, conformance = _verify_best(way, segments.in_memory(copied, filename), pictures, warnings)
        shots = stills.make_stills(best.written) if found.video.only is None else stills.drawn([found.video.only])
        return _describe(way, best, shots, pictures, (best.stream,), (), conformance, warnings)
    except DreamlakeError:
        return None


def make_long_video(
    source: Path,
    out: Path,
    *,
    filename: str,
    ladder: tuple[int, ...] = (),
    playback: PlaybackMode = PlaybackMode.EVERYWHERE,
    on_segment: segments.OnSegment | None = None,
) -> VideoResult:
    """`make_video` of a file that `make_short_video` makes nothing of."""
    out.mkdir(parents=True, exist_ok=True)
    order = _Order(out, filename, ladder, playback, on_segment)
    try:
        return _make_whole(source, probe(source, filename, wanted=Kind.VIDEO), order)
    except DreamlakeError as error:
        if error.code is not Code.MEDIA_TRUNCATED:
            raise
        salvaged = _make_part(source, order)
        if salvaged is None:
            raise
        return salvaged


@dataclass(frozen=True, slots=True)
class _Order:
    """What `make_video` was asked for; see there."""

    out: Path
    filename: str
    ladder: tuple[int, ...]
    playback: PlaybackMode
    on_segment: segments.OnSegment | None


def _make_whole(source: Path, found: Probe, order: _Order) -> VideoResult:
    """For browsers of today, for every browser, or for both, as it was ordered and as it can be done."""
    video = found.video
    assert video is not None
    if order.playback is PlaybackMode.EVERYWHERE:
        return _make_everywhere(source, found, order)
    modern = copy_modern(source, found, order.out, order.filename, order.on_segment)
    if isinstance(modern, VideoResult):
        if order.playback is PlaybackMode.MODERN and not ladder_sizes(order.ladder, video):
            return modern
        made = _make_everywhere(source, found, order)
        try:
            return beside(made, modern, order.filename)
        except DreamlakeError as error:
            reasons = [f"copy_failed: {error.message.removesuffix('.')}"]
    else:
        made, reasons = _make_everywhere(source, found, order), modern
    warning = f"It is not copied for browsers of today, and plays as H.264: {'; '.join(reasons)}."
    return replace(made, warnings=(*made.warnings, warning))


def _make_everywhere(source: Path, found: Probe, order: _Order) -> VideoResult:
    """A copy where that is right; a transcode where it is not, or where what was copied turns out not to be."""
    video = found.video
    assert video is not None
    reasons = video_reasons(video)
    sound = audio_reasons(found.audio) if found.audio else []
    lenient = False
    while True:
        # Of its own each time: whoever hears of segments may still read those of the last one.
        folder = Path(tempfile.mkdtemp(prefix=_ATTEMPT, dir=order.out))
        try:
            return _make(_Attempt(found, order.filename, reasons, sound, source, order, folder, lenient))
        except DreamlakeError as error:
            # What no probe foresees, such as a picture size that changes on the way, or pictures that do not come out.
            if error.code is Code.MEDIA_CORRUPT and found.audio:
                if not pictures_are_whole(source, order.out, found, order.filename, copied=not reasons):
                    raise
                if lenient:
                    found, lenient = _without_sound(found), False
                    sound = audio_reasons(found.audio) if found.audio else []
                else:
                    sound, lenient = sound or [DAMAGED], True
            elif error.code is not Code.OUTPUT_INVALID:
                raise
            elif not reasons:
                reasons = [f"copy_failed: {error.message}"]
            elif found.audio and not sound:
                sound = [f"audio_copy_failed: {error.message}"]
            elif video.is_uneven:
                raise
            else:
                video = replace(video, is_uneven=True)
                found = replace(found, video=video)
            shutil.rmtree(folder)


def _without_sound(found: Probe) -> Probe:
    """For sound of which nothing can be decoded: the next track takes its place."""
    assert found.audio is not None
    warning = (
        f"Stream {found.audio.index}, audio ({found.audio.codec}), can't be decoded and is left out: it is damaged."
    )
    # What is told of the sound that would have been heard is no longer so.
    flow = f"The sound {found.audio.flow.words()}"
    kept = [one for one in found.warnings if found.audio.flow.is_steady or not one.startswith(flow)]
    following, *others = (*found.alternates, None)
    return replace(found, audio=following, alternates=tuple(filter(None, others)), warnings=(*kept, warning))


def _make_part(source: Path, order: _Order) -> VideoResult | None:
    """What can be made of a file that was cut off; None when its good part is too short or not good either."""
    filename = order.filename
    with source.open("rb") as file:
        demuxer = recognise(file, filename).demuxer
        assert demuxer is not None
        announced = read_claims(file, demuxer).seconds
    # Beside what is made, where no limit of ffmpeg's output counts it.
    with tempfile.TemporaryDirectory(prefix=_PART, dir=order.out) as folder:
        part = Path(folder) / "part"
        try:
            with source.open("rb") as file:
                salvaged = salvage(file, part, demuxer)
            if salvaged is None:
                return None
            found = probe(part, filename, wanted=Kind.VIDEO, partial=True)
            assert found.video is not None
            if found.video.duration < LEAST_SALVAGED:
                return None
            if not pictures_are_whole(part, Path(folder), found, filename, copied=False):
                return None
            made = _make_whole(part, found, order)
        except DreamlakeError as error:
            if ERRORS[error.code].retryable and error.code is not Code.OUTPUT_INVALID:
                raise  # no word about the file
            if isinstance(error, SoundOnly):
                raise  # it is made in another way
            return None
    told = salvaged.words(made.duration, announced)
    return replace(made, partial=salvaged.is_part, warnings=(*told, *made.warnings))


@dataclass(frozen=True, slots=True)
class _Way:
    """One way to make a file that messages call `filename`: with `reasons` to transcode the picture, and those for its
    `sound`; none for a copy."""

    found: Probe
    filename: str
    reasons: list[str]
    sound: list[str]

    @property
    def mode(self) -> Mode:
        return "transcode" if self.reasons else "copy"

    @property
    def video(self) -> VideoTrack:
        assert self.found.video is not None
        return self.found.video

    @property
    def sound_rate(self) -> int:
        """Samples a second that come out; 0 without sound."""
        audio = self.found.audio
        return 0 if audio is None else output_rate(audio) if self.sound else audio.sample_rate


@dataclass(frozen=True, slots=True)
class _Attempt(_Way):
    """A way that is gone by ffmpeg, in a folder of its own. `lenient`: damage in the sound does not end it; that there
    is none in the pictures is known then."""

    source: Path
    order: _Order
    folder: Path
    lenient: bool

    @property
    def sound_options(self) -> dict[str, Any]:
        if self.found.audio is None:
            return {}
        if self.sound:
            return aac_options(self.found.audio) | {"bsf:a": segments.DROP_PRIMING}
        apart = self.found.audio.flow.apart
        return {"c:a": "copy", "bsf:a": segments.DROP_PRIMING + (f"+lt(n\\,{apart})" if apart else "")}


@dataclass(frozen=True, slots=True)
class _Pictures:
    """The `frames` that the source presents, at `fps`; `times` are those of the ones that come out."""

    frames: int
    fps: Fraction
    times: np.ndarray


def _make(attempt: _Attempt) -> VideoResult:
    """Write, verify, describe."""
    warnings = list(attempt.found.warnings)
    finished, written = _write(attempt)
    warnings += _sound_changes(attempt, finished)
    if attempt.lenient and attempt.found.audio is not None:
        warnings += damage_warning(finished, attempt.found.audio, float(attempt.video.duration), "The sound")
    pictures = _pictures(attempt, finished, warnings)
    assert written.video is not None
    changes = size_changes(finished.shown, float(timing.lead(written.video - written.start)))
    if changes is not None:
        warnings.append(changes)
    best, conformance = _verify_best(attempt, written, pictures, warnings)
    smaller, tracks, conformance = _make_others(attempt, best, conformance, warnings)
    shots = stills.make_stills(best.written)
    return _describe(attempt, best, shots, pictures, (best.stream, *smaller), tracks, conformance, warnings)


def _describe(
    way: _Way,
    best: Best,
    shots: stills.Stills,
    pictures: _Pictures,
    streams: tuple[Stream, ...],
    tracks: tuple[AudioRendition, ...],
    conformance: dict[str, Any],
    warnings: list[str],
) -> VideoResult:
    """What was made and verified, and pictures of it."""
    stream, video = best.stream, way.video
    assert stream.width and stream.height
    return VideoResult(
        duration=float(sum(segment.duration for segment in stream.segments)),
        frames=pictures.frames,
        fps=float(pictures.fps),
        width=stream.width,
        height=stream.height,
        codec=video.codec,
        has_audio=best.written.audio is not None,
        streams=streams,
        audio=tracks,
        poster=shots.poster,
        contact_sheet=shots.contact_sheet,
        time_origin=timing.time_origin(video, best.origin, best.written.start),
        container=way.found.sniffed.container,
        source_streams=way.found.streams,
        mode=way.mode,
        transcode_reasons=(*way.reasons, *way.sound),
        warnings=tuple(warnings),
        conformance=conformance,
        partial=video.partial,
    )


def _write(attempt: _Attempt) -> tuple[ffmpeg.Finished, segments.Written]:
    video, audio = attempt.video, attempt.found.audio
    node = source_node(attempt.found, **(LEFT_OUT if attempt.lenient else {}))
    inputs = [node[str(track.index)] for track in (video, audio) if track is not None]
    options = transcode_options(video, display_size(video)) if attempt.reasons else {"c:v": "copy"}
    filename = attempt.order.filename
    finished, written = segments.write(
        segments.hls_output(*inputs, **options, **attempt.sound_options, **hls_clock()),
        source=attempt.source,
        folder=attempt.folder,
        limits=limits(attempt.source, video),
        subject=filename,
        lenient=attempt.lenient,
        on_segment=attempt.order.on_segment,
    )
    if written.video is None:
        raise DreamlakeError(Code.OUTPUT_INVALID, f"Nothing came out of {filename}: the segments hold no picture.")
    return finished, written


def _sound_changes(attempt: _Attempt, finished: ffmpeg.Finished) -> tuple[str, ...]:
    """What is to be said of sound that takes other forms on the way: only decoding it once more tells where."""
    audio, forms = attempt.found.audio, changes(finished.changes)
    if audio is None or not forms:
        return ()
    demuxer, rate = attempt.found.sniffed.demuxer, audio.sample_rate
    assert demuxer is not None
    node = ffmpeg.source_input(demuxer, threads=1)[str(audio.index)]
    decoded = ffmpeg.run(
        [ffmpeg_python.output(node, "-", f="null", af=f"aresample={rate},{COUNTED}")],
        source=attempt.source,
        cwd=attempt.folder,
        limits=limits(attempt.source, attempt.video),
        subject=attempt.order.filename,
        lenient=True,
    )
    seconds = [length / rate for length in counted(decoded.changes)]
    return change_warnings(Form.of(audio), forms, seconds, f"played in the one form of AAC, {attempt.sound_rate:,} Hz")


def _pictures(attempt: _Attempt, finished: ffmpeg.Finished, warnings: list[str]) -> _Pictures:
    """What the source presents and what has to come out of it."""
    video = attempt.video
    if attempt.mode == "copy":
        return _copied_pictures(video)
    frames, times = _frames(finished, video, warnings), preview_times(video)
    if len(times) < video.frames:
        warnings.append(
            f"The playable version shows {len(times)} of {video.frames} pictures, {MOST_FRAMES} a second at most."
        )
    return _Pictures(frames, timing.rate(video, frames), times)


def _copied_pictures(video: VideoTrack) -> _Pictures:
    return _Pictures(video.frames, timing.rate(video, video.frames), video.pts)


def _verify_best(
    way: _Way, written: segments.Written, pictures: _Pictures, warnings: list[str]
) -> tuple[Best, dict[str, Any]]:
    """The stream that was written, and the report on it; raises DreamlakeError(OUTPUT_INVALID)."""
    video, last = way.video, int(pictures.times[-1])
    assert written.video is not None
    times = written.all_times(mpegts.H264)
    sound_end = None if written.audio is None else written.sound_end(way.sound_rate)
    end = timing.end(max(times), sound_end, video, last, warnings)
    stream = segments.to_stream(written, end, fps=timing.shown_rate(times, pictures.fps), independent=True)
    lead = timing.lead(written.video - written.start)
    expected = Expected(
        duration=video.duration + lead + timing.trail(end, written.video, video),
        tolerance=video.frame_seconds + Fraction(2, mpegts.CLOCK),
        frames=len(pictures.times) if len(pictures.times) < video.frames else pictures.frames,
        span=(last - video.start) * video.time_base,
        keyframe_seconds=Fraction(KEYFRAME_SECONDS) if way.mode == "transcode" else None,
    )
    conformance = verify(written, stream, expected, way.filename)
    origin = timing.origin(video, way.found.audio, lead)
    return Best(written, stream, end, origin, expected, copied=way.mode == "copy"), conformance


def _make_others(
    attempt: _Attempt, best: Best, conformance: dict[str, Any], warnings: list[str]
) -> tuple[tuple[Stream, ...], tuple[AudioRendition, ...], dict[str, Any]]:
    """Smaller pictures and other sound tracks, and the report on all streams together."""
    source, folder, found, filename = attempt.source, attempt.folder, attempt.found, attempt.order.filename
    ladder = attempt.order.ladder
    smaller = (
        make_ladder(source, folder, found, best, ladder, attempt.sound_options, filename, lenient=attempt.lenient)
        if ladder
        else []
    )
    others = make_alternates(source, folder, found, best, warnings, filename)
    tracks = name_tracks(found.audio, [(track, made) for track, made, _ in others]) if found.audio else ()
    if smaller or tracks:
        streams = [(best.stream, best.written), *smaller]
        together = verify_together(streams, tracks, [made for *_, made in others], filename)
        against_source = [check for check in conformance["checks"] if check["rule"].startswith("source:")]
        conformance = {"checks": [*together["checks"], *against_source]}
    return tuple(made for made, _ in smaller), tracks, conformance


def _frames(finished: ffmpeg.Finished, video: VideoTrack, warnings: list[str]) -> int:
    """The number of pictures that the decoder gave, which is what must come out of a transcode.

    Packets are not always pictures: some codecs hide one in another, some write fields.
    """
    counted = ffmpeg.decoded(finished, video.index)
    if counted is None:
        return video.frames
    if counted.frames != video.frames:
        warnings.append(
            f"The file stores {video.frames} pieces of video, which are {counted.frames} pictures when decoded."
        )
    return counted.frames
