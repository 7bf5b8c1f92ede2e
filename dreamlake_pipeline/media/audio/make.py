"""An audio file in; AAC in HLS, loudness and waveform out.

ffmpeg decodes once for all of them (render.py); short plain recordings need none (short.py).
"""

from __future__ import annotations

import io
import tempfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from ...errors import ERRORS, Code, DreamlakeError
from ...kinds import Kind
from ..containers import mpegts
from ..containers.claims import read_claims
from ..containers.probe import AudioTrack, examine, identify, opened, probe, recognise
from ..containers.salvage import LEAST_SALVAGED, salvage
from ..hls import segments
from ..hls.verify import Expected, verify
from ..results import AudioResult, Stream, TimeOrigin
from ..run import ffmpeg
from . import short
from .codec import DAMAGED
from .loudness import Loudness, read_summary
from .render import MOST_SECONDS, Job, Rendered, render
from .waveform import Waveform

_STRAY_ERRORS = 2
_UNNOTICED = Fraction(1, 20)  # seconds of priming
_FAR_ABOVE_FULL_SCALE = 20  # dB


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
    file = io.BytesIO(data)
    identified = identify(file, filename)
    content = identified.excerpt.opened(file) if identified.excerpt else io.BytesIO(data)
    with opened(content, identified.sniffed, filename, **short.options(data)) as container:
        found = examine(container, identified, filename, wanted=Kind.AUDIO)
        if not short.is_short(found):
            return None
        assert found.audio is not None
        job = Job.of(found, found.audio, filename)
        made = short.encode(container, job.audio, job.waveform, filename)
        if made is None:
            return None
        segment, log, decoded = made
        return _describe(Rendered(job, log, decoded, (), lambda: segments.in_memory([segment], filename)))


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
    assert found.audio is not None
    job = Job.of(found, found.audio, filename)
    try:
        rendered = render(source, out, job)
        if job.reasons or rendered.decoded is None or not rendered.decoded.errors:
            return _describe(rendered)
        why = DAMAGED
    except DreamlakeError as error:
        if error.code is not Code.OUTPUT_INVALID or job.reasons:
            raise
        # What no probe foresees, such as a last frame that is cut off.
        why = f"audio_copy_failed: {error.message}"
    encoded = out / "encoded"
    encoded.mkdir()
    return _describe(render(source, encoded, Job.of(found, found.audio, filename, why)))


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


def _describe(rendered: Rendered) -> AudioResult:
    """Verify what was rendered, and say what it is."""
    job, filename = rendered.job, rendered.job.filename
    duration = _duration(job)
    warnings = [
        *job.found.warnings,
        *rendered.warnings,
        *_damage(rendered.decoded, duration, filename),
        *_undefined(job.waveform),
        *_loudest(job.waveform),
        *_padding(duration, Fraction(segments.AAC_FRAME, job.output_rate), filename),
        *_priming(job),
    ]
    written = rendered.read()
    stream, conformance = _verified(job, written, duration)
    measures = read_summary(rendered.log, duration, job.audio.sample_rate, job.waveform.peak_db)
    return _result(job, duration, measures, written, stream, tuple(warnings), conformance)


def _duration(job: Job) -> Fraction:
    """Seconds of sound that were decoded. Raises NO_AUDIO, MEDIA_TOO_LARGE or MEDIA_TRUNCATED."""
    if not job.waveform.samples:
        raise DreamlakeError(Code.NO_AUDIO, f"{job.filename} holds an audio stream without any sound in it.")
    duration = Fraction(job.waveform.samples, job.waveform.sample_rate)
    if duration > MOST_SECONDS:
        raise DreamlakeError(
            Code.MEDIA_TOO_LARGE,
            f"{job.filename} is {float(duration) / 3600:.1f} hours long; 26 hours are the limit.",
        )
    _refuse_incomplete(job.audio, duration, job.filename)
    return duration


def _undefined(waveform: Waveform) -> list[str]:
    if not waveform.undefined:
        return []
    count = f"{waveform.undefined:,} samples are no numbers" if waveform.undefined > 1 else "One sample is no number"
    return [
        f"{count} (NaN, infinite or beyond all measure), first at {waveform.first_undefined:.2f} s: "
        "silence is heard and measured there."
    ]


def _loudest(waveform: Waveform) -> list[str]:
    peak = waveform.peak_db
    if peak is None or peak <= _FAR_ABOVE_FULL_SCALE:
        return []
    return [
        f"Its highest sample is at {peak:+.1f} dBFS, far above full scale: the playable version is distorted. Samples "
        "in floating point are meant to lie between -1 and 1."
    ]


def _padding(duration: Fraction, frame: Fraction, filename: str) -> list[str]:
    if duration >= frame:
        return []
    return [
        f"{filename} holds {float(duration * 1000):.3g} ms of sound; silence follows it in the playable version, "
        f"whose shortest unit lasts {float(frame * 1000):.0f} ms."
    ]


def _priming(job: Job) -> list[str]:
    """Bare ADTS has no field for the samples that an encoder puts before the sound; other containers do."""
    most = Fraction(2 * segments.AAC_FRAME, job.audio.sample_rate)
    if job.found.sniffed.demuxer != "aac" or most <= _UNNOTICED:
        return []
    return [
        f"{job.filename} does not say where its sound begins: up to {float(most * 1000):.0f} ms of its duration may be "
        "what its encoder put before it."
    ]


def _verified(job: Job, written: segments.Written, duration: Fraction) -> tuple[Stream, dict[str, Any]]:
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
    job: Job,
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
        unmeasured=measures.why,
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


def _refuse_incomplete(audio: AudioTrack, duration: Fraction, filename: str) -> None:
    if audio.declared is not None and duration < audio.declared - Fraction(1, 10):
        raise DreamlakeError(
            Code.MEDIA_TRUNCATED,
            f"{filename} is incomplete: its header announces {float(audio.declared):.1f} s of sound, "
            f"{float(duration):.1f} s are there.",
            hint="Upload it again; if the original is as short, its recording was cut off.",
        )


def _damage(decoded: ffmpeg.Decoded | None, duration: Fraction, filename: str) -> list[str]:
    """A warning about packets that could not be decoded; raises MEDIA_CORRUPT when they are more than a few.

    Old MP3 files often end in half a frame or a tag; that is no reason to refuse them.
    """
    if decoded is None or not decoded.errors:
        return []
    seconds = float(duration * decoded.errors / max(1, decoded.packets))
    if decoded.errors > max(_STRAY_ERRORS, decoded.packets // 100):
        raise DreamlakeError(
            Code.MEDIA_CORRUPT,
            f"{filename} is damaged: {decoded.errors / decoded.packets:.0%} of its sound can't be decoded.",
            hint="Play it locally to see whether the original is whole, and upload it again.",
        )
    return [f"About {max(0.01, seconds):.2f} s of the sound can't be decoded, and is left out."]
