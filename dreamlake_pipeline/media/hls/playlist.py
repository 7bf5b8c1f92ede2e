"""HLS playlists from streams (RFC 8216). Who stores or serves them says how chunks and streams are addressed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction

from ..results import AudioRendition, Segment, Stream

# 3 allows fractions in EXTINF, 6 is the version that EXT-X-MAP needs in a playlist of
# segments, and that later drafts tie to EXT-X-INDEPENDENT-SEGMENTS (RFC 8216 7).
_VERSION = 6
_AUDIO_GROUP = "audio"


def target_duration(durations: Iterable[Fraction]) -> int:
    """EXT-X-TARGETDURATION: the longest EXTINF, rounded to whole seconds (RFC 8216 4.3.3.1), at least 1."""
    return max(1, math.floor(max(durations) + Fraction(1, 2)))


def media_playlist(stream: Stream, uri_of: Callable[[str], str]) -> str:
    """The media playlist of one stream; `uri_of` turns the name of a segment, `{sha256}.ts`, into its URI.

    EXTINF has microseconds, rounded so that the sum of any run of segments is right to one of them.
    """
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{_VERSION}",
        f"#EXT-X-TARGETDURATION:{target_duration(segment.duration for segment in stream.segments)}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
    ]
    if stream.independent:
        lines.append("#EXT-X-INDEPENDENT-SEGMENTS")
    if stream.init is not None:
        lines.append(f'#EXT-X-MAP:URI="{uri_of(stream.name_of(stream.init))}"')
    end, written = Fraction(0), 0
    for segment in stream.segments:
        end += segment.duration
        micros = round(end * 1_000_000) - written
        written += micros
        lines.append(f"#EXTINF:{micros // 1_000_000}.{micros % 1_000_000:06d},")
        lines.append(uri_of(stream.name_of(segment)))
    lines.append("#EXT-X-ENDLIST")
    return "\n".join(lines) + "\n"


def master_playlist(
    streams: Sequence[Stream], uri_of: Callable[[str], str], audio: Sequence[AudioRendition] = ()
) -> str:
    """The master playlist, best stream first; `uri_of` turns a stream's hash into its URI.

    `audio` are the sound tracks when there are several: the first is in the streams, the others have their own.
    """
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{_VERSION}"]
    if all(stream.independent for stream in streams):
        lines.append("#EXT-X-INDEPENDENT-SEGMENTS")
    lines += [_audio_rendition(rendition, uri_of, default=at == 0) for at, rendition in enumerate(audio)]
    # What a player may have to fetch at a time: a stream and one of the other sound tracks (RFC 8216 4.3.4.2).
    others = [rendition.stream for rendition in audio if rendition.stream is not None]
    peak = max((other.bandwidth for other in others), default=0)
    average = max((other.average_bandwidth for other in others), default=0)
    for stream in streams:
        attributes = [
            f"BANDWIDTH={stream.bandwidth + peak}",
            f"AVERAGE-BANDWIDTH={stream.average_bandwidth + average}",
            f'CODECS="{stream.codecs}"',
        ]
        if stream.width and stream.height:
            attributes.append(f"RESOLUTION={stream.width}x{stream.height}")
        if stream.fps:
            attributes.append(f"FRAME-RATE={float(stream.fps):.3f}")
        if audio:
            attributes.append(f'AUDIO="{_AUDIO_GROUP}"')
        lines.append("#EXT-X-STREAM-INF:" + ",".join(attributes))
        lines.append(uri_of(stream.hash))
    return "\n".join(lines) + "\n"


def _audio_rendition(rendition: AudioRendition, uri_of: Callable[[str], str], *, default: bool) -> str:
    """EXT-X-MEDIA of a sound track (RFC 8216 4.3.4.1); without a URI it is the one in the streams."""
    attributes = ["TYPE=AUDIO", f'GROUP-ID="{_AUDIO_GROUP}"', f'NAME="{rendition.name}"']
    if rendition.language:
        attributes.append(f'LANGUAGE="{rendition.language}"')
    attributes += [f"DEFAULT={'YES' if default else 'NO'}", "AUTOSELECT=YES"]
    if rendition.stream is not None:
        attributes.append(f'URI="{uri_of(rendition.stream.hash)}"')
    return "#EXT-X-MEDIA:" + ",".join(attributes)


def bandwidths(segments: Sequence[Segment]) -> tuple[int, int]:
    """(peak, average) bits per second.

    The peak is over all runs of segments that last 0.5 to 1.5 target durations (RFC 8216 4.1); a stream so short that
    there is none is its own peak.
    """
    target = target_duration(segment.duration for segment in segments)
    total = sum((segment.duration for segment in segments), Fraction(0))
    average = math.ceil(sum(segment.size for segment in segments) * 8 / total)
    peak = average
    for first in range(len(segments)):
        size, duration = 0, Fraction(0)
        for segment in segments[first:]:
            size, duration = size + segment.size, duration + segment.duration
            if duration > Fraction(3, 2) * target:
                break
            if duration >= Fraction(1, 2) * target:
                peak = max(peak, math.ceil(size * 8 / duration))
    return peak, average
