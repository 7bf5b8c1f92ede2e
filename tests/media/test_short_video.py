"""Short videos that are copied in this process come out as ffmpeg would make them, to the byte."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dreamlake_pipeline.media.results import RawSegment, VideoResult
from dreamlake_pipeline.media.video.make import make_long_video, make_short_video, make_video

Encode = Callable[[str, Path], Path]

PICTURES = "-f lavfi -i testsrc2=size=160x120:rate={rate},noise=alls=12:allf=t:all_seed=7 -t {seconds}"
X264 = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -threads 1"


def in_memory(made: VideoResult) -> VideoResult:
    """The same with segments that compare by their bytes."""
    streams = tuple(
        replace(stream, segments=tuple(replace(segment, content=segment.read()) for segment in stream.segments))
        for stream in made.streams
    )
    return replace(made, streams=streams)


SHORT = {
    "one keyframe and B-frames": (6, 30, f"{X264} -g 250"),
    "no B-frames": (3, 30, f"{X264} -g 250 -bf 0"),
    "many B-frames, open to no pyramid": (3, 25, f"{X264} -g 250 -bf 8 -x264-params b-pyramid=none:b-adapt=0"),
    "several segments": (20, 10, f"{X264} -g 25"),
    "segments that end before six seconds": (14, "30000/1001", f"{X264} -g 50 -keyint_min 50"),
    "a clock of odd ticks": (3, "24000/1001", f"{X264} -video_track_timescale 1000003"),
    "a coarse clock": (3, 25, f"{X264} -video_track_timescale 600"),
    "no edit list": (3, 30, f"{X264} -use_editlist 0 -avoid_negative_ts make_zero"),
    "a late start": (3, 30, f"{X264} -output_ts_offset 1.234"),
    "fragments": (5, 30, f"{X264} -g 30 -movflags frag_keyframe+empty_moov+default_base_moof"),
    "the index first": (3, 30, f"{X264} -movflags +faststart -metadata title=Kitchen -metadata:s:v language=eng"),
    "three pictures": (1, 3, X264),
    "Baseline, several slices": (3, 15, f"{X264} -profile:v baseline -slices 4"),
}
LONG = {
    "sound": (2, 25, f"-f lavfi -i sine=duration=2 {X264} -c:a aac -shortest"),
    "4:4:4": (2, 25, "-c:v libx264 -preset veryfast -pix_fmt yuv444p"),
    "another codec": (2, 25, "-c:v mpeg4"),
    "keyframes far apart": (16, 10, f"{X264} -g 9999 -sc_threshold 0"),
    "longer than a minute": (70, 2, f"{X264} -g 20"),
}


@pytest.mark.parametrize("name", SHORT)
def test_what_is_copied_here_is_what_ffmpeg_copies(name: str, encode: Encode, tmp_path: Path) -> None:
    seconds, rate, how = SHORT[name]
    source = encode(f"{PICTURES.format(rate=rate, seconds=seconds)} {how}", tmp_path / "clip.mp4")
    short = make_short_video(source.read_bytes(), filename="clip.mp4")
    assert short is not None and short.mode == "copy"
    assert all(isinstance(segment.content, bytes) for segment in short.streams[0].segments)

    long = make_long_video(source, tmp_path / "long", filename="clip.mp4")
    assert short == in_memory(long)


@pytest.mark.parametrize("name", LONG)
def test_whatever_is_unusual_is_left_to_ffmpeg(name: str, encode: Encode, tmp_path: Path) -> None:
    seconds, rate, how = LONG[name]
    source = encode(f"{PICTURES.format(rate=rate, seconds=seconds)} {how}", tmp_path / "clip.mp4")
    assert make_short_video(source.read_bytes(), filename="clip.mp4") is None


def test_turned_cut_and_damaged_files_are_left_to_ffmpeg(encode: Encode, tmp_path: Path) -> None:
    plain = encode(f"{PICTURES.format(rate=25, seconds=4)} {X264} -g 250", tmp_path / "plain.mp4")
    turned = encode(f"-display_rotation 90 -i {plain} -c copy", tmp_path / "turned.mp4")
    cut = encode(f"-ss 1 -i {plain} -c copy", tmp_path / "cut.mp4")
    data = plain.read_bytes()
    for bytes_ in (turned.read_bytes(), cut.read_bytes(), data[: len(data) // 2], data[:40], b"", b"....ftyp" * 9):
        assert make_short_video(bytes_, filename="clip.mp4") is None


def test_the_bytes_alone_decide(encode: Encode, tmp_path: Path) -> None:
    """Whoever makes a file of a few bytes goes the short way; with smaller pictures beside it, its best stream is the
    same, by the long one."""
    source = encode(f"{PICTURES.format(rate=25, seconds=2)} {X264}", tmp_path / "clip.mp4")
    made = make_video(source, tmp_path / "made", filename="clip.mp4")
    assert made == make_short_video(source.read_bytes(), filename="another.mp4")
    ladder = make_video(source, tmp_path / "ladder", filename="clip.mp4", ladder=(60,))
    assert len(ladder.streams) == 2

    def hashes(segments: tuple[RawSegment, ...]) -> list[str]:
        return [segment.sha256 for segment in segments]

    assert hashes(ladder.streams[0].segments) == hashes(made.streams[0].segments)
