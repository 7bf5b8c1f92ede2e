"""Copies for browsers of today: fragmented MP4 whose pictures, times and sound are the source's own."""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from dreamlake_pipeline.media.containers import fmp4
from dreamlake_pipeline.media.hls.conformance.published import check_hls
from dreamlake_pipeline.media.hls.conformance.report import Report
from dreamlake_pipeline.media.hls.conformance.segments import Chunk, read_chunk
from dreamlake_pipeline.media.hls.playlist import master_playlist, media_playlist
from dreamlake_pipeline.media.results import Stream, VideoResult
from dreamlake_pipeline.media.video.make import make_video
from dreamlake_pipeline.playback import PlaybackMode

from .conftest import TEST_PICTURE, TONE, Clip, Encode

X265 = "-c:v libx265 -preset ultrafast -tag:v hvc1 -x265-params log-level=0:keyint=60"
MOVING = {
    "av1.mp4": f"{TEST_PICTURE} {TONE} -t 7 -c:v libsvtav1 -preset 12 -g 2 -c:a aac",
    "av1.mkv": f"{TEST_PICTURE} {TONE} -t 7 -c:v libsvtav1 -preset 12 -g 2 -c:a libopus",
    "vp9.webm": f"{TEST_PICTURE} {TONE} -t 7 -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 60 -c:a libopus",
    "hevc.mp4": f"{TEST_PICTURE} {TONE} -t 7 {X265}:open-gop=0:bframes=2 -c:a flac",
    "b-frames.mp4": f"{TEST_PICTURE} {TONE} -t 7 -c:v libx264 -preset fast -bf 3 -g 60 -c:a aac",
    "odd.webm": "-f lavfi -i testsrc=size=321x181:rate=30 -t 2 -pix_fmt yuv420p -c:v libvpx-vp9 "
    "-deadline realtime -cpu-used 8",
    "ten-bits.mp4": f"{TEST_PICTURE} -t 2 -c:v libsvtav1 -preset 12 -g 2 -pix_fmt yuv420p10le",
    "uneven.webm": f"{TEST_PICTURE} -t 4 -vf select='not(mod(n\\,7)-mod(n\\,3))' -fps_mode vfr "
    "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 10",
    "mp3.mkv": f"{TEST_PICTURE} {TONE} -t 2 -c:v libsvtav1 -preset 12 -g 2 -c:a libmp3lame",
}
CODECS = {
    "av1.mp4": "av01.0.00M.08,mp4a.40.2",
    "av1.mkv": "av01.0.00M.08,opus",
    "vp9.webm": "vp09.00.11.08,opus",
    "hevc.mp4": "hvc1.1.6.L60.90,flac",
    "b-frames.mp4": "avc1.64000d,mp4a.40.2",
    "odd.webm": "vp09.00.11.08",
    "ten-bits.mp4": "av01.0.00M.10",
    "uneven.webm": "vp09.00.11.08",
    "mp3.mkv": "av01.0.00M.08,mp4a.40.2",
}

Made = Callable[[str], tuple[Path, VideoResult]]


@pytest.fixture(scope="module")
def made(encode: Encode, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder, known = tmp_path_factory.mktemp("modern"), {}

    def find(name: str) -> tuple[Path, VideoResult]:
        if name not in known:
            source = encode(MOVING[name], folder / name)
            result = make_video(source, folder / f"{name}-out", filename=name, playback=PlaybackMode.MODERN)
            known[name] = source, result
        return known[name]

    return find


def joined(stream: Stream) -> io.BytesIO:
    return io.BytesIO(b"".join(file.read() for file in stream.files))


def pictures(content: str | io.BytesIO) -> tuple[list[float], list[str]]:
    """Times of all pictures, and what is in them."""
    with av.open(content) as container:
        frames = [
            (float(one.time), hashlib.sha256(one.to_ndarray(format="rgb24").tobytes()).hexdigest())
            for one in container.decode(video=0)
        ]
    return [time for time, _ in frames], [digest for _, digest in frames]


@pytest.mark.parametrize("name", MOVING)
def test_pictures_are_the_sources_own_at_their_times(made: Made, name: str) -> None:
    source, result = made(name)
    assert result.mode == "copy" and result.streams[0].init is not None, result.warnings
    (before, expected), (after, shown) = pictures(str(source)), pictures(joined(result.streams[0]))
    assert shown == expected
    assert np.allclose(np.subtract(after, after[0]), np.subtract(before, before[0]), atol=0.0011)
    assert result.frames == len(expected)
    assert result.time_origin.source_start == pytest.approx(before[0], abs=0.001)
    assert after[0] == pytest.approx(result.time_origin.stream_start, abs=0.001) == pytest.approx(10.0, abs=0.001)
    assert result.poster is not None
    with av.open(str(source)) as container:
        keyframes = sum(packet.is_keyframe for packet in container.demux(video=0))
    assert (result.contact_sheet is not None) == (keyframes > 1)


@pytest.mark.parametrize("name", MOVING)
def test_codecs_are_named_as_players_ask_for_them(made: Made, name: str) -> None:
    _, result = made(name)
    assert result.streams[0].codecs == CODECS[name]
    assert [one.partition(":")[0] for one in result.transcode_reasons] == (["audio_codec"] if name == "mp3.mkv" else [])


@pytest.mark.parametrize("name", ["av1.mkv", "vp9.webm", "hevc.mp4", "b-frames.mp4"])
def test_each_segment_can_be_decoded_alone(made: Made, name: str) -> None:
    _, result = made(name)
    stream = result.streams[0]
    assert stream.init is not None and len(stream.segments) == 2
    found = [pictures(io.BytesIO(stream.init.read() + segment.read())) for segment in stream.segments]
    assert [digest for _, digests in found for digest in digests] == pictures(joined(stream))[1]
    begins = [float(sum(segment.duration for segment in stream.segments[:at])) for at in range(len(found))]
    assert [times[0] - 10.0 for times, _ in found] == pytest.approx(begins, abs=0.001)


@pytest.mark.parametrize("name", ["av1.mkv", "hevc.mp4"])
def test_sound_is_as_far_from_the_pictures_as_in_the_source(made: Made, name: str) -> None:
    source, result = made(name)

    def begins(content: str | io.BytesIO) -> float:
        with av.open(content) as container:
            sound = next(one.time for one in container.decode(audio=0) if (one.time or 0) >= 0)
        with_pictures = pictures(content if isinstance(content, str) else joined(result.streams[0]))[0]
        return float(sound) - with_pictures[0]

    # A packet that begins before the first picture is left out, as it is everywhere.
    assert begins(joined(result.streams[0])) - begins(str(source)) == pytest.approx(0, abs=0.021)


def test_equal_files_make_equal_segments(made: Made, tmp_path: Path) -> None:
    source, result = made("vp9.webm")
    again = make_video(source, tmp_path / "out", filename="again", playback=PlaybackMode.MODERN)
    assert [file.sha256 for file in again.streams[0].files] == [file.sha256 for file in result.streams[0].files]
    assert again.streams[0].hash == result.streams[0].hash


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("vp8.webm", "video_codec: vp8"),
        ("rotated.mp4", "rotation"),
        ("hdr.mp4", "hdr"),
        ("trimmed.mp4", "edit_list"),
        ("one-keyframe.mp4", "keyframes"),
    ],
)
def test_what_cannot_be_copied_is_made_for_every_browser_and_says_why(
    clip: Clip, tmp_path: Path, name: str, why: str
) -> None:
    result = make_video(clip(name), tmp_path / "out", filename=name, playback=PlaybackMode.MODERN)
    assert [stream.init for stream in result.streams] == [None] and result.mode == "transcode"
    assert any("not copied for browsers of today" in one and why in one for one in result.warnings)


def test_open_groups_of_pictures_are_not_cut(encode: Encode, tmp_path: Path) -> None:
    """Pictures before a keyframe that need those of the segment before would be lost to whoever begins there."""
    source = encode(f"{TEST_PICTURE} -t 14 {X265}:open-gop=1", tmp_path / "open.mp4")
    result = make_video(source, tmp_path / "out", filename="open.mp4", playback=PlaybackMode.MODERN)
    assert result.streams[0].init is None
    assert any("decoded without anything before it" in one for one in result.warnings)


def test_both_are_variants_of_one_master_playlist(made: Made, tmp_path: Path) -> None:
    source, alone = made("vp9.webm")
    both = make_video(source, tmp_path / "out", filename="vp9.webm", playback=PlaybackMode.BOTH)
    modern, everywhere = both.streams
    assert modern.hash == alone.streams[0].hash and everywhere.init is None
    assert everywhere.codecs.startswith("avc1.64") and everywhere.codecs.endswith("mp4a.40.2")
    assert both.time_origin == alone.time_origin
    assert broken(both.streams) == set()


def test_a_ladder_is_beside_the_stream_that_it_was_made_of(made: Made, tmp_path: Path) -> None:
    source, _ = made("odd.webm")
    result = make_video(source, tmp_path / "out", filename="odd", ladder=(90,), playback=PlaybackMode.MODERN)
    assert [(one.init is not None, one.height) for one in result.streams] == [(True, 181), (False, 180), (False, 90)]
    assert broken(result.streams) == set()


def broken(streams: tuple[Stream, ...]) -> set[str]:
    """The rules of conformance that a master playlist of these breaks, with what is stored read anew."""
    playlists, chunks = {}, {}
    for stream in streams:
        playlists[f"{stream.hash}.m3u8"] = media_playlist(stream, lambda name: name)
        init = None
        if stream.init is not None:
            first = chunks[stream.name_of(stream.init)] = read_chunk(stream.init.path)
            assert isinstance(first.part, fmp4.Init)
            init = first.part
        chunks |= {stream.name_of(one): read_chunk(one.path, init) for one in stream.segments}
    return broken_by(master_playlist(streams, lambda name: f"{name}.m3u8"), playlists, chunks)


def broken_by(master: str, playlists: dict[str, str], chunks: dict[str, Chunk]) -> set[str]:
    report = Report()
    check_hls(master, playlists, chunks, report)
    return {check["rule"] for check in report.checks if not check["ok"]}


def moved(data: bytes, box: bytes, at: int, by: int) -> bytes:
    """A segment in which a number of 32 bits in the first box of a kind is another one."""
    place = data.index(box) + 4 + at
    number = int.from_bytes(data[place : place + 4], "big") + by
    return data[:place] + number.to_bytes(4, "big") + data[place + 4 :]


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("begins where the one before ends", lambda data: moved(data, b"tfdt", 8, 90_000)),
        ("EXTINF agree with the times", lambda data: moved(data, b"tfdt", 8, 90_000)),
        ("sequence numbers go on by one", lambda data: moved(data, b"mfhd", 4, 1)),
        ("one `moof` and one `mdat`", lambda data: data[:-1]),
        ("one `moof` and one `mdat`", lambda data: moved(data, b"trun", 4, 1)),
        ("can be decoded without anything before it", lambda data: data.replace(b"mdat", b"mdat\xff", 1)[: len(data)]),
    ],
)
def test_each_fault_breaks_its_rule(made: Made, rule: str, change: Callable[[bytes], bytes]) -> None:
    """The second segment, with one thing wrong, and everything else right: named by its hash, in its place."""
    stream = made("vp9.webm")[1].streams[0]
    assert broken((stream,)) == set() and stream.init is not None
    data = change(stream.segments[1].read())
    init = fmp4.parse_init(stream.init.read())
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        chunk = Chunk(sha256, len(data), fmp4.parse_fragment(data, init))
    except fmp4.MalformedFragment as error:
        chunk = Chunk(sha256, len(data), None, str(error))
    chunks = {stream.name_of(one): read_chunk(one.path, init) for one in stream.segments[:1]}
    chunks[stream.name_of(stream.init)] = read_chunk(stream.init.path)
    chunks[f"{sha256}.m4s"] = chunk
    media = media_playlist(stream, lambda name: name).replace(stream.name_of(stream.segments[1]), f"{sha256}.m4s")
    found = broken_by(master_playlist([stream], lambda name: name), {stream.hash: media}, chunks)
    assert any(rule in one for one in found), found


def test_a_playlist_without_its_initialization_segment_is_broken(made: Made) -> None:
    stream = made("vp9.webm")[1].streams[0]
    assert stream.init is not None
    init = fmp4.parse_init(stream.init.read())
    chunks = {stream.name_of(one): read_chunk(one.path, init) for one in stream.segments}
    media = media_playlist(stream, lambda name: name)
    found = broken_by(master_playlist([stream], lambda name: name), {stream.hash: media}, chunks)
    assert any("stored, and the initialization segment" in one for one in found)


def test_segments_that_are_cut_off_anywhere_are_malformed_and_nothing_worse(made: Made) -> None:
    stream = made("odd.webm")[1].streams[0]
    assert stream.init is not None
    head, segment = stream.init.read(), stream.segments[0].read()
    init = fmp4.parse_init(head)
    assert len(fmp4.parse_fragment(segment, init).tracks) == 1
    for end in range(len(head)):
        with pytest.raises(fmp4.MalformedFragment):
            fmp4.parse_init(head[:end])
    moof = int.from_bytes(segment[:4], "big")
    for end in [*range(moof + 8), len(segment) - 1]:
        with pytest.raises(fmp4.MalformedFragment):
            fmp4.parse_fragment(segment[:end], init)


def test_any_byte_of_the_boxes_may_be_another_one(made: Made) -> None:
    """What a stranger's file makes a muxer write is read without harm: no other exception, no endless work."""
    stream = made("av1.mkv")[1].streams[0]
    assert stream.init is not None
    head, segment = stream.init.read(), stream.segments[0].read()
    init, moof = fmp4.parse_init(head), int.from_bytes(segment[:4], "big")
    for at in range(len(head)):
        for value in (0, 0xFF, head[at] ^ 0x80):
            with contextlib.suppress(fmp4.MalformedFragment):
                fmp4.parse_init(head[:at] + bytes([value]) + head[at + 1 :])
    for at in range(min(moof, 400)):
        for value in (0, 0xFF, segment[at] ^ 0x80):
            with contextlib.suppress(fmp4.MalformedFragment):
                fmp4.parse_fragment(segment[:at] + bytes([value]) + segment[at + 1 :], init)


def test_a_segment_of_one_sample_is_one(made: Made) -> None:
    stream = made("vp9.webm")[1].streams[0]
    assert stream.init is not None
    init = fmp4.parse_init(stream.init.read())
    picture = init.of_kind("video")
    assert picture is not None
    data = stream.segments[0].read()
    samples = fmp4.parse_fragment(data, init).of(picture)
    assert samples is not None
    alone = fmp4.one_sample(picture.id, 7, 900_000, 3000, bytes(samples.of(memoryview(data), 0)))
    found = fmp4.parse_fragment(alone, init)
    assert (found.number, found.begins_anew, found.tracks[0].end) == (7, True, 903_000)
    assert len(pictures(io.BytesIO(stream.init.read() + alone))[0]) == 1


def test_bounds_of_segments_follow_each_other(made: Made) -> None:
    for name in ("av1.mp4", "b-frames.mp4"):
        stream = made(name)[1].streams[0]
        assert stream.init is not None
        init = fmp4.parse_init(stream.init.read())
        parts = [fmp4.parse_fragment(one.read(), init) for one in stream.segments]
        for track in init.tracks:
            of_track = [found for part in parts if (found := part.of(track)) is not None]
            assert all(before.end == after.dts[0] for before, after in pairwise(of_track))
