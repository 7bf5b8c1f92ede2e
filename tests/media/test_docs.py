"""docs/media.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from dreamlake_pipeline.errors import Code
from dreamlake_pipeline.media.audio import channels, render
from dreamlake_pipeline.media.audio import codec as audio_codec
from dreamlake_pipeline.media.containers import flow, frames, sniff
from dreamlake_pipeline.media.video import make as video
from dreamlake_pipeline.media.video import reasons, transcode

PAGE = Path(__file__).parents[2] / "docs" / "media.md"


def rows(section: str) -> list[list[str]]:
    text = PAGE.read_text().split(f"### {section}\n", 1)[1].split("\n##", 1)[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if "| `" in line]


def test_every_reason_to_transcode_is_explained() -> None:
    source = "".join(
        Path(str(module.__file__)).read_text() for module in (video, reasons, audio_codec, channels, render)
    )
    given = set(re.findall(r"\"([a-z]+(?:_[a-z]+)*): [A-Za-z{]", source))
    explained = {row[0].strip("` |") for row in rows("Transcoded, and why")}
    assert given == explained >= {"video_codec", "rotation", "audio_codec"}


def test_every_error_that_is_named_exists() -> None:
    named = {code for row in rows("Files that are refused") for code in re.findall(r"`([a-z_]+)`", row[-1])}
    assert named and named <= {str(code) for code in Code}


def test_its_figures_are_those_of_the_code() -> None:
    text = PAGE.read_text()
    assert f"x264 `{transcode.PRESET}`, CRF {transcode.CRF}" in text
    assert f"an IDR picture every {transcode.KEYFRAME_SECONDS} seconds" in text
    assert f"at least every {reasons.MAX_KEYFRAME_GAP} seconds" in text
    assert f"more than {transcode.MOST_FRAMES} pictures a second" in text
    assert f"holes of more than {1000 * flow.LEAST_HOLE:.0f} ms" in text
    assert f"behind up to {sniff.SEARCHED_BYTES // 2**20} MiB of something else" in text
    assert frames.SURE_FRAMES == 8 and "the first of eight frames in a row" in text
    assert f"up to {channels.MOST} |" in text
