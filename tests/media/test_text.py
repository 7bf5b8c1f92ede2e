"""Text tracks: what comes out of files of both formats, of any encoding, and of broken ones."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
import webvtt
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.media.text.make import MAX_TEXT_BYTES, TextResult, make_text_track

Make = Callable[..., TextResult]

SRT = "1\n00:00:01,000 --> 00:00:02,500\nHello there\n\n2\n00:00:03,000 --> 00:00:04,000\nGeneral greeting\n"
VTT = "WEBVTT\n\n00:01.000 --> 00:02.500\nHello there\n\n00:00:03.000 --> 00:00:04.000\nGeneral greeting\n"


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def make(content: str | bytes, filename: str = "track.srt") -> TextResult:
        source = tmp_path / "source"
        source.write_bytes(content.encode() if isinstance(content, str) else content)
        return make_text_track(source, tmp_path, filename=filename)

    return make


def bad_lines(result: TextResult) -> list[int]:
    return [line for line, _ in result.bad_lines]


@pytest.mark.parametrize(("content", "format_"), [(SRT, "srt"), (VTT, "vtt")])
def test_both_formats_become_the_same_webvtt(make: Make, content: str, format_: str) -> None:
    result = make(content, "wrong-extension.srt")
    assert result.format == format_
    assert (result.cues, result.start, result.end, result.words) == (2, 1.0, 4.0, 4)
    assert result.words_per_minute == 80.0
    assert (result.bad_cues, result.warnings) == (0, ())
    assert result.path.name == "track.vtt"
    assert result.path.read_bytes() == (
        b"WEBVTT\n\n00:00:01.000 --> 00:00:02.500\nHello there\n\n00:00:03.000 --> 00:00:04.000\nGeneral greeting\n"
    )


def test_another_parser_reads_the_output(make: Make) -> None:
    result = make("1\n00:00:01,5 --> 01:00:02,250\n<b>one</b>\ntwo & <3\n\n2\n100:00:00,000 --> 100:00:01,000\nlate\n")
    captions = webvtt.read(result.path)
    assert [(caption.start, caption.end) for caption in captions] == [
        ("00:00:01.500", "01:00:02.250"),
        ("100:00:00.000", "100:00:01.000"),
    ]
    assert "&amp; &lt;3" in captions[0].raw_text


@pytest.mark.parametrize(
    ("codec", "name"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("utf-32", "utf-32"),
        ("cp1252", "cp1252"),
    ],
)
def test_western_text_of_any_encoding(make: Make, codec: str, name: str) -> None:
    text = "Der Bär läuft über die Brücke und grüßt schöne Mädchen."
    result = make(SRT.replace("Hello there", text).encode(codec))
    assert result.encoding == name
    assert text in result.path.read_text("utf-8")


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("cp1251", "Привет, это субтитры к фильму. Как дела сегодня?"),
        ("cp1250", "Zażółć gęślą jaźń. Dziękuję bardzo, miło mi."),
        ("cp932", "こんにちは、世界。今日は天気がいいですね。"),
        ("gb18030", "你好,世界。今天天气很好。谢谢大家的观看。"),
        ("cp949", "안녕하세요 세계. 오늘 날씨가 좋네요."),
        ("iso8859_2", "Příliš žluťoučký kůň úpěl ďábelské ódy. Šťastný život, něco dalšího."),
        (
            "iso8859_2",
            "Dziękuję bardzo, miło mi cię poznać. Gdzie jesteś, śliczna? Źle się czuję, ależ skąd.",
        ),
        ("iso8859_5", "Привет, это субтитры к фильму. Как дела сегодня? Всё хорошо, спасибо."),
        ("iso8859_6", "مرحبا بالعالم، هذه ترجمة الفيلم. كيف حالك اليوم؟"),
        ("iso8859_7", "Καλημέρα κόσμε, αυτοί είναι οι υπότιτλοι της ταινίας. Τι κάνεις σήμερα; Άλλα νέα."),
        ("iso8859_15", "Es kostet fünf € und grüßt schöne Mädchen."),
        ("iso8859_15", "Le cœur de l’été, une œuvre très légère.".replace("’", "'")),
        ("cp1252", "Il a bu ½ litre et a dit « déjà vu » à la fin, très légèrement fatigué, après l'été."),
        ("cp1253", "Καλημέρα κόσμε, αυτοί είναι οι υπότιτλοι της ταινίας. Άλλα νέα – “έτσι”."),
        ("cp874", "สวัสดีชาวโลก นี่คือคำบรรยายของภาพยนตร์ วันนี้อากาศดีมาก"),
        ("cp1254", "Günaydın dünya, bu filmin altyazıları. Şimdi çok güzel, teşekkür ederim, ağaç."),
        ("cp1255", "שלום עולם, אלו הכתוביות של הסרט. מה שלומך היום?"),
        ("koi8_r", "Привет, это субтитры к фильму. Как дела сегодня? Всё хорошо, спасибо."),
    ],
)
def test_legacy_encodings_are_guessed_and_said_to_be(make: Make, codec: str, text: str) -> None:
    result = make(SRT.replace("Hello there", text).encode(codec))
    assert text in result.path.read_text("utf-8")
    assert any(codec in warning for warning in result.warnings)


def test_a_guess_that_few_letters_support_is_said_to_be_one(make: Make) -> None:
    content = SRT.replace("Hello there", "Perché no?").replace("General greeting", "È così.").encode("cp1252")
    (warning,) = make(content).warnings
    assert "guessed to be" in warning and "with low certainty" in warning
    told = make(content, "talk.it.srt")
    assert (told.encoding, told.warnings) == ("cp1252", ("The file does not say its encoding; it was read as cp1252.",))
    assert "Perché no?\n" in told.path.read_text("utf-8") and "È così.\n" in told.path.read_text("utf-8")


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_in_any_script(make: Make, codec: str) -> None:
    line = "行かなければならない。何があったの?　" * 20
    result = make(SRT.replace("Hello there", line).encode(codec))
    assert (result.encoding, result.cues) == (codec, 2)
    assert line.rstrip() in result.path.read_text("utf-8")


def test_a_damaged_byte_in_utf8_is_replaced_not_taken_for_another_encoding(make: Make) -> None:
    content = SRT.replace("Hello there", "Привет, это субтитры").encode().replace(b"General", b"Gen\xffral")
    result = make(content)
    assert result.encoding == "utf-8"
    assert "Привет, это субтитры" in result.path.read_text("utf-8")
    assert "Gen\ufffdral" in result.path.read_text("utf-8")
    assert result.warnings == ("1 characters are not utf-8 and were replaced by U+FFFD, the first in line 7.",)


def test_missing_indices_are_not_missed(make: Make) -> None:
    unnumbered = SRT.replace("1\n00", "00").replace("2\n00", "00")
    numbered = make(SRT).path.read_bytes()
    result = make(unnumbered)
    assert (result.bad_cues, result.warnings, result.path.read_bytes()) == (0, (), numbered)
    assert make(SRT.replace("2\n00", "00")).path.read_bytes() == numbered


def test_cues_that_overlap_keep_their_times(make: Make) -> None:
    result = make(SRT.replace("00:00:02,500", "00:00:03,700"))
    text = result.path.read_text()
    assert "00:00:01.000 --> 00:00:03.700\nHello there\n\n00:00:03.000 --> 00:00:04.000\n" in text
    assert (result.cues, result.bad_cues, result.warnings) == (2, 0, ())


@pytest.mark.parametrize("ending", ["\r\n", "\r"])
def test_line_ends_of_other_systems(make: Make, ending: str) -> None:
    assert make(SRT.replace("\n", ending)).path.read_bytes() == make(SRT).path.read_bytes()


def test_cues_come_out_in_order(make: Make) -> None:
    result = make("2\n00:00:03,000 --> 00:00:04,000\nB\n\n1\n00:00:01,000 --> 00:00:09,000\nA\n")
    text = result.path.read_text()
    assert text.index("\nA\n") < text.index("\nB\n")
    assert (result.start, result.end) == (1.0, 9.0)
    assert result.warnings == (
        "Cues are out of order and were sorted by their starts: in 1 place, a cue starts before the one above it, "
        "first in line 6 (00:00:01.000 after 00:00:03.000).",
    )


def test_cues_of_one_start_stay_as_they_are(make: Make) -> None:
    timing = "00:00:01.000 --> 00:00:0{}.000\n{}\n\n"
    content = "WEBVTT\n\n" + timing.format(9, "long") + timing.format(2, "short") + timing.format(5, "middle")
    result = make(content)
    assert (result.path.read_text(), result.warnings) == (content.rstrip("\n") + "\n", ())


@pytest.mark.parametrize(
    ("timing", "reason"),
    [
        ("00:00:05,000 --> 00:00:04,000", "ends before it starts"),
        ("00:00:0x,000 --> 00:00:05,000", "can't be read"),
        ("00:00:04:10 --> 00:00:05:20", "number of frames"),
        ("2024-05-01 00:00:04,000 --> 2024-05-01 00:00:05,000", "have dates"),
        ("-00:00:05,000 --> -00:00:04,000", "before time 0"),
    ],
)
@pytest.mark.parametrize("blank", ["\n", ""], ids=["blank line", "no blank line"])
def test_a_broken_cue_is_located_and_its_neighbours_are_kept(make: Make, timing: str, reason: str, blank: str) -> None:
    first = f"1\n00:00:01,000 --> 00:00:02,000\nfirst\n{blank}"
    result = make(f"{first}2\n{timing}\nbroken\n\n3\n00:00:07,000 --> 00:00:08,000\nlast\n")
    assert (result.cues, result.bad_cues) == (2, 1)
    ((line, why),) = result.bad_lines
    assert line == first.count("\n") + 2
    assert reason in why
    text = result.path.read_text()
    assert "broken" not in text and "first" in text and "last" in text


def test_a_cue_without_times_is_bad(make: Make) -> None:
    result = make("1\nno times\n\n" + SRT)
    assert result.cues == 2
    assert result.bad_lines == ((1, "There is no line with the cue's times."),)


def test_only_the_first_hundred_bad_cues_are_located_but_all_are_counted(make: Make) -> None:
    broken = "".join(f"{n}\n00:00:05,000 --> 00:00:04,000\nx\n\n" for n in range(150))
    result = make(broken + SRT)
    assert (result.cues, result.bad_cues, len(result.bad_lines)) == (2, 150, 100)


def test_cues_without_text_are_bad(make: Make) -> None:
    result = make("1\n00:00:01,000 --> 00:00:02,000\n\n" + SRT)
    assert (result.cues, bad_lines(result)) == (2, [2])


def test_markup_of_subrip(make: Make) -> None:
    result = make(SRT.replace("Hello there", r'{\an8}<font color="#fff">a &amp; b</font> <I>c</I> 1 < 2 --> 3<br>d'))
    assert "02.500 line:0\na &amp; b <i>c</i> 1 &lt; 2 --&gt; 3\nd\n" in result.path.read_text()
    assert result.words == 12


def test_what_webvtt_has_of_its_own_is_kept(make: Make) -> None:
    content = (
        "WEBVTT - a title\nKind: captions\nLanguage: pt-br\n\n"
        "STYLE\n::cue { color: red }\n\nREGION\nid:one\n\nNOTE at the top\n\n"
        "intro\n00:01.000 --> 00:02.000 align:start position:10% nonsense\n<v Ann>one</v>\n\n"
        "NOTE before two\n\n00:03.000 --> 00:04.000\ntwo\n\nNOTE at the end\n"
    )
    result = make(content, "talk.en.vtt")
    text = result.path.read_text()
    assert result.language == "pt-BR"  # the file's word goes before its name's
    assert text == (
        content.replace(" nonsense", "")
        .replace("00:01", "00:00:01")
        .replace("00:02", "00:00:02")
        .replace("00:03", "00:00:03")
        .replace("00:04", "00:00:04")
    )
    assert result.words == 2
    assert any("settings" in warning for warning in result.warnings)


def test_notes_travel_with_their_cue(make: Make) -> None:
    result = make("WEBVTT\n\n00:05.000 --> 00:06.000\nlate\n\nNOTE of early\n\n00:01.000 --> 00:02.000\nearly\n")
    assert "NOTE of early\n\n00:00:01.000 --> 00:00:02.000\nearly\n\n00:00:05.000" in result.path.read_text()


@pytest.mark.parametrize(
    ("filename", "language"),
    [
        ("talk.en.srt", "en"),
        ("talk.pt-BR.vtt", "pt-BR"),
        ("talk.ZH_hant.srt", "zh-Hant"),
        ("talk.eng.srt", "en"),
        ("talk.srt", None),
        ("talk.front.srt", None),
        ("talk.v2.srt", None),
    ],
)
def test_language_of_the_file_name(make: Make, filename: str, language: str | None) -> None:
    assert make(SRT, filename).language == language


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"WEBVTT\n",
        b"just some text\nand more\n",
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0",
        b"1\n00:00:05,000 --> 00:00:04,000\nx\n",
    ],
)
def test_nothing_readable_is_an_error_that_names_the_file(make: Make, content: bytes) -> None:
    with pytest.raises(DreamlakeError, match=r"talk\.srt") as caught:
        make(content, "talk.srt")
    assert caught.value.code is Code.TEXT_INVALID


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    source = tmp_path / "huge"
    with source.open("wb") as file:
        file.truncate(MAX_TEXT_BYTES + 1)
    with pytest.raises(DreamlakeError, match="bytes") as caught:
        make_text_track(source, tmp_path, filename="huge.srt")
    assert caught.value.code is Code.TEXT_INVALID


LINES = [
    *("", "", "", "1", "some text", "a --> b", "<b>x</b> & <y {z}", "-->", "NOTE", "NOTE --> x", "STYLE", "REGION"),
    *(
        "00:00:01,000 --> 00:00:02,000",
        "00:03.000 --> 00:04.000 align:start x",
        "00:02.0 --> 00:01.0",
        "00:01 -> 00:02",
    ),
    *("WEBVTT", "Language: en", "\0", "\ufeff", "\r", " ", "2", "&copy=1 &lt", "hi &amp;lt; &#10; [br] WEBVTT"),
    *("X-TIMESTAMP-MAP=LOCAL:00:00:01.000,MPEGTS:1900000", "<00:00:01.000>", "-00:01.000 --> 00:01.000"),
    *("10:00 --> 12:00 foo", "00:00:05.000 -> 00:00:07.000", "00:01.000 --> 00:01.000", "{\\an8}a<br>b"),
]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(header=st.sampled_from(["", "WEBVTT\n", "WEBVTT\n\n"]), lines=st.lists(st.sampled_from(LINES), max_size=20))
@example(header="", lines=["NOTE", "00:00:01,000 --> 00:00:02,000", "1"])
def test_whatever_comes_out_is_webvtt_that_reads_back_the_same(make: Make, header: str, lines: list[str]) -> None:
    result = None
    with contextlib.suppress(DreamlakeError):
        result = make(header + "\n".join(lines))
    if result:
        first = result.path.read_bytes()
        again = make(first, "track.vtt")
        assert (again.cues, again.bad_cues, again.path.read_bytes()) == (result.cues, 0, first)
