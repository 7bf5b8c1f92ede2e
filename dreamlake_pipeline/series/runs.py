"""Runs of equal values of a field of texts or booleans: when each begins and ends."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .gaps import after_gaps

MOST_CHARS = 100  # of a run's text


@dataclass(frozen=True, slots=True)
class Runs:
    """Columns of one length: seconds, texts, and of how many runs each was made that stands for several.

    A run ends where the next value comes, or with its own last value where a gap follows, or nothing.
    """

    start: np.ndarray
    end: np.ndarray
    text: pa.Array
    count: np.ndarray

    def __len__(self) -> int:
        return len(self.start)

    @property
    def are_exact(self) -> bool:
        """Whether none stands for several."""
        return bool((self.count == 1).all())

    def between(self, start: float, end: float) -> Runs:
        """Those that are shown at some time from `start` to `end`."""
        return self.take(np.flatnonzero((self.start <= end) & (self.end >= start)))

    def take(self, places: np.ndarray) -> Runs:
        return Runs(self.start[places], self.end[places], self.text.take(pa.array(places)), self.count[places])

    def sorted(self) -> Runs:
        if (np.diff(self.start) >= 0).all():
            return self
        return self.take(np.argsort(self.start, kind="stable"))

    def at_most(self, most: int, start: float, end: float) -> Runs:
        """`most` of them, spread over the time from `start` to `end`: those that begin in one part of it are one run,
        with the text of the first."""
        if len(self) <= most:
            return self
        parts = np.clip((self.start - start) / max(end - start, 1e-300) * most, 0, most - 1).astype(np.int64)
        begins = np.flatnonzero(np.diff(parts, prepend=-1))
        return Runs(
            self.start[begins],
            np.maximum.reduceat(self.end, begins),
            self.text.take(pa.array(begins)),
            np.add.reduceat(self.count, begins),
        )


def join_runs(parts: list[Runs]) -> Runs:
    """All of the parts, one behind the other."""
    if len(parts) == 1:
        return parts[0]
    return Runs(
        np.concatenate([part.start for part in parts]) if parts else np.empty(0),
        np.concatenate([part.end for part in parts]) if parts else np.empty(0),
        pa.concat_arrays([part.text for part in parts]) if parts else pa.array([], pa.string()),
        np.concatenate([part.count for part in parts]) if parts else np.empty(0, np.int64),
    )


def find_runs(seconds: np.ndarray, texts: pa.Array, gap: float | None) -> Runs:
    """The runs of texts (none of them null) at these times, which ascend."""
    if not len(seconds):
        return join_runs([])
    changes = np.flatnonzero(pc.not_equal(texts[1:], texts[:-1]).to_numpy(zero_copy_only=False)) + 1
    gaps = after_gaps(seconds, gap)
    begins = np.union1d(changes, gaps)
    begins = np.concatenate(([0], begins)).astype(np.int64)
    ends = np.append(seconds[begins[1:]], seconds[-1])
    before_gap = np.isin(begins[1:], gaps)
    ends[:-1][before_gap] = seconds[begins[1:] - 1][before_gap]
    text = pc.utf8_slice_codeunits(texts.take(pa.array(begins)), 0, MOST_CHARS)
    return Runs(seconds[begins], ends, text, np.ones(len(begins), np.int64))


class RunsOfParts:
    """The runs of a field that is read part by part; of more than `most`, neighbours are made one."""

    def __init__(self, most: int, span: float) -> None:
        self._most, self._span = most, span
        self._parts: list[Runs] = []
        self._runs = 0
        self._last: tuple[float, str] | None = None

    def see(self, seconds: np.ndarray, texts: pa.Array, gap: float | None) -> None:
        """A part: times in ascending order, and texts that are not null."""
        if not len(seconds):
            return
        found = find_runs(seconds, texts, gap)
        if self._last is not None and self._parts:
            found = self._joined(found, texts[0].as_py(), gap)
        self._last = float(seconds[-1]), texts[len(texts) - 1].as_py()
        self._parts.append(found)
        self._runs += len(found)
        if self._runs > 2 * self._most:
            self._parts = [join_runs(self._parts).sorted().at_most(self._most, 0.0, self._span)]
            self._runs = len(self._parts[0])

    def _joined(self, found: Runs, text: str, gap: float | None) -> Runs:
        """The runs of a part without the first, if it goes on with the last one of the part before."""
        before, (at, last) = self._parts[-1], self._last or (0.0, "")
        distance = found.start[0] - at
        if not len(before) or distance < 0 or (gap is not None and distance > gap):
            return found
        goes_on = text == last
        ends = before.end.copy()
        ends[-1] = max(ends[-1], found.end[0] if goes_on else found.start[0])
        self._parts[-1] = replace(before, end=ends)
        return found.take(np.arange(1, len(found))) if goes_on else found

    def all(self) -> Runs:
        """All runs, in order; `most` at the most."""
        return join_runs(self._parts).sorted().at_most(self._most, 0.0, self._span)
