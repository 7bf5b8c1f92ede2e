"""Sound of more than the limit is stopped when it is that long, not at its end: days of silence are a few megabytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.media.audio import render
from dreamlake_pipeline.media.audio.make import make_audio
from dreamlake_pipeline.media.audio.waveform import Waveform


def test_too_long_sound_is_not_heard_to_its_end(
    encode: Callable[[str, Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render, "MOST_SECONDS", 60)
    heard = []
    feed = Waveform.feed
    monkeypatch.setattr(Waveform, "feed", lambda self, data: heard.append(len(data)) or feed(self, data))
    long = encode("-f lavfi -i anullsrc=r=8000:cl=mono:d=7200", tmp_path / "long.flac")
    with pytest.raises(DreamlakeError) as caught:
        make_audio(long, tmp_path / "out", filename="long.flac")
    assert caught.value.code is Code.MEDIA_TOO_LARGE and "long.flac" in caught.value.message
    assert sum(heard) < 3600 * 8000 * 4
