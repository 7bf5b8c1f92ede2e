from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import m3u8
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.media.hls.conformance.playlists import check_playlist
from dreamlake_pipeline.media.hls.conformance.report import Report
from dreamlake_pipeline.media.hls.playlist import bandwidths, master_playlist, media_playlist
from dreamlake_pipeline.media.results import Segment, Stream


def stream_of(*durations: Fraction, size: int = 75_000, independent: bool = True) -> Stream:
    segments = tuple(Segment(Path(f"{i}.ts"), f"{i:064x}", size, duration) for i, duration in enumerate(durations))
    peak, average = bandwidths(segments)
    return Stream(segments, "avc1.64001f,mp4a.40.2", peak, average, 1280, 720, Fraction(30000, 1001), independent)


def test_the_media_playlist_says_what_the_segments_are() -> None:
    text = media_playlist(stream_of(Fraction(6), Fraction(13, 2), Fraction(1, 3)), lambda name: f"chunks/{name}")
    assert text.splitlines() == [
        "#EXTM3U",
        "#EXT-X-VERSION:6",
        "#EXT-X-TARGETDURATION:7",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        "#EXTINF:6.000000,",
        f"chunks/{0:064x}.ts",
        "#EXTINF:6.500000,",
        f"chunks/{1:064x}.ts",
        "#EXTINF:0.333333,",
        f"chunks/{2:064x}.ts",
        "#EXT-X-ENDLIST",
    ]


def test_segments_that_need_others_are_not_called_independent() -> None:
    stream = stream_of(Fraction(6), independent=False)
    assert "INDEPENDENT" not in media_playlist(stream, str) + master_playlist([stream], str)


def test_the_master_playlist_describes_its_streams() -> None:
    stream = stream_of(Fraction(6), Fraction(6))
    parsed = m3u8.loads(master_playlist([stream], lambda name: f"{name}.m3u8"))
    (variant,) = parsed.playlists
    info = variant.stream_info
    assert variant.uri == f"{stream.hash}.m3u8"
    assert (info.bandwidth, info.average_bandwidth) == (100_000, 100_000)
    assert (info.codecs, info.resolution, info.frame_rate) == ("avc1.64001f,mp4a.40.2", (1280, 720), 29.97)


def test_the_peak_is_that_of_runs_as_long_as_a_segment() -> None:
    # A last segment of a tenth of a second is no peak of its own.
    segments = [Segment(Path("a"), "a", 60_000, Fraction(6)), Segment(Path("b"), "b", 9_000, Fraction(1, 10))]
    peak, average = bandwidths(segments)
    assert peak == average == pytest.approx(69_000 * 8 / 6.1, rel=0.001)


@given(st.lists(st.fractions(Fraction(1, 100), Fraction(15)), min_size=1, max_size=50))
def test_any_durations_make_a_valid_playlist_of_the_right_length(durations: list[Fraction]) -> None:
    text = media_playlist(stream_of(*durations), str)
    report = Report()
    check_playlist(text, report)
    assert not report.broken
    parsed = m3u8.loads(text)
    written = [Fraction(str(segment.duration)) for segment in parsed.segments]
    assert abs(sum(written) - sum(durations)) <= Fraction(1, 1_000_000)


def test_the_hash_is_of_parameters_chunks_and_durations() -> None:
    stream = stream_of(Fraction(6), Fraction(5))
    assert stream.hash == stream_of(Fraction(6), Fraction(5)).hash
    assert len(stream.hash) == 32
    others = [stream_of(Fraction(5), Fraction(6)), stream_of(Fraction(6)), stream_of(Fraction(6), Fraction(5), size=1)]
    assert stream.hash not in {other.hash for other in others}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:6.000,\na.ts\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:6.600,\na.ts\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:0.000,\na.ts\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-ENDLIST\n",
    ],
)
def test_a_playlist_that_breaks_a_rule_is_not_published(text: str) -> None:
    report = Report()
    check_playlist(text, report)
    with pytest.raises(DreamlakeError) as caught:
        report.raise_if_broken("run.mp4")
    assert caught.value.code is Code.OUTPUT_INVALID
    assert "run.mp4" in caught.value.message
