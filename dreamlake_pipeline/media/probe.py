"""What a media file holds: streams, times, keyframes, and whether its video can be kept as it is.

PyAV reads the packets once. One picture is decoded, for what only a decoder tells (rotation, interlacing, colour);
nothing else is.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.container
import av.error
import numpy as np
from av.audio.stream import AudioStream
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from ..errors import Code, DreamlakeError
from ..kinds import Kind
from . import ffmpeg, h264
from .claims import read_claims
from .integrity import missing_part
from .sniff import FOREIGN_MEDIA, Sniffed, sniff_file

MAX_SECONDS = 26 * 3600  # MPEG-TS clocks wrap after 26.5 hours
MAX_PIXELS = 8192 * 8192
MAX_PACKETS = 20_000_000

# color_trc values of HDR: SMPTE ST 2084 (PQ) and ARIB STD-B67 (HLG), by ITU-T H.273.
_HDR_TRANSFERS = {16, 18}
_BACKWARDS = Fraction(1, 2)  # seconds by which a clock may jitter
_REORDERED = 17  # pictures that may be shown after the last one that is decoded (ITU-T H.264 C.4.5.3)
_TAIL_PACKETS = 3000  # of the last group of pictures, which is decoded where no length tells whether it is whole
_FULL_RANGE = 2


@dataclass(frozen=True, slots=True)
class Picture:
    """What the first decoded picture says; `rotation` in degrees."""

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
    `damaged` counts packets whose NAL units do not add up. `partial`: it is the good part of a file that was cut off.
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
    partial: bool

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


@dataclass(frozen=True, slots=True)
class AudioTrack:
    """The audio stream that is used. `start` is its first time that is presented, in units of `time_base`."""

    index: int
    codec: str
    profile: str | None
    sample_rate: int
    channels: int
    time_base: Fraction
    start: int | None
    declared: Fraction | None  # seconds, where the container is exact about it
    language: str | None
    title: str | None


@dataclass(frozen=True)
class Probe:
    sniffed: Sniffed
    streams: list[dict[str, Any]]
    video: VideoTrack | None
    audio: AudioTrack | None
    warnings: tuple[str, ...]
    alternates: tuple[AudioTrack, ...]  # the other sound tracks of a video that can be decoded


def identify(source: Path, subject: str) -> Sniffed:
    """What the file is, by its content. Raises DreamlakeError when it is no audio or video that is known here, is not
    whole by its container's word, or claims to be what nothing here can process."""
    sniffed = recognise(source, subject)
    assert sniffed.demuxer is not None
    missing = missing_part(source, sniffed.demuxer)
    if missing:
        raise _cut_off(subject, missing)
    _refuse_impossible(source, sniffed.demuxer, subject)
    return sniffed


def recognise(source: Path, subject: str) -> Sniffed:
    """What the file is, whole or not; it has a demuxer. Raises DreamlakeError when it is no media known here."""
    if not source.stat().st_size:
        raise DreamlakeError(Code.FILE_EMPTY, f"{subject} is empty: it holds no bytes.")
    sniffed = sniff_file(source)
    if sniffed is None:
        raise DreamlakeError(Code.NOT_MEDIA, f"{subject} holds nothing that is known as audio or video.")
    if sniffed.container == "encrypted":
        raise DreamlakeError(Code.MEDIA_ENCRYPTED, f"{subject} is an encrypted file.")
    if sniffed.container in FOREIGN_MEDIA:
        raise DreamlakeError(
            Code.MEDIA_UNSUPPORTED,
            f"{subject} is {sniffed.container}, a container that is not read here.",
            hint="Convert it, for example with `ffmpeg -i FILE -c copy FILE.mkv`.",
        )
    if sniffed.demuxer is None:
        raise DreamlakeError(Code.NOT_MEDIA, f"{subject} is no audio or video: its content is {sniffed.container}.")
    return sniffed


def _cut_off(subject: str, how: str) -> DreamlakeError:
    return DreamlakeError(
        Code.MEDIA_TRUNCATED,
        f"{subject} is incomplete: {how}.",
        hint="Upload it again; if the original is as short, its recording was cut off.",
    )


def _refuse_impossible(source: Path, demuxer: str, subject: str) -> None:
    claims = read_claims(source, demuxer)
    # Matroska counts from zero, not from the first picture: its claim is compared with what is there.
    if claims.seconds is not None and claims.seconds > MAX_SECONDS and demuxer != "matroska":
        raise DreamlakeError(
            Code.MEDIA_TOO_LARGE,
            f"{subject} claims to be {claims.seconds / 3600:,.1f} hours long; "
            f"{MAX_SECONDS // 3600} hours are the limit.",
        )
    for width, height in claims.pictures:
        _refuse_large(width, height, subject)


def _refuse_large(width: int, height: int, subject: str) -> None:
    if width * height > MAX_PIXELS:
        raise DreamlakeError(
            Code.MEDIA_TOO_LARGE,
            f"The picture of {subject} claims to be {width:,} x {height:,} pixels large; "
            f"{MAX_PIXELS / 1e6:.0f} megapixels are the limit.",
        )


def probe(source: Path, subject: str, *, wanted: Kind, partial: bool = False) -> Probe:
    """Read the file's streams; for `wanted` VIDEO also every packet of the video.

    `partial`: it is the good part of a file that was cut off, which may announce more than it holds.

    Raises DreamlakeError with a media code (NOT_MEDIA, NO_VIDEO, NO_AUDIO, MEDIA_…); `subject` names the file.
    """
    sniffed = recognise(source, subject) if partial else identify(source, subject)
    with _opened(source, sniffed, subject) as container:
        streams = [_describe(stream) for stream in container.streams]
        _refuse_encrypted(streams, subject)
        video = _choose(container.streams.video, streams, "video", subject) if wanted is Kind.VIDEO else None
        audio = _choose(container.streams.audio, streams, "audio", subject)
        if wanted is Kind.VIDEO and video is None:
            has_audio = " It has sound only." if audio else ""
            raise DreamlakeError(
                Code.NO_VIDEO,
                f"{subject} holds no video stream.{has_audio}",
                hint="Upload it with --type audio." if audio else None,
            )
        if wanted is Kind.AUDIO and audio is None:
            raise DreamlakeError(Code.NO_AUDIO, f"{subject} holds no audio stream.")
        others = [found for found in _usable(container.streams.audio, "audio") if video and found is not audio]
        warnings = _warnings(streams, [found for found in (video, audio, *others) if found], video)
        starts: dict[int, int] = {}
        video_track = None
        if video is not None:
            assert isinstance(video, VideoStream)
            video_track = _scan(container, video, audio, starts, subject, partial=partial)
        assert audio is None or isinstance(audio, AudioStream)
        audio_track = _audio_track(audio, sniffed, starts) if audio is not None else None
        alternates = tuple(_audio_track(found, sniffed, {}) for found in others)
        return Probe(sniffed, streams, video_track, audio_track, tuple(warnings), alternates)


@contextmanager
def _opened(source: Path, sniffed: Sniffed, subject: str) -> Iterator[av.container.InputContainer]:
    """The file, opened with the sniffed demuxer and nothing else; FFmpeg's errors become ours."""
    assert sniffed.demuxer is not None
    try:
        with av.open(
            f"file:{source.resolve()}",
            format=sniffed.demuxer,
            options=ffmpeg.input_options(sniffed.demuxer),
            metadata_errors="replace",
            timeout=60,
        ) as container:
            yield container
    except av.error.FFmpegError as error:
        raise DreamlakeError(
            Code.MEDIA_CORRUPT,
            f"{subject} looks like {sniffed.container} but can't be read as that: {error.strerror}.",
            hint="Play it locally to see whether the original is whole, and upload it again.",
        ) from None


def _describe(stream: Any) -> dict[str, Any]:
    """One stream of the source for the record: JSON values only."""
    context = stream.codec_context
    described: dict[str, Any] = {
        "index": stream.index,
        "type": stream.type,
        "codec": context.codec.canonical_name if context else None,
        "tag": _tag(stream),
        "profile": context.profile if context else None,
        "language": stream.language,
        "title": stream.metadata.get("title"),
        "timeBase": str(stream.time_base) if stream.time_base else None,
        "startSec": _seconds(stream.start_time, stream.time_base),
        "durationSec": _seconds(stream.duration, stream.time_base),
        "frames": stream.frames or None,
        "disposition": [flag.name for flag in Disposition if flag & stream.disposition],
    }
    if stream.type == "video" and context:
        described |= {
            "width": context.width,
            "height": context.height,
            "pixelFormat": context.pix_fmt,
            "sampleAspect": str(stream.sample_aspect_ratio) if stream.sample_aspect_ratio else None,
            "frameRate": float(stream.average_rate) if stream.average_rate else None,
        }
    if stream.type == "audio" and context:
        described |= {
            "sampleRate": context.sample_rate,
            "channels": context.layout.nb_channels,
            "sampleFormat": context.format.name if context.format else None,
        }
    return {key: value for key, value in described.items() if value not in (None, [])}


def _tag(stream: Any) -> str | None:
    """The four letters by which the container names the codec, where it has some."""
    try:
        tag = str(stream.codec_tag)
    except (AttributeError, UnicodeDecodeError):
        return None
    return tag if tag.isprintable() and "\\" not in tag else None


def _seconds(ticks: int | None, time_base: Fraction | None) -> float | None:
    return float(ticks * time_base) if ticks is not None and time_base else None


def _refuse_encrypted(streams: list[dict[str, Any]], subject: str) -> None:
    # Sample entries of protected tracks (ISO/IEC 14496-12 8.12).
    if any(stream.get("tag") in ("encv", "enca", "drmi", "drms") for stream in streams):
        raise DreamlakeError(Code.MEDIA_ENCRYPTED, f"{subject} is encrypted; it can't be processed without its key.")


def _choose(candidates: Any, described: list[dict[str, Any]], kind: str, subject: str) -> Any:
    """The stream to use: the default one among those that can be decoded, else the first.

    Cover art is no video. Raises MEDIA_UNSUPPORTED when there are streams and none can be decoded.
    """
    real = [stream for stream in candidates if not stream.disposition & Disposition.attached_pic]
    usable = _usable(real, kind)
    if real and not usable:
        if kind == "audio" and any(stream["type"] == "video" for stream in described):
            return None  # the picture is worth keeping without it; a warning says so
        names = ", ".join(str(described[stream.index].get("codec", "unknown")) for stream in real)
        raise DreamlakeError(Code.MEDIA_UNSUPPORTED, f"The {kind} of {subject} can't be decoded here (codec: {names}).")
    return next((stream for stream in usable if stream.disposition & Disposition.default), next(iter(usable), None))


def _usable(candidates: Any, kind: str) -> list[Any]:
    """The streams that can be decoded here: the codec is known, and so is the form of what it holds."""
    known = (ffmpeg.VIDEO_DECODERS if kind == "video" else ffmpeg.AUDIO_DECODERS).split(",")
    return [
        stream
        for stream in candidates
        if stream.codec_context is not None
        and stream.codec_context.name in known
        and (
            stream.codec_context.width
            if kind == "video"
            else stream.codec_context.sample_rate and stream.codec_context.layout.nb_channels
        )
    ]


def _warnings(streams: list[dict[str, Any]], chosen: list[Any], video: Any) -> list[str]:
    warnings = []
    used = {stream.index for stream in chosen}
    for stream in streams:
        if stream["index"] in used or (stream["type"] == "video" and video is None):
            continue
        what = "cover art" if "attached_pic" in stream.get("disposition", []) else stream["type"]
        codec = f" ({stream['codec']})" if "codec" in stream else ""
        why = "can't be decoded here and " if what == "audio" and video is not None else ""
        warnings.append(f"Stream {stream['index']}, {what}{codec}, {why}is not part of the playable version.")
    return warnings


@dataclass
class _Packets:
    pts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    keyframes: list[int] = field(default_factory=list)
    hidden: int = 0
    idr: int = 0
    changes: int = 0
    damaged: int = 0
    starts_with_keyframe: bool = False


def _scan(
    container: av.container.InputContainer,
    video: VideoStream,
    audio: AudioStream | None,
    starts: dict[int, int],
    subject: str,
    *,
    partial: bool,
) -> VideoTrack:
    context = video.codec_context
    context.thread_count = 1
    context.options = {"max_pixels": str(MAX_PIXELS)}
    _refuse_large(context.width, context.height, subject)
    is_h264 = context.codec.canonical_name == "h264"
    header = h264.parameter_sets(context.extradata) if is_h264 else []
    length_size = h264.length_size(context.extradata) if is_h264 else None
    sps = _first_sps(header)
    packets, seen, picture = _Packets(), 0, None
    tail: list[Any] = []  # the packets since the last keyframe, where the container has no length
    endless = container.format.name == "mpegts"
    stored = container.format.name != "avi"
    last_sound = Fraction(0)
    last_decoded = Fraction(-(2**40))
    for packet in container.demux(*(stream for stream in (video, audio) if stream is not None)):
        if not packet.size:
            continue
        seen += 1
        if seen > MAX_PACKETS:
            raise DreamlakeError(Code.MEDIA_TOO_LARGE, f"{subject} has more than {MAX_PACKETS:,} packets.")
        if packet.has_sidedata("encryption_info"):
            raise DreamlakeError(
                Code.MEDIA_ENCRYPTED, f"{subject} is encrypted; it can't be processed without its key."
            )
        # AVI stores no times of presentation; what FFmpeg makes up for them is not to be relied on.
        time = packet.pts if packet.pts is not None and stored else packet.dts
        if packet.stream_index != video.index:
            if time is not None and packet.time_base is not None:
                last_sound = max(last_sound, (time + (packet.duration or 0)) * packet.time_base)
                # Priming that lies before the start of the presentation is not its start.
                assert audio is not None
                if not packet.is_discard and packet.stream_index not in starts:
                    starts[audio.index] = time
            continue
        if packet.dts is not None and packet.time_base is not None:
            decoded_at = packet.dts * packet.time_base
            if decoded_at < last_decoded - _BACKWARDS:
                raise DreamlakeError(
                    Code.MEDIA_UNSUPPORTED,
                    f"The clock of {subject} goes back from {float(last_decoded):.1f} s to {float(decoded_at):.1f} s: "
                    "it consists of several recordings.",
                    hint="Upload them one by one, or join them with ffmpeg's concat demuxer.",
                )
            last_decoded = max(last_decoded, decoded_at)
        if endless:
            tail = [packet] if packet.is_keyframe else [*tail, packet] if 0 < len(tail) < _TAIL_PACKETS else []
        if picture is None:
            picture = _first_picture(packet)
        if is_h264:
            units = _units(packet, length_size)
            if units is None:
                packets.damaged += 1
            elif packet.is_keyframe:
                kinds = {h264.unit_type(unit) for unit in units}
                own = _first_sps(units)
                sps = sps or own
                packets.changes += own is not None and own != sps
                packets.idr += h264.IDR in kinds and (bool(header) or {h264.SPS, h264.PPS} <= kinds)
        if packet.is_discard:
            packets.hidden += 1
            continue
        if time is None:
            raise DreamlakeError(Code.MEDIA_UNSUPPORTED, f"The pictures of {subject} carry no times.")
        if not packets.pts:
            packets.starts_with_keyframe = packet.is_keyframe
        packets.pts.append(time)
        packets.ends.append(time + (packet.duration or 0))
        if packet.is_keyframe:
            packets.keyframes.append(time)
    if not packets.pts:
        raise DreamlakeError(Code.NO_VIDEO, f"{subject} holds a video stream without any picture.")
    if picture is None:
        picture = next((_picture(frame) for frame in context.decode(None)), None)
    if picture is None:
        raise DreamlakeError(Code.MEDIA_CORRUPT, f"No picture of {subject} can be decoded.")
    track = _track(video, picture, packets, sps, stored, subject, partial=partial)
    if _is_broken_off(tail):
        raise _cut_off(subject, "its last picture can't be decoded")
    if container.format.name.startswith("matroska") and container.duration and not partial:
        # Of live recordings the header says nothing; where it does, the last picture or sound is there.
        declared = Fraction(container.duration, av.time_base)
        there = max(track.end * track.time_base, last_sound)
        if there < declared - max(Fraction(1), declared / 50):
            raise _cut_off(subject, f"its header announces {float(declared):.1f} s, {float(there):.1f} s are there")
    # AVI's header has the length in ticks; its demuxer skips what it can't read, and the clock stands still there.
    if container.format.name == "avi" and track.end + track.frame_seconds / track.time_base < video.frames:
        raise DreamlakeError(
            Code.MEDIA_CORRUPT,
            f"{subject} is damaged: {float(track.end * track.time_base):.2f} s of it can be read, "
            f"its header announces {float(video.frames * track.time_base):.2f} s.",
        )
    return track


def _track(
    video: VideoStream,
    picture: Picture,
    packets: _Packets,
    sps: h264.SequenceParameters | None,
    times_stored: bool,
    subject: str,
    *,
    partial: bool,
) -> VideoTrack:
    time_base = video.time_base
    assert time_base is not None
    pts = np.sort(np.array(packets.pts, dtype=np.int64))
    last = int(pts[-1])
    end = max(packets.ends)
    if end <= last:
        # The last frame has no duration of its own: it is taken to last as long as the others do.
        steps = np.diff(pts)
        rate = video.average_rate or Fraction(25)
        end = last + max(1, int(np.median(steps)) if len(steps) else round(1 / (rate * time_base)))
    if (end - int(pts[0])) * time_base > MAX_SECONDS:
        hours = float((end - int(pts[0])) * time_base) / 3600
        raise DreamlakeError(Code.MEDIA_TOO_LARGE, f"{subject} is {hours:.1f} hours long; 26 hours are the limit.")
    return VideoTrack(
        index=video.index,
        codec=video.codec_context.codec.canonical_name,
        profile=video.codec_context.profile,
        sample_aspect=video.sample_aspect_ratio or Fraction(1),
        rate=video.average_rate,
        time_base=time_base,
        picture=picture,
        pts=pts,
        end=end,
        hidden=packets.hidden,
        keyframes=np.sort(np.array(packets.keyframes, dtype=np.int64)),
        idr=packets.idr,
        changes=packets.changes,
        damaged=packets.damaged,
        starts_with_keyframe=packets.starts_with_keyframe,
        sps=sps,
        times_stored=times_stored,
        partial=partial,
    )


def _units(packet: Any, length_size: int | None) -> list[memoryview] | None:
    """The NAL units of a packet; None when they do not add up."""
    data = bytes(memoryview(packet))
    try:
        return list(h264.units_with_length(data, length_size) if length_size else h264.units_with_start_code(data))
    except ValueError:
        return None


def _first_sps(units: list[memoryview]) -> h264.SequenceParameters | None:
    for unit in units:
        if h264.unit_type(unit) == h264.SPS:
            try:
                return h264.parse_sps(unit)
            except ValueError:
                return None
    return None


def _is_broken_off(tail: list[Any]) -> bool:
    """Whether the last group of pictures ends in one that a decoder has to make up in part."""
    frames = []
    try:
        for packet in tail:
            frames += [frame.is_corrupt for frame in packet.decode()]
        if tail:
            frames += [frame.is_corrupt for frame in tail[0].stream.codec_context.decode(None)]
    except av.error.FFmpegError:
        return True
    return any(frames[-_REORDERED:])


def _first_picture(packet: Any) -> Picture | None:
    try:
        return next((_picture(frame) for frame in packet.decode()), None)
    except av.error.FFmpegError:
        return None  # a later packet may do; a file without any picture is refused at its end


def _picture(frame: VideoFrame) -> Picture:
    name = frame.format.name
    return Picture(
        width=frame.width,
        height=frame.height,
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
    data: Any = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return False
    a, b, _, c, d, *_ = struct.unpack("=9i", memoryview(data))
    return a * d - b * c < 0


def _audio_track(audio: AudioStream, sniffed: Sniffed, starts: dict[int, int]) -> AudioTrack:
    context = audio.codec_context
    assert audio.time_base is not None
    # FLAC and WAV know their length to the sample; the others estimate it or count priming.
    exact = sniffed.demuxer in ("flac", "wav") and audio.duration
    return AudioTrack(
        index=audio.index,
        codec=context.codec.canonical_name,
        profile=context.profile,
        sample_rate=context.sample_rate,
        channels=context.layout.nb_channels,
        time_base=audio.time_base,
        start=starts.get(audio.index, audio.start_time),
        declared=audio.duration * audio.time_base if exact and audio.duration else None,
        language=audio.language,
        title=audio.metadata.get("title"),
    )
