"""Real clips through make_video: what comes out plays, is as long as what went in, and says how it was made."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest

from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.media.results import Stream, VideoResult
from dreamlake_pipeline.media.run import ffmpeg
from dreamlake_pipeline.media.video import make as video
from dreamlake_pipeline.media.video.make import make_video

Make = Callable[[Path], VideoResult]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return lambda source: make_video(source, tmp_path / "out", filename=f"/camera/{source.name}")


def presented(path: Path) -> tuple[int, float]:
    """Frames and seconds of a file, by decoding it."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        times = [float(frame.pts * frame.time_base) for frame in container.decode(stream)]
        rate = float(stream.average_rate)
    return len(times), max(times) - min(times) + 1 / rate


@pytest.mark.parametrize(
    ("name", "mode", "reason"),
    [
        ("h264.mp4", "copy", None),
        ("silent.mp4", "copy", None),
        ("b-frames.mp4", "copy", None),
        ("remuxed.mkv", "copy", None),
        ("late.mkv", "copy", None),
        ("one-frame.mp4", "copy", None),
        ("fragmented.mp4", "copy", None),
        ("mp3-sound.mkv", "copy", "audio_codec"),
        ("trimmed.mp4", "transcode", "edit_list"),
        ("vp8.webm", "transcode", "video_codec"),
        ("vp9.webm", "transcode", "video_codec"),
        ("av1.mp4", "transcode", "video_codec"),
        ("mjpeg.avi", "transcode", "color_range"),
        ("mpeg4.avi", "transcode", "video_codec"),
        ("h264.avi", "transcode", "times"),
        ("hdr.mp4", "transcode", "hdr"),
        ("odd.mp4", "transcode", "odd_size"),
        ("rotated.mp4", "transcode", "rotation"),
        ("anamorphic.mp4", "transcode", "sample_aspect"),
        ("interlaced.mp4", "transcode", "interlaced"),
        ("full-range.mkv", "transcode", "color_range"),
        ("open-gop.mkv", "transcode", "open_gop"),
        ("depth.mkv", "transcode", "pixel_format"),
        ("one-keyframe.mp4", "transcode", "keyframes"),
    ],
)
def test_every_frame_comes_out_once_and_plays(
    clip: Callable[[str], Path], make: Make, play: Callable[[Stream], Any], name: str, mode: str, reason: str | None
) -> None:
    frames, seconds = presented(clip(name))
    result = make(clip(name))
    stream = result.streams[0]
    played = play(stream)

    assert (result.mode, result.frames) == (mode, frames)
    assert [text.split(":")[0] for text in result.transcode_reasons if reason and text.startswith(reason)] == (
        [reason] if reason else []
    )
    assert result.duration == pytest.approx(seconds, abs=1 / 30)
    assert result.duration == float(sum(segment.duration for segment in stream.segments))
    assert len(played.pictures) == frames
    assert played.pixel_formats == {"yuv420p"}
    assert played.sizes == {(result.width, result.height)}
    assert all(before < after for before, after in pairwise(played.pictures))
    assert bool(played.samples) == result.has_audio == ("mp4a.40.2" in stream.codecs)
    assert all(check["ok"] for check in result.conformance["checks"] if check["level"] == "must")
    assert all(segment.duration <= 12 for segment in stream.segments)
    assert result.poster is not None
    assert (result.contact_sheet is not None) == (played.keyframes > 1)


def test_a_turned_picture_comes_out_upright(clip: Callable[[str], Path], make: Make) -> None:
    result = make(clip("rotated.mp4"))
    assert (result.width, result.height) == (180, 320)


def test_pixels_come_out_square_and_sizes_even(clip: Callable[[str], Path], make: Make, tmp_path: Path) -> None:
    result = make(clip("anamorphic.mp4"))
    assert (result.width, result.height) == (426, 180)
    odd = make_video(clip("odd.mp4"), tmp_path / "odd", filename="odd.mp4")
    assert (odd.width, odd.height) == (320, 180)


def test_variable_frame_rate_keeps_each_frame_at_its_time(
    clip: Callable[[str], Path], make: Make, play: Callable[[Stream], Any]
) -> None:
    with av.open(str(clip("variable.mp4"))) as container:
        times = [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]
    result = make(clip("variable.mp4"))
    pictures = play(result.streams[0]).pictures
    assert result.transcode_reasons[0].startswith("variable_frame_rate")
    assert len(pictures) == len(times) == result.frames
    assert [time - pictures[0] for time in pictures] == pytest.approx([time - times[0] for time in times], abs=0.001)


def test_a_picture_that_grows_on_the_way_keeps_its_first_size(
    clip: Callable[[str], Path], written: Callable[[str, bytes], Path], make: Make, play: Callable[[Stream], Any]
) -> None:
    both = written("both.h264", clip("small.h264").read_bytes() + clip("large.h264").read_bytes())
    source = both.with_name("grows.ts")
    command = [ffmpeg.build().path, "-loglevel", "error", "-framerate", "30", "-i", both, "-c", "copy", source]
    subprocess.run(command, check=True)
    result = make(source)
    assert (result.mode, result.frames, result.width, result.height) == ("transcode", 120, 160, 90)
    assert [reason.split(":")[0] for reason in result.transcode_reasons] == ["parameter_sets"]
    assert play(result.streams[0]).sizes == {(160, 90)}


def test_a_copy_that_fails_its_verification_is_transcoded_instead(
    clip: Callable[[str], Path], make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video, "video_reasons", lambda track: [])
    result = make(clip("open-gop.mkv"))
    assert (result.mode, result.frames) == ("transcode", 270)
    assert result.transcode_reasons[0].startswith("copy_failed") and "IDR" in result.transcode_reasons[0]


def test_sound_that_fails_its_verification_is_encoded_instead(
    clip: Callable[[str], Path], make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video, "audio_reasons", lambda track: [])
    result = make(clip("mp3-sound.mkv"))
    assert [reason.split(":")[0] for reason in result.transcode_reasons] == ["copy_failed", "audio_copy_failed"]
    assert result.has_audio and result.frames == 120


def test_time_origin_says_when_the_recording_began(clip: Callable[[str], Path], make: Make) -> None:
    origin = make(clip("late.mkv")).time_origin
    assert (origin.source_start, origin.pts, origin.time_base) == (100_000.0, 100_000_000, "1/1000")
    assert origin.stream_start == pytest.approx(10, abs=0.1)


def test_the_sound_is_as_long_as_the_picture(
    clip: Callable[[str], Path], make: Make, play: Callable[[Stream], Any]
) -> None:
    played = play(make(clip("vp9.webm")).streams[0])
    assert played.samples / played.sample_rate == pytest.approx(4, abs=2 * 1024 / 48_000)


def test_picture_and_sound_stay_together(
    clip: Callable[[str], Path], make: Make, onsets: Callable[[Stream], tuple[list[float], list[float]]]
) -> None:
    flashes, beeps = onsets(make(clip("beeps.webm")).streams[0])
    assert flashes == pytest.approx(list(range(8)), abs=0.001)
    assert beeps == pytest.approx(flashes, abs=0.02)


@pytest.mark.parametrize("name", ["h264.mp4", "mjpeg.avi"])
def test_the_same_file_gives_the_same_chunks_on_a_busy_machine(
    clip: Callable[[str], Path], name: str, tmp_path: Path
) -> None:
    source = clip(name)

    def run(number: int) -> tuple[str, ...]:
        stream = make_video(source, tmp_path / str(number), filename=f"name {number}.mp4").streams[0]
        return stream.hash, *(segment.sha256 for segment in stream.segments)

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(run, range(4)))) == 1


def test_a_strange_file_name_reaches_no_command(clip: Callable[[str], Path], tmp_path: Path) -> None:
    source = tmp_path / "-y $(touch gone) +ü %d:\n.mp4"
    source.write_bytes(clip("silent.mp4").read_bytes())
    assert make_video(source, tmp_path / "out", filename=source.name).frames == 90


def test_the_content_decides_not_the_extension(clip: Callable[[str], Path], make: Make, tmp_path: Path) -> None:
    source = tmp_path / "really-webm.mp4"
    source.write_bytes(clip("vp8.webm").read_bytes())
    assert make(source).container == "webm"


def test_nothing_comes_of_a_part_without_its_index(cut: Callable[[str, float], Path], tmp_path: Path) -> None:
    with pytest.raises(DreamlakeError, match=r"h264\.mp4") as caught:
        make_video(cut("h264.mp4", 0.6), tmp_path / "out", filename="h264.mp4")
    assert caught.value.code is Code.MEDIA_TRUNCATED


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("garbage.mp4", bytes(range(256)) * 400, Code.NOT_MEDIA),
        ("empty.mp4", b"", Code.FILE_EMPTY),
        ("text.mp4", b"Dear robot,\nthis is a letter.\n", Code.NOT_MEDIA),
        ("page.mp4", b"<!DOCTYPE html><html><body>404</body></html>", Code.NOT_MEDIA),
        ("archive.mp4", b"PK\x03\x04" + bytes(100), Code.NOT_MEDIA),
        ("locked.mp4", b"Salted__" + bytes(range(100)), Code.MEDIA_ENCRYPTED),
        ("header-only.mp4", b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isommp42", Code.MEDIA_TRUNCATED),
        ("header-only.webm", b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm" + bytes(3000), Code.MEDIA_CORRUPT),
    ],
)
def test_what_is_no_video_is_refused_by_name(
    written: Callable[[str, bytes], Path], make: Make, name: str, data: bytes, code: Code
) -> None:
    with pytest.raises(DreamlakeError) as caught:
        make(written(name, data))
    assert caught.value.code is code
    assert name in caught.value.message


def test_an_encrypted_video_is_refused(clip: Callable[[str], Path], make: Make) -> None:
    with pytest.raises(DreamlakeError) as caught:
        make(clip("encrypted.mp4"))
    assert caught.value.code is Code.MEDIA_ENCRYPTED


def test_cover_art_is_no_video(clip: Callable[[str], Path], make: Make) -> None:
    with pytest.raises(DreamlakeError) as caught:
        make(clip("cover-art.m4a"))
    assert caught.value.code is Code.NO_VIDEO


def test_damage_in_the_middle_is_found(
    clip: Callable[[str], Path], written: Callable[[str, bytes], Path], make: Make
) -> None:
    data = bytearray(clip("mjpeg.avi").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 60_000] = bytes(60_000)
    with pytest.raises(DreamlakeError) as caught:
        make(written("damaged.avi", bytes(data)))
    assert caught.value.code in (Code.MEDIA_CORRUPT, Code.MEDIA_TRUNCATED)


@pytest.mark.parametrize(
    "script",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\n{victim}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile {victim}\n",
        "file '{victim}'\n",
        '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>file://{victim}</BaseURL></MPD>',
        "   \n#EXTM3U\n#EXTINF:6,\nhttp://127.0.0.1:9/x.ts\n",
    ],
)
def test_a_playlist_in_disguise_opens_nothing(
    clip: Callable[[str], Path], written: Callable[[str, bytes], Path], make: Make, script: str, tmp_path: Path
) -> None:
    source = written("disguise.mp4", script.format(victim=clip("h264.mp4")).encode())
    with pytest.raises(DreamlakeError) as caught:
        make(source)
    assert caught.value.code is Code.NOT_MEDIA
    assert not list((tmp_path / "out").glob("*"))
