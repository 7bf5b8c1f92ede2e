"""SubRip as people and tools write it: what is a line of times, what is text, and what is said of the rest."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from dreamlake_pipeline.errors import DreamlakeError
from dreamlake_pipeline.media.text.make import TextResult, make_text_track
from dreamlake_pipeline.webvtt import times_of

Make = Callable[..., TextResult]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def make(content: str | bytes, filename: str = "talk.srt") -> TextResult:
        source = tmp_path / "source"
        source.write_bytes(content.encode() if isinstance(content, str) else content)
        return make_text_track(source, tmp_path, filename=filename)

    return make


def cues(result: TextResult) -> list[tuple[int, int, str]]:
    """Start, end and text of each cue, as they stand in track.vtt."""
    found = []
    for block in result.path.read_text("utf-8").rstrip("\n").split("\n\n")[1:]:
        times = times_of(block)
        assert times
        found.append((*times, block.split("\n", 1)[1]))
    return found


ONE = (1000, 2000, "one")
TWO = (3000, 4000, "two")
SRT = "1\n00:00:01,000 --> 00:00:02,000\none\n\n2\n00:00:03,000 --> 00:00:04,000\ntwo\n"


@pytest.mark.parametrize(
    ("written", "start", "end"),
    [
        ("00:00:01,500000 --> 00:00:02,750000", 1500, 2750),
        ("00:00:01,5 --> 00:00:02.75", 1500, 2750),
        ("00:00:01 --> 00:00:02", 1000, 2000),
        ("0:0:1,500 --> 0:0:2,750", 1500, 2750),
        ("00:01,500 --> 00:02,750", 1500, 2750),
        ("00:00:01:500 --> 00:00:02:750", 1500, 2750),
        ("12345:00:01,000 --> 12345:00:02,000", 44442001000, 44442002000),
        ("  00:00:01,500-->00:00:02,750  ", 1500, 2750),
        ("0:00:01.500,0:00:02.750", 1500, 2750),
        ("00:00:01.500,00:00:02.750", 1500, 2750),
    ],
)
def test_times_of_any_width_are_read(make: Make, written: str, start: int, end: int) -> None:
    result = make(f"1\n{written}\none\n")
    assert (cues(result), result.bad_cues, result.warnings) == ([(start, end, "one")], 0, ())


def test_times_finer_than_a_millisecond_are_rounded_and_said_to_be(make: Make) -> None:
    result = make(SRT.replace("01,000", "01,0005").replace("02,000", "01,99951"))
    assert cues(result) == [(1001, 2000, "one"), TWO]
    assert result.warnings == (
        "Times finer than a millisecond, which WebVTT can't have, were rounded to one (line 2).",
    )


@pytest.mark.parametrize("arrow", ["->", "--->", "-- >", "- ->", "—>", "–>", "=>", "→", "--&gt;"])
def test_other_arrows_are_read_where_times_stand(make: Make, arrow: str) -> None:
    result = make(SRT.replace("-->", arrow))
    assert (cues(result), result.bad_cues) == ([ONE, TWO], 0)
    (warning,) = result.warnings
    assert "another arrow than -->" in warning and "(2 times, the first in line 2)" in warning


@pytest.mark.parametrize(
    "text",
    [
        "10:00 -> 12:00 charging",
        "10:00 --> 12:00 charging",
        "10:00 – 12:00",
        "08:00:00 -> 12:00:00 shift",
        "a --> b",
        "step 1 --> step 2",
        "<00:00:01.500>",
        "at 00:00:01,500",
        "-->",
        "42",
    ],
)
@pytest.mark.parametrize("blank", ["", "\n"], ids=["inside", "behind a blank line"])
def test_what_only_looks_like_times_is_text(make: Make, text: str, blank: str) -> None:
    result = make(SRT.replace("one\n", f"one\n{blank}{text}\nmore\n"))
    assert (result.cues, result.bad_cues) == (2, 0)
    plain = re.sub("&gt;", ">", re.sub("&lt;", "<", cues(result)[0][2]))
    assert plain == f"one\n{text}\nmore"


def test_short_times_are_a_cue_s_behind_a_blank_line_only(make: Make) -> None:
    assert cues(make(SRT.replace("one", "one\n10:00 --> 12:00")))[0][2] == "one\n10:00 --&gt; 12:00"
    assert cues(make(SRT + "\n10:00 --> 12:00\nthree\n"))[2] == (600_000, 720_000, "three")


def test_text_with_a_whole_line_of_times_begins_another_cue(make: Make) -> None:
    result = make(SRT.replace("\n\n2\n", "\n"))
    assert (cues(result), result.bad_cues) == ([ONE, TWO], 0)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("See https://a.b/?lat=47&times=3&para=4&reg=5", "See https://a.b/?lat=47&amp;times=3&amp;para=4&amp;reg=5"),
        ("R&D, AT&T", "R&amp;D, AT&amp;T"),
        ("Tom &amp; Jerry &#39;n&#x27; &copy; &eacute;", "Tom &amp; Jerry 'n' © é"),
        ("&amp;lt;b&amp;gt;", "&amp;lt;b&amp;gt;"),
        ("&nope; &timesfoo; &;", "&amp;nope; &amp;timesfoo; &amp;;"),
        ("a&#10;b&NewLine;c", "a b c"),
        ("&lt;i&gt; <i>x</i>", "&lt;i&gt; <i>x</i>"),
        ("a <s and p> b, c <3, d <b and e>", "a &lt;s and p&gt; b, c &lt;3, d &lt;b and e&gt;"),
        ('<font color="#fff" size=3>a</font> <c.yellow>b</c> <s>c</s> <span class="x">d</span>', "a b c d"),
    ],
)
def test_text_is_no_html_but_for_references_and_tags_that_are_whole(make: Make, text: str, shown: str) -> None:
    assert cues(make(SRT.replace("one", text)))[0][2] == shown


@pytest.mark.parametrize(
    "content",
    [
        SRT.replace("\n", "\r\r\n"),
        SRT.replace("\n", "\n\n"),
        SRT.replace("\n\n", "\n \t\n"),
        SRT.replace("1\n00", "\ufeff1\n00").replace("2\n00", "\ufeff2\n00"),
        SRT.replace("1\n00", "1\n\n00").replace("2\n00", "2\n\n00"),
        SRT.replace("1\n00", "#1.\n00"),
        "[00:01.000 --> 00:02.000]  one\n[00:03.000 --> 00:04.000]  two\n",
        SRT.replace("02,000\none", "02,000 one").replace("04,000\ntwo", "04,000  two"),
    ],
    ids=["CRCRLF", "double lines", "lines of blanks", "marks", "gaps", "numbers", "brackets", "text behind times"],
)
def test_other_layouts(make: Make, content: str) -> None:
    result = make(content)
    assert (cues(result), result.bad_cues, result.warnings) == ([ONE, TWO], 0, ())


def test_blank_lines_inside_a_cue_are_taken_out(make: Make) -> None:
    result = make(SRT.replace("one", "one\n\nmore"))
    assert (cues(result)[0][2], result.bad_cues) == ("one\nmore", 0)
    assert result.warnings == ("A blank line inside a cue, which WebVTT can't have, was taken out (line 4).",)


def test_text_of_a_broken_cue_is_not_the_text_of_the_one_before(make: Make) -> None:
    result = make(SRT.replace("\n\n2", "\n\n9\n00:00:0x,000 --> 00:00:05,000\nbroken\n\nmore of it\n\n2"))
    assert cues(result) == [ONE, TWO]
    assert [bad.line for bad in result.bad_lines] == [6]


def test_a_number_without_times_is_located(make: Make) -> None:
    result = make(SRT + "\n3\n")
    assert (cues(result), result.bad_lines) == ([ONE, TWO], ((9, "There is no line with the cue's times."),))


def test_names_of_cues_are_names_where_the_first_has_one(make: Make) -> None:
    named = SRT.replace("1\n00", "first\n00").replace("2\n00", "second\n00")
    result = make(named)
    assert "\n\nsecond\n00:00:03.000 --> 00:00:04.000\ntwo\n" in result.path.read_text()
    assert (result.cues, result.warnings) == (2, ())
    unnamed = SRT.replace("1\n00", "00").replace("2\n00", "more\n00")
    assert cues(make(unnamed)) == [(1000, 2000, "one\nmore"), TWO]


def test_coordinates_are_left_out_and_said_to_be(make: Make) -> None:
    result = make(SRT.replace("02,000\n", "02,000  X1:100 X2:200 Y1:10 Y2:20\n"))
    assert cues(result) == [ONE, TWO]
    assert result.warnings == ("The place of a cue in pixels (X1, Y1 and so on) was left out (line 2).",)


def test_minutes_and_seconds_above_59_add_up(make: Make) -> None:
    result = make(SRT.replace("00:00:02,000", "00:00:60,000").replace("00:00:04,000", "00:61:00,000"))
    assert cues(result) == [(1000, 60_000, "one"), (3000, 3_660_000, "two")]
    assert result.warnings == ("Minutes or seconds above 59 were read as they add up (2 times, the first in line 2).",)


def test_a_cue_without_duration_is_kept(make: Make) -> None:
    result = make(SRT.replace("02,000", "01,000"))
    assert (cues(result), result.bad_cues) == ([(1000, 1001, "one"), TWO], 0)
    assert result.warnings == ("A cue without a duration, which WebVTT can't have, lasts 1 ms now (line 2).",)


def test_a_cue_that_starts_before_time_0_is_cut(make: Make) -> None:
    result = make(SRT.replace("00:00:01,000", "-00:00:01,000"))
    assert cues(result) == [(0, 2000, "one"), TWO]
    assert result.warnings == ("A cue that starts before time 0 starts there now (line 2).",)


def test_joined_files_keep_their_times_and_are_told_of(make: Make) -> None:
    result = make(SRT + SRT.replace("one", "uno").replace("two", "due"))
    assert cues(result) == [ONE, (1000, 2000, "uno"), TWO, (3000, 4000, "due")]
    assert any("begin anew" in warning and "(line 9)" in warning for warning in result.warnings)
    assert any("first in line 9 (00:00:01.000 after 00:00:03.000)" in warning for warning in result.warnings)


def test_a_nul_is_a_damaged_character(make: Make) -> None:
    result = make(SRT.replace("one", "o\0e"))
    assert cues(result)[0][2] == "o\ufffde"
    assert any("NUL" in warning for warning in result.warnings)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("{0}{25}micro\n{30}{40}dvd\n", "MicroDVD"),
        ("[10][30] text\n[31][40] more\n", "MPL2"),
        ("[Script Info]\n\n[Events]\nDialogue: 0,0:00:01.00,0:00:03.00,Default,,0,0,0,,Text\n", "Advanced SubStation"),
        ('<?xml version="1.0"?>\n<tt xmlns="http://www.w3.org/ns/ttml"><body/></tt>\n', "TTML"),
        ("<SAMI>\n<BODY>\n</BODY></SAMI>\n", "SAMI"),
        ("[00:12.00]Line\n[00:15.30]More\n", "LRC"),
    ],
)
def test_other_formats_are_named(make: Make, content: str, name: str) -> None:
    with pytest.raises(DreamlakeError, match=rf"talk\.srt holds subtitles of another format \({name}") as caught:
        make(content)
    assert "ffmpeg" in str(caught.value)


def test_words_a_minute_need_a_second(make: Make) -> None:
    assert make("1\n00:00:01,000 --> 00:00:01,001\none\n").words_per_minute is None


def test_a_header_in_a_cue_is_text(make: Make) -> None:
    result = make(SRT.replace("one", "WEBVTT"))
    assert cues(result)[0][2] == "&#87;EBVTT"
    assert cues(make(result.path.read_bytes())) == cues(result)
