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


@dataclass(frozen=True, slots=True)
class Loudness:
    """`integrated` in LUFS, `range` in LU, `true_peak` in dBTP; None where there is nothing to measure."""

    integrated: float | None
    range: float | None
    true_peak: float | None


def read_summary(log: Iterable[str], duration: Fraction) -> Loudness:
    """The measures in the last summary of the log, of a file of `duration` seconds."""
    text = "\n".join(log)
    summary = text[text.rfind("Summary:") :]
    integrated, spread, peak = (
        _number(re.search(pattern, summary))
        for pattern in (r"\bI:\s+(\S+) LUFS", r"\bLRA:\s+(\S+) LU\b", r"\bPeak:\s+(\S+) dBFS")
    )
    gated = integrated is None or integrated <= _GATED
    return Loudness(
        integrated=None if gated else integrated,
        range=None if gated or duration < _RANGE_SECONDS else spread,
        true_peak=peak,
    )


def _number(found: re.Match[str] | None) -> float | None:
    """The number found; None for `-inf` and `nan`."""
    return float(found[1]) if found and re.fullmatch(r"-?\d+(\.\d+)?", found[1]) else None
