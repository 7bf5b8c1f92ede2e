"""A small picture of a label track: how many entries there are in each part of its time."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .. import picture

WIDTH, HEIGHT = 1200, 160
_GAP = 2  # pixels between bars


def write_plot(counts: np.ndarray, path: Path) -> None:
    """Write a PNG of WIDTH x HEIGHT: a bar for each of `counts`, a divisor of WIDTH. The fullest fills the height."""
    bar = WIDTH // len(counts)
    heights = counts / max(counts.max(), 1) * (HEIGHT - 8)
    # A part with any entry at all is seen to have one.
    heights = np.where(counts > 0, np.maximum(heights, 3), 0)
    columns = np.repeat(heights, bar)
    columns[np.arange(WIDTH) % bar >= bar - _GAP] = 0
    from_below = np.arange(HEIGHT, 0, -1)[:, None]
    bars = np.clip(columns - from_below + 1, 0, 1)
    ground = np.broadcast_to(from_below <= 1, bars.shape)
    path.write_bytes(picture.encode(picture.steps(bars * 0.7), picture.steps(np.maximum(bars, ground * 0.6))))
