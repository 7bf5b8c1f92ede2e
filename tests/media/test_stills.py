"""Poster and contact sheet show frames from all over the video, however many segments it has."""

from __future__ import annotations

import subprocess
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from dreamlake_pipeline.media import ffmpeg
from dreamlake_pipeline.media.video import make_video


def _gray(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="gray")


@pytest.mark.parametrize(
    ("seconds", "columns", "rows"),
    [
        (6.5, 4, 3),  # two segments: every picture is there to choose from
        (16, 4, 2),  # three segments: the keyframes
        (40, 4, 2),  # seven segments: the first picture of each
        (80, 4, 3),  # more segments than cells
    ],
)
def test_the_pictures_of_a_video_that_grows_bright(tmp_path: Path, seconds: float, columns: int, rows: int) -> None:
    source = tmp_path / "fade.mp4"
    picture = f"-f lavfi -i color=white:size=160x90:rate=10 -t {seconds} -vf fade=in:0:{seconds * 10:.0f}"
    picture += " -pix_fmt yuv420p -c:v libx264 -preset ultrafast -g 20 -keyint_min 20"
    command = [ffmpeg.build().path, "-loglevel", "error", *picture.split(), str(source)]
    subprocess.run(command, check=True, timeout=60)
    made = make_video(source, tmp_path / "out", filename="fade.mp4")
    assert made.mode == "copy" and made.poster is not None and made.contact_sheet is not None

    assert _gray(made.poster).shape == (90, 160)
    sheet = _gray(made.contact_sheet)
    assert sheet.shape == (90 * rows + 4 * (rows - 1), 160 * columns + 4 * (columns - 1))
    cells = [sheet[94 * row + 45, 164 * column + 80] for row in range(rows) for column in range(columns)]
    shown = [int(cell) for cell in cells]
    while shown[-1] == 0:  # cells that no picture was left for
        shown.pop()
    assert len(shown) >= 6
    assert all(before < after for before, after in pairwise(shown))
    assert shown[0] < 60 and shown[-1] > 190
