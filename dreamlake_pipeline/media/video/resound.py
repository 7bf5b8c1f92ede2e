"""Gives segments the sound of other segments, packet by packet.

A muxer puts sound beside the pictures that are decoded at the same time. How much earlier a picture is decoded than
shown differs from encoding to encoding, so the sound of a cut ends up to a few pictures earlier or later: a player
that changes from one rendition to another there would miss some of it, or get it twice.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..containers import mpegts
from ..containers.mpegts import AAC_ADTS, H264, PACKET, TsSegment


def take_sound(path: Path, part: TsSegment, donor_path: Path, donor: TsSegment) -> None:
    """Rewrite the segment at `path` with exactly the sound of the donor's; both must have a picture and a sound track.

    Every packet of sound stands before the first picture that is decoded later. Continuity counters go on from
    segment to segment when they do so in those of the donor.
    """
    video, own, sound = part.of_type(H264), part.of_type(AAC_ADTS), donor.of_type(AAC_ADTS)
    assert video is not None and own is not None and sound is not None
    rows, given = _packets(path), _packets(donor_path)
    kept, taken = rows[_pids(rows) != own.pid], given[_pids(given) == sound.pid].copy()
    taken[:, 1] = taken[:, 1] & 0xE0 | own.pid >> 8
    taken[:, 2] = own.pid & 0xFF

    decoded = mpegts.unwrap(video.dts, video.dts[0])
    heard = np.array(mpegts.unwrap(sound.pts, video.dts[0]), dtype=np.int64)
    heads = np.flatnonzero((_pids(kept) == video.pid) & _begins(kept))
    places = np.append(heads, len(kept))[np.searchsorted(decoded, heard, side="right")]
    packet_of = np.cumsum(_begins(taken)) - 1
    np.insert(kept, places[packet_of], taken, axis=0).tofile(path)


def _packets(path: Path) -> np.ndarray:
    return np.fromfile(path, dtype=np.uint8).reshape(-1, PACKET)


def _pids(rows: np.ndarray) -> np.ndarray:
    return (rows[:, 1] & 0x1F).astype(np.int32) << 8 | rows[:, 2]


def _begins(rows: np.ndarray) -> np.ndarray:
    """Which transport packets begin a PES packet (2.4.3.3, payload_unit_start_indicator)."""
    return (rows[:, 1] & 0x40) != 0
