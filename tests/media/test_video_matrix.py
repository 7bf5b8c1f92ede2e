"""Containers, codecs and awkward clips: each comes out whole, upright, in its time, and looking like the source.

A clip is decoded by PyAV, and so is what was made of it. A picture's time in the source, mapped by `timeOrigin`, must
be its time in playback to half a frame, and pictures at the same place must look alike (SSIM), which finds a wrong
turn, colour range, crop or offset.
"""

# A table is read by its rows: one case a line, however long.
# ruff: noqa: E501

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.media.hls.playlist import media_playlist
from dreamlake_pipeline.media.results import SoundOnly, Stream, VideoResult
from dreamlake_pipeline.media.video.make import make_video

from .conftest import on_disk

P = "-f lavfi -i testsrc2=size=160x120:rate=25"  # a picture that is nowhere like itself turned or mirrored
A = "-f lavfi -i sine=440:sample_rate=48000"
T = "-t 1.6"
H264 = "-c:v libx264 -preset ultrafast -g 25 -pix_fmt yuv420p"
HDR = "-vf format=yuv420p10le,setparams=color_primaries=bt2020:color_trc={0}:colorspace=bt2020nc -c:v libx265 \
-preset ultrafast -x265-params log-level=0:colorprim=bt2020:transfer={0}:colormatrix=bt2020nc"


@dataclass(frozen=True)
class Case:
    """A file's name, ffmpeg's arguments (`{name}` stands for another clip), and what is to become of it.

    `reasons` are the codes of all reasons to re-encode; the picture is copied when none is about it.
    """

    name: str
    arguments: str
    reasons: str = ""
    size: tuple[int, int] = (160, 120)
    frames: int = 40
    alike: float = 0.9
    sound: bool = False


CASES = [
    # H.264 that is kept, with each kind of sound
    Case("aac.mp4", f"{P} {A} {T} {H264} -c:a aac", sound=True),
    Case("mp3.mov", f"{P} {A} {T} {H264} -c:a libmp3lame", "audio_codec", sound=True),
    Case("pcm.mov", f"{P} {A} {T} {H264} -c:a pcm_s24le", "audio_codec", sound=True),
    Case("vorbis.mkv", f"{P} {A} {T} {H264} -c:a libvorbis", "audio_codec", sound=True),
    Case("opus.mkv", f"{P} {A} {T} {H264} -c:a libopus", "audio_codec", sound=True),
    Case("flac.mkv", f"{P} {A} {T} {H264} -c:a flac", "audio_codec", sound=True),
    Case("ac3.mkv", f"{P} {A} {T} {H264} -c:a ac3 -ac 6", "audio_codec audio_channels", sound=True),
    Case("five-one.mp4", f"{P} {A} {T} {H264} -c:a aac -ac 6", "audio_channels", sound=True),
    # H.264 that browsers do not play
    Case("ten-bit.mp4", f"{P} {T} -c:v libx264 -pix_fmt yuv420p10le", "pixel_format"),
    Case("422.mkv", f"{P} {T} -c:v libx264 -pix_fmt yuv422p", "pixel_format"),
    Case("444.mov", f"{P} {T} -c:v libx264 -pix_fmt yuv444p", "pixel_format"),
    # other codecs
    Case("hevc.mp4", f"{P} {A} {T} -c:v libx265 -preset ultrafast -x265-params log-level=0 -c:a aac", "video_codec", sound=True),
    Case("hevc.mkv", f"{P} {T} -c:v libx265 -preset ultrafast -pix_fmt yuv422p10le -x265-params log-level=0", "video_codec pixel_format"),
    Case("av1.webm", f"{P} {A} {T} -c:v libsvtav1 -preset 12 -c:a libopus", "video_codec audio_codec", sound=True),
    Case("av1.mkv", f"{P} {T} -c:v libsvtav1 -preset 12 -g 2", "video_codec"),
    Case("vp8.webm", f"{P} {A} {T} -c:v libvpx -deadline realtime -cpu-used 8 -b:v 2M -c:a libvorbis", "video_codec audio_codec", sound=True),
    Case("vp9.mp4", f"{P} {T} -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 2M", "video_codec"),
    Case("vp9-444.webm", f"{P} {T} -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 2M -pix_fmt yuv444p", "video_codec pixel_format"),
    Case("mpeg4.mp4", f"{P} {A} {T} -c:v mpeg4 -q:v 3 -bf 2 -c:a aac", "video_codec", sound=True),
    Case("mpeg4.avi", f"{P} {A} {T} -c:v mpeg4 -q:v 3 -c:a libmp3lame", "video_codec times audio_codec", sound=True),
    Case("mjpeg.mov", f"{P} {T} -c:v mjpeg -q:v 3", "video_codec color_range"),
    Case("prores.mov", f"{P} {A} {T} -c:v prores_ks -c:a pcm_s16le", "video_codec pixel_format audio_codec", sound=True),
    Case("ffv1.mkv", f"{P} {A} {T} -c:v ffv1 -c:a flac", "video_codec audio_codec", sound=True),
    Case("rgb.avi", f"{P} {T} -c:v ffv1 -pix_fmt bgr0", "video_codec pixel_format times"),
    # turned and mirrored, odd, not square, full range, HDR, fields
    Case("turned-90.mp4", "-display_rotation 90 -i {aac.mp4} -c copy", "rotation", (120, 160), sound=True),
    Case("turned-180.mp4", "-display_rotation 180 -i {aac.mp4} -c copy", "rotation", sound=True),
    Case("turned-270.mov", "-display_rotation 270 -i {aac.mp4} -c copy", "rotation", (120, 160), sound=True),
    Case("mirrored.mp4", "-display_hflip -i {aac.mp4} -c copy", "rotation", sound=True),
    Case("upside-down.mp4", "-display_vflip -i {aac.mp4} -c copy", "rotation", sound=True),
    Case("odd-width.mkv", f"{P},crop=159:120:0:0:exact=1 {T} -c:v ffv1 -pix_fmt yuv444p", "video_codec pixel_format odd_size", (158, 120)),
    Case("odd-height.mp4", f"{P},crop=160:119:0:0:exact=1 {T} -c:v libx264 -pix_fmt yuv444p", "pixel_format odd_size", (160, 118)),
    Case("anamorphic.mkv", f"{P} {T} -vf setsar=4/3 {H264}", "sample_aspect", (212, 120)),
    Case("turned-anamorphic.mp4", "-display_rotation 90 -i {anamorphic.mkv} -c copy", "rotation sample_aspect", (120, 212)),
    Case("full-range.mp4", f"{P} {T} -vf scale=out_range=pc {H264} -color_range pc", "color_range"),
    Case("pq.mp4", f"{P} {T} {HDR.format('smpte2084')}", "video_codec pixel_format hdr", alike=0.5),
    Case("hlg.mkv", f"{P} {T} {HDR.format('arib-std-b67')}", "video_codec pixel_format hdr", alike=0.5),
    Case("fields.mkv", f"{P} -t 1.6 -vf tinterlace=interleave_top,setfield=tff {H264} -flags +ildct+ilme", "interlaced", frames=20, alike=0.7),
    # times
    Case("variable.mkv", f"{P} {A} -t 1.6 -vf select=lt(mod(n\\,7)\\,3) -fps_mode vfr {H264} -c:a aac", "variable_frame_rate", frames=18, sound=True),
    Case("b-frames.mov", f"{P} {T} -c:v libx264 -bf 3 -g 25 -pix_fmt yuv420p"),
    Case("trimmed.mp4", "-ss 0.3 -i {b-frames.mov} -c copy", "edit_list keyframes", frames=32),
    Case("open-gop.mkv", f"{P} {T} -c:v libx264 -bf 3 -g 12 -x264-params open-gop=1:scenecut=0 -pix_fmt yuv420p", "open_gop"),
    Case("intra.mkv", f"{P} {T} -c:v libx264 -preset ultrafast -g 1 -pix_fmt yuv420p"),
    Case("slow.mp4", f"{P},fps=2 -t 5 {H264}", frames=10),
    Case("negative.mp4", "-i {aac.mp4} -c copy -output_ts_offset -0.5 -avoid_negative_ts disabled", "edit_list keyframes", frames=27, sound=True),
    Case("negative-offsets.mp4", "-i {b-frames.mov} -c copy -movflags negative_cts_offsets"),
    Case("wraps.mkv", "-i {aac.mp4} -c copy -output_ts_offset 95443", sound=True),
    Case("wraps.ts", "-i {aac.mp4} -c copy -output_ts_offset 95441 -muxdelay 0", sound=True),
    Case("late-picture.mkv", "-itsoffset 0.4 -i {b-frames.mov} -i {aac.mp4} -map 0:v -map 1:a -c copy", sound=True),
    Case("late-sound.mp4", "-itsoffset 0.4 -i {aac.mp4} -i {b-frames.mov} -map 0:a -map 1:v -c copy", sound=True),
    Case("pairs.mkv", f"{P} {T} {H264} -bsf:v setts=ts=floor(N/2)*2", "times"),
    Case("moov-last.mp4", "-i {aac.mp4} -c copy -movflags 0", sound=True),
    Case("moov-first.mov", "-i {aac.mp4} -c copy -movflags faststart", sound=True),
    Case("fragments.mp4", "-i {aac.mp4} -c copy -movflags frag_keyframe+empty_moov+default_base_moof", sound=True),
    # further streams
    Case("sound-longer.mp4", f"{P}:duration=1.6 {A}:duration=3 {H264} -c:a aac", sound=True),
    Case("sound-shorter.mp4", f"{P}:duration=1.6 {A}:duration=0.4 {H264} -c:a aac", sound=True),
    Case("cover.mp4", "-i {cover.jpg} -i {aac.mp4} -map 0 -map 1 -c copy -disposition:v:0 attached_pic -disposition:v:1 default", sound=True),
    Case("timecode.mov", "-i {aac.mp4} -c copy -timecode 10:00:00:00", sound=True),
    Case("telemetry.mov", "-i {aac.mp4} -f data -i {cover.jpg} -map 0 -map 1 -c copy -tag:d gpmd", sound=True),
]  # fmt: skip
OTHERS = {
    "fast-120.mp4": f"-f lavfi -i testsrc2=size=160x120:rate=120 {A} {T} {H264} -c:a aac",
    "fast-240.mkv": f"-f lavfi -i testsrc2=size=160x120:rate=240 {T} {H264}",
    "fast-90.mkv": f"-f lavfi -i testsrc2=size=160x120:rate=90 {T} -c:v mpeg4 -q:v 3",
    "cover.jpg": f"{P} -frames:v 1",
    "before-zero.mkv": "-i {b-frames.mov} -c copy -output_ts_offset -0.5 -avoid_negative_ts disabled",
    "sound-only.mp4": "-i {aac.mp4} -vn -c copy",
    "sound-only.mkv": "-i {aac.mp4} -vn -c copy",
}

Clip = Callable[[str], Path]


@pytest.fixture(scope="module")
def clip(clip_maker: Callable[[Mapping[str, str]], Clip]) -> Clip:
    """`clip(name)` is the path of a clip of CASES or OTHERS."""
    return clip_maker(OTHERS | {case.name: case.arguments for case in CASES})


@dataclass(frozen=True)
class Shown:
    """The pictures of a file in the order of presentation, upright and in grey, and when each is shown."""

    times: list[Fraction]
    pictures: list[np.ndarray]
    end: Fraction
    usual: Fraction
    samples: int


def shown(path: Path, size: tuple[int, int], **options: str) -> Shown:
    """What a decoder that knows nothing of our code shows of a file, scaled to `size`."""
    times, pictures, ends, samples = [], [], [], 0
    with av.open(str(path), options=options) as container:
        real = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
        for frame in container.decode(real[0], *container.streams.audio[:1]):
            if isinstance(frame, av.AudioFrame):
                samples += frame.samples
                continue
            turned = frame.rotation % 180 != 0
            width, height = size[::-1] if turned else size
            grey = frame.reformat(width, height, "gray").to_ndarray()
            pictures.append(upright(grey, frame))
            times.append(frame.pts * frame.time_base)
            ends.append(times[-1] + (frame.duration or 0) * frame.time_base)
    order = sorted(range(len(times)), key=times.__getitem__)
    times = [times[i] for i in order]
    steps = sorted(b - a for a, b in pairwise(times) if b > a)
    usual = steps[len(steps) // 2]
    return Shown(times, [pictures[i] for i in order], max(*ends, times[-1] + usual), usual, samples)


def upright(picture: np.ndarray, frame: av.VideoFrame) -> np.ndarray:
    """The picture as the display matrix asks for it to be shown (ISO/IEC 14496-12 6.2.2: columns x, y; 16.16)."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return picture
    a, b, _, c, d, *_ = (np.frombuffer(bytes(data), dtype=np.int32) >> 16).tolist()
    return picture[::d, ::a] if a and d else picture.T[::b, ::c]


def ssim(one: np.ndarray, other: np.ndarray) -> float:
    """Mean structural similarity over blocks of 8 x 8 (Wang et al. 2004)."""
    height, width = (length // 8 * 8 for length in one.shape)

    def blocks(picture: np.ndarray) -> np.ndarray:
        whole = picture[:height, :width].astype(float).reshape(height // 8, 8, width // 8, 8)
        return whole.transpose(0, 2, 1, 3).reshape(-1, 64)

    x, y = blocks(one), blocks(other)
    mx, my, c1, c2 = x.mean(1), y.mean(1), 6.5025, 58.5225
    cross = (x * y).mean(1) - mx * my
    return float(np.mean((2 * mx * my + c1) * (2 * cross + c2) / ((mx**2 + my**2 + c1) * (x.var(1) + y.var(1) + c2))))


def replay(stream: Stream, folder: Path, size: tuple[int, int]) -> Shown:
    """The same for what was made: played through its playlist."""
    paths = {segment.sha256: str(on_disk(segment, folder)) for segment in stream.segments}
    playlist = folder / f"{stream.hash}.m3u8"
    playlist.write_text(media_playlist(stream, lambda name: paths[name.partition(".")[0]]))
    return shown(playlist, size, allowed_extensions="ALL", extension_picky="0")


def assert_shows_the_source(result: VideoResult, source: Shown, played: Shown, alike: float) -> None:
    """Each picture comes once, at its time by the time origin to half a frame, and looks as it did."""
    origin = result.time_origin
    start = Fraction(origin.pts) * Fraction(origin.time_base) - Fraction(origin.stream_start)
    mapped = [time + start for time in played.times]
    assert len(mapped) == len(source.times) == result.frames
    assert all(before < after for before, after in pairwise(mapped))
    assert all(abs(there - here) < source.usual / 2 for there, here in zip(mapped, source.times, strict=True))
    for at in {0, len(mapped) // 2, len(mapped) - 1}:
        assert ssim(played.pictures[at], source.pictures[at]) > alike


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_comes_out_is_what_went_in(case: Case, clip: Clip, tmp_path: Path) -> None:
    result = make_video(clip(case.name), tmp_path / "out", filename=case.name)
    (stream,) = result.streams
    codes = [reason.split(":")[0] for reason in result.transcode_reasons]
    assert (codes, result.frames) == (case.reasons.split(), case.frames)
    assert result.mode == ("transcode" if any(not code.startswith("audio_") for code in codes) else "copy")
    assert (result.width, result.height) == (stream.width, stream.height) == case.size

    source = shown(clip(case.name), case.size)
    played = replay(stream, tmp_path, case.size)
    assert_shows_the_source(result, source, played, case.alike)
    if "longer" not in case.name and "late" not in case.name:
        assert abs(Fraction(result.duration) - (source.end - source.times[0])) <= source.usual
    assert result.has_audio == case.sound == bool(played.samples)
    if "hdr" in codes:
        with av.open(str(on_disk(stream.segments[0], tmp_path))) as container:
            frame = next(container.decode(video=0))
        assert (frame.color_primaries, frame.color_trc, frame.colorspace) == (1, 1, 1)  # BT.709 (ITU-T H.273)


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [
        ("sound-only.mp4", Code.NO_VIDEO, "holds sound only"),
        ("sound-only.mkv", Code.NO_VIDEO, "holds sound only"),
        ("before-zero.mkv", Code.MEDIA_UNSUPPORTED, "carry no times"),  # Matroska has no times before zero
    ],
)
def test_what_can_not_be_a_video_says_why(name: str, code: Code, reason: str, clip: Clip, tmp_path: Path) -> None:
    with pytest.raises(DreamlakeError) as caught:
        make_video(clip(name), tmp_path / "out", filename=name)
    assert caught.value.code is code
    assert name in caught.value.message and reason in caught.value.message
    assert isinstance(caught.value, SoundOnly) == (code is Code.NO_VIDEO)


@pytest.mark.parametrize(("name", "frames"), [("fast-120.mp4", 192), ("fast-240.mkv", 384), ("fast-90.mkv", 144)])
def test_more_than_sixty_pictures_a_second_are_thinned_out(name: str, frames: int, clip: Clip, tmp_path: Path) -> None:
    result = make_video(clip(name), tmp_path / "out", filename=name)
    assert "frame_rate" in [reason.split(":")[0] for reason in result.transcode_reasons]
    assert (result.frames, round(result.fps)) == (frames, frames / 1.6)
    assert result.duration == pytest.approx(1.6, abs=1 / 60)
    assert result.warnings == (f"The playable version shows 96 of {frames} pictures, 60 a second at most.",)
    source, played = shown(clip(name), (160, 120)), replay(result.streams[0], tmp_path, (160, 120))
    assert len(played.times) == 96
    assert result.streams[0].fps == pytest.approx(60, rel=0.01)
    origin = result.time_origin
    start = Fraction(origin.pts) * Fraction(origin.time_base) - Fraction(origin.stream_start)
    for time, picture in zip(played.times, played.pictures, strict=True):
        at = min(range(frames), key=lambda number: abs(source.times[number] - time - start))
        assert abs(source.times[at] - time - start) < source.usual / 2
        assert ssim(picture, source.pictures[at]) > 0.9


@pytest.mark.parametrize(
    ("name", "seconds", "warning"),
    [
        ("sound-longer.mp4", 3.0, "The sound goes on for 1.4 s after the last picture."),
        ("sound-shorter.mp4", 1.6, "The sound ends 1.2 s before the last picture."),
        ("cover.mp4", 1.6, "cover art (mjpeg), is not part of the playable version."),
        ("timecode.mov", 1.6, "data (`tmcd`), is not part of the playable version."),
        ("telemetry.mov", 1.6, "data (`gpmd`), is not part of the playable version."),
    ],
)
def test_what_else_a_file_holds_is_said(name: str, seconds: float, warning: str, clip: Clip, tmp_path: Path) -> None:
    result = make_video(clip(name), tmp_path / "out", filename=name)
    assert result.duration == pytest.approx(seconds, abs=0.06)
    assert [text for text in result.warnings if text.endswith(warning)] == list(result.warnings)
    assert len(result.source_streams) == (2 if "sound" in name else 3)
