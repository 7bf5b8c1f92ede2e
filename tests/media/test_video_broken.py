"""Files that are cut off, locked or lie about themselves: refused with a reason, or salvaged and said to be; never
taken for whole."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.media.containers import ebml
from dreamlake_pipeline.media.containers.boxes import boxes
from dreamlake_pipeline.media.containers.probe import probe
from dreamlake_pipeline.media.hls.playlist import media_playlist
from dreamlake_pipeline.media.results import VideoResult
from dreamlake_pipeline.media.video.make import make_video

from .conftest import on_disk

SECONDS = 3
SOURCE = "-f lavfi -i testsrc2=size=160x120:rate=25 -f lavfi -i sine=440:sample_rate=48000"
H264 = f"{SOURCE} -t {SECONDS} -c:v libx264 -preset veryfast -g 25 -pix_fmt yuv420p -c:a aac"
# Name -> ffmpeg's arguments.
CLIPS = {
    "moov-last.mp4": H264,
    "moov-first.mov": "-i {moov-last.mp4} -c copy -movflags faststart",
    "fragments.mp4": "-i {moov-last.mp4} -c copy -movflags frag_keyframe+empty_moov",
    "known.mkv": "-i {moov-last.mp4} -c copy",
    "live.mkv": "-i {moov-last.mp4} -c copy -live 1",
    "vp8.webm": f"{SOURCE} -t {SECONDS} -c:v libvpx -deadline realtime -cpu-used 8 -g 25 -c:a libopus",
    "stream.ts": "-i {moov-last.mp4} -c copy",
    "mpeg4.avi": f"{SOURCE} -t {SECONDS} -c:v mpeg4 -c:a libmp3lame",
    "long.mkv": f"{SOURCE} -t 14 -c:v libx264 -preset veryfast -g 25 -bf 0 -pix_fmt yuv420p -c:a aac",
    "mjpeg.mov": f"{SOURCE} -t 1 -c:v mjpeg -an",
    "prores.mov": f"{SOURCE} -t 1 -c:v prores_ks -an",
    "cenc.mp4": "-i {moov-last.mp4} -c copy -encryption_scheme cenc-aes-ctr "
    "-encryption_key 76a6c65c5ea762046bd749a2e632ccbb -encryption_kid a7e61c373e219033c21091fa607bf3b8",
    "picture.png": f"{SOURCE} -frames:v 1",
    "picture.webp": f"{SOURCE} -frames:v 1 -c:v libwebp",
}
SHARES = (0.003, 0.02, 0.31, 0.5, 0.77, 0.93, 0.999)

Clip = Callable[[str], Path]
Encode = Callable[[str, Path], Path]


@pytest.fixture(scope="module")
def clip(clip_maker: Callable[[Mapping[str, str]], Clip]) -> Clip:
    return clip_maker(CLIPS)


def outcome(path: Path, out: Path) -> VideoResult | DreamlakeError:
    try:
        return make_video(path, out, filename=path.name)
    except DreamlakeError as error:
        return error


def times_shown(result: VideoResult, folder: Path) -> list[Fraction]:
    paths = {segment.sha256: str(on_disk(segment, folder)) for segment in result.streams[0].segments}
    playlist = folder / "cut.m3u8"
    playlist.write_text(media_playlist(result.streams[0], lambda name: paths[name.partition(".")[0]]))
    with av.open(str(playlist), options={"allowed_extensions": "ALL", "extension_picky": "0"}) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0) if not frame.is_corrupt]


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize(
    "name",
    ["moov-last.mp4", "moov-first.mov", "fragments.mp4", "known.mkv", "live.mkv", "vp8.webm", "stream.ts", "mpeg4.avi"],
)
def test_a_part_is_never_taken_for_the_whole(name: str, share: float, clip: Clip, tmp_path: Path) -> None:
    whole = clip(name).read_bytes()
    path = tmp_path / name
    path.write_bytes(whole[: int(len(whole) * share)])
    result = outcome(path, tmp_path / "out")
    if isinstance(result, DreamlakeError):
        assert result.code in (Code.MEDIA_TRUNCATED, Code.NOT_MEDIA, Code.MEDIA_CORRUPT)
        assert name in result.message
        assert share < 0.5 or name == "moov-last.mp4"
        return
    if share > 0.99 and name in ("fragments.mp4", "moov-last.mp4", "mpeg4.avi"):
        # Only the closing index, or the titles behind one, are cut off.
        assert (result.partial, result.frames) == (False, 25 * SECONDS)
        assert ("is not whole" in " ".join(result.warnings)) == (name != "fragments.mp4")
        return
    assert result.partial
    assert result.warnings[0].startswith(f"Only the first {result.duration:.1f} s")
    assert ("of 3.0 s" in result.warnings[0]) == (name in ("known.mkv", "vp8.webm", "moov-first.mov", "mpeg4.avi"))
    assert 0.5 <= result.duration <= SECONDS + 0.1
    times = times_shown(result, tmp_path)
    assert len(times) == result.frames >= 25 * (share * SECONDS - 1)  # a fragment lasts a second
    assert all(before < after for before, after in pairwise(times))


@pytest.mark.parametrize("packets", [20, 97, 200, 301])
def test_a_stream_that_ends_inside_a_picture_is_salvaged_too(packets: int, clip: Clip, tmp_path: Path) -> None:
    """Cut between two packets of MPEG-TS: only a decoder can tell."""
    path = tmp_path / "stream.ts"
    path.write_bytes(clip("stream.ts").read_bytes()[: 188 * packets])
    result = outcome(path, tmp_path / "out")
    if isinstance(result, DreamlakeError):
        assert (result.code, packets) == (Code.MEDIA_TRUNCATED, 20)
        return
    with av.open(str(path)) as container:
        frames = [frame.is_corrupt for frame in container.decode(video=0)]
    assert result.partial == any(frames)
    assert len(times_shown(result, tmp_path)) == result.frames


def test_two_recordings_in_one_file_are_told_apart(clip: Clip, tmp_path: Path) -> None:
    """Their times overlap: which picture belongs where, nobody can tell."""
    path = tmp_path / "both.ts"
    path.write_bytes(clip("stream.ts").read_bytes() * 2)
    result = outcome(path, tmp_path / "out")
    assert isinstance(result, DreamlakeError) and result.code is Code.MEDIA_UNSUPPORTED
    assert "several recordings" in result.message


def test_what_is_whole_of_a_file_that_is_cut_off_is_shared_with_the_whole(clip: Clip, tmp_path: Path) -> None:
    whole = make_video(clip("long.mkv"), tmp_path / "whole", filename="long.mkv")
    path = tmp_path / "long.mkv"
    path.write_bytes(clip("long.mkv").read_bytes()[:-30_000])
    part = make_video(path, tmp_path / "part", filename="long.mkv")
    assert (part.mode, part.partial, whole.partial) == ("copy", True, False)
    assert [s.sha256 for s in part.streams[0].segments[:2]] == [s.sha256 for s in whole.streams[0].segments[:2]]


def test_a_good_part_that_is_damaged_is_no_good_part(clip: Clip, tmp_path: Path) -> None:
    data = bytearray(clip("long.mkv").read_bytes()[:-30_000])
    data[len(data) // 2 : len(data) // 2 + 4000] = bytes(4000)
    path = tmp_path / "long.mkv"
    path.write_bytes(data)
    with pytest.raises(DreamlakeError) as caught:
        make_video(path, tmp_path / "out", filename="long.mkv")
    assert caught.value.code is Code.MEDIA_TRUNCATED


def test_streams_that_begin_on_the_way_end_in_an_error_of_ours(clip: Clip, tmp_path: Path, encode: Encode) -> None:
    """They may be passed over too: PyAV does not know, and looks where nothing is written."""
    silent = encode(f"-i {clip('stream.ts')} -map 0:v -c copy", tmp_path / "silent.ts")
    both = encode(f"-i {clip('stream.ts')} -map 0:a -map 0:v -c copy -output_ts_offset 3", tmp_path / "both.ts")
    path = tmp_path / "stream.ts"
    path.write_bytes(silent.read_bytes() + both.read_bytes())
    result = outcome(path, tmp_path / "out")
    assert isinstance(result, VideoResult) or result.code in (Code.MEDIA_UNSUPPORTED, Code.MEDIA_CORRUPT)


DAMAGED = ("moov-last.mp4", "fragments.mp4", "known.mkv", "live.mkv", "vp8.webm", "stream.ts", "mpeg4.avi")
damage = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=20)


@settings(max_examples=40, deadline=None)
@given(name=st.sampled_from(DAMAGED), anywhere=damage, head=damage, tail=damage)
def test_any_damage_is_an_error_of_ours(name: str, anywhere: list, head: list, tail: list, clip: Clip) -> None:
    data = bytearray(clip(name).read_bytes())
    for places, begin, end in ((anywhere, 0, len(data)), (head, 0, 2000), (tail, len(data) - 2000, len(data))):
        for share, value in places[1:]:
            data[begin + int(share * (end - begin - 1))] = value
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        with contextlib.suppress(DreamlakeError):
            assert probe(Path(file.name), name, wanted=Kind.VIDEO).video


def patched(data: bytes, name: bytes, offset: int, value: bytes, *, only: bytes = b"") -> bytes:
    """`value` written `offset` bytes behind every `name`, where `only` stands there now."""
    copy, at = bytearray(data), data.find(name)
    while at >= 0:
        place = slice(at + len(name) + offset, at + len(name) + offset + len(value))
        if bytes(copy[place]).startswith(only):
            copy[place] = value
        at = data.find(name, at + 1)
    assert copy != data
    return bytes(copy)


HUNDRED_HOURS = 100 * 3600
LARGE, SMALL = struct.pack(">HH", 30_000, 30_000), struct.pack(">HH", 160, 120)
LIES: dict[str, tuple[str, Callable[[bytes], bytes], Code, str]] = {
    "movie.mp4": (
        "moov-last.mp4",
        lambda data: patched(data, b"mvhd", 12, struct.pack(">II", 1000, HUNDRED_HOURS * 1000)),
        Code.MEDIA_TOO_LARGE,
        "100.0 hours",
    ),
    "media.mp4": (
        "moov-first.mov",
        lambda data: patched(data, b"mdhd", 12, struct.pack(">II", 1000, HUNDRED_HOURS * 1000)),
        Code.MEDIA_TOO_LARGE,
        "100.0 hours",
    ),
    "samples.mp4": (  # every picture is shown for hours
        "moov-last.mp4",
        lambda data: patched(data, b"stts", 12, struct.pack(">I", 10_000 * 12_800)).replace(b"edts", b"free"),
        Code.MEDIA_TOO_LARGE,
        "hours long",
    ),
    "duration.mkv": (
        "known.mkv",
        lambda data: patched(data, b"\x44\x89\x88", 0, struct.pack(">d", HUNDRED_HOURS * 1000.0)),
        Code.MEDIA_TRUNCATED,
        "announces 360000.0 s, 3.0 s are there",
    ),
    "frames.avi": (
        "mpeg4.avi",
        lambda data: patched(data, b"avih", 20, struct.pack("<I", HUNDRED_HOURS * 25)),
        Code.MEDIA_TOO_LARGE,
        "100.0 hours",
    ),
    "entry.mp4": (
        "moov-last.mp4",
        lambda data: patched(data, b"avc1", 24, LARGE, only=SMALL),
        Code.MEDIA_TOO_LARGE,
        "30,000 x 30,000 pixels",
    ),
    "track.mp4": (
        "moov-last.mp4",
        lambda data: patched(data, b"tkhd", 76, struct.pack(">II", 30_000 << 16, 30_000 << 16), only=b"\x00\xa0"),
        Code.MEDIA_TOO_LARGE,
        "30,000 x 30,000 pixels",
    ),
    "entry.mov": (
        "prores.mov",
        lambda data: patched(data, b"apch", 24, LARGE, only=SMALL),
        Code.MEDIA_TOO_LARGE,
        "30,000 x 30,000 pixels",
    ),
    "pictures.mov": (  # the pictures say so themselves
        "mjpeg.mov",
        lambda data: patched(data, b"\xff\xc0\x00\x11\x08", 0, LARGE),
        Code.MEDIA_CORRUPT,
        "No picture of",
    ),
    "frame.avi": (
        "mpeg4.avi",
        lambda data: patched(data, b"avih", 36, struct.pack("<II", 30_000, 30_000)),
        Code.MEDIA_TOO_LARGE,
        "30,000 x 30,000 pixels",
    ),
}


def shown_for(hours: int) -> str:
    """Options that make a copy's last picture claim to be shown for so long."""
    return (
        f"-c copy -bsf:v setts=pts=PTS:dts=DTS:duration=if(eq(N\\,{25 * SECONDS - 1})\\,{hours * 3600}/TB\\,DURATION)"
    )


@pytest.mark.parametrize("extension", ["mp4", "mkv"])
def test_a_last_picture_that_claims_hours_is_shown_as_long_as_the_others(
    extension: str, clip: Clip, tmp_path: Path, encode: Encode
) -> None:
    path = encode(f"-i {clip('moov-last.mp4')} {shown_for(20)}", tmp_path / f"long.{extension}")
    result = make_video(path, tmp_path / "out", filename=path.name)
    assert (result.mode, result.frames, result.duration) == ("copy", 25 * SECONDS, pytest.approx(SECONDS, abs=0.03))
    assert result.warnings == ("The last picture claims to be shown for 72,000 s; it is taken to last 0.04 s.",)


@pytest.mark.parametrize(("extension", "says"), [("mp4", "claims to be 40.0 hours"), ("mkv", "is 40.0 hours")])
def test_a_last_picture_that_claims_more_than_a_day_is_refused(
    extension: str, says: str, clip: Clip, tmp_path: Path, encode: Encode
) -> None:
    path = encode(f"-i {clip('moov-last.mp4')} {shown_for(40)}", tmp_path / f"long.{extension}")
    with pytest.raises(DreamlakeError, match=says) as caught:
        make_video(path, tmp_path / "out", filename=path.name)
    assert caught.value.code is Code.MEDIA_TOO_LARGE


def test_a_still_is_shown_as_long_as_its_sound(tmp_path: Path, encode: Encode) -> None:
    """One picture with a song; and one that is alone, and claims more than anyone looks at it."""
    still = "-f lavfi -i color=size=64x64:rate=1/90:duration=90"
    song = encode(f"{still} -f lavfi -i sine=440:d=90 -c:v libx264 -c:a aac", tmp_path / "song.mp4")
    alone = encode(f"{still} -c:v libx264", tmp_path / "alone.mp4")
    assert make_video(song, tmp_path / "1", filename="song.mp4").duration == pytest.approx(90, abs=0.1)
    result = make_video(alone, tmp_path / "2", filename="alone.mp4")
    assert (result.frames, result.duration) == (1, 60)
    assert result.warnings == ("The last picture claims to be shown for 90 s; it is taken to last 60.00 s.",)


def cpu_seconds() -> float:
    """The CPU time of this process and of the children that it has waited for, which no other work changes."""
    return sum(os.times()[:4])


@pytest.mark.parametrize("name", LIES)
def test_what_claims_the_impossible_is_refused_at_once(name: str, clip: Clip, tmp_path: Path) -> None:
    base, lie, code, reason = LIES[name]
    path = tmp_path / name
    path.write_bytes(lie(clip(base).read_bytes()))
    started = cpu_seconds()
    with pytest.raises(DreamlakeError) as caught:
        make_video(path, tmp_path / "out", filename=name)
    assert caught.value.code is code
    assert name in caught.value.message and reason in caught.value.message
    assert cpu_seconds() - started < 5


@pytest.mark.parametrize(
    "held",
    [
        b"".join(struct.pack(">I4s", 8 * (20_000 - at), b"mdia") for at in range(20_000)),
        struct.pack(">I4s", 8, b"free") * 300_000,
        struct.pack(">I4s", 8 + 8 + 36 * 50_000, b"stsd")
        + bytes(8)
        + (struct.pack(">I4s", 36, b"avc1") + bytes(28)) * 50_000,
    ],
    ids=["deep", "many", "entries"],
)
def test_an_index_of_nothing_but_boxes_is_refused_at_once(held: bytes, tmp_path: Path) -> None:
    track = struct.pack(">I4s", 8 + len(held), b"trak") + held
    path = tmp_path / "boxes.mp4"
    path.write_bytes(
        struct.pack(">I4s4s4x", 16, b"ftyp", b"isom")
        + struct.pack(">I4s", 8, b"mdat")
        + struct.pack(">I4s", 8 + len(track), b"moov")
        + track
    )
    started = cpu_seconds()
    with pytest.raises(DreamlakeError, match=path.name) as caught:
        make_video(path, tmp_path / "out", filename=path.name)
    assert caught.value.code in (Code.MEDIA_CORRUPT, Code.NO_VIDEO)
    assert cpu_seconds() - started < 5


def test_rows_without_end_are_left() -> None:
    endless = io.BytesIO(struct.pack(">I4s", 8, b"free") * 1000)
    assert len(list(boxes(endless, 0, 8000, most=10))) == 10
    nothing = io.BytesIO(b"\xec\x80" * 1000)
    assert len(list(ebml.children(nothing, 0, 2000, most=10))) == 10


def test_claims_take_no_memory(clip: Clip, tmp_path: Path) -> None:
    """A picture of 30,000 x 30,000 pixels takes 1.3 GB; half of one on top of what a process has is enough."""
    path = tmp_path / "pictures.mov"
    path.write_bytes(LIES[path.name][1](clip("mjpeg.mov").read_bytes()))
    program = (
        "import resource, sys; from pathlib import Path\n"
        "from dreamlake_pipeline.media.video.make import make_video\n"
        "from dreamlake_pipeline.errors import DreamlakeError\n"
        "used = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 2**29, -1))\n"
        "try: make_video(Path(sys.argv[1]), Path(sys.argv[2]), filename='pictures.mov')\n"
        "except DreamlakeError as error: print(error.code)"
    )
    command = [sys.executable, "-c", program, str(path), str(tmp_path / "out")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.stdout.strip() == "media_corrupt"


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [
        ("cenc.mp4", Code.MEDIA_ENCRYPTED, "encrypted"),
        ("picture.png", Code.NOT_MEDIA, "its content is png"),
        ("picture.webp", Code.NOT_MEDIA, "its content is webp"),
    ],
)
def test_what_is_no_video_that_can_be_read_says_what_it_is(
    name: str, code: Code, reason: str, clip: Clip, tmp_path: Path
) -> None:
    path = tmp_path / "camera.mp4"
    path.write_bytes(clip(name).read_bytes())
    with pytest.raises(DreamlakeError) as caught:
        make_video(path, tmp_path / "out", filename="camera.mp4")
    assert caught.value.code is code
    assert "camera.mp4" in caught.value.message and reason in caught.value.message
