"""An audio file in; AAC in HLS, loudness and waveform out. One ffmpeg run decodes once for all of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg as ffmpeg_python

from ..errors import Code, DreamlakeError
from ..kinds import Kind
from . import ffmpeg, mpegts, segments
from .audio_codec import FILL_GAPS, aac_options, audio_reasons, output_rate
from .probe import AudioTrack, Probe, probe
from .results import AudioResult, TimeOrigin
from .verify import Expected, verify
from .waveform import Waveform

_MOST_SECONDS = 26 * 3600
_STRAY_ERRORS = 2
# Far less than what is common: Opus for speech has 2,000 bytes a second, and 50 seconds of sound take one to process.
_LEAST_BYTE_RATE = 500
_LEAST_SPEED = 8
# What ebur128 answers when no block passed the gate: silence, or less than 0.4 s of sound (ITU-R BS.1770).
_GATED = -70.0
# A loudness range needs more than one short-term block of 3 s (EBU Tech 3342).
_RANGE_SECONDS = 4


def make_audio(source: Path, out: Path, *, filename: str) -> AudioResult:
    """Make HLS segments, `waveform.json` and `waveform.png` of `source` in the directory `out`; measure the original.

    `out` must be empty or new, and private to this call; `filename` is the name for messages.
    Raises DreamlakeError with a media code; what `out` holds then is worthless.
    """
    out.mkdir(parents=True, exist_ok=True)
    found = probe(source, filename, wanted=Kind.AUDIO)
    audio = found.audio
    assert audio is not None and found.sniffed.demuxer is not None
    reasons = audio_reasons(audio)
    waveform = Waveform(audio.sample_rate, audio.channels)
    finished = ffmpeg.run(
        _outputs(audio, found.sniffed.demuxer, encode=bool(reasons)),
        source=source,
        cwd=out,
        limits=_limits(source, _claimed_seconds(found, audio)),
        subject=filename,
        lenient=True,
        on_stdout=waveform.feed,
    )
    waveform.finish()
    if not waveform.samples:
        raise DreamlakeError(Code.NO_AUDIO, f"{filename} holds an audio stream without any sound in it.")
    duration = Fraction(waveform.samples, waveform.sample_rate)
    if duration > _MOST_SECONDS:
        raise DreamlakeError(
            Code.MEDIA_TOO_LARGE, f"{filename} is {float(duration) / 3600:.1f} hours long; 26 hours are the limit."
        )
    _refuse_incomplete(audio, duration, filename)
    rate = output_rate(audio) if reasons else audio.sample_rate
    frame = Fraction(segments.AAC_FRAME, rate)
    warnings = [*found.warnings, *_damage(ffmpeg.decoded(finished, audio.index), filename)]
    if duration < frame:
        warnings.append(
            f"{filename} holds {float(duration * 1000):.3g} ms of sound; silence follows it in the playable version, "
            f"whose shortest unit lasts {float(frame * 1000):.0f} ms."
        )

    written = segments.read_back(out, filename)
    end = written.start + max(duration, frame) * mpegts.CLOCK
    stream = segments.to_stream(written, end, fps=None, independent=True)
    expected = Expected(
        duration=duration,
        tolerance=frame,
        samples=duration * rate,
        # A kept stream has whole frames where its container trims samples off both ends.
        samples_tolerance=segments.AAC_FRAME * (1 if reasons else 2),
    )
    conformance = verify(written, stream, expected, filename)
    waveform_json, waveform_png = out / "waveform.json", out / "waveform.png"
    waveform.write_json(waveform_json)
    waveform.write_png(waveform_png)
    loudness = _loudness(finished.log, duration)
    start = audio.start or 0
    return AudioResult(
        duration=float(duration),
        sample_rate=audio.sample_rate,
        channels=audio.channels,
        codec=audio.codec,
        streams=(stream,),
        integrated=loudness.integrated,
        loudness_range=loudness.range,
        true_peak=loudness.true_peak,
        peak_db=waveform.peak_db,
        rms_db=waveform.rms_db,
        waveform_json=waveform_json,
        waveform_png=waveform_png,
        time_origin=TimeOrigin(
            source_start=float(start * audio.time_base),
            pts=start,
            time_base=str(audio.time_base),
            stream_start=written.start / mpegts.CLOCK,
        ),
        container=found.sniffed.container,
        source_streams=found.streams,
        mode="transcode" if reasons else "copy",
        transcode_reasons=tuple(reasons),
        warnings=tuple(warnings),
        conformance=conformance,
    )


def _outputs(audio: AudioTrack, demuxer: str, *, encode: bool) -> list[Any]:
    """The HLS, and the samples themselves on stdout, having passed the loudness meter."""
    stream = ffmpeg.source_input(demuxer, threads=1)[str(audio.index)]
    options: dict[str, Any] = {"c:a": "copy"}
    if encode:
        # However little there is becomes one frame: of a sample at 192 kHz, resampling alone would leave nothing.
        options = aac_options(audio) | {"af": f"{FILL_GAPS},apad=whole_len={segments.AAC_FRAME // 2}"}
    samples = ffmpeg_python.output(
        stream,
        "pipe:1",
        f="f32le",
        af=f"{FILL_GAPS},ebur128=peak=true:framelog=quiet",
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


@dataclass(frozen=True, slots=True)
class _Loudness:
    integrated: float | None
    range: float | None
    true_peak: float | None


def _loudness(log: tuple[str, ...], duration: Fraction) -> _Loudness:
    """The summary that the ebur128 filter prints at its end."""
    text = "\n".join(log)
    summary = text[text.rfind("Summary:") :]
    integrated, spread, peak = (
        _number(re.search(pattern, summary))
        for pattern in (r"\bI:\s+(\S+) LUFS", r"\bLRA:\s+(\S+) LU\b", r"\bPeak:\s+(\S+) dBFS")
    )
    gated = integrated is None or integrated <= _GATED
    return _Loudness(
        integrated=None if gated else integrated,
        range=None if gated or duration < _RANGE_SECONDS else spread,
        true_peak=peak,
    )


def _number(found: re.Match[str] | None) -> float | None:
    """The number found; None for `-inf` and `nan`."""
    return float(found[1]) if found and re.fullmatch(r"-?\d+(\.\d+)?", found[1]) else None
