"""Several sound tracks, and a ladder of smaller pictures: in step with the best stream, and right by themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import av
import m3u8
import numpy as np
import pytest

from dreamlake_pipeline.media.containers.mpegts import AAC_ADTS, CLOCK, H264, parse_segment
from dreamlake_pipeline.media.hls.playlist import master_playlist, media_playlist
from dreamlake_pipeline.media.results import Stream, VideoResult
from dreamlake_pipeline.media.video.make import make_video

from .conftest import on_disk

P = "-f lavfi -i testsrc2=size=160x120:rate=25:duration=14"
H264_CODEC = "-c:v libx264 -preset veryfast -g 40 -bf 2 -pix_fmt yuv420p"
TONES = "-f lavfi -i sine=440:sample_rate=48000:duration=14 -f lavfi -i sine=1320:sample_rate=44100:duration=14"
LANGUAGES = "-metadata:s:a:0 language=eng -metadata:s:a:1 language=ger -metadata:s:a:1 title=Kommentar"
CLIPS = {
    "two.mkv": f"{P} {TONES} -map 0 -map 1 -map 2 {H264_CODEC} -c:a aac {LANGUAGES}",
    "second.mkv": "-i {two.mkv} -map 0 -c copy -disposition:a:0 0 -disposition:a:1 default",
    "undecodable.mkv": f"{P} {TONES} -map 0 -map 1 -map 2 {H264_CODEC} -c:a:0 tta -c:a:1 aac",
    "late.mov": f"{P} -f lavfi -i anullsrc=r=48000:duration=14 -itsoffset 4 "
    f"-f lavfi -i sine=1320:sample_rate=48000:duration=3 -map 0 -map 1 -map 2 {H264_CODEC} -c:a aac",
    "turned.mp4": "-display_rotation 90 -i {two.mkv} -map 0:v -map 0:a:0 -c copy",
    "variable.mkv": f"{P} -vf select=lt(mod(n\\,7)\\,3) -fps_mode vfr -c:v mpeg4 -q:v 3",
    "late-picture.mkv": "-itsoffset 0.4 -i {two.mkv} -i {two.mkv} -map 0:v -map 1:a -c copy -output_ts_offset 5000",
}

Clip = Callable[[str], Path]
Make = Callable[..., VideoResult]


@pytest.fixture(scope="module")
def clip(clip_maker: Callable[[Mapping[str, str]], Clip]) -> Clip:
    return clip_maker(CLIPS)


@pytest.fixture
def make(clip: Clip, tmp_path: Path) -> Make:
    return lambda name, **options: make_video(clip(name), tmp_path / "out", filename=name, **options)


@pytest.fixture
def decode(tmp_path: Path) -> Callable[[Stream], list[av.VideoFrame | av.AudioFrame]]:
    def run(stream: Stream) -> list[av.VideoFrame | av.AudioFrame]:
        paths = {segment.sha256: str(on_disk(segment, tmp_path)) for segment in stream.segments}
        playlist = tmp_path / f"{stream.hash}.m3u8"
        playlist.write_text(media_playlist(stream, lambda name: paths[name.partition(".")[0]]))
        with av.open(str(playlist), options={"allowed_extensions": "ALL", "extension_picky": "0"}) as container:
            return list(container.decode(*container.streams.video, *container.streams.audio))

    return run


def pitch(frames: Sequence[av.VideoFrame | av.AudioFrame]) -> float:
    """The strongest frequency in Hz in the middle of the sound."""
    sound = [frame for frame in frames if isinstance(frame, av.AudioFrame)]
    middle = np.concatenate([frame.to_ndarray()[0] for frame in sound[len(sound) // 2 :][:20]])
    return float(np.argmax(np.abs(np.fft.rfft(middle))) * sound[0].sample_rate / len(middle))


def starts(stream: Stream) -> list[float]:
    """When each segment begins on the clock of MPEG-TS: with its first picture, else with its first sound."""
    begins = []
    for segment in stream.segments:
        part = parse_segment(segment.read())
        leading = part.of_type(H264) or part.streams[0]
        begins.append(min(leading.pts) / CLOCK)
    return begins


def sound(stream: Stream) -> list[list[int]]:
    """The time of every packet of sound, segment by segment."""
    parts = [parse_segment(segment.read()).of_type(AAC_ADTS) for segment in stream.segments]
    return [part.pts if part else [] for part in parts]


def test_the_other_sound_tracks_are_renditions_of_their_own(make: Make, decode: Callable[[Stream], list]) -> None:
    result = make("two.mkv")
    assert result.mode == "copy" and len(result.streams) == 1
    first, second = result.audio
    assert (first.name, first.language, first.stream) == ("en", "en", None)
    assert (second.name, second.language) == ("Kommentar", "de")
    assert second.stream is not None and second.stream.codecs == "mp4a.40.2"
    assert pitch(decode(result.streams[0])) == pytest.approx(440, abs=30)
    assert pitch(decode(second.stream)) == pytest.approx(1320, abs=30)
    assert starts(second.stream) == pytest.approx(starts(result.streams[0]), abs=1024 / 44_100 + 0.001)
    assert sum(s.duration for s in second.stream.segments) == pytest.approx(result.duration)

    master = m3u8.loads(master_playlist(result.streams, lambda name: f"{name}.m3u8", result.audio))
    assert [(media.name, media.language, media.default, media.uri) for media in master.media] == [
        ("en", "en", "YES", None),
        ("Kommentar", "de", "NO", f"{second.stream.hash}.m3u8"),
    ]
    (variant,) = master.playlists
    assert variant.stream_info.audio == master.media[0].group_id == master.media[1].group_id
    assert variant.stream_info.bandwidth == result.streams[0].bandwidth + second.stream.bandwidth
    assert not [warning for warning in result.warnings if "audio" in warning]
    assert all(check["ok"] for check in result.conformance["checks"] if check["level"] == "must")


def test_the_default_track_is_in_the_main_stream(make: Make, decode: Callable[[Stream], list]) -> None:
    result = make("second.mkv")
    assert [(track.name, track.index, track.stream is None) for track in result.audio] == [
        ("Kommentar", 2, True),
        ("en", 1, False),
    ]
    assert pitch(decode(result.streams[0])) == pytest.approx(1320, abs=30)


def test_a_first_track_that_can_not_be_decoded_is_passed_over(make: Make, decode: Callable[[Stream], list]) -> None:
    result = make("undecodable.mkv")
    assert result.audio == ()
    assert result.warnings == ("Stream 1, audio (tta), can't be decoded here and is not part of the playable version.",)
    assert pitch(decode(result.streams[0])) == pytest.approx(1320, abs=30)
    assert [stream["codec"] for stream in result.source_streams] == ["h264", "tta", "aac"]


def test_a_track_that_starts_late_is_heard_when_it_should_be(make: Make, decode: Callable[[Stream], list]) -> None:
    (_, second) = make("late.mov").audio
    assert second.stream is not None
    frames = decode(second.stream)
    loud = [frame.time - frames[0].time for frame in frames if abs(frame.to_ndarray()).max() > 0.05]
    assert loud[0] == pytest.approx(4, abs=0.03)
    assert loud[-1] == pytest.approx(7, abs=0.05)
    assert frames[-1].time - frames[0].time == pytest.approx(14, abs=0.05)
    assert len(second.stream.segments) > 1


@pytest.mark.parametrize(
    ("name", "mode", "sizes"),
    [
        ("two.mkv", "copy", [(160, 120), (120, 90), (64, 48)]),
        ("late-picture.mkv", "copy", [(160, 120), (120, 90), (64, 48)]),
        ("turned.mp4", "transcode", [(120, 160), (90, 120), (68, 90), (36, 48)]),
        ("variable.mkv", "transcode", [(160, 120), (120, 90), (64, 48)]),
    ],
)
def test_the_ladder_is_in_step_and_never_larger(
    name: str, mode: str, sizes: list[tuple[int, int]], make: Make, decode: Callable[[Stream], list]
) -> None:
    result = make(name, ladder=(48, 90, 120, 1080))
    assert result.mode == mode
    assert [(stream.width, stream.height) for stream in result.streams] == sizes
    best, *others = [
        [(frame.pts, frame.key_frame) for frame in decode(stream) if isinstance(frame, av.VideoFrame)]
        for stream in result.streams
    ]
    assert len(best) == result.frames
    assert all(other == best for other in others)
    for stream in result.streams[1:]:
        assert starts(stream) == starts(result.streams[0])
        assert sound(stream) == sound(result.streams[0])
        assert stream.bandwidth < result.streams[0].bandwidth
    assert all(check["ok"] for check in result.conformance["checks"] if check["level"] == "must")


def test_there_is_no_ladder_unless_it_is_asked_for(make: Make) -> None:
    assert len(make("turned.mp4").streams) == 1
