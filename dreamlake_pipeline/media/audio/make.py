"""An audio file in; AAC in HLS, loudness and waveform out.

One ffmpeg run decodes once for all of them; short plain recordings need none (short.py).
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg as ffmpeg_python

from ...errors import ERRORS, Code, DreamlakeError
from ...kinds import Kind
from ..containers import mpegts
from ..containers.claims import read_claims
from ..containers.probe import AudioTrack, Probe, examine, identify, opened, probe, recognise
from ..containers.salvage import LEAST_SALVAGED, salvage
from ..hls import segments
from ..hls.verify import Expected, verify
from ..results import AudioResult, Stream, TimeOrigin
from ..run import ffmpeg
from . import loudness, short
from .codec import FILL_GAPS, aac_options, audio_reasons, least_samples, output_rate
from .loudness import Loudness, read_summary
from .waveform import Waveform

_MOST_SECONDS = 26 * 3600
_STRAY_ERRORS = 2
_UNNOTICED = Fraction(1, 20)  # seconds of priming
# Far less than what is common: Opus for speech has 2,000 bytes a second, and 50 seconds of sound take one to process.
_LEAST_BYTE_RATE = 500
_LEAST_SPEED = 8


def make_audio(source: Path, out: Path, *, filename: str) -> AudioResult:
    """Make HLS segments of `source` in the directory `out`, and its waveform; measure the original.

    `out` must be empty or new, and private to this call; `filename` is the name for messages.
    Raises DreamlakeError with a media code; what `out` holds then is worthless.
    """
    out.mkdir(parents=True, exist_ok=True)
    if source.stat().st_size <= short.MOST_BYTES:
        made = make_short_audio(source.read_bytes(), filename=filename)
        if made is not None:
            return made
    return make_long_audio(source, out, filename=filename)


def make_short_audio(data: bytes, *, filename: str) -> AudioResult | None:
    """`make_audio` of the bytes of a file that needs no ffmpeg (see short.py), in memory; None for any other."""
    if not short.may_be_short(data):
        return None
    sniffed = identify(io.BytesIO(data), filename)
    with opened(io.BytesIO(data), sniffed, filename, **short.options(data)) as container:
        found = examine(container, sniffed, filename, wanted=Kind.AUDIO)
        if not short.is_short(found):
            return None

        def render(job: _Job) -> _Rendered:
            segment, log, decoded = short.encode(container, job.audio, job.waveform, filename)
            return _Rendered(log, decoded, lambda: segments.only(segment, filename))

        return _make(found, render, filename)


def make_long_audio(source: Path, out: Path, *, filename: str) -> AudioResult:
    """`make_audio` of a file that `make_short_audio` makes nothing of; `out` is private to this call."""
    out.mkdir(parents=True, exist_ok=True)
    try:
        return _make_of(source, out, filename)
    except DreamlakeError as error:
        made = _make_part(source, out, filename) if error.code is Code.MEDIA_TRUNCATED else None
        if made is None:
            raise
        return made


def _make_of(source: Path, out: Path, filename: str, *, partial: bool = False) -> AudioResult:
    found = probe(source, filename, wanted=Kind.AUDIO, partial=partial)
    return _make(found, lambda job: _render_by_ffmpeg(source, out, job), filename)


def _make_part(source: Path, out: Path, filename: str) -> AudioResult | None:
    """What can be made of a file that was cut off; None when its good part is too short or not good either."""
    with (
        source.open("rb") as file,
        tempfile.TemporaryDirectory(prefix="part-", dir=out) as folder,
    ):
        demuxer = recognise(file, filename).demuxer
        assert demuxer is not None
        part = Path(folder) / "part"
        try:
            salvaged = salvage(file, part, demuxer)
            made = _make_of(part, out, filename, partial=True) if salvaged is not None else None
        except DreamlakeError as error:
            if ERRORS[error.code].retryable and error.code is not Code.OUTPUT_INVALID:
                raise  # no word about the file
            return None
        if salvaged is None or made is None or made.duration < LEAST_SALVAGED:
            return None
        told = salvaged.words(made.duration, read_claims(file, demuxer).seconds)
        return replace(made, partial=salvaged.is_part, warnings=(*told, *made.warnings))


@dataclass(frozen=True, slots=True)
class _Job:
    """A probed file on its way; `reasons` say why its sound is encoded anew, if it is."""

    found: Probe
    audio: AudioTrack
    reasons: tuple[str, ...]
    waveform: Waveform
    filename: str

    @property
    def output_rate(self) -> int:
        return output_rate(self.audio) if self.reasons else self.audio.sample_rate


@dataclass(frozen=True, slots=True)
class _Rendered:
    """The log of the loudness meter, what became of the packets where that is known, and how to get at the segments."""

    log: tuple[str, ...]
    decoded: ffmpeg.Decoded | None
    read: Callable[[], segments.Written]


def _make(found: Probe, render: Callable[[_Job], _Rendered], filename: str) -> AudioResult:
    audio = found.audio
    assert audio is not None
    waveform = Waveform(audio.sample_rate, audio.channels)
    job = _Job(found, audio, tuple(audio_reasons(audio)), waveform, filename)
    rendered = render(job)
    waveform.finish()
    duration = _duration(job)
    warnings = [
        *found.warnings,
        *_damage(rendered.decoded, filename),
        *_padding(duration, Fraction(segments.AAC_FRAME, job.output_rate), filename),
        *_priming(job),
    ]
    written = rendered.read()
    stream, conformance = _verified(job, written, duration)
    return _result(job, duration, read_summary(rendered.log, duration), written, stream, tuple(warnings), conformance)


def _render_by_ffmpeg(source: Path, out: Path, job: _Job) -> _Rendered:
    """One run that writes the segments, measures, and feeds the waveform."""
    demuxer = job.found.sniffed.demuxer
    assert demuxer is not None
    finished = ffmpeg.run(
        _outputs(job.audio, demuxer, encode=bool(job.reasons)),
        source=source,
        cwd=out,
        limits=_limits(source, _claimed_seconds(job.found, job.audio)),
        subject=job.filename,
        lenient=True,
        on_stdout=job.waveform.feed,
    )
    decoded = ffmpeg.decoded(finished, job.audio.index)
    return _Rendered(finished.log, decoded, lambda: segments.read_back(out, job.filename))


def _duration(job: _Job) -> Fraction:
    """Seconds of sound that were decoded. Raises NO_AUDIO, MEDIA_TOO_LARGE or MEDIA_TRUNCATED."""
    if not job.waveform.samples:
        raise DreamlakeError(Code.NO_AUDIO, f"{job.filename} holds an audio stream without any sound in it.")
    duration = Fraction(job.waveform.samples, job.waveform.sample_rate)
    if duration > _MOST_SECONDS:
        raise DreamlakeError(
            Code.MEDIA_TOO_LARGE,
            f"{job.filename} is {float(duration) / 3600:.1f} hours long; 26 hours are the limit.",
        )
    _refuse_incomplete(job.audio, duration, job.filename)
    return duration


def _padding(duration: Fraction, frame: Fraction, filename: str) -> list[str]:
    if duration >= frame:
        return []
    return [
        f"{filename} holds {float(duration * 1000):.3g} ms of sound; silence follows it in the playable version, "
        f"whose shortest unit lasts {float(frame * 1000):.0f} ms."
    ]


def _priming(job: _Job) -> list[str]:
    """Bare ADTS has no field for the samples that an encoder puts before the sound; other containers do."""
    most = Fraction(2 * segments.AAC_FRAME, job.audio.sample_rate)
    if job.found.sniffed.demuxer != "aac" or most <= _UNNOTICED:
        return []
    return [
        f"{job.filename} does not say where its sound begins: up to {float(most * 1000):.0f} ms of its duration may be "
        "what its encoder put before it."
    ]


def _verified(job: _Job, written: segments.Written, duration: Fraction) -> tuple[Stream, dict[str, Any]]:
    """The segments as a stream, and the report of its checks. Raises OUTPUT_INVALID."""
    rate = job.output_rate
    frame = Fraction(segments.AAC_FRAME, rate)
    end = written.start + max(duration, frame) * mpegts.CLOCK
    stream = segments.to_stream(written, end, fps=None, independent=True)
    expected = Expected(
        duration=duration,
        tolerance=frame,
        samples=duration * rate,
        # A kept stream has whole frames where its container trims samples off both ends.
        samples_tolerance=segments.AAC_FRAME * (1 if job.reasons else 2),
    )
    return stream, verify(written, stream, expected, job.filename)


def _result(
    job: _Job,
    duration: Fraction,
    measures: Loudness,
    written: segments.Written,
    stream: Stream,
    warnings: tuple[str, ...],
    conformance: dict[str, Any],
) -> AudioResult:
    start = job.audio.start or 0
    return AudioResult(
        duration=float(duration),
        sample_rate=job.audio.sample_rate,
        channels=job.audio.channels,
        codec=job.audio.codec,
        streams=(stream,),
        integrated=measures.integrated,
        loudness_range=measures.range,
        true_peak=measures.true_peak,
        peak_db=job.waveform.peak_db,
        rms_db=job.waveform.rms_db,
        waveform_json=job.waveform.as_json(),
        waveform_png=job.waveform.as_png(),
        time_origin=TimeOrigin(
            source_start=float(start * job.audio.time_base),
            pts=start,
            time_base=str(job.audio.time_base),
            stream_start=written.start / mpegts.CLOCK,
        ),
        container=job.found.sniffed.container,
        source_streams=job.found.streams,
        mode="transcode" if job.reasons else "copy",
        transcode_reasons=job.reasons,
        warnings=warnings,
        conformance=conformance,
    )


def _outputs(audio: AudioTrack, demuxer: str, *, encode: bool) -> list[Any]:
    """The HLS, and the samples themselves on stdout, having passed the loudness meter."""
    stream = ffmpeg.source_input(demuxer, threads=1)[str(audio.index)]
    options: dict[str, Any] = {"c:a": "copy"}
    if encode:
        # However little there is becomes one frame.
        options = aac_options(audio) | {"af": f"apad=whole_len={least_samples(audio)},{FILL_GAPS}"}
    samples = ffmpeg_python.output(
        stream,
        "pipe:1",
        f="f32le",
        af=f"{FILL_GAPS},{loudness.FILTER}={loudness.OPTIONS}",
        ar=audio.sample_rate,
        # A number of channels means ffmpeg's first layout of as many: quadrophony would be mixed to other places.
        **({"ac": audio.channels} if audio.channels <= 2 else {}),
    )
    return [segments.hls_output(stream, **options, **{"bsf:a": segments.DROP_PRIMING}), samples]


def _limits(source: Path, claimed: float | None) -> ffmpeg.Limits:
    """Time for the bytes and for the seconds of sound in them, which are many where sound is compressed well."""
    size = source.stat().st_size
    seconds = min(size / _LEAST_BYTE_RATE if claimed is None else claimed, _MOST_SECONDS)
    return ffmpeg.Limits(
        seconds=120 + size / 1e6 + seconds / _LEAST_SPEED,
        # Sound in 26 hours of the highest bit rate that is written here, whatever the file claims to hold.
        output_bytes=64 * 2**20 + min(20 * size, _MOST_SECONDS * 40_000),
    )


def _claimed_seconds(found: Probe, audio: AudioTrack) -> float | None:
    """How long the stream is by its container's word, if it gives it."""
    claimed: float | None = next(stream for stream in found.streams if stream["index"] == audio.index).get(
        "durationSec"
    )
    return claimed


def _refuse_incomplete(audio: AudioTrack, duration: Fraction, filename: str) -> None:
    if audio.declared is not None and duration < audio.declared - Fraction(1, 10):
        raise DreamlakeError(
            Code.MEDIA_TRUNCATED,
            f"{filename} is incomplete: its header announces {float(audio.declared):.1f} s of sound, "
            f"{float(duration):.1f} s are there.",
            hint="Upload it again; if the original is as short, its recording was cut off.",
        )


def _damage(decoded: ffmpeg.Decoded | None, filename: str) -> list[str]:
    """A warning about packets that could not be decoded; raises MEDIA_CORRUPT when they are more than a few.

    Old MP3 files often end in half a frame or a tag; that is no reason to refuse them.
    """
    if decoded is None or not decoded.errors:
        return []
    if decoded.errors > max(_STRAY_ERRORS, decoded.packets // 100):
        raise DreamlakeError(
            Code.MEDIA_CORRUPT,
            f"{filename} is damaged: {decoded.errors} of its {decoded.packets} sound packets can't be decoded.",
            hint="Play it locally to see whether the original is whole, and upload it again.",
        )
    return [f"{decoded.errors} of {decoded.packets} sound packets can't be decoded and are left out."]
