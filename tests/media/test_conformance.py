"""The validator of published HLS: what is right passes, and each way of breaking it is found by the rule it breaks."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from dreamlake_pipeline.media.audio.make import make_audio
from dreamlake_pipeline.media.hls.conformance.published import check_hls
from dreamlake_pipeline.media.hls.conformance.report import Report
from dreamlake_pipeline.media.hls.conformance.segments import Chunk, read_chunk
from dreamlake_pipeline.media.hls.conformance.subtitles import check_subtitles
from dreamlake_pipeline.media.hls.playlist import master_playlist, media_playlist
from dreamlake_pipeline.media.results import Stream
from dreamlake_pipeline.media.run import ffmpeg
from dreamlake_pipeline.media.video.make import make_video

Clip = Callable[[str], Path]
PACKET = 188


@dataclass(frozen=True)
class Published:
    """Playlists and segments as a player gets them. Chunks are in playing order."""

    master: str
    media: str
    uri: str
    chunks: dict[str, Chunk]

    @classmethod
    def of(cls, stream: Stream) -> Published:
        uri = f"{stream.hash}.m3u8"
        chunks = {f"../chunks/{segment.sha256}.ts": read_chunk(segment.path) for segment in stream.segments}
        media = media_playlist(stream, lambda name: f"../chunks/{name}")
        return cls(master_playlist([stream], lambda _: uri), media, uri, chunks)

    def broken(self) -> set[str]:
        """The rules that it breaks."""
        report = Report()
        check_hls(self.master, {self.uri: self.media}, self.chunks, report)
        return {check["rule"] for check in report.checks if not check["ok"]}

    def with_segments(self, chunks: dict[str, Chunk]) -> Published:
        """With other segments, named by their hashes, at the same places."""
        names = dict(zip(self.chunks, (f"../chunks/{chunk.sha256}.ts" for chunk in chunks.values()), strict=True))
        media = self.media
        for old, new in names.items():
            media = media.replace(old, new)
        return replace(self, media=media, chunks=dict(zip(names.values(), chunks.values(), strict=True)))


@pytest.fixture(scope="module")
def made(clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> Stream:
    """The stream of a clip of 7 s with sound: two segments."""
    return make_video(clip("h264.mp4"), tmp_path_factory.mktemp("made"), filename="h264.mp4").streams[0]


@pytest.fixture(scope="module")
def good(made: Stream) -> Published:
    return Published.of(made)


def test_what_is_made_passes(good: Published, clip: Clip, tmp_path: Path) -> None:
    assert good.broken() == set()
    sound = make_audio(clip("stereo.wav"), tmp_path / "audio", filename="stereo.wav").streams[0]
    assert Published.of(sound).broken() == set()
    transcoded = make_video(clip("variable.mp4"), tmp_path / "video", filename="variable.mp4").streams[0]
    assert Published.of(transcoded).broken() == set()


MEDIA = [
    (r"\A", "\ufeff", "playlist: #EXTM3U is the first line, without a byte order mark"),
    (r"\A#EXTM3U\n", "", "playlist: #EXTM3U is the first line, without a byte order mark"),
    (r"#EXT-X-ENDLIST\n", "", "playlist: #EXT-X-ENDLIST is the last line"),
    (r"TYPE:VOD", "TYPE:EVENT", "playlist: it is VOD"),
    (r"SEQUENCE:0", "SEQUENCE:1", "playlist: it begins with segment 0, and nothing is discontinuous"),
    (r"(?=#EXTINF)", "#EXT-X-DISCONTINUITY\n", "playlist: it begins with segment 0, and nothing is discontinuous"),
    (r"VERSION:6", "VERSION:2", "playlist: one VERSION, high enough for fractions of a second"),
    (r"#EXTINF:.*\n", "", "playlist: every segment has an EXTINF above 0, with 3 decimals or more"),
    (r"(#EXTINF:\d+)\.\d+", r"\1", "playlist: every segment has an EXTINF above 0, with 3 decimals or more"),
    (r"(#EXTINF:.*\n)(.*\n)", r"\2\1", "playlist: every segment has an EXTINF above 0, with 3 decimals or more"),
    (r"TARGETDURATION:6", "TARGETDURATION:5", "playlist: one TARGETDURATION, no EXTINF rounds above it"),
    (r"#EXT-X-TARGETDURATION:6\n", "", "playlist: one TARGETDURATION, no EXTINF rounds above it"),
    (
        r"(?s)TARGETDURATION:6(.*?)EXTINF:6\.",
        r"TARGETDURATION:60\1EXTINF:60.",
        "playlist: segments are near the aim of 6 s",
    ),
    (r"\.\./chunks/\w+", "../chunks/" + "0" * 64, "segments: every one that is named is stored"),
    (
        r"EXTINF:6\.0",
        "EXTINF:6.1",
        "times: EXTINF agree with the times in the segments to a frame, over any run of them",
    ),
    (r"EXTINF:1\.0", "EXTINF:0.9", "times: every picture is shown before the playlist ends"),
]

MASTER = [
    (r"\A", "\n", "master: #EXTM3U is the first line, without a byte order mark"),
    (r"#EXT-X-VERSION:\d+\n", "", "master: one VERSION, high enough for fractions of a second"),
    (r"\w+\.m3u8", "other.m3u8", "master: every playlist that it names is there"),
    (
        r"AVERAGE-BANDWIDTH=\d+,",
        "",
        "master: every stream has BANDWIDTH, AVERAGE-BANDWIDTH and CODECS, and its URI in the next line",
    ),
    (
        r"(\w+\.m3u8)",
        r"# \1\n\1",
        "master: every stream has BANDWIDTH, AVERAGE-BANDWIDTH and CODECS, and its URI in the next line",
    ),
    (r":BANDWIDTH=(\d+)", r":BANDWIDTH=1\1", "master: BANDWIDTH is the measured one, to 10 %"),
    (r"AVERAGE-BANDWIDTH=(\d+)\d", r"AVERAGE-BANDWIDTH=\1", "master: AVERAGE-BANDWIDTH is the measured one, to 10 %"),
    (r"avc1\.\w+", "avc1.42c00a", "master: CODECS are those of the segments"),
    (r",mp4a\.40\.2", "", "master: CODECS are those of the segments"),
    (r"320x180", "180x320", "master: RESOLUTION is that of the pictures"),
    (r"FRAME-RATE=30\.000", "FRAME-RATE=25.000", "master: FRAME-RATE is the measured one, with 3 decimals"),
    (r"FRAME-RATE=30\.000", "FRAME-RATE=30", "master: FRAME-RATE is the measured one, with 3 decimals"),
    (r"(#EXT-X-STREAM-INF:)", r'\1AUDIO="none",', "master: every AUDIO and SUBTITLES group that is named exists"),
]


@pytest.mark.parametrize(("pattern", "replacement", "rule"), MEDIA)
def test_a_broken_playlist(good: Published, pattern: str, replacement: str, rule: str) -> None:
    media = re.sub(pattern, replacement, good.media, count=1)
    assert media != good.media
    assert rule in replace(good, media=media).broken()


@pytest.mark.parametrize(("pattern", "replacement", "rule"), MASTER)
def test_a_broken_master(good: Published, pattern: str, replacement: str, rule: str) -> None:
    master = re.sub(pattern, replacement, good.master, count=1)
    assert master != good.master
    assert rule in replace(good, master=master).broken()


TEXT = '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="{}",{}URI="{}"\n'


@pytest.mark.parametrize(
    ("renditions", "rule"),
    [
        (
            [("en", 'LANGUAGE="en",', "a"), ("en", 'LANGUAGE="en",', "b")],
            "master: the renditions of a group have names of their own",
        ),
        (
            [
                ("en", 'LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,', "a"),
                ("de", 'LANGUAGE="de",DEFAULT=YES,AUTOSELECT=YES,', "b"),
            ],
            "master: a group has at most one DEFAULT, which players may choose by themselves",
        ),
        (
            [("en", 'LANGUAGE="en",DEFAULT=YES,AUTOSELECT=NO,', "a")],
            "master: a group has at most one DEFAULT, which players may choose by themselves",
        ),
        ([("subtitles", "", "a")], "master: audio and subtitles have a LANGUAGE"),
        (
            [("en", 'LANGUAGE="en",AUTOSELECT=YES,', "a"), ("English", 'LANGUAGE="en",AUTOSELECT=YES,', "b")],
            "master: renditions of a group that players choose by themselves differ in LANGUAGE, FORCED or "
            "CHARACTERISTICS",
        ),
    ],
)
def test_broken_groups(good: Published, renditions: list[tuple[str, str, str]], rule: str) -> None:
    def with_group(lines: list[tuple[str, str, str]]) -> Published:
        text = "".join(TEXT.format(*line) for line in lines)
        master = good.master.replace("#EXT-X-STREAM-INF:", f'{text}#EXT-X-STREAM-INF:SUBTITLES="s",')
        return replace(good, master=master)

    english = 'LANGUAGE="en",AUTOSELECT=YES,'
    whole = [
        ("en", english + "DEFAULT=YES,", "a"),
        ("en (forced)", english + "FORCED=YES,", "b"),
        ("en (SDH)", english + 'CHARACTERISTICS="public.accessibility.describes-music-and-sound",', "c"),
    ]
    assert with_group(whole).broken() == set()
    assert with_group(renditions).broken() == {rule}


def test_forced_is_a_word_for_subtitles(good: Published) -> None:
    sound = '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="s",NAME="en",LANGUAGE="en",FORCED=YES\n'
    master = good.master.replace("#EXT-X-STREAM-INF:", f"{sound}#EXT-X-STREAM-INF:")
    assert replace(good, master=master).broken() == {"master: FORCED is said of subtitles only"}


def test_streams_whose_segments_are_not_at_the_same_times(good: Published) -> None:
    second = re.search(r"#EXT-X-STREAM-INF.*\n", good.master)
    assert second is not None
    master = good.master + second[0] + "other.m3u8\n"
    other = good.media.replace("EXTINF:6.0", "EXTINF:5.9")
    report = Report()
    check_hls(master, {good.uri: good.media, "other.m3u8": other}, good.chunks, report)
    assert any("at the same times" in rule for rule in report.broken)


# Segments: what is done to the packets of the second one.


def _pid(packet: bytes) -> int:
    return (packet[1] & 31) << 8 | packet[2]


def _flag(packets: list[bytes]) -> list[bytes]:
    return [*packets[:-1], bytes([packets[-1][0], packets[-1][1] | 0x80, *packets[-1][2:]])]


def _tables_last(packets: list[bytes]) -> list[bytes]:
    return [packet for packet in packets if _pid(packet) not in (0, 0x1000)] + [
        packet for packet in packets if _pid(packet) in (0, 0x1000)
    ]


def _lose_one(packets: list[bytes]) -> list[bytes]:
    middle = [at for at, packet in enumerate(packets) if _pid(packet) == 0x100 and not packet[1] & 0x40][10]
    return packets[:middle] + packets[middle + 1 :]


def _other_type(packets: list[bytes]) -> list[bytes]:
    # The stream type of H.264 in the programme map becomes HEVC's.
    return [p.replace(b"\x1b\xe1\x00", b"\x24\xe1\x00") if _pid(p) == 0x1000 else p for p in packets]


def _without_first_picture(packets: list[bytes]) -> list[bytes]:
    _, second, *_ = [at for at, packet in enumerate(packets) if _pid(packet) == 0x100 and packet[1] & 0x40]
    return [p for p in packets[:second] if _pid(p) in (0, 0x1000)] + packets[second:]


def _payload_at(packet: bytes) -> int:
    return 5 + packet[4] if packet[3] & 0x20 else 4


def _stamp(prefix: int, time: int) -> bytes:
    """A time in a PES header (ISO/IEC 13818-1 2.4.3.6)."""
    parts = (time >> 30 & 7, time >> 15 & 0x7FFF, time & 0x7FFF)
    return bytes([prefix << 4 | parts[0] << 1 | 1]) + b"".join((part << 1 | 1).to_bytes(2, "big") for part in parts[1:])


def _dts_after_pts(packets: list[bytes]) -> list[bytes]:
    """The first picture, which had no DTS of its own, is decoded a tick after it is shown."""
    at = next(at for at, packet in enumerate(packets) if _pid(packet) == 0x100 and packet[1] & 0x40)
    head = _payload_at(packets[at])
    pes = packets[at][head:]
    assert (pes[7] >> 6, pes[8]) == (2, 5)
    pts = (
        (pes[9] >> 1 & 7) << 30 | int.from_bytes(pes[10:12], "big") >> 1 << 15 | int.from_bytes(pes[12:14], "big") >> 1
    )
    # The DTS takes the place of the access unit delimiter's beginning.
    times = bytes([pes[7] | 0xC0, 10]) + _stamp(3, pts) + _stamp(1, pts + 1)
    return [*packets[:at], packets[at][:head] + pes[:7] + times + pes[19:], *packets[at + 1 :]]


def _clock_after_dts(packets: list[bytes]) -> list[bytes]:
    """Every clock reference is ten seconds late."""
    changed = []
    for packet in packets:
        if packet[3] & 0x20 and packet[4] >= 7 and packet[5] & 0x10:
            clock = int.from_bytes(packet[6:12], "big") + (10 * 90_000 << 15)
            packet = packet[:6] + clock.to_bytes(6, "big") + packet[12:]
        changed.append(packet)
    return changed


SEGMENTS: list[tuple[Callable[[list[bytes]], list[bytes]], str]] = [
    (
        lambda packets: [*packets[:-1], packets[-1][:100]],
        "segments: each is a whole number of MPEG-TS packets with tables",
    ),
    (
        lambda packets: [b"\0" + packets[0][1:], *packets[1:]],
        "segments: each is a whole number of MPEG-TS packets with tables",
    ),
    (
        lambda packets: [p for p in packets if _pid(p) >= 0x100 and _pid(p) != 0x1000],
        "segments: each is a whole number of MPEG-TS packets with tables",
    ),
    (_flag, "segments: no transport error"),
    (_tables_last, "segments: PAT and PMT come before the first picture or sound"),
    (_other_type, "segments: H.264 and AAC only, at most one of each, the same in all"),
    (_lose_one, "times: continuity counters of video continue across joins"),
    (_without_first_picture, "segments: each starts with SPS, PPS and an IDR picture"),
    (_dts_after_pts, "times: DTS of video are never after PTS"),
    (_clock_after_dts, "times: the programme clock is never after DTS"),
]


@pytest.mark.parametrize(("damage", "rule"), SEGMENTS)
def test_a_broken_segment(
    good: Published, made: Stream, tmp_path: Path, damage: Callable[[list[bytes]], list[bytes]], rule: str
) -> None:
    whole = made.segments[1].read()
    packets = [whole[at : at + PACKET] for at in range(0, len(whole), PACKET)]
    path = tmp_path / "damaged.ts"
    path.write_bytes(b"".join(damage(packets)))
    assert path.read_bytes() != whole
    first, _ = good.chunks.values()
    found = good.with_segments({"first": first, "second": read_chunk(path)}).broken()
    assert rule in found
    assert "segments: each is named by the SHA-256 of its bytes" not in found


def test_a_picture_size_that_changes_inside_a_segment(good: Published, tmp_path: Path) -> None:
    both = tmp_path / "both.264"
    for size in ("320x180", "160x90"):
        picture = f"-f lavfi -i testsrc2=size={size}:rate=30:duration=0.5 -c:v libx264 -preset ultrafast -f h264 pipe:1"
        command = [ffmpeg.build().path, "-loglevel", "error", *picture.split()]
        with both.open("ab") as file:
            file.write(subprocess.run(command, check=True, timeout=60, capture_output=True).stdout)
    [chunk] = _cut(both, tmp_path, "-c", "copy").values()
    assert chunk.part is not None
    assert [(sps.width, sps.height) for sps in chunk.part.parameters] == [(320, 180), (160, 90)]
    first, second = good.chunks.values()
    found = good.with_segments({"first": chunk, "second": chunk}).broken()
    assert "segments: one picture size and codec throughout" in found
    assert (
        "segments: one picture size and codec throughout" not in good.with_segments({"1": first, "2": second}).broken()
    )


def test_steps_that_browsers_take_for_gaps(tmp_path: Path) -> None:
    """As of a camera with jitter: no step is twice the usual one, but what is decoded early comes after a long one."""
    source = tmp_path / "jitter.mp4"
    picture = "-f lavfi -i testsrc2=size=160x90:rate=90 -t 6 -fps_mode passthrough -c:v libx264 -preset fast -g 90"
    jitter = "select=eq(n\\,0)+gte(t-prev_selected_t\\,0.021+0.036*random(0))"
    subprocess.run(
        [ffmpeg.build().path, "-loglevel", "error", *picture.split(), "-flags", "+cgop", "-vf", jitter, str(source)],
        check=True,
        timeout=60,
    )
    rule = "times: no step of DTS is a gap for a browser, more than twice as long as the picture before is shown"
    chunks = _cut(source, tmp_path, "-c", "copy")
    assert rule in _published(chunks).broken()
    made = make_video(source, tmp_path / "made", filename="jitter.mp4")
    assert made.mode == "transcode" and rule in made.transcode_reasons[0]
    assert Published.of(made.streams[0]).broken() == set()


def test_bytes_that_are_not_those_of_the_name(good: Published) -> None:
    first, second = good.chunks.items()
    swapped = {first[0]: second[1], second[0]: first[1]}
    assert "segments: each is named by the SHA-256 of its bytes" in replace(good, chunks=swapped).broken()


def test_segments_in_the_wrong_order(good: Published) -> None:
    first, second = good.chunks.values()
    found = good.with_segments({"second": second, "first": first}).broken()
    assert found >= {
        "times: continuity counters of video continue across joins",
        "times: continuity counters of audio continue across joins",
        "times: DTS of video strictly increase across joins",
        "times: PTS of video are all different, and those of a segment come after the one before",
        "times: DTS of audio strictly increase across joins",
    }


def _cut(source: Path, folder: Path, *arguments: str) -> dict[str, Chunk]:
    """A clip in segments of 2 s, as ffmpeg makes them of anything."""
    hls = ["-f", "hls", "-hls_time", "2", "-hls_list_size", "0", "-hls_segment_filename", str(folder / "%05d.ts")]
    command = [ffmpeg.build().path, "-loglevel", "error", "-i", str(source), *arguments, *hls, str(folder / "x.m3u8")]
    subprocess.run(command, check=True, timeout=60)
    return {path.name: read_chunk(path) for path in sorted(folder.glob("*.ts"))}


def _published(chunks: dict[str, Chunk]) -> Published:
    """Such segments with playlists that say little."""
    lines = "".join(f"#EXTINF:2.000,\n{uri}\n" for uri in chunks)
    media = (
        "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-INDEPENDENT-SEGMENTS\n"
        f"{lines}#EXT-X-ENDLIST\n"
    )
    master = '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,AVERAGE-BANDWIDTH=1,CODECS="x"\nx.m3u8\n'
    return Published(master, media, "x.m3u8", chunks)


@pytest.mark.parametrize(
    ("name", "arguments", "rule"),
    [
        ("open-gop.mkv", ["-c", "copy"], "segments: each starts with SPS, PPS and an IDR picture"),
        ("odd.mp4", ["-c", "copy"], "segments: profile at most High, 8-bit 4:2:0, progressive"),
        ("interlaced.mp4", ["-c", "copy"], "segments: profile at most High, 8-bit 4:2:0, progressive"),
        (
            "stereo.wav",
            ["-af", "pan=5.1|c0=c0|c1=c1|c2=c0|c3=c0|c4=c0|c5=c1", "-c:a", "aac", "-t", "3"],
            "segments: sound is AAC-LC, mono or stereo, the same in all",
        ),
        (
            "stereo.wav",
            ["-c:a", "mp2", "-t", "3"],
            "segments: H.264 and AAC only, at most one of each, the same in all",
        ),
    ],
)
def test_what_players_do_not_play(clip: Clip, tmp_path: Path, name: str, arguments: list[str], rule: str) -> None:
    assert rule in _published(_cut(clip(name), tmp_path, *arguments)).broken()


def test_one_rule_is_reported_once(good: Published) -> None:
    report = Report()
    report.must("a", True, "fine")
    report.must("a", False, "first")
    report.must("a", False, "second")
    report.should("b", False)
    assert report.checks == [
        {"rule": "a", "level": "must", "ok": False, "detail": "first; second"},
        {"rule": "b", "level": "should", "ok": False, "detail": ""},
    ]
    assert report.broken == ["a (first; second)"]


# WebVTT

TEXTS = "#EXTM3U\n#EXTINF:6.000,\n0.vtt\n#EXTINF:2.000,\n1.vtt\n#EXT-X-ENDLIST\n"
HEAD = "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:01.467,MPEGTS:132000\n\n"
FIRST = HEAD + "00:00:01.967 --> 00:00:02.967\nOne\n\n00:00:06.467 --> 00:00:08.467\nTwo\n"
SECOND = HEAD + "00:00:06.467 --> 00:00:08.467\nTwo\n"
# Of one start with the cue above it, and shorter: WebVTT asks for the order of starts alone.
THREE = "00:00:06.467 --> 00:00:07.967\nThree\n"


@pytest.mark.parametrize(
    ("segments", "rule"),
    [
        ([FIRST, SECOND], None),
        ([FIRST], "subtitles: as many segments as the playlist names"),
        ([FIRST[1:], SECOND], "subtitles: each segment starts with WEBVTT"),
        ([FIRST, SECOND.replace("132000", "0")], "subtitles: X-TIMESTAMP-MAP has the first time of the video"),
        (["WEBVTT\n", SECOND], "subtitles: X-TIMESTAMP-MAP has the first time of the video"),
        ([FIRST, HEAD], "subtitles: each segment holds every cue that overlaps it, whole, and no other"),
        (
            [FIRST, SECOND + FIRST[len(HEAD) :]],
            "subtitles: each segment holds every cue that overlaps it, whole, and no other",
        ),
        (
            [FIRST, SECOND.replace("06.467", "07.467")],
            "subtitles: each segment holds every cue that overlaps it, whole, and no other",
        ),
        (
            [FIRST.replace("06.467", "00.467"), HEAD],
            "subtitles: cues are in the order of their starts, and end after them",
        ),
        (
            [FIRST.replace("02.967", "01.967"), SECOND],
            "subtitles: cues are in the order of their starts, and end after them",
        ),
        ([f"{FIRST}\n{THREE}", f"{SECOND}\n{THREE}"], None),
    ],
)
def test_subtitle_segments(segments: list[str], rule: str | None) -> None:
    report = Report()
    check_subtitles(TEXTS, segments, 132_000 / 90_000, report)
    broken = [check["rule"] for check in report.checks if not check["ok"]]
    assert rule in broken if rule else broken == []


def test_a_chunk_is_what_its_bytes_are(made: Stream, tmp_path: Path) -> None:
    chunk = read_chunk(made.segments[0].path)
    assert (chunk.sha256, chunk.size, chunk.fault) == (made.segments[0].sha256, made.segments[0].size, "")
    path = tmp_path / "text.ts"
    path.write_bytes(b"no segment")
    assert read_chunk(path).part is None
    assert read_chunk(path).sha256 == hashlib.sha256(b"no segment").hexdigest()
