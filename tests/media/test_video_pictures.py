"""What is shown is what the file asks for: its crop, its edits, all pictures from the first that can be decoded, each
in its own proportions."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.media.containers import probe
from dreamlake_pipeline.media.containers.track import read_picture
from dreamlake_pipeline.media.hls import segments
from dreamlake_pipeline.media.results import Stream, VideoResult
from dreamlake_pipeline.media.run import ffmpeg
from dreamlake_pipeline.media.video.make import make_video
from tests.media.surgery import add_to_video, edit_list, element, with_aperture, with_descriptions, with_edits

Encode = Callable[[str, Path], Path]

P = "-f lavfi -i testsrc2=size=160x120:rate=25"  # nowhere like itself turned, mirrored or moved
TONE = "-f lavfi -i sine=440:sample_rate=48000"
H264 = "-c:v libx264 -preset ultrafast -g 25 -pix_fmt yuv420p"
ENCODERS = {
    "h264": H264,
    "hevc": "-c:v libx265 -preset ultrafast -x265-params log-level=0:keyint=25:bframes=2",
    "vp8": "-c:v libvpx -deadline realtime -cpu-used 8 -b:v 2M -g 25",
    "vp9": "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 2M -g 25",
    "av1": "-c:v libsvtav1 -preset 12 -g 25",
    "mjpeg": "-c:v mjpeg -q:v 3",
    "mpeg4": "-c:v mpeg4 -q:v 3 -g 25",
}
# Matroska's PixelCrop (RFC 9559 5.1.4.1.28.8 to .11), and DisplayWidth and DisplayHeight.
LEFT, TOP, RIGHT, BOTTOM, WIDTH, HEIGHT = (
    bytes.fromhex(name) for name in ("54cc", "54bb", "54dd", "54aa", "54b0", "54ba")
)


def made_of(path: Path, out: Path) -> VideoResult:
    return make_video(path, out / "out", filename=path.name)


def codes(result: VideoResult) -> set[str]:
    return {reason.split(":")[0] for reason in result.transcode_reasons}


def decoded(path: Path) -> list[tuple[float, np.ndarray]]:
    with av.open(str(path)) as container:
        return [
            (float(frame.pts * frame.time_base), frame.to_ndarray(format="rgb24"))
            for frame in container.decode(video=0)
        ]


def shown(stream: Stream, folder: Path) -> list[tuple[float, np.ndarray]]:
    """Time since the first picture, and the picture, of all that a player shows."""
    path = folder / "shown.ts"
    path.write_bytes(b"".join(segment.read() for segment in stream.segments))
    pictures = decoded(path)
    return [(time - pictures[0][0], picture) for time, picture in pictures]


def off(one: np.ndarray, other: np.ndarray) -> float:
    """Mean difference of two pictures of one size, of 255."""
    return float(np.abs(one.astype(float) - other.astype(float)).mean())


@pytest.mark.parametrize("codec", ["h264", "hevc", "vp8", "vp9", "av1", "mjpeg"])
def test_what_matroska_crops_is_cut_off_in_every_codec(codec: str, encode: Encode, tmp_path: Path) -> None:
    whole = encode(f"{P} -t 1 {ENCODERS[codec]}", tmp_path / "whole.mkv")
    source = tmp_path / "crop.mkv"
    edges = (element(LEFT, 10), element(TOP, 20), element(RIGHT, 6), element(BOTTOM, 4))
    source.write_bytes(add_to_video(whole.read_bytes(), *edges))
    result = made_of(source, tmp_path)
    assert "crop" in codes(result) and (result.width, result.height, result.frames) == (144, 96, 25)
    assert off(shown(result.streams[0], tmp_path)[12][1], decoded(whole)[12][1][20:116, 10:154]) < 12


# Width, height, offsets of the centre, each a fraction (ISO/IEC 14496-12 12.1.4); rows and columns that are left.
APERTURES = {
    "middle": ((160, 1, 80, 1, 0, 1, 0, 1), (slice(20, 100), slice(0, 160))),
    "moved": ((100, 1, 80, 1, 10, 1, -5, 1), (slice(15, 95), slice(40, 140))),
    "fractions": ((201, 2, 161, 2, 1, 4, 1, 4), (slice(20, 100), slice(30, 130))),
}


@pytest.mark.parametrize("name", APERTURES)
def test_a_clean_aperture_is_all_that_is_shown(name: str, encode: Encode, tmp_path: Path) -> None:
    aperture, (rows, columns) = APERTURES[name]
    whole = encode(f"{P} -t 1 {H264}", tmp_path / "whole.mp4")
    source = tmp_path / "aperture.mp4"
    source.write_bytes(with_aperture(whole.read_bytes(), b"avc1", *aperture))
    result = made_of(source, tmp_path)
    wanted = decoded(whole)[12][1][rows, columns]
    assert codes(result) == {"crop"} and (result.height, result.width) == wanted.shape[:2]
    assert off(shown(result.streams[0], tmp_path)[12][1], wanted) < 12


@pytest.mark.parametrize(
    "aperture", [(160, 1, 120, 1, 0, 1, 0, 1), (200, 1, 120, 1, 0, 1, 0, 1), (0, 1, 0, 1, 0, 0, 0, 0)]
)
def test_an_aperture_of_the_whole_picture_or_more_or_nothing_is_no_crop(
    aperture: tuple[int, ...], encode: Encode, tmp_path: Path
) -> None:
    whole = encode(f"{P} -t 1 {H264}", tmp_path / "whole.mp4")
    source = tmp_path / "aperture.mp4"
    source.write_bytes(with_aperture(whole.read_bytes(), b"avc1", *aperture))
    result = made_of(source, tmp_path)
    assert (result.mode, result.width, result.height) == ("copy", 160, 120)


def test_a_crop_comes_before_the_turn_and_the_shape_of_pixels(encode: Encode, tmp_path: Path) -> None:
    whole = encode(f"{P} -t 1 {H264}", tmp_path / "whole.mp4")
    turned = encode(f"-display_rotation 90 -i {whole} -c copy", tmp_path / "turned.mp4")
    source = tmp_path / "both.mp4"
    source.write_bytes(with_aperture(turned.read_bytes(), b"avc1", 100, 1, 80, 1, 10, 1, -5, 1))
    result = made_of(source, tmp_path)
    assert codes(result) == {"crop", "rotation"} and (result.width, result.height) == (80, 100)
    upright = np.rot90(decoded(whole)[12][1][15:95, 40:140])  # 90 degrees counterclockwise
    assert off(shown(result.streams[0], tmp_path)[12][1], upright) < 12

    wide = tmp_path / "wide.mkv"
    remuxed = encode(f"-i {whole} -c copy", tmp_path / "remuxed.mkv").read_bytes()
    # 160 x 80 pixels are left, shown as 320 x 90: each is 16/9 as wide as high.
    wide.write_bytes(
        add_to_video(remuxed, element(TOP, 20), element(BOTTOM, 20), element(WIDTH, 320), element(HEIGHT, 90))
    )
    result = make_video(wide, tmp_path / "wide-out", filename="wide.mkv")
    assert codes(result) == {"crop", "sample_aspect"} and (result.width, result.height) == (284, 80)


def test_what_changes_or_begins_inside_a_group_has_a_ladder_too(encode: Encode, tmp_path: Path) -> None:
    parts = [
        encode(f"{circle(*size)} {ENCODERS['vp8']}", tmp_path / f"{size[0]}.mkv") for size in ((160, 120), (120, 160))
    ]
    (tmp_path / "list.txt").write_text("".join(f"file {part.name}\n" for part in parts))
    joined = encode(f"-f concat -i {tmp_path / 'list.txt'} -c copy", tmp_path / "joined.mkv")
    source = encode(f"-i {joined} -c copy -copyinkf -bsf:v noise=drop=eq(n\\,0)", tmp_path / "begun.mkv")
    result = make_video(source, tmp_path / "out", filename=source.name, ladder=(60,))
    assert [(stream.width, stream.height) for stream in result.streams] == [(120, 160), (44, 60)]
    frames = [shown(stream, tmp_path) for stream in result.streams]
    assert result.frames == len(frames[0]) == len(frames[1]) == 25


def test_a_cropped_video_has_a_cropped_ladder(encode: Encode, tmp_path: Path) -> None:
    whole = encode(f"{P} -t 1 {H264}", tmp_path / "whole.mp4")
    source = tmp_path / "aperture.mp4"
    source.write_bytes(with_aperture(whole.read_bytes(), b"avc1", 160, 1, 80, 1, 0, 1, 0, 1))
    result = make_video(source, tmp_path / "out", filename=source.name, ladder=(40,))
    assert [(stream.width, stream.height) for stream in result.streams] == [(160, 80), (80, 40)]


# ---------------------------------------------------------------- edits

SECOND = 12_800  # of the video's clock
# Duration in milliseconds, start in seconds of the media, rate.
EDITS = {
    "middle cut out": (((2000, 0, 1), (2000, 4, 1)), 100),
    "repeated": (((1000, 0.8, 1), (1000, 0.8, 1), (1000, 0.8, 1)), 75),
    "backwards": (((1000, 3, 1), (1000, 0, 1)), 50),
    "inside a group": (((1400, 0.52, 1), (1400, 4.2, 1)), 70),
}


@pytest.fixture(scope="module")
def beeps(encode: Encode, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds, of which each begins with a flash and a beep; a keyframe every two."""
    flash = "geq=lum='if(lt(mod(T\\,1)\\,0.1)\\,235\\,16)':cb=128:cr=128"
    beep = "aevalsrc='if(lt(mod(t\\,1)\\,0.1)\\,0.8*sin(2000*t)\\,0)':s=48000"
    return encode(
        f"-f lavfi -i color=black:size=64x64:rate=25,{flash} -f lavfi -i {beep} -t 6 "
        f"-c:v libx264 -preset ultrafast -g 50 -c:a aac -video_track_timescale {SECOND} -movie_timescale 1000",
        tmp_path_factory.mktemp("edits") / "beeps.mp4",
    )


def edited(source: Path, path: Path, *edits: tuple[int, float, float]) -> Path:
    """A copy whose picture and sound have these edits."""
    data = source.read_bytes()
    for track, clock in ((0, SECOND), (1, 48_000)):
        priming = 1024 * track
        rows = [(length, -1 if start < 0 else round(start * clock) + priming, rate) for length, start, rate in edits]
        data = with_edits(data, edit_list(*rows), track=track)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", EDITS)
def test_all_edits_are_followed_in_step(
    name: str, beeps: Path, tmp_path: Path, onsets: Callable[[Stream], tuple[list[float], list[float]]]
) -> None:
    edits, frames = EDITS[name]
    source = edited(beeps, tmp_path / "edited.mp4", *edits)
    result = made_of(source, tmp_path)
    seconds = sum(length for length, *_ in edits) / 1000
    assert len(decoded(source)) == frames  # as FFmpeg presents it
    assert result.frames == frames and result.duration == pytest.approx(seconds, abs=0.1)
    assert codes(result) >= {"edit_list", "audio_edit_list"}
    bright, loud = onsets(result.streams[0])
    assert len(bright) == len(loud) > 1
    # Edits may begin inside an AAC frame, of 21 ms.
    assert all(abs(flash - beep) < 0.045 for flash, beep in zip(bright, loud, strict=True))


def test_edits_are_in_step_where_pictures_are_decoded_before_they_are_shown(
    beeps: Path, encode: Encode, tmp_path: Path, onsets: Callable[[Stream], tuple[list[float], list[float]]]
) -> None:
    """FFmpeg presents what is behind the first edit as much later as its pictures are decoded earlier."""
    reordered = encode(
        f"-i {beeps} -c:v libx264 -preset veryfast -bf 3 -g 50 -sc_threshold 0 -c:a copy "
        f"-video_track_timescale {SECOND} -movie_timescale 1000",
        tmp_path / "reordered.mp4",
    )
    delay = 1024 / SECOND  # until the first picture of the media is shown
    data = reordered.read_bytes()
    for track, clock, begin in ((0, SECOND, delay), (1, 48_000, 1024 / 48_000)):
        rows = [(2000, round(begin * clock), 1.0), (1500, round((begin + 4) * clock), 1.0)]
        data = with_edits(data, edit_list(*rows), track=track)
    source = tmp_path / "edited.mp4"
    source.write_bytes(data)
    result = make_video(source, tmp_path / "out", filename=source.name, ladder=(32,))
    assert "edit_list" in codes(result) and "variable_frame_rate" not in codes(result)
    assert result.duration == pytest.approx(3.5, abs=0.041) and not result.warnings
    for stream in result.streams:
        bright, loud = onsets(stream)
        assert bright == pytest.approx([0, 1, 2, 3], abs=0.001) and loud == pytest.approx(bright, abs=0.03)


def test_an_empty_edit_at_the_start_is_a_delay(beeps: Path, tmp_path: Path) -> None:
    result = made_of(edited(beeps, tmp_path / "edited.mp4", (500, -1, 1), (3000, 0, 1)), tmp_path)
    assert (result.frames, result.duration) == (75, pytest.approx(3.0, abs=0.05))
    assert result.time_origin.source_start == pytest.approx(0.5, abs=0.02) and not result.warnings


@pytest.mark.parametrize(
    ("middle", "says"),
    [
        ((1000, 1, 2), "at 2.00 times its speed (from 1.00 to 2.00 s)"),
        ((1000, 1, 0), "as a still picture (from 1.00 to 2.00 s)"),
        ((1000, -1, 1), "shows nothing from 1.00 to 2.00 s"),
    ],
)
def test_edits_that_are_not_followed_are_told(
    middle: tuple[int, float, float], says: str, beeps: Path, tmp_path: Path
) -> None:
    source = edited(beeps, tmp_path / "edited.mp4", (1000, 0, 1), middle, (1000, 2, 1))
    result = made_of(source, tmp_path)
    assert [says in warning for warning in result.warnings] == [True]
    assert result.frames == len(decoded(source))


def test_an_output_that_takes_no_times_that_go_back_is_no_damage_of_the_file(beeps: Path, tmp_path: Path) -> None:
    source = edited(beeps, tmp_path / "edited.mp4", (2000, 0, 1), (2000, 4, 1))
    output = segments.hls_output(ffmpeg.source_input("mov")["a:0"], **{"c:a": "copy"})
    (tmp_path / "run").mkdir()
    limits = ffmpeg.Limits(seconds=60, output_bytes=2**30)
    with pytest.raises(DreamlakeError) as caught:
        ffmpeg.run([output], source=source, cwd=tmp_path / "run", limits=limits, subject=source.name)
    assert caught.value.code is Code.OUTPUT_INVALID and "damaged" not in caught.value.message


# ---------------------------------------------------------------- beginnings inside a group of pictures

BEGUN = [
    (codec, extension)
    for codec in ("h264", "hevc", "vp8", "vp9", "av1", "mpeg4")
    for extension in ("mkv", "mp4", "ts", "avi", "fragments")
    if codec == "h264" or (codec in ("hevc", "vp9") and extension in ("mkv", "mp4")) or extension == "mkv"
    if (codec, extension) != ("h264", "avi")  # ffmpeg writes none without a keyframe first
] + [("mpeg4", "avi")]


@pytest.mark.parametrize(("codec", "extension"), BEGUN)
def test_a_recording_that_begins_inside_a_group_is_shown_from_its_first_keyframe(
    codec: str, extension: str, encode: Encode, tmp_path: Path
) -> None:
    encoder = f"{ENCODERS[codec]} -c:a aac" if extension != "avi" else f"{ENCODERS[codec]} -c:a pcm_s16le"
    whole = encode(f"{P} {TONE} -t 4 {encoder}", tmp_path / "whole.mkv")
    how = "-movflags frag_keyframe+empty_moov" if extension == "fragments" else ""
    name = f"begun.{'mp4' if extension == 'fragments' else extension}"
    source = encode(
        f"-i {whole} -c copy -copyinkf {how} -bsf:v noise=drop='lt(n\\,10)' -copyts -avoid_negative_ts disabled",
        tmp_path / name,
    )
    result = made_of(source, tmp_path)
    pictures, wanted = shown(result.streams[0], tmp_path), decoded(whole)[25:]
    assert result.frames == len(pictures) == len(wanted) == 75
    assert off(pictures[0][1], wanted[0][1]) < 12 and off(pictures[-1][1], wanted[-1][1]) < 12
    [told] = result.warnings
    assert re.search(r"begins inside a group of pictures: its first 1[3-5] pictures \(\d\.\d\d s\)", told)
    # Sound that is there before the first picture is played; where a fragment has it, its muxer decides.
    assert extension == "fragments" or result.duration == pytest.approx(4.0, abs=0.1)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_pictures_that_follow_a_keyframe_but_are_shown_before_it_are_left_out(
    codec: str, encode: Encode, tmp_path: Path
) -> None:
    """The first keyframe is no IDR picture: those that are decoded behind it refer to pictures before it."""
    open_gop = {
        "h264": "-c:v libx264 -bf 3 -g 25 -x264-params open-gop=1:scenecut=0 -pix_fmt yuv420p",
        "hevc": "-c:v libx265 -preset fast -x265-params log-level=0:open-gop=1:keyint=25:bframes=3:scenecut=0",
    }[codec]
    whole = encode(f"{P} -t 4 {open_gop}", tmp_path / "whole.mkv")
    source = encode(f"-i {whole} -c copy -copyinkf -bsf:v noise=drop='lt(n\\,10)'", tmp_path / "begun.mkv")
    result = made_of(source, tmp_path)
    wanted = decoded(whole)[-result.frames :]
    pictures = shown(result.streams[0], tmp_path)
    assert result.frames == len(decoded(source)) == len(pictures) == 75
    assert off(pictures[0][1], wanted[0][1]) < 12
    assert "can't be decoded without those before them" in result.warnings[0]


# ---------------------------------------------------------------- pictures that change on the way


def circle(width: int, height: int) -> str:
    inside = f"lt(hypot(X-{width / 2}\\,Y-{height / 2})\\,50)"
    return f"-f lavfi -i color=black:size={width}x{height}:rate=25,geq=lum='16+219*{inside}':cb=128:cr=128 -t 1"


def proportions(picture: np.ndarray) -> float:
    """Width of what is bright by its height; it must fill its box as a circle does."""
    rows, columns = np.nonzero(picture.mean(axis=2) > 128)
    width, height = int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1
    assert len(rows) / (width * height) == pytest.approx(math.pi / 4, abs=0.06)
    return width / height


@pytest.mark.parametrize("codec", ["h264", "hevc", "vp8", "vp9", "av1", "mjpeg"])
@pytest.mark.parametrize("second", [(120, 160), (320, 240), (320, 120)])
def test_a_picture_that_changes_its_size_keeps_its_proportions(
    codec: str, second: tuple[int, int], encode: Encode, tmp_path: Path
) -> None:
    for name, size in (("one", (160, 120)), ("two", second)):
        encode(f"{circle(*size)} {ENCODERS[codec].replace('bframes=2', 'bframes=0')}", tmp_path / f"{name}.mkv")
    (tmp_path / "list.txt").write_text("file one.mkv\nfile two.mkv\n")
    source = encode(f"-f concat -i {tmp_path / 'list.txt'} -c copy", tmp_path / "changes.mkv")
    if codec in (
        "h264",
        "hevc",
    ):  # as byte streams, both parts have their parameter sets
        parts = [
            encode(f"-i {tmp_path / name}.mkv -c copy -bsf:v {codec}_mp4toannexb", tmp_path / f"{name}.{codec}")
            for name in ("one", "two")
        ]
        joined = tmp_path / f"both.{codec}"
        joined.write_bytes(b"".join(part.read_bytes() for part in parts))
        source = encode(f"-r 25 -i {joined} -c copy", tmp_path / "changes.ts")
    result = made_of(source, tmp_path)
    pictures = shown(result.streams[0], tmp_path)
    assert result.frames == len(pictures) == 50 and {picture.shape for _, picture in pictures} == {(120, 160, 3)}
    assert proportions(pictures[10][1]) == pytest.approx(1, abs=0.06)
    assert proportions(pictures[40][1]) == pytest.approx(1, abs=0.06)
    assert any(f"at 1.00 s from 160 x 120 to {second[0]} x {second[1]}" in warning for warning in result.warnings)


def test_a_picture_that_does_not_come_out_where_the_size_changes_is_no_fault(encode: Encode, tmp_path: Path) -> None:
    """FFmpeg's decoder of MPEG-2 holds one back there, which leaves a gap that no times of packets show."""
    for name, size in (("one", "160x120"), ("two", "120x160")):
        encode(f"-f lavfi -i testsrc2=size={size}:rate=25 -t 2 {TONE} -t 2 -c:v mpeg2video", tmp_path / f"{name}.ts")
    (tmp_path / "list.txt").write_text("file one.ts\nfile two.ts\n")
    result = made_of(encode(f"-f concat -i {tmp_path / 'list.txt'} -c copy", tmp_path / "changes.ts"), tmp_path)
    assert (result.frames, result.duration) == (99, pytest.approx(4, abs=0.1))
    assert "100 pieces of video, which are 99 pictures" in result.warnings[0] and "160 x 120" in result.warnings[1]


def test_parts_that_were_joined_with_a_description_each_are_shown_as_such(encode: Encode, tmp_path: Path) -> None:
    parts = [encode(f"{circle(*size)} {H264}", tmp_path / f"{size[0]}.h264") for size in ((160, 120), (120, 160))]
    joined, second = tmp_path / "both.h264", encode(f"-r 25 -i {parts[1]} -c copy", tmp_path / "second.mp4")
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    tone = f"{TONE} -map 0 -map 1 -t 2 -c:v copy -c:a aac"  # between pictures: each is a chunk of its own
    first = encode(f"-r 25 -i {joined} {tone} -bsf:v filter_units=remove_types=7-8", tmp_path / "first.mp4")
    source = tmp_path / "joined.mp4"
    source.write_bytes(with_descriptions(first.read_bytes(), second.read_bytes(), 26))
    result = made_of(source, tmp_path)
    assert "parameter_sets" in codes(result) and result.frames == 50
    pictures = shown(result.streams[0], tmp_path)
    assert [proportions(pictures[at][1]) for at in (10, 40)] == pytest.approx([1, 1], abs=0.06)


def test_a_picture_whose_chroma_changes_on_the_way_is_no_change_of_size(encode: Encode, tmp_path: Path) -> None:
    for name, chroma in (("one", "yuvj420p"), ("two", "yuvj422p")):
        encode(f"{P} -t 1 -c:v mjpeg -q:v 3 -pix_fmt {chroma}", tmp_path / f"{name}.mkv")
    (tmp_path / "list.txt").write_text("file one.mkv\nfile two.mkv\n")
    source = encode(f"-f concat -i {tmp_path / 'list.txt'} -c copy", tmp_path / "changes.mkv")
    result = made_of(source, tmp_path)
    pictures, wanted = shown(result.streams[0], tmp_path), decoded(source)
    assert result.frames == len(pictures) == 50 and not result.warnings
    assert off(pictures[40][1], wanted[40][1]) < 12


@pytest.mark.parametrize(("change", "told"), [("-vf setsar=4/3", "from 1:1 to 4:3"), ("-color_range pc", None)])
def test_pixels_and_colours_that_change_on_the_way_are_no_copy(
    change: str, told: str | None, encode: Encode, tmp_path: Path
) -> None:
    parts = [encode(f"{P} -t 1 {H264} {more}", tmp_path / f"{len(more)}.h264") for more in ("", change)]
    joined = tmp_path / "both.h264"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    result = made_of(encode(f"-r 25 -i {joined} -c copy", tmp_path / "changes.ts"), tmp_path)
    assert codes(result) == {"parameter_sets"} and result.frames == 50
    assert [told in warning for warning in result.warnings] == ([True] if told else [])


# ---------------------------------------------------------------- AVI


def with_empty_frames(data: bytes, empty: range, *, header: int | None = None, index: bool = True) -> bytes:
    """AVI whose frames of these numbers have no content; `header` is the number of frames that its header announces."""
    start = data.index(b"movi") - 8
    end = start + 8 + struct.unpack("<I", data[start + 4 : start + 8])[0]
    at, frame, media, listed = start + 12, 0, b"movi", b""
    while at < end:
        kind, length = struct.unpack("<4sI", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        if kind == b"00dc":
            body, frame = b"" if frame in empty else body, frame + 1
        listed += kind + struct.pack("<III", 0x10 if body else 0, len(media), len(body))
        media += kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) & 1)
        at += 8 + length + (length & 1)
    head = bytearray(data[12:start])
    if header is not None:
        for name, field in ((b"avih", 16), (b"strh", 32)):
            place = head.index(name) + 8 + field
            head[place : place + 4] = struct.pack("<I", header)
    body = b"AVI " + bytes(head) + b"LIST" + struct.pack("<I", len(media)) + media
    body += b"idx1" + struct.pack("<I", len(listed)) + listed if index else b""
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.fixture(scope="module")
def avi(encode: Encode, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Fifty frames at 25 a second, with sound."""
    path = tmp_path_factory.mktemp("avi") / "clip.avi"
    return encode(f"{P} {TONE} -t 2 -c:v mjpeg -q:v 3 -c:a pcm_s16le", path).read_bytes()


@pytest.mark.parametrize("index", [True, False])
@pytest.mark.parametrize("empty", [range(10, 20), range(35, 50), range(1, 50, 2), range(1, 50)])
def test_empty_frames_count_in_the_length(avi: bytes, empty: range, index: bool, tmp_path: Path) -> None:
    source = tmp_path / "empty.avi"
    source.write_bytes(with_empty_frames(avi, empty, index=index))
    result = made_of(source, tmp_path)
    assert (result.frames, result.duration) == (50 - len(empty), pytest.approx(2.0, abs=0.02))
    times = [time for time, _ in shown(result.streams[0], tmp_path)]
    there = [frame / 25 for frame in range(50) if frame not in empty]
    assert times == pytest.approx(there, abs=0.001) and not result.warnings


@pytest.mark.parametrize(("header", "told"), [(80, True), (5000, True), (50, False), (10, False), (0, False)])
def test_the_index_is_believed_and_not_the_header(avi: bytes, header: int, told: bool, tmp_path: Path) -> None:
    source = tmp_path / "lies.avi"
    source.write_bytes(with_empty_frames(avi, range(0), header=header))
    result = made_of(source, tmp_path)
    assert (result.frames, result.duration) == (50, pytest.approx(2.0, abs=0.02))
    assert [f"announces {header:,} pictures" in warning for warning in result.warnings] == [True] * told


# ---------------------------------------------------------------- several tracks, odd times


def test_the_larger_of_two_videos_is_shown_and_colour_before_depth(encode: Encode, tmp_path: Path) -> None:
    both = "-map 0 -map 1 -t 1 -disposition:v default"
    small = "-f lavfi -i color=red:size=64x48:rate=25"
    proxy = encode(f"{small} {P} {both} {H264}", tmp_path / "proxy.mp4")
    result = made_of(proxy, tmp_path)
    assert (result.width, result.height) == (160, 120)
    assert "Stream 0, video" in result.warnings[0]

    photos = f"{small} -t 1 -f lavfi -i testsrc2=size=160x120:rate=1"
    source = encode(f"{photos} {both.replace('-t 1', '-t 2')} {H264}", tmp_path / "photos.mp4")
    result = make_video(source, tmp_path / "photos-out", filename=source.name)
    assert (result.width, result.height, result.frames) == (64, 48, 50) and "Stream 1, video" in result.warnings[0]

    depth = "-f lavfi -i color=gray:size=320x240:rate=25"
    rows = f"{depth} {P} {both} -c:v ffv1 -pix_fmt:v:0 gray12le -pix_fmt:v:1 yuv420p"
    result = make_video(encode(rows, tmp_path / "depth.mkv"), tmp_path / "depth-out", filename="depth.mkv")
    assert (result.width, result.height) == (160, 120)


def test_a_track_of_several_views_is_said_to_be_one(
    encode: Encode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No encoder here writes MV-HEVC: a default track stands for it, and a frame with side data without a name."""
    monkeypatch.setattr(probe, "_VIEWS", av.stream.Disposition.default)
    result = made_of(encode(f"{P} -t 0.2 {H264}", tmp_path / "views.mp4"), tmp_path)
    assert "several views" in result.warnings[0]

    class Frame:
        width, height, rotation, interlaced_frame, color_range, color_trc = 160, 120, 0, False, 1, 1
        format = SimpleNamespace(name="yuv420p")

        @property
        def side_data(self) -> dict[str, bytes]:
            raise ValueError("37 is not a valid Type")

    assert not read_picture(Frame(), None).mirrored  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["one.mkv", "one.mov", "one.ts", "one.avi", "one.webm"])
def test_a_single_picture_is_a_video(name: str, encode: Encode, tmp_path: Path) -> None:
    codec = {".webm": "libvpx", ".avi": "mjpeg"}.get(Path(name).suffix, "libx264")
    result = made_of(encode(f"{P} -frames:v 1 -c:v {codec}", tmp_path / name), tmp_path)
    assert (result.frames, result.duration) == (1, pytest.approx(0.04, abs=0.002)) and not result.warnings


def test_a_picture_every_five_minutes_lasts_as_long_as_the_others(encode: Encode, tmp_path: Path) -> None:
    source = encode("-f lavfi -i testsrc2=size=160x120:rate=1/300 -t 3000 -c:v libx264", tmp_path / "lapse.mkv")
    result = made_of(source, tmp_path)
    assert (result.frames, result.duration) == (10, pytest.approx(3000)) and not result.warnings


def test_pictures_that_all_share_one_time_come_out(encode: Encode, tmp_path: Path) -> None:
    source = encode(f"{P} -frames:v 5 {H264} -bsf:v setts=ts=0", tmp_path / "one-time.mkv")
    result = made_of(source, tmp_path)
    assert result.frames == 5 and "times" in codes(result)
    assert all(after > before for (before, _), (after, _) in pairwise(shown(result.streams[0], tmp_path)))
