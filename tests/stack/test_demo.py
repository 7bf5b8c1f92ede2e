from __future__ import annotations

from pathlib import Path

from dreamlake_pipeline.kinds import Kind, kind_of
from dreamlake_pipeline.stack.demo import make_directory

MEDIA = {".mp4", ".mov", ".avi", ".mkv", ".webm", ".wav", ".mp3", ".flac", ".aac", ".ogg"}
TEXTS = {".vtt", ".srt", ".jsonl", ".csv"}


def test_the_demo_has_every_kind_and_the_usual_extensions_in_two_episodes(tmp_path: Path) -> None:
    folder = make_directory(tmp_path / "a demo")
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == MEDIA | TEXTS
    assert {kind_of(path.name) for path in files} == set(Kind)
    assert all(path.stat().st_size and kind_of(path.name) for path in files)
    assert len(list(folder.iterdir())) == 2
    # A second demo finds the same bytes, so that nothing is uploaded again.
    before = {path: path.read_bytes() for path in files}
    make_directory(folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
