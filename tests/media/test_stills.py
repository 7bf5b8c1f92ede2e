"""The poster and the contact sheet show the video from its beginning to its end; a single keyframe is the poster."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from dreamlake_pipeline.media.video.make import make_video
from dreamlake_pipeline.playback import PlaybackMode

WIDTH, HEIGHT, PADDING = 64, 48, 4


def brightness(picture: bytes) -> np.ndarray:
    with av.open(io.BytesIO(picture)) as container:
        return next(container.decode(video=0)).to_ndarray(format="gray").astype(float)


@pytest.mark.parametrize(("seconds", "rate", "cells"), [(6, 5, 3), (10, 5, 5), (30, 5, 12), (40, 5, 7), (100, 5, 12)])
def test_pictures_from_the_whole_length(
    seconds: int, rate: int, cells: int, encode: Callable[[str, Path], Path], tmp_path: Path
) -> None:
    """Of a video that turns from black to white, each cell is brighter than the one before."""
    turns = f"geq=lum='16+219*T/{seconds}':cb=128:cr=128"
    arguments = f"-f lavfi -i color=size={WIDTH}x{HEIGHT}:rate={rate},{turns} -t {seconds} -c:v libx264 -g {2 * rate}"
    source = encode(arguments, tmp_path / "turns.mp4")
    result = make_video(source, tmp_path / "out", filename="turns.mp4")
    assert result.contact_sheet is not None and result.poster is not None

    sheet = brightness(result.contact_sheet)
    columns, rows = min(4, cells), -(-cells // 4)
    assert sheet.shape == (rows * HEIGHT + (rows - 1) * PADDING, columns * WIDTH + (columns - 1) * PADDING)
    shown = []
    for cell in range(cells):
        top, left = cell // 4 * (HEIGHT + PADDING), cell % 4 * (WIDTH + PADDING)
        shown.append(sheet[top : top + HEIGHT, left : left + WIDTH].mean())
    steps = np.diff(shown)
    assert steps.min() > 0.4 * 255 / cells
    assert shown[0] < 255 * 1.5 / cells and shown[-1] > 255 * (1 - 2 / cells)

    poster = brightness(result.poster)
    assert poster.shape == (HEIGHT, WIDTH)
    assert shown[0] - 2 <= poster.mean() <= shown[-1] + 2


@pytest.mark.parametrize("playback", [PlaybackMode.EVERYWHERE, PlaybackMode.MODERN])
def test_a_single_keyframe_is_the_poster_and_nothing_else_is_decoded(
    playback: PlaybackMode, encode: Callable[[str, Path], Path], tmp_path: Path
) -> None:
    turns = f"-f lavfi -i color=size={WIDTH}x{HEIGHT}:rate=30,geq=lum='16+219*T/6':cb=128:cr=128 -t 6"
    source = encode(f"{turns} -c:v libx264 -g 999 -sc_threshold 0 -x264-params b-adapt=0", tmp_path / "turns.mp4")
    result = make_video(source, tmp_path / "out", filename="turns.mp4", playback=playback)
    assert result.mode == "copy"
    assert result.contact_sheet is None and result.poster is not None
    poster = brightness(result.poster)
    assert poster.shape == (HEIGHT, WIDTH) and poster.mean() < 3
