"""What the containers say of themselves: encrypted, cut off, a segment of something, in a codec that nobody decodes."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import av
import pytest

from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.media.audio.make import make_audio
from dreamlake_pipeline.media.containers import codecs
from dreamlake_pipeline.media.containers import sniff as sniffing
from dreamlake_pipeline.media.containers.boxes import boxes
from dreamlake_pipeline.media.containers.encryption import is_encrypted
from dreamlake_pipeline.media.containers.integrity import look_for_end, missing_part
from dreamlake_pipeline.media.containers.probe import probe
from dreamlake_pipeline.media.containers.samples import read_index
from dreamlake_pipeline.media.video.make import make_video

Clip = Callable[[str], Path]
Encode = Callable[[str, Path], Path]

SOURCE = "-f lavfi -i testsrc2=size=160x120:rate=25 -f lavfi -i sine=440:sample_rate=48000"
CLIPS = {
    "first.mp4": f"{SOURCE} -t 4 -c:v libx264 -preset veryfast -g 25 -bf 2 -pix_fmt yuv420p -c:a aac "
    "-movflags faststart",
    "last.mp4": "-i {first.mp4} -c copy",
    "fragments.mp4": "-i {first.mp4} -c copy -movflags frag_keyframe+empty_moov",
    "stream.ts": "-i {first.mp4} -c copy",
    "video.mkv": "-i {first.mp4} -c copy",
    "pcm.mov": f"{SOURCE} -t 4 -c:v mjpeg -c:a pcm_s16le -movflags faststart",
}


@pytest.fixture(scope="module")
def clip(clip_maker: Callable[[Mapping[str, str]], Clip]) -> Clip:
    return clip_maker(CLIPS)


def failure(path: Path, tmp_path: Path) -> DreamlakeError:
    with pytest.raises(DreamlakeError, match=path.name) as caught:
        make_video(path, tmp_path / "out", filename=path.name)
    return caught.value


def box(kind: bytes, *held: bytes) -> bytes:
    body = b"".join(held)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def element(number: str, *held: bytes) -> bytes:
    body = b"".join(held)
    return bytes.fromhex(number) + struct.pack(">Q", len(body) | 1 << 56) + body


@pytest.mark.parametrize("entry", [b"encv", b"drmi"])
@pytest.mark.parametrize("name", ["last.mp4", "fragments.mp4"])
def test_a_protected_picture_is_encrypted_whatever_else_the_file_has(
    name: str, entry: bytes, clip: Clip, written: Callable[[str, bytes], Path], tmp_path: Path
) -> None:
    data = clip(name).read_bytes().replace(b"avc1", entry)
    assert failure(written(name, data), tmp_path).code is Code.MEDIA_ENCRYPTED


@pytest.mark.parametrize("entry", [b"enca", b"drms"])
def test_encrypted_sound_is_left_out_beside_a_picture_in_the_clear(
    entry: bytes, clip: Clip, written: Callable[[str, bytes], Path], tmp_path: Path
) -> None:
    source = written("sound.mp4", clip("last.mp4").read_bytes().replace(b"mp4a", entry))
    made = make_video(source, tmp_path / "out", filename=source.name)
    assert (made.frames, made.mode, made.has_audio) == (100, "copy", False)
    [warning] = made.warnings
    assert "encrypted sound" in warning and "not part of the playable version" in warning
    with pytest.raises(DreamlakeError) as caught:
        make_audio(source, tmp_path / "sound", filename=source.name)
    assert caught.value.code is Code.MEDIA_ENCRYPTED


def test_an_encrypted_track_of_matroska_is_encrypted() -> None:
    encoding = element("6d80", element("6240", element("5033", b"\x01"), element("5035", element("47e1", b"\x05"))))
    for held, encrypted in ((encoding, True), (b"", False)):
        track = element("ae", element("d7", b"\x01"), element("86", b"V_VP9"), held)
        data = element("1a45dfa3") + element("18538067", element("1654ae6b", track), element("1f43b675"))
        assert is_encrypted(io.BytesIO(data), "matroska") == encrypted


def test_a_scrambled_transport_stream_is_encrypted(
    clip: Clip, written: Callable[[str, bytes], Path], tmp_path: Path
) -> None:
    data = bytearray(clip("stream.ts").read_bytes())
    for at in range(0, len(data), 188):
        if data[at + 1] & 31:  # not the tables
            data[at + 3] |= 0x80
    assert failure(written("stream.ts", bytes(data)), tmp_path).code is Code.MEDIA_ENCRYPTED


@pytest.mark.parametrize(
    ("part", "says"),
    [("init", "init segment of a stream"), ("segment", "one segment of a stream"), ("styp", "segment")],
)
def test_a_part_of_a_stream_says_that_it_is_one(
    part: str, says: str, clip: Clip, written: Callable[[str, bytes], Path], tmp_path: Path
) -> None:
    data = clip("fragments.mp4").read_bytes()
    rows = list(boxes(io.BytesIO(data), 0, len(data)))
    first = next(row.at for row in rows if row.kind == b"moof")
    segment = data[first : rows[rows.index(next(row for row in rows if row.kind == b"mdat"))].end]
    held = {"init": data[:first], "segment": segment, "styp": box(b"styp", b"msdh\0\0\0\0msdh") + segment}[part]
    error = failure(written("part.mp4", held), tmp_path)
    assert (error.code, says in error.message, "cat INIT SEGMENT" in (error.hint or "")) == (
        Code.MEDIA_TRUNCATED,
        True,
        True,
    )


@pytest.mark.parametrize("name", ["first.mp4", "pcm.mov"])
@pytest.mark.parametrize("share", [0.4, 0.6, 0.8, 0.95])
def test_pictures_before_the_cut_of_a_file_with_its_index_first_are_salvaged(
    name: str, share: float, clip: Clip, written: Callable[[str, bytes], Path], tmp_path: Path
) -> None:
    data = clip(name).read_bytes()
    path = written(name, data[: int(len(data) * share)])
    result = make_video(path, tmp_path / "out", filename=name)
    with av.open(str(clip(name))) as container:
        ends = [packet.pos + packet.size for packet in container.demux(video=0) if packet.size]
    assert result.partial
    assert result.frames == sum(end <= path.stat().st_size for end in ends)
    assert result.warnings[0].startswith(f"Only the first {result.duration:.1f} s of 4.0 s")


def test_an_index_is_cut_to_any_number_of_samples(clip: Clip, tmp_path: Path) -> None:
    data = clip("first.mp4").read_bytes()
    with clip("first.mp4").open("rb") as file:
        movie = next(row for row in boxes(file, 0, len(data)) if row.kind == b"moov")
        index = read_index(file, movie)
    assert index is not None and len(index.tracks) == 2
    whole = {track: tables.count for track, tables in index.tracks.items()}
    assert index.whole_before(len(data)) == whole
    path = tmp_path / "cut.mp4"
    for kept in (1, 2, 25, 26, 99, 100):
        copy = bytearray(data)
        copy[movie.at + 4 : movie.at + 8] = b"free"
        path.write_bytes(bytes(copy) + index.cut(dict.fromkeys(whole, kept)))
        with av.open(str(path)) as container, av.open(str(clip("first.mp4"))) as original:
            for stream in (0, 1):
                some = [(p.pts, bytes(p)) for p in container.demux(container.streams[stream]) if p.size]
                every = [(p.pts, bytes(p)) for p in original.demux(original.streams[stream]) if p.size]
                assert some == every[:kept]
                container.seek(0), original.seek(0)


def test_a_track_that_is_cut_off_whole_is_left_out_and_told(
    clip: Clip, written: Callable[[str, bytes], Path], tmp_path: Path
) -> None:
    """All of the pictures, and then all of the sound."""
    data = clip("first.mp4").read_bytes()
    with clip("first.mp4").open("rb") as file:
        movie = next(row for row in boxes(file, 0, len(data)) if row.kind == b"moov")
        index = read_index(file, movie)
    assert index is not None
    sound = list(index.tracks)[1]
    place = movie.at + index.data.find(b"stco", sound) + 12
    moved = bytearray(data)
    count = struct.unpack_from(">I", moved, place - 4)[0]
    moved[place : place + 4 * count] = struct.pack(f">{count}I", *[len(data) + 1000] * count)
    path = written("apart.mp4", bytes(moved[:-100]))
    result = make_video(path, tmp_path / "out", filename=path.name)
    assert (result.partial, result.has_audio) == (True, False)
    assert "are left out: 1." in result.warnings[1]


def test_what_is_missing_but_never_played_is_a_warning(
    clip: Clip, written: Callable[[str, bytes], Path], tmp_path: Path
) -> None:
    data = bytearray(clip("first.mp4").read_bytes())
    at = data.rfind(b"mdat") - 4
    data[at : at + 4] = struct.pack(">I", len(data) - at + 8)
    path = written("long.mp4", bytes(data))
    result = make_video(path, tmp_path / "out", filename=path.name)
    assert (result.partial, result.frames) == (False, 100)
    assert result.warnings == (
        "long.mp4 is not whole: 8 bytes that its header announces are missing at its end; no picture and no sound is "
        "among them.",
    )


@pytest.mark.parametrize("length", [1, 3, 7])
def test_a_box_that_is_shorter_than_its_header_is_passed_over(
    length: int, clip: Clip, written: Callable[[str, bytes], Path], tmp_path: Path
) -> None:
    data = clip("last.mp4").read_bytes()
    at = data.find(b"free") - 4
    path = written("free.mp4", data[:at] + struct.pack(">I", length) + data[at + 4 :])
    if length == 1:  # a length of 64 bits follows, which is none
        assert failure(path, tmp_path).code in (Code.MEDIA_TRUNCATED, Code.MEDIA_CORRUPT)
        return
    result = make_video(path, tmp_path / "out", filename=path.name)
    assert (result.partial, result.frames) == (False, 100)
    assert result.warnings == (
        f"The length of the `free` box at byte {at} is not possible; it was taken for an empty one.",
    )


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b"avc1", b"dav1", "is Dolby Vision on AV1 (`dav1`), which this program can't decode"),
        (b"avc1", b"xyz1", "is `xyz1`, which this program can't decode"),
    ],
)
def test_a_codec_that_is_not_decoded_is_named(
    old: bytes, new: bytes, says: str, clip: Clip, written: Callable[[str, bytes], Path], tmp_path: Path
) -> None:
    error = failure(written("codec.mp4", clip("last.mp4").read_bytes().replace(old, new)), tmp_path)
    assert (error.code, says in error.message) == (Code.MEDIA_UNSUPPORTED, True)
    assert "--type audio" in str(error)


@pytest.mark.parametrize(("code", "name"), [(b"ac-4", "AC-4"), (b"mhm1", "MPEG-H 3D Audio"), (b"dtsx", "DTS:X")])
def test_sound_that_is_not_decoded_is_named_and_the_picture_plays(
    code: bytes, name: str, clip: Clip, written: Callable[[str, bytes], Path], tmp_path: Path
) -> None:
    path = written("sound.mp4", clip("last.mp4").read_bytes().replace(b"mp4a", code).replace(b"esds", b"free"))
    found = probe(path, path.name, wanted=Kind.VIDEO)
    assert found.audio is None and found.video is not None
    assert f"audio ({name} (`{code.decode()}`)), can't be decoded here" in found.warnings[-1]
    with pytest.raises(DreamlakeError, match=name) as caught:
        probe(path, path.name, wanted=Kind.AUDIO)
    assert caught.value.code is Code.MEDIA_UNSUPPORTED


@pytest.mark.parametrize(("extension", "codec"), [("mp4", "-c:s mov_text"), ("mkv", "-c:s srt")])
def test_text_alone_says_so(extension: str, codec: str, tmp_path: Path, encode: Encode) -> None:
    srt = tmp_path / "text.srt"
    srt.write_text("1\n00:00:00,000 --> 00:00:01,000\nHello\n")
    path = encode(f"-i {srt} {codec}", tmp_path / f"text.{extension}")
    error = failure(path, tmp_path)
    assert (error.code, "It has text only" in error.message) == (Code.NO_VIDEO, True)
    assert "Export it as a .vtt or .srt file" in str(error)


def test_a_recording_without_its_index_says_what_helps(
    clip: Clip, written: Callable[[str, bytes], Path], tmp_path: Path
) -> None:
    data = clip("last.mp4").read_bytes()
    error = failure(written("drone.mp4", data[: data.rfind(b"moov") - 4]), tmp_path)
    assert "its index (`moov`) is missing" in error.message
    assert "untrunc" in str(error)


def test_an_index_that_is_cut_off_inside_a_track_is_missing(clip: Clip) -> None:
    data = clip("last.mp4").read_bytes()
    assert missing_part(io.BytesIO(data[: data.rfind(b"stco")]), "mov") is not None
    titles = data.rfind(b"udta")
    end = look_for_end(io.BytesIO(data[: titles + 20]), "mov")
    assert end is not None and end.harmless


@pytest.mark.parametrize(
    ("head", "container"),
    [
        (bytes.fromhex("0005160700020000") + b"Mac OS X        " + bytes(50), sniffing.APPLE_DOUBLE),
        (b"\0\0\0\1Bud1" + bytes(50), "a .DS_Store of macOS"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(50), "an OLE file, such as Thumbs.db or an old Office document"),
    ],
)
def test_what_systems_leave_in_folders_is_known_by_its_content(head: bytes, container: str) -> None:
    found = sniffing.sniff_file(io.BytesIO(head))
    assert found is not None and (found.kind, found.container) == (None, container)


SOUNDS = {
    "memo.m4a": "-f lavfi -i sine=440:sample_rate=48000:duration=8 -c:a aac -movflags faststart",
    "browser.webm": "-f lavfi -i sine=440:sample_rate=48000:duration=8 -c:a libopus -live 1",
    "radio.ts": "-f lavfi -i sine=440:sample_rate=48000:duration=8 -c:a aac",
}


@pytest.mark.parametrize("name", SOUNDS)
def test_sound_alone_is_salvaged_as_well(name: str, tmp_path: Path, encode: Encode) -> None:
    whole = encode(SOUNDS[name], tmp_path / name).read_bytes()
    path = tmp_path / f"cut-{name}"
    path.write_bytes(whole[: len(whole) * 6 // 10])
    result = make_audio(path, tmp_path / "out", filename=path.name)
    assert (result.partial, result.duration) == (True, pytest.approx(4.8, abs=0.4))
    assert result.warnings[0].startswith(f"Only the first {result.duration:.1f} s")
    with pytest.raises(DreamlakeError, match="sound only") as caught:
        make_video(path, tmp_path / "video", filename=path.name)
    assert caught.value.code is Code.NO_VIDEO
    path.write_bytes(whole[: len(whole) // 40])
    with pytest.raises(DreamlakeError) as caught:
        make_audio(path, tmp_path / "short", filename=path.name)
    assert caught.value.code is Code.MEDIA_TRUNCATED


def test_forms_of_sound_that_ffmpeg_takes_for_others_are_named_in_a_transport_stream(
    clip: Clip, written: Callable[[str, bytes], Path], tmp_path: Path
) -> None:
    """The stream types of the programme map: 0x0F is AAC, 0x2D MPEG-H."""
    data = clip("stream.ts").read_bytes().replace(b"\x0f\xe1\x01", b"\x2d\xe1\x01")
    path = written("mpegh.ts", data)
    with path.open("rb") as file:
        assert codecs.codes(file, "mpegts") == ("", "mhm1")
    with pytest.raises(DreamlakeError, match=r"is MPEG-H 3D Audio \(`mhm1`\)") as caught:
        probe(path, path.name, wanted=Kind.AUDIO)
    assert caught.value.code in (Code.MEDIA_UNSUPPORTED, Code.NO_AUDIO)


@pytest.mark.parametrize(
    ("text", "container"),
    [
        ("File name,Start (s),End (s)\na.wav,0,1.5\nb.wav,0.5,2\n", "csv"),
        ("file name,start\na.wav,0\n", "csv"),
        ("file name\na.wav\nb.wav\n", None),
        ("file 'a.mp4'\nduration 2\nfile 'b c.mp4'\n", "ffconcat"),
        ("file a\\ b.mp4\n# a comment\nfile c.mp4\n", "ffconcat"),
        ("ffconcat version 1.0 is what this says\n", None),
        ("v=0,1\nx,y\n", "csv"),
        ("#EXTM3U8 notes,x\n1,2\n3,4\n", "csv"),
        ("[playlist],x\n1,2\n3,4\n", "csv"),
        ("<mpdx,a\n1,2\n", "csv"),
        ("MZ,intensity\n100.2,5\n101.2,6\n", "csv"),
        ("The free,energy\n1,2\n3,4\n", "csv"),
        ("caff,eine\n1,2\n3,4\n", "csv"),
        ("sep=;\na;b\n1;2\n", "csv"),
        ("Recorder 3\nMade by us\n\nt|x|y\n1|2|3\n4|5|6\n7|8|9\n", "csv"),
        ("0.1 2 3\n0.2 4 5\n0.3 6 7\n", "csv"),
        ("# a comment, with a comma\nt,x\n1,2\n3,4\n" + "\0" * 3000, "csv"),
        ("[1, 2, 3],a\n[4, 5, 6],b\n", "csv"),
        ('[{"a": 1},\n {"a": 2}]\n', "json"),
        ('not json\n{"a": 1}\n', None),
        ('{"a": oops}\n{"a": 1}\n{"a": 2}\n', "jsonl"),
        ("1\n00:00:01,000000 --> 00:00:02,5\nHello\n", "srt"),
        ("U2FsdGVkX18aGVsbG8=\n", "encrypted"),
        ("-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n", "encrypted"),
    ],
)
def test_text_is_what_whole_lines_say(text: str, container: str | None) -> None:
    found = sniffing.sniff_file(io.BytesIO(text.encode()))
    assert (found and found.container) == container


def laid_out(data: bytes, form: str) -> bytes:
    packets = [data[at : at + 188] for at in range(0, len(data), 188)]
    return {
        "camcorder": b"".join(struct.pack(">I", 300 * at) + packet for at, packet in enumerate(packets)),
        "parity": b"".join(packet + bytes(16) for packet in packets),
        "middle": data[100:],
    }[form]


@pytest.mark.parametrize("form", ["camcorder", "parity", "middle"])
def test_transport_packets_are_found_as_they_lie(
    form: str, clip: Clip, written: Callable[[str, bytes], Path], tmp_path: Path
) -> None:
    data = laid_out(clip("stream.ts").read_bytes(), form)
    path = written("stream.mts", data)
    result = make_video(path, tmp_path / "out", filename=path.name)
    assert (result.container, result.partial, result.frames) == ("mpegts", False, 100)
    path.write_bytes(data[: len(data) * 7 // 10 + 30])
    part = make_video(path, tmp_path / "part", filename=path.name)
    assert part.partial and 50 < part.frames < 80


@pytest.mark.parametrize(
    ("name", "said", "created"),
    [
        ("made.mp4", "2025-11-30T13:00:00.500000+01:00", "2025-11-30T12:00:00Z"),
        ("made.mkv", "2025-11-30T12:00:00Z", "2025-11-30T12:00:00Z"),
        ("made.ts", "2025-11-30T12:00:00Z", None),  # MPEG-TS has no such field
        ("made.mkv", "2025-11-30 12:00", None),
        ("made.mkv", "yesterday", None),
        ("made.mkv", "9999-12-31T23:59:59-10:00", None),
        ("made.mp4", None, None),
    ],
)
def test_when_a_recording_was_made_is_told_of_its_streams(
    name: str, said: str | None, created: str | None, clip: Clip, encode: Encode, tmp_path: Path
) -> None:
    tag = f"-metadata creation_time={said.replace(' ', '_')}" if said else ""
    path = encode(f"-i {clip('last.mp4')} -t 1 -c copy {tag}", tmp_path / name)
    if said and " " in said:
        path.write_bytes(path.read_bytes().replace(said.replace(" ", "_").encode(), said.encode()))
    found = probe(path, name, wanted=Kind.VIDEO)
    assert {stream.get("created") for stream in found.streams} == {created}
