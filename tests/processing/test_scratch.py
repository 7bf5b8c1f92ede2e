"""Temporary folders: what a killed process leaves is deleted, what a living one has is not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from dreamlake_pipeline.processing.scratch import scratch_folder, sweep

HOLDER = """
import sys, time
from pathlib import Path
from dreamlake_pipeline.processing.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1])) as folder:
    (folder / "in").mkdir()
    (folder / "in" / "half.ts").write_bytes(b"x" * 1000)
    print(folder, flush=True)
    time.sleep(60)
"""


def _age(folder: Path) -> None:
    os.utime(folder, (1, 1))


def test_a_folder_is_gone_at_the_end(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as folder:
        (folder / "file").write_bytes(b"x")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_leaves_is_swept(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            folder = Path(holder.stdout.readline().strip())
            _age(folder)
            assert sweep(tmp_path) == 0 and (folder / "in" / "half.ts").exists()
        finally:
            holder.kill()
            holder.wait()
    assert sweep(tmp_path) == 1
    assert list(tmp_path.iterdir()) == []


def test_what_is_left_is_swept_however_deep_and_closed_it_is(tmp_path: Path) -> None:
    """Else what one owner's worker made would fail every later run, of others too."""
    with scratch_folder(tmp_path) as folder:
        name = folder.name
    left = tmp_path / name
    left.mkdir()
    here = Path.cwd()
    os.chdir(left)
    for _ in range(3000):
        Path("d").mkdir()
        os.chdir("d")
    os.chdir(here)
    (left / "closed" / "more").mkdir(parents=True)
    (left / "closed").chmod(0)
    _age(left)
    assert sweep(tmp_path) == 1
    assert list(tmp_path.iterdir()) == []


def test_nothing_else_is_swept(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as used:
        name = used.name
    others = [tmp_path / "dreamlake-recordings", tmp_path / name, tmp_path / f"{name}-file", tmp_path / f"{name}-link"]
    for folder in others[:2]:
        folder.mkdir()
    others[2].write_bytes(b"x")
    others[3].symlink_to(others[0])
    _age(others[0])  # others[1] was just made: its process may be about to lock it
    assert sweep(tmp_path) == 0
    assert sorted(tmp_path.iterdir()) == sorted(others)
    assert sweep(tmp_path / "nowhere") == 0
