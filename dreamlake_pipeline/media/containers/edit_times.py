"""When the pictures of several edits are shown (ISO/IEC 14496-12 8.6.6).

Where pictures are decoded before they are shown, FFmpeg's demuxer presents those behind the first edit later than their
file asks for, by up to as long as they are decoded earlier; their sound it presents in time.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np

from .bounds import MAX_PACKETS
from .edits import Edit

_MOST_EDITS = 64  # of a video: each is a term of a filter's expression

Shifts = tuple[tuple[int, int], ...]


def read_shifts(edited: Any, unedited: Any, index: int, edits: Sequence[Edit]) -> Shifts:
    """What has to be added to the times of the pictures of stream `index`, in units of its time base: from which time
    on, and how much; nothing to the first ones.

    `edits` are those that present anything. `edited` is the file opened by PyAV, `unedited` the same one opened with
    `ignore_editlist`, of which the times are those of the media. Empty where all are right, and where times overlap so
    that no rule would set them right.
    """
    if len(edits) > _MOST_EDITS:
        return ()
    clock = float(unedited.streams[index].time_base)
    places, media = _times(unedited, index)
    positions, shown = _times(edited, index)
    if not len(places) or not len(shown):
        return ()
    order = np.argsort(places, kind="stable")
    found = np.minimum(np.searchsorted(places[order], positions), len(places) - 1)
    if not (places[order][found] == positions).all():
        return ()
    there = media[order][found]
    asked, apart = shown.copy(), np.full(len(shown), np.inf)
    for edit in edits:
        times = round(edit.start / clock) + there - edit.media
        off, last = np.abs(times - shown), edit.media + (edit.end - edit.start) / clock
        nearer = (there >= edit.media) & (there < last) & (off < apart)
        asked[nearer], apart[nearer] = times[nearer], off[nearer]
    return _as_shifts(shown, asked)


def _times(container: Any, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the packets of a stream lie in the file, and the times of those that are presented."""
    positions, times = array("q"), array("q")
    for seen, packet in enumerate(container.demux(container.streams[index])):
        if seen >= MAX_PACKETS:
            break
        if packet.size and packet.pts is not None and packet.pos is not None and not packet.is_discard:
            positions.append(packet.pos)
            times.append(packet.pts)
    return np.array(positions, dtype=np.int64), np.array(times, dtype=np.int64)


def _as_shifts(shown: np.ndarray, asked: np.ndarray) -> Shifts:
    order = np.argsort(shown, kind="stable")
    shown, more = shown[order], (asked - shown)[order]
    changes = np.flatnonzero(np.diff(more, prepend=0))
    shifts = tuple((int(shown[at]), int(more[at])) for at in changes)
    if more[0] or (np.diff(shown) <= 0).any() or (np.diff(shifted(shown, shifts)) <= 0).any():
        return ()
    return shifts if len(shifts) <= _MOST_EDITS else ()


def shifted(times: np.ndarray, shifts: Shifts) -> np.ndarray:
    """Sorted times, each with what has to be added to it."""
    if not shifts:
        return times
    after = np.searchsorted([at for at, _ in shifts], times, side="right")
    return times + np.array([0, *(more for _, more in shifts)], dtype=np.int64)[after]
