"""Text tracks take time in proportion to their size, whatever they hold."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dreamlake_pipeline.errors import DreamlakeError
from dreamlake_pipeline.media.text.make import make_text_track

TIMING = "00:00:01,000 --> 00:00:02,000\n"


def cues(count: int, text: str) -> str:
    return "".join(f"{n}\n00:{n // 60 % 60:02}:{n % 60:02},000 --> 99:00:00,000\n{text}\n\n" for n in range(count))


INPUTS: dict[str, Callable[[int], str]] = {
    "cues": lambda size: cues(size // 40, "some words"),
    "arrows": lambda size: TIMING + "a --> b\n" * (size // 8),
    "broken times": lambda size: TIMING + "a\n\n" + "1\n00:00:0x,000 --> 00:00:02,000\n\n" * (size // 34),
    "numbers": lambda size: TIMING + "1\n" * (size // 2),
    "numbers apart": lambda size: TIMING + "a\n\n" + "7\n\n" * (size // 3),
    "blank lines": lambda size: TIMING + "\n" * size + "a\n",
    "one line": lambda size: TIMING + "x" * size,
    "one line of digits": lambda size: "1" * size + "\n" + TIMING + "a\n",
    "one line of blanks": lambda size: TIMING + " " * size + "a",
    "a long fraction": lambda size: f"00:00:01,{'0' * size} --> 00:00:02,{'0' * size}:\na\n\n{TIMING}a\n",
    "tags": lambda size: TIMING + "<" * size,
    "fonts": lambda size: TIMING + "<font " * (size // 6),
    "overrides": lambda size: TIMING + "{\\" * (size // 2),
    "references": lambda size: TIMING + "&" * size,
    "long references": lambda size: TIMING + "&" + "a" * size + ";",
    "WebVTT arrows": lambda size: "WEBVTT\n\n" + "-->\n" * (size // 4) + TIMING + "a\n",
    "WebVTT references": lambda size: "WEBVTT\n\n" + TIMING + "&amp&" * (size // 5),
    "WebVTT headers": lambda size: "WEBVTT\n\n" * (size // 8) + TIMING + "a\n",
    "WebVTT segments": lambda size: (
        ("WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:9\n\n" + TIMING + "a\n\n") * (size // 85)
    ),
    "WebVTT comments": lambda size: "WEBVTT\n\n" + "NOTE\n\n" * (size // 6) + TIMING + "a\n",
    "telemetry": lambda size: cues(size // 80, "[latitude: 47.1] [rel_alt: 1.3 abs_alt: 44.8]"),
    "telemetry of many fields": lambda size: cues(2, " ".join(f"[k{n}: {n}]" for n in range(size // 20))),
    "telemetry of one key": lambda size: cues(2, "a:1 " * (size // 8)),
    "telemetry without an end": lambda size: cues(2, "a:1 b:2 " + "GPS(" * (size // 8)),
}


@pytest.mark.parametrize("make_input", INPUTS.values(), ids=INPUTS)
def test_time_grows_with_the_size(make_input: Callable[[int], str], tmp_path: Path) -> None:
    """Twelve times the size takes less than forty times as long: the square would be 144."""
    small = measure(make_input(40_000), tmp_path)
    large = measure(make_input(480_000), tmp_path)
    assert large < 40 * max(small, 0.01)


def measure(content: str, folder: Path) -> float:
    source = folder / "source"
    source.write_text(content, "utf-8", newline="")
    started = time.process_time()
    with contextlib.suppress(DreamlakeError):
        make_text_track(source, folder, filename="talk.srt")
    return time.process_time() - started
