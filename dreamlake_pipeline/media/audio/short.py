"""Short plain recordings, decoded, measured and encoded in this process: to start ffmpeg costs more than all of that.

Which files these are is decided by their bytes alone, so that equal bytes give equal chunks wherever they are
processed: PCM in WAV that fits into one segment. Its demuxer and decoders are the simplest that there are; whatever
is compressed is left to ffmpeg, a process of its own. Still, a file of strangers is given to a worker process
(run/workers.py), with the same whitelists.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import av
import av.container
import av.error
import av.filter
import av.logging
from av.audio.frame import AudioFrame
from av.codec.context import Flags

from ...errors import Code, DreamlakeError
from ..containers.probe import AudioTrack, Probe
from ..hls import segments
from ..run import ffmpeg
from . import codec as audio_codec
from . import loudness
from .waveform import Waveform, is_sound

MOST_BYTES = 4 * 2**20
_MOST_SECONDS = segments.SECONDS
_DECODERS = {name for name in ffmpeg.AUDIO_DECODERS.split(",") if name.startswith("pcm_")}
_FLOATS = {name for name in _DECODERS if name.startswith("pcm_f")}
_TABLES_ONCE = dict.fromkeys(("pat_period", "sdt_period"), "3600")  # seconds
_LAYOUTS = {"mono": "mono", "stereo": "stereo", "1 channels": "mono", "2 channels": "stereo"}
# What the frames of DTS begin with, in each of its forms (ETSI TS 102 114): WAV may call it PCM.
_DTS = (b"\x7f\xfe\x80\x01", b"\xfe\x7f\x01\x80", b"\x1f\xff\xe8\x00", b"\xff\x1f\x00\xe8", b"\x64\x58\x20\x25")


def may_be_short(data: bytes) -> bool:
    """Whether the bytes of a file are worth a closer look: a WAV of few bytes."""
    return len(data) <= MOST_BYTES and data[:4] in (b"RIFF", b"RF64", b"BW64") and data[8:12] == b"WAVE"


def options(data: bytes) -> dict[str, str]:
    """Options of the demuxer for these bytes.

    It tries every format there is on the first 32 packets, for fear of DTS; on a second of stereo that takes longer
    than to make everything of it. Where no frame of DTS can begin, one packet is enough.
    """
    return {} if any(word in data for word in _DTS) else {"max_probe_packets": "1"}


def is_short(found: Probe) -> bool:
    """Whether the probed file is a short plain recording."""
    audio = found.audio
    return (
        audio is not None
        and audio.codec in _DECODERS
        and audio.layout in _LAYOUTS
        and audio.declared is not None
        and audio.declared <= _MOST_SECONDS
    )


def encode(
    container: av.container.InputContainer, audio: AudioTrack, waveform: Waveform, subject: str
) -> tuple[bytes, tuple[str, ...], ffmpeg.Decoded] | None:
    """The one segment of a short recording, the log of the loudness meter, and what became of the packets; `waveform`
    is fed with the samples. Without any samples, there is no segment. None when samples are no numbers.

    Raises DreamlakeError(MEDIA_CORRUPT), which names the file as `subject`.
    """
    try:
        frames, decoded = _decode(container, audio)
        most = _MOST_SECONDS * audio.sample_rate + audio.sample_rate
        if sum(frame.samples for frame in frames) > most:
            raise DreamlakeError(
                Code.MEDIA_CORRUPT, f"{subject} holds more sound than its header announces: it is damaged."
            )
        if audio.codec in _FLOATS and not all(is_sound(frame.to_ndarray()) for frame in frames):
            return None
        segment, log = _measure_and_encode(frames, audio, waveform) if frames else (b"", ())
    except av.error.FFmpegError as error:
        raise DreamlakeError(
            Code.MEDIA_CORRUPT,
            f"{subject} is damaged: it could not be read to its end ({error.strerror}).",
            hint="Play it locally to see whether the original is whole, and upload it again.",
        ) from None
    return segment, log, decoded


def _decode(container: av.container.InputContainer, audio: AudioTrack) -> tuple[list[AudioFrame], ffmpeg.Decoded]:
    frames: list[AudioFrame] = []
    packets = errors = 0
    for packet in container.demux(container.streams[audio.index]):
        packets += bool(packet.size)
        try:
            frames += packet.decode()  # type: ignore[arg-type]
        except av.error.InvalidDataError:
            errors += 1
    return frames, ffmpeg.Decoded(packets, len(frames), errors)


def _measure_and_encode(
    frames: list[AudioFrame], audio: AudioTrack, waveform: Waveform
) -> tuple[bytes, tuple[str, ...]]:
    """One pass through a graph with two ends: the samples behind the loudness meter, and those for the encoder."""
    rate, layout = audio_codec.output_rate(audio), _LAYOUTS[audio.layout]
    level = av.logging.get_level()
    av.logging.set_level(av.logging.INFO)
    try:
        with av.logging.Capture() as captured:
            samples, sounds = _filtered(frames, audio, rate, layout)
    finally:
        av.logging.set_level(level)
    waveform.feed(b"".join(frame.to_ndarray().tobytes() for frame in samples))
    waveform.finish()
    log = tuple(message for _, name, message in captured if name == loudness.FILTER)
    return _segment(sounds, audio), log


def _filtered(
    frames: list[AudioFrame], audio: AudioTrack, rate: int, layout: str
) -> tuple[list[AudioFrame], list[AudioFrame]]:
    """The measured samples as interleaved floats, and what the encoder gets. The meter speaks when the graph is freed,
    which is when this returns."""
    first = frames[0]
    graph = av.filter.Graph()
    source = graph.add(
        "abuffer",
        sample_rate=str(audio.sample_rate),
        sample_fmt=first.format.name,
        channel_layout=first.layout.name,
        time_base=f"1/{audio.sample_rate}",
    )
    split = graph.add("asplit", "2")
    meter = graph.add(loudness.FILTER, loudness.OPTIONS)
    floats = graph.add("aformat", "sample_fmts=flt")
    measured = graph.add("abuffersink")
    padding = graph.add("apad", f"whole_len={audio_codec.least_samples(audio)}")
    resampled = graph.add("aformat", f"sample_fmts=fltp:sample_rates={rate}:channel_layouts={layout}")
    sized = graph.add("asetnsamples", f"n={segments.AAC_FRAME}:p=0")
    sound = graph.add("abuffersink")
    split.link_to(meter, 0)
    split.link_to(padding, 1)
    pairs = ((source, split), (meter, floats), (floats, measured), (padding, resampled), (resampled, sized))
    for one, other in (*pairs, (sized, sound)):
        one.link_to(other)
    graph.configure()
    at = 0
    for frame in frames:
        frame.pts, at = at, at + frame.samples
        source.push(frame)
    source.push(None)
    return list(_drain(measured)), list(_drain(sound))


def _drain(sink: Any) -> Iterator[AudioFrame]:
    while True:
        try:
            yield sink.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return


def _segment(sounds: list[AudioFrame], audio: AudioTrack) -> bytes:
    """AAC in MPEG-TS, as ffmpeg's HLS muxer lays a segment out: tables once, the clock starts at 1.4 s."""
    muxing = {"fflags": "+bitexact", "flush_packets": "0", "max_delay": "700000", **_TABLES_ONCE}
    segment = io.BytesIO()
    with av.open(segment, "w", format="mpegts", options=muxing) as container:
        rate, layout = audio_codec.output_rate(audio), _LAYOUTS[audio.layout]
        stream = container.add_stream("aac", rate=rate, layout=layout, options={"aac_coder": audio_codec.coder(audio)})
        stream.bit_rate = audio_codec.bit_rate(audio)
        stream.codec_context.thread_count = 1
        stream.codec_context.flags |= Flags.bitexact
        for sound in (*sounds, None):
            for packet in stream.encode(sound):
                # Priming lies before the start of the presentation, and MPEG-TS has no edit list to hide it.
                if packet.pts is not None and packet.pts >= 0:
                    container.mux(packet)
    return segment.getvalue()
