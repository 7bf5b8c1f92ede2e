"""Waveforms: peaks of a stream of samples, as JSON that players read and as a picture that people do."""

from __future__ import annotations

import json
import math

import numpy as np

from .. import picture

PEAKS_PER_SECOND = 100
WIDTH, HEIGHT = 1200, 240

_VALUES_AT_ONCE = 1 << 16
_BYTES_AT_ONCE = 1 << 18
_SILENCE = 1e-5  # -100 dBFS
_BEYOND = 1e6  # 120 dB above full scale: no sample of any sound, and more than an encoder takes


class Cleaner:
    """Puts silence in the place of 32-bit float samples that are no numbers (NaN, infinite) or far beyond all sound,
    in pieces of any length."""

    def __init__(self) -> None:
        self._rest = b""

    def __call__(self, data: bytes) -> bytes:
        data = self._rest + data
        whole = len(data) // 4 * 4
        self._rest = data[whole:]
        samples = np.frombuffer(data[:whole], dtype="<f4")
        return samples.tobytes() if is_sound(samples) else cleaned(samples).tobytes()


def is_sound(samples: np.ndarray) -> bool:
    """Whether all samples are numbers that a sound may have."""
    return not samples.size or bool(samples.max() < _BEYOND and samples.min() > -_BEYOND)  # a NaN is neither


def cleaned(samples: np.ndarray) -> np.ndarray:
    """The samples with zeros for those that no sound has."""
    return np.where(np.abs(samples) < _BEYOND, samples, np.float32(0))


class Waveform:
    """Measures interleaved 32-bit float samples that come in pieces of any length."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        self.sample_rate, self.channels = sample_rate, channels
        self.samples_per_peak = max(1, sample_rate // PEAKS_PER_SECOND)
        self.samples = 0  # per channel
        self.undefined = 0  # samples of any channel that are no numbers, which count as silence
        self._first_undefined = 0
        self._waiting = bytearray()
        # A value a peak, in one growing piece each: small arrays between large ones that come and go hold on to memory.
        self._low, self._high, self._power = bytearray(), bytearray(), bytearray()
        self._highest, self._squares = 0.0, 0.0

    def feed(self, data: bytes) -> None:
        self._waiting += data
        if len(self._waiting) >= _BYTES_AT_ONCE:
            self._measure_waiting()

    def finish(self) -> None:
        """Take in the last pieces, of which the very last may be shorter than a peak. No other may follow."""
        self._measure_waiting()
        left = len(self._waiting) // (4 * self.channels) * 4 * self.channels
        samples = np.frombuffer(bytes(self._waiting[:left]), dtype="<f4")
        self._waiting.clear()
        if len(samples):
            self._measure(samples.reshape(1, -1))

    def _measure_waiting(self) -> None:
        """Many peaks at a time: a pipe's pieces are short, and an array for each would be ten times what is in it."""
        row = self.channels * self.samples_per_peak
        whole = len(self._waiting) // (4 * row) * 4 * row
        if whole:
            self._measure(np.frombuffer(bytes(self._waiting[:whole]), dtype="<f4").reshape(-1, row))
            del self._waiting[:whole]

    def _measure(self, rows: np.ndarray) -> None:
        if not is_sound(rows):
            rows = self._without_undefined(rows)
        squares = np.square(rows, dtype=np.float64).sum(axis=1)
        low, high = rows.min(axis=1), rows.max(axis=1)
        self._low += low.tobytes()
        self._high += high.tobytes()
        self._power += (squares / rows.shape[1]).tobytes()
        self._squares += float(squares.sum())
        self._highest = max(self._highest, float(high.max()), -float(low.min()))
        self.samples += rows.size // self.channels

    def _without_undefined(self, rows: np.ndarray) -> np.ndarray:
        clean = cleaned(rows)
        found = np.flatnonzero(~(np.abs(rows) < _BEYOND))
        if not self.undefined:
            self._first_undefined = self.samples + int(found[0]) // self.channels
        self.undefined += len(found)
        return clean

    @property
    def first_undefined(self) -> float:
        """Where the first of the undefined samples is, in seconds."""
        return self._first_undefined / self.sample_rate

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
        low, high = (np.frombuffer(peaks, dtype="<f4") for peaks in (self._low, self._high))
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
        low, high = (np.frombuffer(peaks, dtype="<f4") for peaks in (self._low, self._high))
        power = np.frombuffer(self._power, dtype="<f8")
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
