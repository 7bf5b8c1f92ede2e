"""An audio file by ffmpeg: AAC in HLS, what the loudness meter says, and the samples for the waveform.

One run does it all. Sound that changes its rate or channels on the way, or that holds samples that are no numbers,
takes two, one behind the other: the first brings all of it to one form, the second sees nothing else.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ffmpeg as ffmpeg_python

from ...errors import Code, DreamlakeError
from ..containers.excerpt import PROTOCOLS, Excerpt
from ..containers.probe import AudioTrack, Probe
from ..hls import segments
from ..run import ffmpeg
from ..run.pipe import Pipe
from . import channels, loudness
from .codec import aac_options, audio_reasons, fill_gaps, least_samples, output_rate
from .forms import COUNTED, Form, change_warnings, changes, counted
from .waveform import Cleaner, Waveform

MOST_SECONDS = 26 * 3600
# Far less than what is common: Opus for speech has 2,000 bytes a second, and 50 seconds of sound take one to process.
_LEAST_BYTE_RATE = 500
_LEAST_SPEED = 8
_CHANNELS_AT_LEAST_SPEED = 2
_MOST_PARTS = 1000
_METER = f"{loudness.FILTER}={loudness.OPTIONS}"


@dataclass(frozen=True, slots=True)
class Job:
    """A probed file on its way; `reasons` say why its sound is encoded anew, if it is."""

    found: Probe
    audio: AudioTrack
    reasons: tuple[str, ...]
    waveform: Waveform
    filename: str

    @classmethod
    def of(cls, found: Probe, audio: AudioTrack, filename: str, *more: str) -> Job:
        """The job of a file whose sound is `audio`; `more` are reasons to encode it beside those that it shows."""
        if audio.channels > channels.MOST:
            raise DreamlakeError(
                Code.MEDIA_UNSUPPORTED,
                f"{filename} has {audio.channels} channels of sound; {channels.MOST} are the limit.",
                hint="Split it, for example with `ffmpeg -i FILE -af pan=... PART.wav`.",
            )
        waveform = Waveform(audio.sample_rate, audio.channels)
        return cls(found, audio, (*audio_reasons(audio), *more), waveform, filename)

    def hear(self, samples: bytes) -> None:
        """Feed the waveform. Raises MEDIA_TOO_LARGE as soon as there is too much: days of silence are a few megabytes,
        and take hours."""
        self.waveform.feed(samples)
        if self.waveform.samples > MOST_SECONDS * self.waveform.sample_rate:
            raise DreamlakeError(
                Code.MEDIA_TOO_LARGE,
                f"{self.filename} is more than {MOST_SECONDS // 3600} hours long, which is the limit.",
            )

    @property
    def output_rate(self) -> int:
        return output_rate(self.audio) if self.reasons else self.audio.sample_rate


@dataclass(frozen=True, slots=True)
class Rendered:
    """What came of a job, which may have become another one on the way: the log of the loudness meter, what became of
    the packets where that is known, `warnings`, and how to get at the segments."""

    job: Job
    log: tuple[str, ...]
    decoded: ffmpeg.Decoded | None
    warnings: tuple[str, ...]
    read: Callable[[], segments.Written]


def render(source: Path, out: Path, job: Job) -> Rendered:
    """Write the segments of the file into the directory `out`, measure, and feed the waveform.

    Raises DreamlakeError as `ffmpeg.run` does.
    """
    if job.found.parts:
        return _render_in_one_form(source, out, job, _forms_of_parts(source, job))
    node = _source(job, job.found.excerpt, out)
    try:
        finished = ffmpeg.run(
            [_hls(node, job), _samples(node, job.audio)],
            source=source,
            cwd=out,
            limits=_limits(source, job),
            subject=job.filename,
            lenient=True,
            on_stdout=job.hear,
        )
    except DreamlakeError as error:
        job.waveform.finish()
        if error.code is not Code.MEDIA_CORRUPT or not job.waveform.undefined:
            raise
        forms = []  # the encoder does not take samples that are no numbers
    else:
        job.waveform.finish()
        forms = changes(finished.changes)
        if not forms and not job.waveform.undefined:
            decoded = ffmpeg.decoded(finished, job.audio.index)
            return Rendered(job, finished.log, decoded, (), lambda: segments.read_back(out, job.filename))
    shutil.rmtree(out)
    out.mkdir()
    return _render_in_one_form(source, out, job, forms)


def _source(job: Job, part: Excerpt | None, folder: Path) -> Any:
    """The sound of the file, or of a part of it, for an ffmpeg that runs in the folder."""
    demuxer = job.found.sniffed.demuxer
    assert demuxer is not None
    there = {"url": part.url(ffmpeg.SOURCE, folder), "protocol_whitelist": PROTOCOLS} if part else {}
    return ffmpeg.source_input(demuxer, threads=1, **there)[str(job.audio.index)]


def _forms_of_parts(source: Path, job: Job) -> list[Form]:
    """The forms that the sound changes to from part to part."""
    parts, filename = job.found.parts, job.filename
    if len(parts) > _MOST_PARTS:
        raise DreamlakeError(
            Code.MEDIA_UNSUPPORTED,
            f"The sound of {filename} takes another form {len(parts) - 1:,} times; {_MOST_PARTS} are the limit.",
            hint="Convert it, for example with `ffmpeg -i FILE FILE.flac`.",
        )
    return [Form.of_part(part, source, job.found.sniffed, filename) for part in parts[1:]]


def _hls(stream: Any, job: Job) -> Any:
    options: dict[str, Any] = {"c:a": "copy"}
    if job.reasons:
        # It begins at zero even where its first packets can't be decoded: priming is known by its times before that.
        # However little there is becomes one frame.
        options = aac_options(job.audio, "asetpts=PTS-STARTPTS", f"apad=whole_len={least_samples(job.audio)}")
    return segments.hls_output(stream, **options, **{"bsf:a": segments.DROP_PRIMING})


def _samples(stream: Any, audio: AudioTrack) -> Any:
    """The samples themselves on stdout, having passed the loudness meter."""
    return ffmpeg_python.output(
        stream,
        "pipe:1",
        f="f32le",
        af=",".join([*channels.as_measured(audio), *fill_gaps(audio), _METER]),
        ar=audio.sample_rate,
        # A number of channels means ffmpeg's first layout of as many: quadrophony would be mixed to other places.
        **({"ac": audio.channels} if audio.channels <= 2 else {}),
    )


def _render_in_one_form(source: Path, out: Path, job: Job, forms: list[Form]) -> Rendered:
    """Render by two runs, the first of which gives samples of the highest rate and the most channels that there are."""
    before, job = Form.of(job.audio), _in_one_form(job, forms)
    audio, layout, limits = job.audio, channels.layout(job.audio), _limits(source, job)
    decoding, encoding = out / "decoding", out / "encoding"
    decoding.mkdir()
    encoding.mkdir()
    placed = [f"aformat=channel_layouts={layout}"] if forms else channels.as_measured(audio)
    filters = [*placed, *fill_gaps(audio), f"aresample={audio.sample_rate}", COUNTED]

    stream = ffmpeg.samples_input(audio.sample_rate, layout)
    outputs = [_hls(stream["0"], job), ffmpeg_python.output(stream["0"], "-", f="null", af=_METER)]

    def encode(stdin: int) -> ffmpeg.Finished:
        return ffmpeg.run(outputs, source=source, cwd=encoding, limits=limits, subject=job.filename, stdin=stdin)

    clean = Cleaner()
    with Pipe(encode) as pipe:

        def take(data: bytes) -> None:
            job.hear(data)
            pipe.write(clean(data))

        decoded = [
            ffmpeg.run(
                [
                    ffmpeg_python.output(
                        _source(job, part, decoding), "pipe:1", f="f32le", ar=audio.sample_rate, af=",".join(filters)
                    )
                ],
                source=source,
                cwd=decoding,
                limits=limits,
                subject=job.filename,
                lenient=True,
                on_stdout=take,
            )
            for part in job.found.parts or (job.found.excerpt,)
        ]
    job.waveform.finish()
    seconds = [length / audio.sample_rate for run in decoded for length in counted(run.changes)]
    return Rendered(
        job,
        pipe.result().log,
        ffmpeg.added([ffmpeg.decoded(run, audio.index) for run in decoded]),
        change_warnings(before, forms, seconds, f"played and measured as {Form.of(audio)}"),
        lambda: segments.read_back(encoding, job.filename),
    )


def _in_one_form(job: Job, forms: list[Form]) -> Job:
    """The job of the same sound in the one form that all of it is brought to."""
    audio = job.audio
    if forms:
        widest = max([Form.of(audio), *forms], key=lambda form: form.channels)
        rate = max(audio.sample_rate, *(form.sample_rate for form in forms))
        audio = replace(audio, sample_rate=rate, channels=widest.channels, layout=widest.layout, places=widest.places)
        if widest.channels > 2 and not channels.have_places(audio):
            raise DreamlakeError(
                Code.MEDIA_UNSUPPORTED,
                f"The number of channels of {job.filename} changes on the way, and they have no places by which one "
                "could be told from another.",
                hint="Split it where it changes, for example with `ffmpeg -ss BEGIN -to END -i FILE PART.wav`.",
            )
    why = "audio_changes: the sound changes on the way" if forms else "audio_samples: some of them are no numbers"
    return Job.of(job.found, audio, job.filename, *([] if job.reasons else [why]))


def _limits(source: Path, job: Job) -> ffmpeg.Limits:
    """Time for the bytes and for the seconds of sound in them, which are many where sound is compressed well."""
    size, claimed = source.stat().st_size, _claimed_seconds(job.found, job.audio)
    seconds = min(size / _LEAST_BYTE_RATE if claimed is None else claimed, MOST_SECONDS)
    return ffmpeg.Limits(
        seconds=120 + size / 1e6 + seconds / _LEAST_SPEED * max(1, job.audio.channels / _CHANNELS_AT_LEAST_SPEED),
        # Sound in 26 hours of the highest bit rate that is written here, whatever the file claims to hold.
        output_bytes=64 * 2**20 + min(20 * size, MOST_SECONDS * 40_000),
    )


def _claimed_seconds(found: Probe, audio: AudioTrack) -> float | None:
    """How long the stream is by its container's word, if it gives it."""
    claimed: float | None = next(stream for stream in found.streams if stream["index"] == audio.index).get(
        "durationSec"
    )
    return claimed
