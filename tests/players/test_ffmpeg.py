"""FFmpeg plays what BSS serves, through its playback URL: every picture at its time, sound, subtitles."""

from __future__ import annotations

import io
import re
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import av
import httpx
import m3u8
import pytest

from dreamlake_pipeline.media.containers import mpegts
from dreamlake_pipeline.media.hls.conformance.published import check_hls
from dreamlake_pipeline.media.hls.conformance.report import Report
from dreamlake_pipeline.media.hls.conformance.segments import read_chunk
from dreamlake_pipeline.media.hls.conformance.subtitles import check_subtitles
from dreamlake_pipeline.media.run import ffmpeg

# One process plays them all: what they play is made once.
pytestmark = pytest.mark.xdist_group("players")

VIDEOS = ("kept.mp4", "re-encoded.webm", "turned.mp4", "uneven.mkv")
Clip = Callable[[str], Path]


def pictures(source: str) -> tuple[list[Fraction], set[tuple[int, int]]]:
    """The time of every picture, from the first one on, and their sizes."""
    with av.open(source) as container:
        frames = [(frame.pts * frame.time_base, (frame.width, frame.height)) for frame in container.decode(video=0)]
    start = min(time for time, _ in frames)
    return sorted(time - start for time, _ in frames), {size for _, size in frames}


@pytest.mark.parametrize("name", VIDEOS)
def test_every_picture_of_the_source_is_played_at_its_time(served: dict[str, Any], clip: Clip, name: str) -> None:
    there, (size,) = pictures(str(clip(name)))
    video = served[f"/cam/{name}"]
    played, (shown,) = pictures(video.url)
    assert len(played) == len(there) == video.metadata["length"]
    half_a_frame = Fraction(1, 60)
    assert max(abs(a - b) for a, b in zip(played, there, strict=True)) < half_a_frame
    assert shown == (size[::-1] if name == "turned.mp4" else size)
    assert shown == (video.metadata["width"], video.metadata["height"])
    assert video.metadata["processing"]["mode"] == ("copy" if name == "kept.mp4" else "transcode")


def test_sound_is_played_to_its_end(served: dict[str, Any]) -> None:
    for name, seconds in (("kept.mp4", 8), ("re-encoded.webm", 3), ("sound.wav", 3)):
        with av.open(served[f"/cam/{name}"].url) as container:
            heard = sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
        assert heard == pytest.approx(seconds, abs=0.05), name


def published(url: str) -> tuple[str, dict[str, str], dict[str, str]]:
    """The master playlist, the media playlists by the URIs in it, and where the segments that these name really are."""
    master = httpx.get(url).text
    found = m3u8.loads(master)
    uris = [stream.uri for stream in found.playlists] + [media.uri for media in found.media if media.uri]
    playlists = {uri: httpx.get(urljoin(url, uri)).text for uri in uris}
    where = {
        segment.uri: urljoin(urljoin(url, uri), segment.uri)
        for uri, text in playlists.items()
        for segment in m3u8.loads(text).segments
    }
    return master, playlists, where


@pytest.mark.parametrize("name", VIDEOS)
def test_every_segment_can_be_decoded_alone(served: dict[str, Any], name: str) -> None:
    video = served[f"/cam/{name}"]
    alone = 0
    for uri, address in published(video.url)[2].items():
        if ".ts" in uri:
            with av.open(io.BytesIO(httpx.get(address).content), format="mpegts") as container:
                alone += sum(1 for _ in container.decode(video=0))
    assert alone == video.metadata["length"]


@pytest.mark.parametrize("name", [*VIDEOS, "sound.wav"])
def test_what_is_served_conforms(served: dict[str, Any], tmp_path: Path, name: str) -> None:
    file = served[f"/cam/{name}"]
    master, playlists, where = published(file.url)
    chunks = {}
    for uri, address in where.items():
        if ".ts" in uri:
            path = tmp_path / "chunk.ts"
            path.write_bytes(httpx.get(address).content)
            chunks[uri] = read_chunk(path)
    report = Report()
    check_hls(master, playlists, chunks, report)
    subtitles = [text for uri, text in playlists.items() if uri.startswith("subtitles/")]
    assert len(subtitles) == (2 if name == "kept.mp4" else 0)
    for text in subtitles:
        segments = [httpx.get(where[segment.uri]).text for segment in m3u8.loads(text).segments]
        check_subtitles(text, segments, file.metadata["timeOrigin"]["streamStart"], report)
    assert report.broken == []
    # What the pipeline found before it published them is on the record, rule by rule.
    recorded = {check["rule"]: check["ok"] for check in file.metadata["conformance"]["checks"]}
    assert all(recorded.values())
    assert {check["rule"] for check in report.checks} <= recorded.keys() | {
        check["rule"] for check in report.checks if "subtitles" in check["rule"] or "group" in check["rule"]
    }


def renditions(url: str) -> list[str]:
    """The addresses of the media playlists of a master's streams, in its order."""
    return [urljoin(url, stream.uri) for stream in m3u8.loads(httpx.get(url).text).playlists]


@pytest.mark.parametrize(
    ("name", "heights"), [("1200.mp4", [1200, 1080, 720, 480]), ("720.mp4", [720, 480]), ("360.mp4", [360])]
)
def test_every_rendition_has_every_picture_and_none_is_enlarged(
    laddered: dict[str, Any], clip: Clip, name: str, heights: list[int]
) -> None:
    there, ((width, height),) = pictures(str(clip(name)))
    video = laddered[name]
    assert (height, video.metadata["ladder"]) == (heights[0], [1080, 720, 480])
    assert [(one["width"], one["height"]) for one in video.metadata["renditions"]] == [
        (round(width * step / height / 2) * 2, step) for step in heights
    ]
    for address, rendition in zip(renditions(video.url), video.metadata["renditions"], strict=True):
        played, (shown,) = pictures(address)
        assert shown == (rendition["width"], rendition["height"])
        assert played == there


def times(ts: bytes) -> dict[str, list[int]]:
    """The times of a segment's pictures and of its sound, in ticks, in their order."""
    found: dict[str, list[int]] = {"video": [], "audio": []}
    with av.open(io.BytesIO(ts), "r", format="mpegts") as container:
        for packet in container.demux():
            if packet.pts is not None:
                found[packet.stream.type].append(packet.pts)
    return {kind: sorted(ticks) for kind, ticks in found.items()}


def test_a_player_may_change_the_rendition_at_every_segment(laddered: dict[str, Any]) -> None:
    segments, keyframes = [], []
    for address in renditions(laddered["1200.mp4"].url):
        playlist = m3u8.loads(httpx.get(address).text, uri=address)
        segments.append([times(httpx.get(segment.absolute_uri).content) for segment in playlist.segments])
        with av.open(address) as container:
            keyframes.append([frame.pts for frame in container.decode(video=0) if frame.key_frame])
    assert len(segments) == 4 and len(segments[0]) == 2 and len(keyframes[0]) == 4
    assert segments == [segments[0]] * 4
    assert keyframes == [keyframes[0]] * 4


def test_the_other_sound_track_is_as_long_and_in_step(laddered: dict[str, Any]) -> None:
    url = laddered["1200.mp4"].url
    first, second = m3u8.loads(httpx.get(url).text).media
    assert [(one.language, one.default, bool(one.uri)) for one in (first, second)] == [
        ("en", "YES", False),
        ("fr", "NO", True),
    ]
    best, other = (m3u8.loads(httpx.get(address).text) for address in (renditions(url)[0], urljoin(url, second.uri)))
    assert [one.duration for one in other.segments] == pytest.approx([one.duration for one in best.segments], abs=0.03)
    with av.open(urljoin(url, second.uri)) as container:
        frames = list(container.decode(audio=0))
    heard = [frame.time - frames[0].time for frame in frames if abs(frame.to_ndarray()).max() > 0.05]
    assert sum(frame.samples / frame.sample_rate for frame in frames) == pytest.approx(7, abs=0.05)
    assert heard[-1] == pytest.approx(4, abs=0.05)


def shown_by_ffmpeg(url: str, stream: str) -> list[tuple[str, str]]:
    """The cues that ffmpeg decodes, each once, with their times in seconds of playback."""
    command = [ffmpeg.build().path, "-loglevel", "error", "-nostdin", "-i", url, "-map", stream, "-f", "webvtt", "-"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=200)
    return list(dict.fromkeys(re.findall(r"^([\d:.]+ --> [\d:.]+)\n(.+)$", done.stdout, re.MULTILINE)))


def test_subtitles_are_shown_at_their_times(served: dict[str, Any]) -> None:
    video = served["/cam/kept.mp4"]
    # The clock of the segments starts later, which players that know no X-TIMESTAMP-MAP must not see.
    assert video.metadata["timeOrigin"]["streamStart"] * mpegts.CLOCK > 90_000
    assert shown_by_ffmpeg(video.url, "0:s:0") == [
        ("00:02.000 --> 00:03.000", "The arm moves."),
        ("00:05.000 --> 00:07.500", "Across two segments."),
    ]
    assert shown_by_ffmpeg(video.url, "0:s:1") == [("00:02.000 --> 00:03.000", "Der Arm bewegt sich.")]
    with av.open(video.url) as container:
        assert [stream.language for stream in container.streams.subtitles] == [None, "de"]
