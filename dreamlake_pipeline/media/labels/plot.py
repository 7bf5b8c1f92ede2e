"""A small picture of a label track: how many entries there are in each part of its time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .. import picture

WIDTH, HEIGHT = 1200, 160
_BARS = 150
_GAP = 2  # pixels between bars
_BATCH_ROWS = 1 << 18


def write_plot(table: Path, field: str, path: Path, *, low: float, high: float) -> None:
    """Write a PNG of WIDTH x HEIGHT: a bar for each 150th of the time from `low` to `high`, the first and last value
    of `field` in the Parquet file `table` (times as counts of their unit). The fullest bar fills the height.
    """
    counts = count_entries(table, field, low=low, high=high)
    heights = counts / max(counts.max(), 1) * (HEIGHT - 8)
    # A part with any entry at all is seen to have one.
    heights = np.where(counts > 0, np.maximum(heights, 3), 0)
    columns = np.repeat(heights, WIDTH // _BARS)
    columns[np.arange(WIDTH) % (WIDTH // _BARS) >= WIDTH // _BARS - _GAP] = 0
    from_below = np.arange(HEIGHT, 0, -1)[:, None]
    bars = np.clip(columns - from_below + 1, 0, 1)
    ground = np.broadcast_to(from_below <= 1, bars.shape)
    path.write_bytes(picture.encode(picture.steps(bars * 0.7), picture.steps(np.maximum(bars, ground * 0.6))))


def count_entries(table: Path, field: str, *, low: float, high: float) -> np.ndarray:
    """How many entries lie in each of the equal parts of the time from `low` to `high`."""
    counts = np.zeros(_BARS, dtype=np.int64)
    with pq.ParquetFile(table) as file:
        for batch in file.iter_batches(_BATCH_ROWS, columns=[field]):
            values = batch.column(0).drop_null()
            if pa.types.is_timestamp(values.type):
                values = values.cast(pa.int64())
            if pa.types.is_floating(values.type):
                values = values.filter(pc.is_finite(values))
            # Halves, since the whole of the widest span is no float.
            since = values.to_numpy(zero_copy_only=False).astype(np.float64) / 2 - low / 2
            part = since / (high / 2 - low / 2) * _BARS if high > low else np.full(len(since), _BARS / 2)
            counts += np.bincount(np.clip(part.astype(np.int64), 0, _BARS - 1), minlength=_BARS)
    return counts
