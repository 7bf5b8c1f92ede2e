"""EBU R128 measures, from the summary that FFmpeg's ebur128 filter prints at its end."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

FILTER, OPTIONS = "ebur128", "peak=true:framelog=quiet"

# What it answers when no block passed the gate: silence, or less than 0.4 s of sound (ITU-R BS.1770).
_GATED = -70.0
# A loudness range needs more than one short-term block of 3 s (EBU Tech 3342).
_RANGE_SECONDS = 4


_LEAST_SECONDS = Fraction(2, 5)  # one gating block (ITU-R BS.1770-5 annex 1)
_OVERSAMPLED = 192_000  # Hz: BS.1770-5 annex 2 asks for no more; samples so close are the true peak themselves


@dataclass(frozen=True, slots=True)
class Loudness:
    """`integrated` in LUFS, `range` in LU, `true_peak` in dBTP; None where there is nothing to measure, and `why`."""

    integrated: float | None
    range: float | None
    true_peak: float | None
    why: str | None = None


def read_summary(log: Iterable[str], duration: Fraction, sample_rate: int, peak_db: float | None) -> Loudness:
    """The measures in the last summary of the log, of a file of `duration` seconds whose highest sample is at
    `peak_db` dBFS."""
    text = "\n".join(log)
    summary = text[text.rfind("Summary:") :]
    integrated, spread, true_peak = (
        _number(re.search(pattern, summary))
        for pattern in (r"\bI:\s+(\S+) LUFS", r"\bLRA:\s+(\S+) LU\b", r"\bPeak:\s+(\S+) dBFS")
    )
    if duration < _LEAST_SECONDS or integrated is None or integrated <= _GATED:
        integrated = None
    if integrated is None or duration < _RANGE_SECONDS:
        spread = None
    if peak_db is None or sample_rate >= _OVERSAMPLED:
        true_peak = None if peak_db is None else round(peak_db, 1)
    return Loudness(integrated, spread, true_peak, _why(integrated, duration, peak_db))


def _why(integrated: float | None, duration: Fraction, peak_db: float | None) -> str | None:
    """Why a measure is missing; None when none is."""
    if peak_db is None:
        return "The sound is digital silence, which has no loudness."
    if duration < _LEAST_SECONDS:
        return "The sound is shorter than the 0.4 s that loudness is measured over."
    if integrated is None:
        return "The sound is softer than -70 LUFS throughout, where loudness is not measured."
    if duration < _RANGE_SECONDS:
        return f"There is no range: the sound is shorter than the {_RANGE_SECONDS} s that it takes."
    return None


def _number(found: re.Match[str] | None) -> float | None:
    """The number found; None for `-inf` and `nan`."""
    return float(found[1]) if found and re.fullmatch(r"-?\d+(\.\d+)?", found[1]) else None
