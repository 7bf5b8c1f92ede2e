"""What a media file is and holds: its container, its streams, and which of them are used."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
import av.container
import av.error
from av.audio.stream import AudioStream
from av.stream import Disposition
from av.video.stream import VideoStream

from ...errors import Code, DreamlakeError
from ...kinds import Kind
from ..results import SoundOnly
from ..run import ffmpeg
from . import codecs, ogg, wave
from .bounds import MAX_PIXELS, cut_off, encrypted, refuse_large, refuse_long
from .claims import read_claims
from .edit_times import read_shifts, shifted
from .edits import Edit
from .encryption import SOUNDS, is_encrypted
from .excerpt import Excerpt
from .flow import Flow, read_flow
from .frames import foreign_end
from .headers import Headers, read_headers
from .integrity import missing_part, unplayed_part
from .samples import crowded_fragment
from .scan import scan
from .sniff import FOREIGN_MEDIA, SEARCHED_BYTES, Sniffed, sniff_file
from .track import VideoTrack

_NO_VIDEO = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.dependent
_VIEWS = Disposition.multilayer
_MOST_WARNINGS = 5  # of one sort
_FEW = 10  # times as many pictures has a video as a track of photos beside it, or more

# Demuxers of files that hold nothing but one sound, and no times.
_UNTIMED = ("wav", "mp3", "flac", "aac", "ac3", "eac3", "amr")

__all__ = [
    "MAX_PIXELS",
    "AudioTrack",
    "Identified",
    "Probe",
    "VideoTrack",
    "identify",
    "probe",
    "probe_video",
    "recognise",
]


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
    layout: str  # the places of its channels, as FFmpeg writes them: `stereo`, `5.1`, `3 channels`
    places: tuple[str, ...]  # of each channel, where there are more than two; `NONE` where none is known
    flow: Flow
    is_timed: bool  # the container has times for it; else they are made up, from how long its frames should last


@dataclass(frozen=True, slots=True)
class Identified:
    """What a file is, and the part of it that is to be read where that is not all of it; `warnings` say why. `parts`
    are those that have to be read one by one."""

    sniffed: Sniffed
    excerpt: Excerpt | None = None
    parts: tuple[Excerpt, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Probe:
    """`excerpt` is the part of the file that was read, where that is not all of it; `parts` are those that have to be
    read one by one, of which `audio` is the first."""

    sniffed: Sniffed
    streams: list[dict[str, Any]]
    video: VideoTrack | None
    audio: AudioTrack | None
    warnings: tuple[str, ...]
    alternates: tuple[AudioTrack, ...]  # the other sound tracks of a video that can be decoded
    excerpt: Excerpt | None = None
    parts: tuple[Excerpt, ...] = ()


def identify(file: BinaryIO, subject: str) -> Identified:
    """What the file is, by its content. Raises DreamlakeError when it is no audio or video that is known here, is not
    whole by its container's word, or claims to be what nothing here can process."""
    sniffed = recognise(file, subject)
    assert sniffed.demuxer is not None
    if is_encrypted(file, sniffed.demuxer):
        raise encrypted(subject)
    if sniffed.demuxer == "wav":
        found = wave.read(file)
        if found.missing:
            raise cut_off(subject, found.missing)
        return Identified(sniffed, found.excerpt, warnings=tuple(found.warnings))
    missing = missing_part(file, sniffed.demuxer)
    if missing:
        raise cut_off(subject, missing.what, missing.hint)
    _refuse_impossible(file, sniffed.demuxer, subject)
    if sniffed.demuxer == "ogg" and (parts := ogg.parts(file)):
        return Identified(sniffed, parts[0], tuple(parts))
    size = file.seek(0, os.SEEK_END)
    behind = _foreign_end(file, sniffed, size)
    if not sniffed.start and not behind:
        return Identified(sniffed)
    warnings = [f"The first {sniffed.start:,} bytes are no sound, and are passed over."] * bool(sniffed.start)
    warnings += [f"The last {behind:,} bytes are no sound, and are left out."] * bool(behind)
    return Identified(sniffed, Excerpt(b"", sniffed.start, size - behind), warnings=tuple(warnings))


def _foreign_end(file: BinaryIO, sniffed: Sniffed, size: int) -> int:
    """Bytes behind the last frame, where a file is a row of frames and nothing else."""
    if sniffed.demuxer not in ("mp3", "aac", "ac3", "eac3"):
        return 0
    file.seek(max(sniffed.start, size - SEARCHED_BYTES))
    return foreign_end(file.read(SEARCHED_BYTES))


def recognise(file: BinaryIO, subject: str) -> Sniffed:
    """What the file is, whole or not; it has a demuxer. Raises DreamlakeError when it is no media known here."""
    if not file.seek(0, os.SEEK_END):
        raise DreamlakeError(Code.FILE_EMPTY, f"{subject} is empty: it holds no bytes.")
    sniffed = sniff_file(file)
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


def _refuse_impossible(file: BinaryIO, demuxer: str, subject: str) -> None:
    claims = read_claims(file, demuxer)
    # Matroska counts from zero, not from the first picture: its claim is compared with what is there.
    if claims.seconds is not None and demuxer != "matroska":
        refuse_long(claims.seconds, subject, claimed=True)
    for width, height in claims.pictures:
        refuse_large(width, height, subject)
    if demuxer == "mov" and (samples := crowded_fragment(file)) is not None:
        raise DreamlakeError(
            Code.MEDIA_CORRUPT,
            f"{subject} is damaged: a fragment announces {samples:,} samples, which do not fit into it.",
        )


def probe(source: Path, subject: str, *, wanted: Kind, partial: bool = False) -> Probe:
    """Read the file's streams; for `wanted` VIDEO also every packet of the video.

    `partial`: it is the good part of a file that was cut off, which may announce more than it holds.

    Raises DreamlakeError with a media code (NOT_MEDIA, NO_VIDEO, NO_AUDIO, MEDIA_…), SoundOnly where a video was
    wanted of a file that holds only sound; `subject` names the file.
    """
    with source.open("rb") as file:
        found, codes = _identify_whole(file, subject, partial=partial)
        demuxer = found.sniffed.demuxer
        assert demuxer is not None
        headers = read_headers(file, demuxer) if wanted is Kind.VIDEO else Headers()
        content = found.excerpt.opened(file) if found.excerpt else f"file:{source.resolve()}"
        with opened(content, found.sniffed, subject) as container:
            return examine(container, found, subject, wanted=wanted, codes=codes, headers=headers, partial=partial)


def probe_video(
    data: bytes, subject: str, is_wanted: Callable[[tuple[str, ...]], bool] = lambda codes: True
) -> Probe | None:
    """`probe` of the bytes of a video; None where what its container calls its tracks' codecs (codecs.py) is not
    wanted, or where it says so much of its times that a file is needed to read it. Raises as `probe` does."""
    file = io.BytesIO(data)
    found, codes = _identify_whole(file, subject)
    demuxer = found.sniffed.demuxer
    assert demuxer is not None
    if found.excerpt is not None or not is_wanted(codes):
        return None
    headers = read_headers(file, demuxer)
    if any(sum(not edit.empty for edit in edits) > 1 for edits in headers.edits.values()):
        return None
    with opened(io.BytesIO(data), found.sniffed, subject) as container:
        return examine(container, found, subject, wanted=Kind.VIDEO, codes=codes, headers=headers)


def _identify_whole(file: BinaryIO, subject: str, *, partial: bool = False) -> tuple[Identified, tuple[str, ...]]:
    """What a file is, and what its container calls its tracks' codecs. `partial` as in `probe`."""
    found = Identified(recognise(file, subject)) if partial else identify(file, subject)
    demuxer = found.sniffed.demuxer
    assert demuxer is not None
    if partial:
        _refuse_impossible(file, demuxer, subject)
    elif unplayed := unplayed_part(file, demuxer):
        warning = f"{subject} is not whole: {unplayed}; no picture and no sound is among them."
        found = replace(found, warnings=(warning, *found.warnings))
    return found, codecs.codes(file, demuxer)


def examine(
    container: av.container.InputContainer,
    identified: Identified,
    subject: str,
    *,
    wanted: Kind,
    codes: tuple[str, ...] = (),
    headers: Headers | None = None,
    partial: bool = False,
) -> Probe:
    """`probe` of a file that is open already; `codes` are the container's names for its tracks' codecs (codecs.py),
    `headers` are needed for VIDEO."""
    sniffed = identified.sniffed
    streams = [_describe(stream) | _created(stream, container) for stream in container.streams]
    for stream, code in zip(streams, codes, strict=False):
        if code and (sniffed.demuxer == "mpegts" or "codec" not in stream or code in SOUNDS):
            stream.pop("codec", None)  # what FFmpeg took it for
            stream["tag"] = code
    if wanted is Kind.AUDIO and any(stream.get("tag") in SOUNDS for stream in streams):
        raise encrypted(subject)
    video = _choose(container.streams.video, streams, "video", subject) if wanted is Kind.VIDEO else None
    audio = _choose(container.streams.audio, streams, "audio", subject, needed=video is None)
    if (video if wanted is Kind.VIDEO else audio) is None:
        raise _missing(wanted, streams, subject, has_sound=audio is not None)
    others = [found for found in _usable(container.streams.audio, streams, "audio") if video and found is not audio]
    warnings = [*identified.warnings]
    warnings += _warnings(streams, [found for found in (video, audio, *others) if found], video)
    scanned = None
    if video is not None and video.disposition & _VIEWS:
        warnings.append(f"Stream {video.index} holds several views of each picture (MV-HEVC); the first is shown.")
    if video is not None:
        assert isinstance(video, VideoStream) and headers is not None and sniffed.demuxer is not None
        try:
            scanned = scan(
                container,
                video,
                audio,
                subject,
                crop=headers.crop(sniffed.demuxer, video, list(container.streams.video).index(video)),
                chunks=headers.chunks.get(video.index),
                partial=partial,
            )
        except DreamlakeError as error:
            # In the good part of a file that was cut off, a picture may have been behind the cut.
            if error.code is not Code.NO_VIDEO or audio is None or partial:
                raise
            raise SoundOnly(error.code, error.message) from None
        if len(edits := [edit for edit in headers.edits.get(video.id, ()) if not edit.empty]) > 1:
            scanned = replace(scanned, video=_in_time(scanned.video, container, sniffed, subject, edits))
        warnings += [*scanned.warnings, *(edit.warning for edit in headers.odd_edits[:_MOST_WARNINGS])]
    audio_track = None
    if audio is not None:
        assert sniffed.demuxer is not None
        flow = scanned.sound_flow if scanned else read_flow(container, audio, sniffed.demuxer, subject)
        audio_track = _audio_track(audio, sniffed, scanned.sound_start if scanned else None, flow)
        warnings += _flow_warnings(flow)
    alternates = tuple(_audio_track(found, sniffed, None, Flow()) for found in others)
    video_track = scanned.video if scanned else None
    return Probe(
        sniffed,
        streams,
        video_track,
        audio_track,
        tuple(warnings),
        alternates,
        identified.excerpt,
        identified.parts,
    )


def _in_time(
    track: VideoTrack, container: av.container.InputContainer, sniffed: Sniffed, subject: str, edits: list[Edit]
) -> VideoTrack:
    """The track with the times that its edits ask for."""
    with (
        opened(container.name, sniffed, subject) as edited,
        opened(container.name, sniffed, subject, ignore_editlist="1") as unedited,
    ):
        shifts = read_shifts(edited, unedited, track.index, edits)
    if not shifts:
        return track
    pts, keyframes = shifted(track.pts, shifts), shifted(track.keyframes, shifts)
    return replace(track, pts=pts, keyframes=keyframes, end=track.end + shifts[-1][1], shifts=shifts)


def _missing(wanted: Kind, streams: list[dict[str, Any]], subject: str, *, has_sound: bool) -> DreamlakeError:
    """The error for a file without a stream of the kind that was wanted; it says what the file has instead."""
    if wanted is Kind.VIDEO and has_sound:
        return SoundOnly(Code.NO_VIDEO, f"{subject} holds sound only, and no picture.")
    instead = _instead(streams)
    hint = _EXTRACT if "text" in instead else None
    if wanted is Kind.VIDEO:
        return DreamlakeError(Code.NO_VIDEO, f"{subject} holds neither pictures nor sound.{instead}", hint=hint)
    return DreamlakeError(Code.NO_AUDIO, f"{subject} holds no audio stream.{instead}", hint=hint)


@contextmanager
def opened(
    source: str | BinaryIO, sniffed: Sniffed, subject: str, **options: str
) -> Iterator[av.container.InputContainer]:
    """A file, by its URL or in memory, opened with the sniffed demuxer and nothing else; FFmpeg's errors become ours.

    `options` are further ones of the demuxer.
    """
    assert sniffed.demuxer is not None
    try:
        with av.open(
            source,
            "r",
            format=sniffed.demuxer,
            options=ffmpeg.input_options(sniffed.demuxer) | options,
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


def _created(stream: Any, container: av.container.InputContainer) -> dict[str, str]:
    """When the container says that the stream, or all of it, was made: RFC 3339 in UTC, to a second; nothing for a
    time without a zone, which FFmpeg never makes of a container's own field."""
    for tags in (stream.metadata, container.metadata):
        try:
            time = datetime.fromisoformat(tags.get("creation_time", ""))
            if time.tzinfo is not None:
                return {"created": f"{time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"}
        except (ValueError, OverflowError):
            continue
    return {}


def _tag(stream: Any) -> str | None:
    """The four letters by which the container names the codec, where it has some."""
    try:
        tag = str(stream.codec_tag)
    except (AttributeError, UnicodeDecodeError):
        return None
    return tag if tag.isprintable() and "\\" not in tag else None


def _seconds(ticks: int | None, time_base: Fraction | None) -> float | None:
    return float(ticks * time_base) if ticks is not None and time_base else None


_SOUND_ALONE = "Convert it with a program that can; or upload it with --type audio to have its sound alone."
_EXTRACT = "Export it as a .vtt or .srt file, and upload that."


def _instead(streams: list[dict[str, Any]]) -> str:
    """A sentence for a file that has neither picture nor sound; empty for any other."""
    texts = [stream for stream in streams if stream["type"] == "subtitle" or stream.get("tag") in ("wvtt", "stpp")]
    if texts and len(texts) == len(streams):
        return f" It has text only: {_codecs_of(texts)}."
    if any(stream["type"] in ("video", "audio") for stream in streams):
        return ""
    named = [stream for stream in streams if stream.get("tag")]
    if named:
        return f" What it has is {_codecs_of(named)}, which this program can't decode."
    return " Of what it has, nothing is known here." if streams else ""


def _codecs_of(streams: list[dict[str, Any]]) -> str:
    """The codecs of streams, in words."""
    known = [stream.get("tag") or stream.get("codec") for stream in streams]
    return ", ".join(dict.fromkeys(codecs.name_of(str(code)) for code in known if code)) or "of an unknown codec"


def _choose(candidates: Any, described: list[dict[str, Any]], kind: str, subject: str, *, needed: bool = True) -> Any:
    """The stream to use, of those that can be decoded: a default one before others, of several videos the largest in
    colour, of equals the first; none with far fewer pictures than another.

    Cover art, thumbnails and layers of another track are no video. Raises MEDIA_UNSUPPORTED when there are streams and
    none can be decoded; where one is not `needed`, such as the sound of a picture, a warning says so instead.
    """
    real = [stream for stream in candidates if not stream.disposition & _NO_VIDEO]
    usable = _usable(real, described, kind)
    if real and not usable:
        if not needed:
            return None
        names = _codecs_of([described[stream.index] for stream in real])
        if any(_is_known(stream, described, kind) for stream in real):
            why = f"can't be read: it seems to be {names}, and nothing of that form is found"
        else:
            why = f"is {names}, which this program can't decode"
        raise DreamlakeError(
            Code.MEDIA_UNSUPPORTED,
            f"The {kind} of {subject} {why}.",
            hint=_SOUND_ALONE if kind == "video" and any(stream["type"] == "audio" for stream in described) else None,
        )
    most = max((stream.frames for stream in usable), default=0)
    # Photos that a phone keeps beside a video, in a track of their own, are larger than it.
    usable = [stream for stream in usable if kind != "video" or not 0 < _FEW * stream.frames < most] or usable
    defaults = [stream for stream in usable if stream.disposition & Disposition.default] or usable
    return max(defaults, key=_worth if kind == "video" else lambda stream: 0, default=None)


def _worth(stream: Any) -> tuple[bool, int]:
    """What makes one of several videos the one to show: a depth camera's may be larger than that in colour."""
    context = stream.codec_context
    return not (context.pix_fmt or "").startswith("gray"), context.width * context.height


def _usable(candidates: Any, described: list[dict[str, Any]], kind: str) -> list[Any]:
    """The streams that can be decoded here: the codec is known, and so is the form of what it holds."""
    return [
        stream
        for stream in candidates
        if _is_known(stream, described, kind)
        and (
            stream.codec_context.width
            if kind == "video"
            else stream.codec_context.sample_rate and stream.codec_context.layout.nb_channels
        )
    ]


def _is_known(stream: Any, described: list[dict[str, Any]], kind: str) -> bool:
    """Whether its codec is one that is decoded here."""
    decoders = (ffmpeg.VIDEO_DECODERS if kind == "video" else ffmpeg.AUDIO_DECODERS).split(",")
    return "codec" in described[stream.index] and stream.codec_context.name in decoders


def _warnings(streams: list[dict[str, Any]], chosen: list[Any], video: Any) -> list[str]:
    warnings = []
    used = {stream.index for stream in chosen}
    for stream in streams:
        is_cover = "attached_pic" in stream.get("disposition", [])
        if stream["index"] in used or (is_cover and video is None):
            continue
        what = "cover art" if is_cover else stream["type"]
        codec = (
            f" ({stream['codec']})" if "codec" in stream else f" ({_codecs_of([stream])})" if "tag" in stream else ""
        )
        why = "can't be decoded here and " if what == "audio" and video is not None else ""
        warnings.append(f"Stream {stream['index']}, {what}{codec}, {why}is not part of the playable version.")
    return warnings


def _flow_warnings(flow: Flow) -> list[str]:
    if flow.is_steady:
        return []
    what = ["holes are filled with silence"] * bool(flow.holes) + ["what comes twice is left out"] * bool(flow.overlaps)
    return [f"The sound {flow.words()}: {', '.join(what)}."]


def _audio_track(audio: AudioStream, sniffed: Sniffed, start: int | None, flow: Flow) -> AudioTrack:
    """`start` is the first time that is presented, where the packets were looked at."""
    context, layout = audio.codec_context, audio.codec_context.layout
    assert audio.time_base is not None
    # FLAC knows its length to the sample, and so does a WAV of plain samples; the others estimate it or count priming.
    exact = audio.duration and (sniffed.demuxer == "flac" or (sniffed.demuxer == "wav" and _is_plain(context)))
    return AudioTrack(
        index=audio.index,
        codec=context.codec.canonical_name,
        profile=context.profile,
        sample_rate=context.sample_rate,
        channels=layout.nb_channels,
        time_base=audio.time_base,
        start=audio.start_time if start is None else start,
        declared=audio.duration * audio.time_base if exact and audio.duration else None,
        language=audio.language,
        title=audio.metadata.get("title"),
        layout=layout.name,
        places=tuple(channel.name for channel in layout.channels) if layout.nb_channels > 2 else (),
        flow=flow,
        is_timed=sniffed.demuxer not in _UNTIMED,
    )


def _is_plain(context: Any) -> bool:
    return bool(context.codec.canonical_name.startswith("pcm_"))
