"""What the names of subtitle files say."""

from __future__ import annotations

import pytest

from dreamlake_pipeline.subtitlenames import SubtitleName, language_of_filename, read_suffixes


@pytest.mark.parametrize(
    ("suffixes", "says"),
    [
        ("", SubtitleName()),
        ("en", SubtitleName("en")),
        ("eng", SubtitleName("en")),
        ("English", SubtitleName("en")),
        ("Deutsch", SubtitleName("de")),
        ("pt-BR", SubtitleName("pt-BR")),
        ("zh-Hans", SubtitleName("zh-Hans")),
        ("ZH_hant_tw", SubtitleName("zh-Hant-TW")),
        ("es-419", SubtitleName("es-419")),
        ("en.forced", SubtitleName("en", forced=True)),
        ("forced.en", SubtitleName("en", forced=True)),
        ("en.foreign", SubtitleName("en", forced=True)),
        ("en.SDH", SubtitleName("en", for_the_deaf=True)),
        ("en.cc", SubtitleName("en", for_the_deaf=True)),
        ("en-sdh", SubtitleName("en", for_the_deaf=True)),
        ("pt-BR-forced", SubtitleName("pt-BR", forced=True)),
        ("hi", SubtitleName("hi")),
        ("en.hi", SubtitleName("en", for_the_deaf=True)),
        ("hi.en", SubtitleName("en", for_the_deaf=True)),
        ("hi.hi", SubtitleName("hi", for_the_deaf=True)),
        ("hi.forced", SubtitleName("hi", forced=True)),
        ("default.en", SubtitleName("en", default=True)),
        ("en.default.forced.sdh", SubtitleName("en", forced=True, for_the_deaf=True, default=True)),
        ("forced", SubtitleName(forced=True)),
        ("left", None),
        ("en.left", None),
        ("left.en", None),
        ("en.de", None),
        ("xx-forced", None),
        ("en.", None),
    ],
)
def test_suffixes(suffixes: str, says: SubtitleName | None) -> None:
    assert read_suffixes(suffixes) == says


@pytest.mark.parametrize(
    ("filename", "language"),
    [
        ("talk.en.srt", "en"),
        ("talk.en.forced.srt", "en"),
        ("talk.forced.en.srt", "en"),
        ("talk.en.hi.srt", "en"),
        ("talk.hi.srt", "hi"),
        ("talk.2024.de.sdh.vtt", "de"),
        ("talk.English.srt", "en"),
        ("talk.srt", None),
        ("talk.forced.srt", None),
        ("talk.left.srt", None),
        *(
            (f"front.{word}.vtt", None)
            for word in ["arm", "bot", "cam", "cup", "kit", "mic", "pan", "raw", "run", "tmp", "top"]
        ),
        ("en.srt", None),
    ],
)
def test_language_of_a_name(filename: str, language: str | None) -> None:
    assert language_of_filename(filename) == language
