"""WebVTT by the rules of its standard, with what it leaves open, and files that were joined."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dreamlake_pipeline.media.text.make import TextResult, make_text_track
from dreamlake_pipeline.webvtt import times_of

Make = Callable[[str], TextResult]
Cues = list[tuple[float, float, str]]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def make(content: str) -> TextResult:
        source = tmp_path / "source"
        source.write_text(content, "utf-8", newline="")
        return make_text_track(source, tmp_path, filename="talk.vtt")

    return make


def cues(result: TextResult) -> Cues:
    """Start and end in seconds, and text, of each cue in track.vtt."""
    found = []
    for block in result.path.read_text("utf-8").rstrip("\n").split("\n\n")[1:]:
        if times := times_of(block):
            found.append((times[0] / 1000, times[1] / 1000, block.partition("-->")[2].partition("\n")[2]))
    return found


def vtt(*blocks: str) -> str:
    return "\n\n".join(["WEBVTT", *blocks]) + "\n"


ONE = "00:01.000 --> 00:02.000\none"


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ("00:01.00 --> 00:02.5\na", (1, 2.5, "a")),
        ("00:01,000000 --> 00:02\na", (1, 2, "a")),
        ("000:01.000 --> 0:02.000\na", (1, 2, "a")),
        ("120:00:01.000 --> 12345:00:02.000\na", (432_001, 44_442_002, "a")),
        ("00:01.000-->00:02.000line:40% size:40%\na", (1, 2, "a")),
        ("\t00:01.000\t-->\t00:02.000\na", (1, 2, "a")),
        ("NOTE\n00:01.000 --> 00:02.000\na", (1, 2, "a")),
        ("00:01.000 -> 00:02.000\na", (1, 2, "a")),
        ("10:00:00 -> 12:00:00\n00:01.000 --> 00:02.000\na", (1, 2, "a")),
        ("[00:01.000 --> 00:02.000]  a", (1, 2, "a")),
        ("00:01.000 --> 00:02.000 a b", (1, 2, "a b")),
    ],
)
def test_lines_of_times(make: Make, block: str, expected: tuple[float, float, str]) -> None:
    result = make(vtt(block))
    assert (cues(result), result.bad_cues) == ([expected], 0)


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        ("00:61.000 --> 00:62.000\na", "59 minutes or seconds"),
        ("120:00.000 --> 120:10.000\na", "59 minutes or seconds"),
        ("00:0x.000 --> 00:02.000\na", "can't be read"),
        ("00:02.000 --> 00:01.000\na", "ends before it starts"),
        ("00:01.000 --> 00:02.000", "no text"),
        ("words\nand words", "no line with the cue's times"),
    ],
)
def test_what_the_standard_drops_is_located(make: Make, block: str, reason: str) -> None:
    result = make(vtt(block, ONE))
    assert cues(result) == [(1, 2, "one")]
    ((line, why),) = result.bad_lines
    assert line == 3 and reason in why


def test_a_cue_begins_at_every_arrow(make: Make) -> None:
    result = make(vtt("-->\n00:01.000 --> 00:02.000\na\n00:03.000 --> 00:04.000\nb\nid\n00:05.000 --> 00:06.000\nc"))
    assert cues(result) == [(1, 2, "a"), (3, 4, "b\nid"), (5, 6, "c")]
    assert [bad.line for bad in result.bad_lines] == [3]


def test_a_line_of_blanks_is_text_as_in_captions_that_roll(make: Make) -> None:
    first = "00:00:00.160 --> 00:00:02.629 align:start position:0%\n \nhello<00:00:00.480><c> world</c>"
    second = "00:00:02.629 --> 00:00:02.639 align:start position:0%\nhello world\n "
    third = "00:00:02.639 --> 00:00:04.000 align:start position:0%\nhello world\nnext<00:00:03.000><c> one</c>"
    content = f"WEBVTT\nKind: captions\nLanguage: en\n\n{first}\n\n{second}\n\n{third}\n"
    result = make(content)
    assert (result.path.read_text(), result.bad_cues, result.warnings) == (content, 0, ())


def test_a_line_of_blanks_separates_where_a_cue_follows(make: Make) -> None:
    result = make(vtt(f"{ONE}\n \n2\n00:03.000 --> 00:04.000\ntwo"))
    assert cues(result)[1] == (3, 4, "two")
    assert "\n2\n00:00:03.000" in result.path.read_text()


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("https://a.b/?lat=47&times=3&copy=1&region=2", "https://a.b/?lat=47&amp;times=3&amp;copy=1&amp;region=2"),
        ("R&D AT&T & so", "R&amp;D AT&amp;T &amp; so"),
        ("&amp; &lt;b&gt; &eacute; &#39; &lt and &copy", "&amp; &lt;b&gt; &eacute; &#39; &lt and &copy"),
        ("<v Ann>Hi</v> <00:00:01.500> <i.loud>x</i>", "<v Ann>Hi</v> <00:00:01.500> <i.loud>x</i>"),
    ],
)
def test_references(make: Make, text: str, kept: str) -> None:
    assert cues(make(vtt(ONE.replace("one", text))))[0][2] == kept


def test_a_nul_becomes_the_replacement_character(make: Make) -> None:
    result = make(vtt(ONE.replace("one", "o\0e")))
    assert cues(result) == [(1, 2, "o\ufffde")]
    assert any("NUL" in warning for warning in result.warnings)


# Files that were joined


def segment(ticks: int, *blocks: str, local: str = "00:00:00.000") -> str:
    header = f"WEBVTT\nX-TIMESTAMP-MAP=LOCAL:{local},MPEGTS:{ticks}"
    return "\n\n".join([header, *blocks]) + "\n"


def cue(start: float, end: float, text: str) -> str:
    return f"00:{start:06.3f} --> 00:{end:06.3f}\n{text}"


JOINED = [
    (900_000, cue(1, 3, "one"), cue(5, 7, "two")),
    (900_000 + 6 * 90_000, cue(0, 1, "two"), cue(3, 5, "three")),
    (900_000 + 12 * 90_000, cue(1, 2, "four")),
]
ON_ONE_CLOCK: Cues = [(1, 3, "one"), (5, 7, "two"), (9, 11, "three"), (13, 14, "four")]


@pytest.mark.parametrize("between", ["\n", "", "\ufeff", "\n\ufeff", "\r\n\r\n"])
@pytest.mark.parametrize("first", [900_000, 2**33 - 300_000, 2**33 - 1], ids=["plain", "wraps", "wraps at once"])
def test_segments_are_put_on_the_clock_of_the_first(make: Make, between: str, first: int) -> None:
    parts = [segment((ticks - 900_000 + first) % 2**33, *blocks) for ticks, *blocks in JOINED]
    result = make(between.join(parts))
    assert (cues(result), result.bad_cues) == (ON_ONE_CLOCK, 0)
    assert any("3 WebVTT segments" in warning for warning in result.warnings)
    assert any("taken once" in warning for warning in result.warnings)
    assert not any("order" in warning for warning in result.warnings)


@pytest.mark.parametrize("between", ["", "\ufeff"])
def test_segments_whose_last_line_has_no_end(make: Make, between: str) -> None:
    parts = [segment(ticks, *blocks).rstrip("\n") for ticks, *blocks in JOINED]
    result = make(between.join(parts) + "\n\n00:0x.000 --> 00:02.000\nx\n")
    assert cues(result) == ON_ONE_CLOCK
    assert [bad.line for bad in result.bad_lines] == [21]


def test_a_mark_and_a_header_behind_text(make: Make) -> None:
    result = make(vtt(cue(1, 2, "one")).rstrip("\n") + "\ufeff" + vtt(cue(5, 7, "two")))
    assert cues(result) == [(1, 2, "one"), (5, 7, "two")]


def test_cues_that_count_on_stay_where_they_are(make: Make) -> None:
    parts = [segment(900_000, cue(1, 3, "a"), cue(5, 7, "b")), segment(900_000, cue(5, 7, "b"), cue(8, 9, "c"))]
    assert cues(make("\n".join(parts))) == [(1, 3, "a"), (5, 7, "b"), (8, 9, "c")]


def test_what_is_said_again_later_is_no_copy(make: Make) -> None:
    parts = [segment(900_000, cue(1, 3, "yes")), segment(900_000 + 6 * 90_000, cue(0, 1, "yes"))]
    assert cues(make("\n".join(parts))) == [(1, 3, "yes"), (6, 7, "yes")]


def test_local_times_are_taken_off(make: Make) -> None:
    parts = [
        segment(900_000, cue(11, 13, "one <00:00:12.000>x"), local="00:00:10.000"),
        segment(900_000 + 6 * 90_000, cue(17, 19, "two"), local="00:00:16.000"),
    ]
    assert cues(make("\n".join(parts))) == [(1, 3, "one <00:00:02.000>x"), (7, 9, "two")]
    (warning,) = make(parts[0]).warnings
    assert "00:00:10.000, was taken for the start of the media" in warning
    assert cues(make(parts[0])) == [(1, 3, "one <00:00:02.000>x")]
    assert cues(make(segment(900_000, cue(1, 3, "before"), local="00:00:10.000"))) == [(1, 3, "before")]


def test_a_section_without_a_map_goes_by_the_one_before(make: Make) -> None:
    result = make(segment(900_000, cue(1, 3, "one")) + "\nWEBVTT\n\n" + cue(5, 6, "two") + "\n")
    assert cues(result) == [(1, 3, "one"), (5, 6, "two")]


def test_joined_files_without_maps_keep_their_times(make: Make) -> None:
    result = make(vtt(cue(5, 7, "one")) + vtt(cue(1, 2, "two")))
    assert cues(result) == [(1, 2, "two"), (5, 7, "one")]
    assert any("2 WebVTT files" in warning and "lines 1, 5" in warning for warning in result.warnings)
    assert any("first in line 7" in warning for warning in result.warnings)


def test_one_map_changes_nothing(make: Make) -> None:
    result = make(segment(900_000, cue(1, 3, "one")))
    assert cues(result) == [(1, 3, "one")]
    assert result.warnings == ("X-TIMESTAMP-MAP was left out: cue times are read as times of the media.",)
