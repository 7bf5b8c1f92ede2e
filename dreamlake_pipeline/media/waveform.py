"""Waveforms: peaks of a stream of samples, as JSON that players read and as a picture that people do."""

from __future__ import annotations

import json
import math

import numpy as np

from . import picture

PEAKS_PER_SECOND = 100
WIDTH, HEIGHT = 1200, 240

_VALUES_AT_ONCE = 1 << 16
_SILENCE = 1e-5  # -100 dBFS


class Waveform:
    """Measures interleaved 32-bit float samples that come in pieces of any length."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        self.sample_rate, self.channels = sample_rate, channels
        self.samples_per_peak = max(1, sample_rate // PEAKS_PER_SECOND)
        self.samples = 0  # per channel
        self._rest = b""
        self._low: list[np.ndarray] = []
        self._high: list[np.ndarray] = []
        self._power: list[np.ndarray] = []
        self._highest, self._squares = 0.0, 0.0

    def feed(self, data: bytes) -> None:
        data = self._rest + data
        step = 4 * self.channels * self.samples_per_peak
        whole = len(data) // step * step
        self._rest = data[whole:]
        if whole:
            self._measure(np.frombuffer(data[:whole], dtype="<f4").reshape(-1, self.samples_per_peak * self.channels))

    def finish(self) -> None:
        """Take in the last piece, which may be shorter than a peak. Further pieces must not follow."""
        samples = np.frombuffer(self._rest[: len(self._rest) // (4 * self.channels) * 4 * self.channels], dtype="<f4")
        self._rest = b""
        if len(samples):
            self._measure(samples.reshape(1, -1))

    def _measure(self, rows: np.ndarray) -> None:
        squares = np.square(rows, dtype=np.float64).sum(axis=1)
        low, high = rows.min(axis=1), rows.max(axis=1)
        self._low.append(low)
        self._high.append(high)
        self._power.append(squares / rows.shape[1])
        self._squares += float(squares.sum())
        self._highest = max(self._highest, float(high.max()), -float(low.min()))
        self.samples += rows.size // self.channels

    @property
    def peak_db(self) -> float | None:
        """The highest sample in dBFS; None for digital silence."""
        return round(20 * math.log10(self._highest), 2) if self._highest > 0 else None

    @property
    def rms_db(self) -> float | None:
        """The root mean square over all channels in dBFS; None for digital silence."""
        if self._squares <= 0:
            return None
        return round(10 * math.log10(self._squares / (self.samples * self.channels)), 2)

    def as_json(self) -> bytes:
        """Peaks in the form of BBC audiowaveform 2, 8 bits, channels taken together: `data` is min, max, min, max, …"""
        low, high = (np.concatenate(parts) for parts in (self._low, self._high))
        data = np.empty(2 * len(low), dtype=np.int8)
        data[0::2] = np.clip(np.floor(low * 128), -128, 127)
        data[1::2] = np.clip(np.ceil(high * 127), -128, 127)
        head = {
            "version": 2,
            "channels": 1,
            "sample_rate": self.sample_rate,
            "samples_per_pixel": self.samples_per_peak,
            "bits": 8,
            "length": len(low),
        }
        # Piece by piece: a day of sound has 17 million values, which need not all be Python objects at once.
        pieces = (
            ",".join(map(str, data[start : start + _VALUES_AT_ONCE].tolist()))
            for start in range(0, len(data), _VALUES_AT_ONCE)
        )
        return (json.dumps(head, separators=(",", ":"))[:-1] + ',"data":[' + ",".join(pieces) + "]}").encode()

    def as_png(self) -> bytes:
        """WIDTH x HEIGHT pixels on a transparent ground; the loudest moment fills the height, silence is a line."""
        low, high, power = (np.concatenate(parts) for parts in (self._low, self._high, self._power))
        scale = 0.46 * HEIGHT / self._highest if self._highest > _SILENCE else 0.0
        rms = np.sqrt(_columns(power, np.add)) * scale
        drawn = picture.Areas(WIDTH, HEIGHT)
        drawn.add(*_between(_columns(high, np.maximum) * scale, _columns(low, np.minimum) * scale), picture.OPACITY)
        drawn.add(*_between(rms, -rms), picture.BLEND * (rms > 0))
        return drawn.encode()


def _columns(values: np.ndarray, reduce: np.ufunc) -> np.ndarray:
    """One value a column of the picture: reduced where there are more (by np.add: to their mean), interpolated where
    there are fewer."""
    count = len(values)
    if count <= WIDTH:
        return np.interp(np.linspace(0, count - 1, WIDTH), np.arange(count), values)
    bounds = np.linspace(0, count, WIDTH + 1).astype(int)
    reduced: np.ndarray = reduce.reduceat(values, bounds[:-1])
    return reduced / np.diff(bounds) if reduce is np.add else reduced


def _between(above: np.ndarray, below: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The area between two heights over the middle line, in pixels from the upper border; it is never thinner than a
    line."""
    return HEIGHT / 2 - np.maximum(above, 0.75), HEIGHT / 2 - np.minimum(below, -0.75)
