"""Sound that does not flow: holes, times that go back, another form on the way, a start in the middle of a frame."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.media.audio.make import make_audio
from dreamlake_pipeline.media.containers.frames import id3_length
from dreamlake_pipeline.media.containers.sniff import SEARCHED_BYTES, sniff_file
from dreamlake_pipeline.media.results import Stream
from dreamlake_pipeline.media.video.make import make_video

Encode = Callable[[str, Path], Path]
Holes = Sequence[tuple[float, float]]

# A flash and a beep one second after the start, and four seconds later.
FLASH = (
    "-f lavfi -i color=black:size=64x64:rate=25,"
    "geq=lum='if(between(mod(T\\,4)\\,1\\,1.1)\\,235\\,16)':cb=128:cr=128 "
    "-f lavfi -i aevalsrce='if(between(mod(t\\,4)\\,1\\,1.1)\\,0.8*sin(6000*t)\\,0.01*sin(1000*t))':s=48000 -t 7 "
    "-c:v libx264 -preset ultrafast -g 25"
).replace("aevalsrce", "aevalsrc")
CODECS = {"aac": "aac", "opus": "libopus", "pcm": "pcm_s16le", "mp3": "libmp3lame", "vorbis": "libvorbis"}


def without(source: Path, out: Path, holes: Holes, *, container: str | None = None, crowded: int = 0) -> Path:
    """The file without the sound packets that begin within the holes. Behind the first hole, so many are crowded into
    a millisecond each, and those behind them are earlier by as much."""
    with av.open(str(source)) as reading, av.open(str(out), "w", format=container) as writing:
        streams = {stream.index: writing.add_stream_from_template(stream) for stream in reading.streams}
        seen, early = 0, 0
        for packet in reading.demux():
            if packet.dts is None or packet.pts is None or packet.time_base is None:
                continue
            time = float(packet.pts * packet.time_base)
            if packet.stream.type == "audio":
                if any(begin < time < end for begin, end in holes):
                    continue
                if time > holes[0][0]:
                    packet.pts -= early
                    packet.dts = packet.pts
                    early += ((packet.duration or 0) - round(0.001 / packet.time_base)) * (seen < crowded)
                    seen += 1
            packet.stream = streams[packet.stream.index]
            writing.mux(packet)
    return out


@pytest.mark.parametrize(
    ("codec", "name"),
    [
        *((codec, f"{codec}.mkv") for codec in CODECS),
        *((codec, f"{codec}.mp4") for codec in ("aac", "opus", "mp3")),
        *((codec, f"{codec}.ts") for codec in ("aac", "mp3")),
    ],
)
@pytest.mark.parametrize("holes", [[(2.0, 2.09)], [(2.0, 2.09), (3.0, 4.2)]], ids=["small", "two"])
def test_what_follows_a_hole_stays_in_step(
    encode: Encode,
    tmp_path: Path,
    onsets: Callable[[Stream], tuple[list[float], list[float]]],
    hear: Callable[[Stream], Any],
    codec: str,
    name: str,
    holes: Holes,
) -> None:
    whole = encode(f"{FLASH} -c:a {CODECS[codec]}", tmp_path / f"whole-{codec}.mkv")
    source = without(whole, tmp_path / name, holes, container="mpegts" if name.endswith(".ts") else None)
    result = make_video(source, tmp_path / "out", filename=name)
    flashes, beeps = onsets(result.streams[0])
    assert beeps == pytest.approx(flashes, abs=0.03) and len(flashes) == 2
    assert hear(result.streams[0]).seconds == pytest.approx(7, abs=0.06)
    (told,) = [warning for warning in result.warnings if "hole" in warning]
    found = re.search(r"has (\d) holes?, (\d\.\d\d) s in all, first at (\d\.\d\d) s", told)
    assert found and int(found[1]) == len(holes)
    assert float(found[2]) == pytest.approx(sum(end - begin for begin, end in holes), abs=0.03 * len(holes))
    assert float(found[3]) == pytest.approx(2, abs=0.05)
    assert not any("sound ends" in warning for warning in result.warnings)
    assert any(reason.startswith("audio_") for reason in result.transcode_reasons)


def test_sound_whose_times_go_back_is_not_heard_twice(
    encode: Encode, tmp_path: Path, onsets: Callable[[Stream], tuple[list[float], list[float]]]
) -> None:
    whole = encode(f"{FLASH} -c:a pcm_s16le", tmp_path / "whole.mkv")
    source = without(whole, tmp_path / "back.mkv", [(2.0, 2.0)], crowded=25)
    result = make_video(source, tmp_path / "out", filename="back.mkv")
    flashes, beeps = onsets(result.streams[0])
    (told,) = [warning for warning in result.warnings if "goes back" in warning]
    found = re.search(r"goes back \d+ times, by (\d\.\d\d) s in all, first at 2\.\d\d s", told)
    assert found and float(found[1]) == pytest.approx(0.485, abs=0.05)
    assert beeps == pytest.approx([flashes[0], flashes[1] - 0.485], abs=0.03)


def test_a_silence_longer_than_ffmpeg_believes_in(
    encode: Encode, tmp_path: Path, onsets: Callable[[Stream], tuple[list[float], list[float]]]
) -> None:
    """In MPEG-TS, it takes ten seconds without sound for a new start of all clocks."""
    whole = encode(f"{FLASH} -t 19 -c:a aac", tmp_path / "whole.mkv")
    source = without(whole, tmp_path / "quiet.ts", [(4.0, 16.0)], container="mpegts")
    flashes, beeps = onsets(make_video(source, tmp_path / "out", filename="quiet.ts").streams[0])
    assert len(flashes) == 5
    assert beeps == pytest.approx([flashes[0], flashes[-1]], abs=0.03)


@pytest.mark.parametrize("codec", ["ac3", "aac"])
def test_the_sound_of_a_video_may_change_on_the_way(
    encode: Encode, tmp_path: Path, hear: Callable[[Stream], Any], codec: str
) -> None:
    """As television does it: surround, then stereo."""
    parts = [
        encode(f"-f lavfi -i aevalsrc={'|'.join(['0.2*sin(3000*t)'] * count)}:s=48000:d=3.072 -c:a {codec}", path)
        for count, path in ((6 if codec == "ac3" else 1, tmp_path / f"a.{codec}"), (2, tmp_path / f"b.{codec}"))
    ]
    joined = tmp_path / f"joined.{codec}"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    picture = "-f lavfi -i testsrc2=size=64x64:rate=25 -t 6"
    source = encode(
        f"-f {codec} -i {joined} {picture} -map 1 -map 0 -c:v libx264 -preset ultrafast -c:a copy", tmp_path / "tv.ts"
    )
    result = make_video(source, tmp_path / "out", filename="tv.ts")
    assert any(reason.startswith(("audio_codec", "audio_changes")) for reason in result.transcode_reasons)
    (told,) = [warning for warning in result.warnings if "changes on the way" in warning]
    found = re.search(r"stereo at (\d\.\d\d) s", told)
    assert found and float(found[1]) == pytest.approx(3.07, abs=0.05)
    heard = hear(result.streams[0])
    assert heard.seconds == pytest.approx(6, abs=0.08)
    assert heard.level(3000 / (2 * np.pi), 0.2, 2.8) > -20
    assert heard.level(3000 / (2 * np.pi), 3.3, 5.8) > -20


def test_single_frames_that_are_missing_in_mp4_are_holes_too(
    encode: Encode, tmp_path: Path, onsets: Callable[[Stream], tuple[list[float], list[float]]]
) -> None:
    """Its table of durations makes the frame before each last twice as long."""
    whole = encode(f"{FLASH} -c:a aac", tmp_path / "whole.mp4")
    holes = [(second + 0.4, second + 0.423) for second in range(7)]
    source = without(whole, tmp_path / "holes.mp4", holes)
    result = make_video(source, tmp_path / "out", filename=source.name)
    assert re.search(r"The sound has [78] holes, 0\.1\d s in all", result.warnings[0])
    bright, loud = onsets(result.streams[0])
    assert all(abs(flash - beep) < 0.01 for flash, beep in zip(bright, loud, strict=True))


@pytest.mark.parametrize(
    "how", ["-movflags frag_keyframe+empty_moov", "-movflags hybrid_fragmented", "-use_editlist 0"]
)
def test_what_an_encoder_puts_before_the_sound_is_no_hole(
    how: str, encode: Encode, tmp_path: Path, onsets: Callable[[Stream], tuple[list[float], list[float]]]
) -> None:
    """Where there are B-frames and no edit list, sound waits for the first picture, and its priming does not."""
    flash = FLASH.replace("-preset ultrafast", "-preset veryfast -bf 2")
    result = make_video(encode(f"{flash} -c:a aac {how}", tmp_path / "a.mp4"), tmp_path / "out", filename="a.mp4")
    assert (result.mode, result.transcode_reasons, result.warnings) == ("copy", (), ())
    bright, loud = onsets(result.streams[0])
    assert len(bright) == 2 and all(abs(flash - beep) < 0.03 for flash, beep in zip(bright, loud, strict=True))


@pytest.mark.parametrize("sound", ["aac", "libmp3lame", "ac3"])
def test_lost_packets_of_sound_are_silent_and_what_follows_is_in_step(
    sound: str, encode: Encode, tmp_path: Path, onsets: Callable[[Stream], tuple[list[float], list[float]]]
) -> None:
    rows = np.fromfile(encode(f"{FLASH} -c:a {sound}", tmp_path / "whole.ts"), np.uint8).reshape(-1, 188)
    packets = np.flatnonzero(((rows[:, 1].astype(int) & 31) << 8 | rows[:, 2]) == 0x101)
    third = len(packets) // 3
    source = tmp_path / "lost.ts"
    np.delete(rows, packets[third : third + 12], axis=0).tofile(source)
    result = make_video(source, tmp_path / "out", filename=source.name, ladder=(32,))
    assert result.mode == "copy" and result.frames == 175 and len(result.streams) == 2
    bright, loud = onsets(result.streams[0])
    assert len(bright) == len(loud) == 2
    assert all(abs(flash - beep) < 0.03 for flash, beep in zip(bright, loud, strict=True))
    says = re.compile(r"The sound is damaged: about \d\.\d\d s of it can't be decoded")
    assert any(says.match(warning) for warning in result.warnings)


@pytest.mark.parametrize("everything", [False, True])
def test_sound_of_noise_beside_pictures_does_not_take_them_with_it(
    everything: bool, encode: Encode, tmp_path: Path
) -> None:
    clip = "-f lavfi -i testsrc2=size=64x64:rate=25:duration=2 -f lavfi -i anoisesrc=amplitude=0.3:duration=2"
    whole, source = encode(f"{clip} -c:v libx264 -c:a ac3", tmp_path / "whole.mkv"), tmp_path / "noise.mkv"
    data = bytearray(whole.read_bytes())
    with av.open(str(whole)) as container:
        packets = [bytes(packet) for packet in container.demux(audio=0) if packet.size]
    for packet in packets[:: 1 if everything else 20]:
        at = data.index(packet)
        data[at : at + len(packet)] = b"\xff" * len(packet)
    source.write_bytes(data)
    result = make_video(source, tmp_path / "out", filename=source.name)
    assert (result.mode, result.frames, result.has_audio) == ("copy", 50, not everything)
    assert any("damaged" in warning for warning in result.warnings)


def test_the_next_track_is_heard_where_one_can_not_be_decoded(encode: Encode, tmp_path: Path) -> None:
    whole, source = tmp_path / "whole.ts", tmp_path / "lost.ts"
    encode(f"{FLASH} -map 0 -map 1 -map 1 -c:a:0 ac3 -c:a:1 aac -t 2", whole)
    rows = np.fromfile(whole, np.uint8).reshape(-1, 188)
    packets = np.flatnonzero(((rows[:, 1].astype(int) & 31) << 8 | rows[:, 2]) == 0x101)
    np.delete(rows, packets[3:], axis=0).tofile(source)
    result = make_video(source, tmp_path / "out", filename=source.name)
    assert (result.frames, result.has_audio, result.transcode_reasons) == (50, True, ())
    [warning] = result.warnings
    assert "Stream 1, audio (ac3), can't be decoded and is left out" in warning


def test_sound_that_flows_is_copied_without_a_word(encode: Encode, tmp_path: Path) -> None:
    result = make_video(encode(f"{FLASH} -c:a aac", tmp_path / "whole.mkv"), tmp_path / "out", filename="whole.mkv")
    assert result.transcode_reasons == () and result.warnings == ()


def test_a_hole_in_a_file_of_sound_is_silence(encode: Encode, tmp_path: Path, hear: Callable[[Stream], Any]) -> None:
    whole = encode("-f lavfi -i sine=500:r=48000:d=6 -c:a aac -f mp4", tmp_path / "whole.m4a")
    source = without(whole, tmp_path / "hole.m4a", [(2.0, 3.0)], container="mp4")
    result = make_audio(source, tmp_path / "out", filename="hole.m4a")
    assert (result.duration, result.mode) == (pytest.approx(6, abs=0.03), "transcode")
    assert any(reason.startswith("audio_times: ") for reason in result.transcode_reasons)
    heard = hear(result.streams[0])
    assert heard.level(500, 2.2, 2.8) < -60
    assert heard.level(500, 3.2, 5.8) == pytest.approx(heard.level(500, 0.2, 1.8), abs=0.5)


def test_a_page_that_is_missing_in_ogg_is_silence(encode: Encode, tmp_path: Path) -> None:
    data = encode("-f lavfi -i sine=500:r=44100:d=6 -c:a libvorbis -b:a 64k", tmp_path / "whole.ogg").read_bytes()
    pages = data.split(b"OggS")[1:]
    middle = len(pages) // 2
    source = tmp_path / "hole.ogg"
    source.write_bytes(b"".join(b"OggS" + page for page in pages[:middle] + pages[middle + 1 :]))
    result = make_audio(source, tmp_path / "out", filename="hole.ogg")
    assert result.duration == pytest.approx(6, abs=0.05)
    assert any("has 1 hole" in warning for warning in result.warnings)


# Name -> the codec, rate and channels of both parts.
CHANGES = {
    "channels.mp3": (("libmp3lame", 44_100, 1), ("libmp3lame", 44_100, 2)),
    "rate.mp3": (("libmp3lame", 44_100, 1), ("libmp3lame", 22_050, 1)),
    "both.aac": (("aac", 44_100, 1), ("aac", 48_000, 2)),
    "channels-vorbis.ogg": (("libvorbis", 44_100, 1), ("libvorbis", 44_100, 2)),
    "rate-vorbis.ogg": (("libvorbis", 16_000, 1), ("libvorbis", 44_100, 1)),
    "same-vorbis.ogg": (("libvorbis", 44_100, 1), ("libvorbis", 44_100, 1)),
    "channels-opus.ogg": (("libopus", 48_000, 1), ("libopus", 48_000, 2)),
    "both-flac.ogg": (("flac", 44_100, 1), ("flac", 48_000, 2)),
    "codec.ogg": (("libopus", 48_000, 1), ("libvorbis", 44_100, 1)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_all_of_a_sound_that_changes_is_heard_and_measured(
    encode: Encode, tmp_path: Path, hear: Callable[[Stream], Any], name: str
) -> None:
    parts = []
    for number, ((codec, rate, channels), hertz, volume) in enumerate(
        zip(CHANGES[name], (440, 660), (0.5, 0.05), strict=True)
    ):
        tone = "|".join([f"{volume}*sin(2*PI*{hertz}*t)"] * channels)
        bare = "-write_xing 0 -id3v2_version 0" if name.endswith(".mp3") else ""
        arguments = f"-f lavfi -i aevalsrc={tone}:s={rate}:d=3 -c:a {codec} {bare}"
        parts.append(encode(arguments, tmp_path / f"{number}{Path(name).suffix}").read_bytes())
    source = tmp_path / name
    source.write_bytes(b"".join(parts))
    result = make_audio(source, tmp_path / "out", filename=name)
    assert result.duration == pytest.approx(6, abs=0.13)
    assert float(sum(segment.duration for segment in result.streams[0].segments)) == pytest.approx(result.duration)
    rates, counts = zip(*((rate, channels) for _, rate, channels in CHANGES[name]), strict=True)
    assert (result.sample_rate, result.channels) == (max(rates), max(counts))
    heard = hear(result.streams[0])
    loud, soft = heard.level(440, 0.3, 2.7), heard.level(660, 3.4, 5.7)
    assert loud == pytest.approx(-6, abs=1.5)
    assert loud - soft == pytest.approx(20 - 10 * np.log10(counts[1] / counts[0]), abs=1)
    assert heard.level(660, 0.3, 2.7) < soft - 12
    # The loudness of the loud part, which is what passes the gate.
    assert result.integrated == pytest.approx(-0.691 + 10 * np.log10(0.5**2 / 2), abs=1.5)
    told = [warning for warning in result.warnings if "changes on the way" in warning]
    assert len(told) == (not name.startswith("same"))
    for warning in told:
        found = re.search(r"Hz, (mono|stereo) at (\d\.\d\d) s", warning)
        assert found and float(found[2]) == pytest.approx(3, abs=0.1)


@pytest.fixture(scope="session")
def tone(encode: Encode, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], bytes]:
    folder = tmp_path_factory.mktemp("tones")

    def read(name: str) -> bytes:
        path = folder / name
        codec = {".mp3": "libmp3lame -b:a 64k -write_xing 0 -id3v2_version 0"}.get(path.suffix, path.suffix[1:])
        return (path if path.exists() else encode(f"-f lavfi -i sine=440:r=44100:d=3 -c:a {codec}", path)).read_bytes()

    return read


NOISE = np.random.default_rng(3).integers(0, 256, SEARCHED_BYTES, dtype=np.uint8).tobytes()
BEGINNINGS: dict[str, Callable[[bytes], bytes]] = {
    "the middle of a frame": lambda data: data[333:],
    "zeros": lambda data: bytes(222) + data,
    "noise": lambda data: NOISE[:100_000] + data,
    "nearly a megabyte of noise": lambda data: NOISE[:-20_000] + data,
    "what may be text in an old encoding": lambda data: b"\xde\xad\xbe\xef" * 25_000 + data,
    "text": lambda data: b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\n\r\n" + data,
    "a tag and noise": lambda data: b"ID3\x04\0\0\0\0\0\x0a" + b"\0" * 10 + NOISE[:9_000] + data,
}


@pytest.mark.parametrize("name", ["tone.mp3", "tone.aac", "tone.ac3"])
@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_what_is_no_frame_at_the_start_is_passed_over(
    tone: Callable[[str], bytes],
    written: Callable[[str, bytes], Path],
    tmp_path: Path,
    hear: Callable[[Stream], Any],
    name: str,
    beginning: str,
) -> None:
    result = make_audio(written(name, BEGINNINGS[beginning](tone(name))), tmp_path / "out", filename=name)
    assert result.container == name[-3:]
    assert result.duration == pytest.approx(3, abs=0.1)
    heard = hear(result.streams[0])
    for begin, end in ((0.15, 1.5), (1.5, 2.8)):
        assert heard.level(440, begin, end) == pytest.approx(-18, abs=1)
    (told,) = [warning for warning in result.warnings if "are no sound, and are passed over" in warning]
    assert re.search(r"The first [\d,]+ bytes", told)


@pytest.mark.parametrize("end", [b"TAG" + b" " * 125, b"APETAGEX" + bytes(24), b"\xff\xfb\x90", bytes(5000)])
def test_what_is_no_frame_at_the_end_is_no_damage(
    tone: Callable[[str], bytes], written: Callable[[str, bytes], Path], tmp_path: Path, end: bytes
) -> None:
    result = make_audio(written("end.mp3", tone("end.mp3")[:-100] + end), tmp_path / "out", filename="end.mp3")
    assert result.duration == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize("name", ["tone.mp3", "tone.aac"])
@pytest.mark.parametrize("noise", [5_000, 300_000])
def test_noise_at_the_end_is_left_out_with_a_word(
    tone: Callable[[str], bytes], written: Callable[[str, bytes], Path], tmp_path: Path, name: str, noise: int
) -> None:
    result = make_audio(written(name, tone(name) + NOISE[:noise]), tmp_path / "out", filename=name)
    assert result.duration == pytest.approx(3, abs=0.1)
    assert f"The last {noise:,} bytes are no sound, and are left out." in result.warnings


def test_damage_in_aac_is_not_copied(
    tone: Callable[[str], bytes], written: Callable[[str, bytes], Path], tmp_path: Path, hear: Callable[[Stream], Any]
) -> None:
    whole = tone("tone.aac")
    middle = whole.index(whole[:3], len(whole) // 2)
    damaged = whole[: middle + 40] + b"\xff" * 40 + whole[middle + 80 :]
    result = make_audio(written("damaged.aac", damaged), tmp_path / "out", filename="damaged.aac")
    assert result.transcode_reasons == ("audio_damaged: a part of the sound can't be read",)
    assert any("can't be decoded, and is left out" in warning for warning in result.warnings)
    assert hear(result.streams[0]).level(440, 1.8, 2.8) == pytest.approx(-18, abs=1)


def test_noise_is_not_taken_for_sound(written: Callable[[str, bytes], Path], tmp_path: Path) -> None:
    with written("noise.mp3", NOISE).open("rb") as file:
        assert sniff_file(file) is None
    assert id3_length(NOISE) == 0


def test_a_sound_of_too_many_forms_is_refused(encode: Encode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dreamlake_pipeline.media.audio.render._MOST_PARTS", 1)
    parts = [
        encode(f"-f lavfi -i sine=500:r={rate}:d=1 -c:a libvorbis", tmp_path / f"{rate}.ogg").read_bytes()
        for rate in (16_000, 44_100)
    ]
    (tmp_path / "radio.ogg").write_bytes(b"".join(parts))
    with pytest.raises(DreamlakeError) as caught:
        make_audio(tmp_path / "radio.ogg", tmp_path / "out", filename="radio.ogg")
    assert caught.value.code is Code.MEDIA_UNSUPPORTED and "radio.ogg" in caught.value.message
