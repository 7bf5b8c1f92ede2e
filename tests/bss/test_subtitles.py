"""Subtitles in a master playlist: what their names say, as RFC 8216 has it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import m3u8
import pytest

from dreamlake_pipeline.bss.subtitles import Subtitles, add_to_master
from dreamlake_pipeline.subtitlenames import SubtitleName

MASTER = (
    '#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-STREAM-INF:BANDWIDTH=1,AVERAGE-BANDWIDTH=1,CODECS="avc1.640028"\nvideo.m3u8\n'
)


def track(filename: str, says: SubtitleName) -> Subtitles:
    record = cast("Any", SimpleNamespace(id=filename, name=f"/cam/{filename}"))
    return Subtitles(record, says, named_alike=False)


def listed(*tracks: Subtitles) -> list[Any]:
    return m3u8.loads(add_to_master(MASTER, tracks)).media


def test_flags_are_attributes() -> None:
    plain, forced, deaf = listed(
        track("a.en.srt", SubtitleName("en")),
        track("a.en.forced.srt", SubtitleName("en", forced=True)),
        track("a.en.sdh.srt", SubtitleName("en", for_the_deaf=True)),
    )
    assert [media.name for media in (plain, forced, deaf)] == ["en", "en (forced)", "en (SDH)"]
    assert [media.language for media in (plain, forced, deaf)] == ["en"] * 3
    assert [media.forced for media in (plain, forced, deaf)] == [None, "YES", None]
    assert [media.default for media in (plain, forced, deaf)] == ["YES", "NO", "NO"]
    assert [media.autoselect for media in (plain, forced, deaf)] == ["YES"] * 3  # they differ in what they are
    assert plain.characteristics is forced.characteristics is None
    assert deaf.characteristics == (
        "public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound"
    )


@pytest.mark.parametrize(
    ("says", "default"),
    [
        ([SubtitleName("de"), SubtitleName("en", default=True)], 1),
        ([SubtitleName("de", forced=True), SubtitleName("de", for_the_deaf=True), SubtitleName("en")], 2),
        ([SubtitleName("de", forced=True), SubtitleName("de", for_the_deaf=True)], 1),
        ([SubtitleName("de", forced=True, default=True)], None),
        ([SubtitleName("en"), SubtitleName("en", default=True)], 1),
    ],
)
def test_one_default_at_most_which_is_chosen_by_itself(says: list[SubtitleName], default: int | None) -> None:
    found = listed(*(track(f"a.{number}.srt", one) for number, one in enumerate(says)))
    assert [at for at, media in enumerate(found) if media.default == "YES"] == ([] if default is None else [default])
    assert all(media.autoselect == "YES" for media in found if media.default == "YES")
    chosen = [(media.language, media.forced, media.characteristics) for media in found if media.autoselect == "YES"]
    assert len(set(chosen)) == len(chosen)
    assert {one.language for one in says} == {language for language, *_ in chosen}


def test_names_are_unique() -> None:
    found = listed(
        track("a.en.srt", SubtitleName("en")),
        track("a.eng.srt", SubtitleName("en")),
        track("a.en.forced.srt", SubtitleName("en", forced=True)),
        track("a.forced.en.srt", SubtitleName("en", forced=True)),
        track("a.srt", SubtitleName()),
    )
    assert [media.name for media in found] == ["en", "a.eng.srt", "en (forced)", "a.forced.en.srt", "a.srt"]
