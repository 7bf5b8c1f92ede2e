"""Reads the MPEG-TS segments that were written: tables, times, keyframes (ISO/IEC 13818-1).

Times are integers of the 90 kHz clock. Only one programme of at most one video and one audio is understood, which is
what this package writes. Packet headers are read as numpy columns: the cost per segment is that of its frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from . import h264

CLOCK = 90_000
PACKET = 188
H264, AAC_ADTS = 0x1B, 0x0F
_WRAP = 1 << 33
_HEAD_PACKETS = 64  # of a picture: what comes before its slices is almost always in these


class MalformedSegment(ValueError):
    """The bytes are no MPEG-TS segment of the form that is written here."""


@dataclass(frozen=True, slots=True)
class AdtsConfig:
    """What an ADTS header says of its sound (ISO/IEC 14496-3 1.A.2.2): `object_type` 2 is AAC-LC."""

    object_type: int
    sample_rate: int
    channels: int


_SAMPLE_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)


@dataclass(slots=True)
class Elementary:
    """One elementary stream of a segment: times of its PES packets in the order of decoding.

    `pcr` are the (clock, DTS of the next PES) pairs where this PID carries the clock. `access_units` is the number of
    pictures, or of ADTS frames, `last_units` that in the last PES packet; `aac` is what the first of these says.
    """

    pid: int
    stream_type: int
    pts: list[int] = field(default_factory=list)
    dts: list[int] = field(default_factory=list)
    keyframes: list[int] = field(default_factory=list)
    access_units: int = 0
    last_units: int = 0
    aac: AdtsConfig | None = None
    first_counter: int = -1
    last_counter: int = -1
    continuous: bool = True


@dataclass(slots=True)
class TsSegment:
    """What one segment holds. `head_units` are the NAL unit types of the first picture, which ends before packet
    `head_packets`. `parameters` are all sequence parameter sets that keyframes come with.
    """

    packets: int
    streams: list[Elementary]
    tables_first: bool
    transport_errors: int
    head_packets: int
    head_units: list[int]
    parameters: list[h264.SequenceParameters]
    pcr_after_dts: int

    @property
    def sps(self) -> h264.SequenceParameters | None:
        """The first sequence parameter set."""
        return self.parameters[0] if self.parameters else None

    def of_type(self, stream_type: int) -> Elementary | None:
        return next((stream for stream in self.streams if stream.stream_type == stream_type), None)


def parse_segment(data: Any) -> TsSegment:
    """What the bytes of a segment hold; `data` is any buffer of them.

    Raises MalformedSegment when lengths, sync bytes or tables are not those of a segment.
    """
    try:
        return _parse_segment(data)
    except IndexError:
        raise MalformedSegment("a table or a header in it is cut off") from None


def _parse_segment(data: Any) -> TsSegment:
    raw = np.frombuffer(data, dtype=np.uint8)
    if not len(raw) or len(raw) % PACKET:
        raise MalformedSegment(f"its length of {len(raw)} bytes is no multiple of {PACKET}")
    rows = raw.reshape(-1, PACKET)
    # The four bytes of each header, once: columns that lie a packet apart in memory are slow to go through.
    headers = rows[:, :4].copy().view(">u4")[:, 0].astype(np.uint32)
    if (headers >> 24 != 0x47).any():
        raise MalformedSegment("a packet does not start with the sync byte")
    pids = headers >> 8 & 0x1FFF
    starts = headers & 0x400000 != 0
    loaded = headers & 0x10 != 0
    adapted = headers & 0x20 != 0
    offsets = np.full(len(rows), 4)
    offsets[adapted] = 5 + rows[adapted, 4].astype(np.int64)

    table_row, program = _table(rows, pids, starts, offsets, 0, 0x00)
    pmt_pid = int.from_bytes(program[8 + 2 : 8 + 4].tobytes(), "big") & 0x1FFF
    pmt_row, pmt = _table(rows, pids, starts, offsets, pmt_pid, 0x02)
    streams = [Elementary(pid, kind) for kind, pid in _elementary(pmt)]
    clock_pid = int.from_bytes(pmt[8:10].tobytes(), "big") & 0x1FFF

    segment = TsSegment(
        packets=len(rows),
        streams=streams,
        tables_first=False,
        transport_errors=int((headers & 0x800000 != 0).sum()),
        head_packets=len(rows),
        head_units=[],
        parameters=[],
        pcr_after_dts=0,
    )
    first_pes = len(rows)
    for stream in streams:
        mine = np.flatnonzero((pids == stream.pid) & loaded)
        if not len(mine):
            continue
        counters = (headers[mine] & 15).astype(np.int32)
        stream.first_counter, stream.last_counter = int(counters[0]), int(counters[-1])
        stream.continuous = bool(((np.diff(counters) & 15) == 1).all())
        heads = mine[starts[mine]]
        if not len(heads) or heads[0] != mine[0]:
            raise MalformedSegment("a segment starts in the middle of a picture or sound packet")
        first_pes = min(first_pes, int(heads[0]))
        for row in heads:
            pts, dts = _times(rows[row, offsets[row] :].tobytes())
            stream.pts.append(pts)
            stream.dts.append(dts)
        # The random access indicator (2.4.3.5) marks what the muxer took for a keyframe.
        marked = heads[(offsets[heads] > 5) & (rows[heads, 5] & 0x40 != 0)]
        position = {int(row): at for at, row in enumerate(heads)}
        stream.keyframes = [stream.pts[position[int(row)]] for row in marked]
        if stream.stream_type == H264:
            stream.access_units = len(heads)
            ends = [*heads[1:].tolist(), len(rows)]
            segment.head_packets = ends[0]
            for row in dict.fromkeys([int(heads[0]), *marked.tolist()]):
                units, parameters = _read_head(rows, offsets, mine, row, ends[position[row]])
                segment.head_units = segment.head_units or units
                segment.parameters += [one for one in parameters if one not in segment.parameters]
        elif stream.stream_type == AAC_ADTS:
            stream.access_units, stream.last_units = _adts_frames(rows, offsets, mine, heads)
            first = _payload(rows, offsets, mine[:1])
            stream.aac = _adts_config(first[9 + first[8] :])
        if stream.pid == clock_pid:
            segment.pcr_after_dts = _late_clocks(rows, mine[adapted[mine]], heads, stream.dts)
    segment.tables_first = table_row < pmt_row < first_pes
    return segment


class AccessUnit(NamedTuple):
    """A picture as it is coded, in the form of a byte stream (ITU-T H.264 annex B), and its time."""

    pts: int
    data: bytes


def access_units(data: Any, pid: int, *, keyframes: bool = False) -> Iterator[AccessUnit]:
    """The pictures of a segment that `parse_segment` read, or of its first packets, in the order of decoding.

    With `keyframes`, those that are marked as such alone. Each is a PES packet, as this package writes them.
    """
    rows = np.frombuffer(data, dtype=np.uint8).reshape(-1, PACKET)
    mine = rows[((rows[:, 1] & 0x1F).astype(np.int64) << 8 | rows[:, 2] == pid) & (rows[:, 3] & 0x10 != 0)]
    adapted = mine[:, 3] & 0x20 != 0
    offsets = np.where(adapted, 5 + mine[:, 4].astype(np.int64), 4)
    heads = np.flatnonzero(mine[:, 1] & 0x40)
    marked = adapted & (offsets > 5) & (mine[:, 5] & 0x40 != 0)
    for start, end in pairwise([*heads.tolist(), len(mine)]):
        if keyframes and not marked[start]:
            continue
        part = mine[start:end]
        loaded = np.arange(PACKET) >= offsets[start:end, None]
        pes = part[loaded].tobytes()
        yield AccessUnit(_times(pes)[0], pes[9 + pes[8] :])


def unwrap(times: list[int], reference: int) -> list[int]:
    """The 33-bit times as plain integers near `reference`, across a wrap of the clock."""
    return [time + _WRAP * round((reference - time) / _WRAP) for time in times]


def _table(
    rows: np.ndarray, pids: np.ndarray, starts: np.ndarray, offsets: np.ndarray, pid: int, table_id: int
) -> tuple[int, np.ndarray]:
    """Row and bytes of the first section on `pid`; raises MalformedSegment when it is missing."""
    found = np.flatnonzero((pids == pid) & starts)
    if not len(found):
        raise MalformedSegment("it has no programme tables")
    row = int(found[0])
    payload = rows[row, offsets[row] :]
    section = payload[1 + payload[0] :]
    if len(section) < 12 or section[0] != table_id:
        raise MalformedSegment("its programme tables are damaged")
    length = 3 + ((int(section[1]) & 15) << 8 | int(section[2]))
    return row, section[: length - 4]


def _elementary(pmt: np.ndarray) -> list[tuple[int, int]]:
    """(stream type, PID) of each stream in the programme map."""
    at = 12 + ((int(pmt[10]) & 15) << 8 | int(pmt[11]))
    streams = []
    while at + 5 <= len(pmt):
        streams.append((int(pmt[at]), (int(pmt[at + 1]) & 31) << 8 | int(pmt[at + 2])))
        at += 5 + ((int(pmt[at + 3]) & 15) << 8 | int(pmt[at + 4]))
    return streams


def _times(pes: bytes) -> tuple[int, int]:
    """PTS and DTS of a PES header (2.4.3.6)."""
    if pes[:3] != b"\x00\x00\x01":
        raise MalformedSegment("a PES packet has no start code")
    flags = pes[7] >> 6
    if not flags & 2:
        raise MalformedSegment("a PES packet has no time")
    pts = _stamp(pes[9:14])
    return pts, _stamp(pes[14:19]) if flags == 3 else pts


def _stamp(five: bytes) -> int:
    return (five[0] >> 1 & 7) << 30 | five[1] << 22 | (five[2] >> 1) << 15 | five[3] << 7 | five[4] >> 1


def _payload(rows: np.ndarray, offsets: np.ndarray, mine: np.ndarray) -> bytes:
    return b"".join(rows[row, offsets[row] :].tobytes() for row in mine)


def _read_head(
    rows: np.ndarray, offsets: np.ndarray, mine: np.ndarray, start: int, end: int
) -> tuple[list[int], list[h264.SequenceParameters]]:
    """What the picture in the packets from `start` to `end` begins with: the NAL unit types up to its first slice, and
    the sequence parameter sets among them."""
    of_picture = mine[np.searchsorted(mine, start) : np.searchsorted(mine, end)]
    try:
        units = _units_before_slices(_payload(rows, offsets, of_picture[:_HEAD_PACKETS]))
        if not units or h264.unit_type(units[-1]) not in h264.SLICES:
            units = _units_before_slices(_payload(rows, offsets, of_picture))
        parameters = [h264.parse_sps(unit) for unit in units if h264.unit_type(unit) == h264.SPS]
    except ValueError as error:
        raise MalformedSegment(str(error)) from None
    return [h264.unit_type(unit) for unit in units], parameters


def _units_before_slices(pes: bytes) -> list[memoryview]:
    """The NAL units of a picture up to its first slice, and that."""
    units = []
    for unit in h264.units_with_start_code(pes[9 + pes[8] :]):
        units.append(unit)
        if h264.unit_type(unit) in h264.SLICES:
            break
    return units


def _adts_frames(rows: np.ndarray, offsets: np.ndarray, mine: np.ndarray, heads: np.ndarray) -> tuple[int, int]:
    """The number of ADTS frames, whose lengths must fill the PES packets exactly, and that in the last of these."""
    frames = before = 0
    bounds = [*np.searchsorted(mine, heads).tolist(), len(mine)]
    for start, end in pairwise(bounds):
        pes = _payload(rows, offsets, mine[start:end])
        at, before = 9 + pes[8], frames
        while at + 7 <= len(pes):
            if pes[at] != 0xFF or pes[at + 1] & 0xF0 != 0xF0:
                raise MalformedSegment("an AAC frame has no sync word")
            length = (pes[at + 3] & 3) << 11 | pes[at + 4] << 3 | pes[at + 5] >> 5
            if length < 7:
                raise MalformedSegment("an AAC frame has no length")
            at += length
            frames += 1
        if at != len(pes):
            raise MalformedSegment("an AAC frame is cut off")
    return frames, frames - before


def _adts_config(header: bytes) -> AdtsConfig | None:
    """None where the header is split over packets, or names a rate that is none."""
    if len(header) < 4 or header[2] >> 2 & 15 >= len(_SAMPLE_RATES):
        return None
    return AdtsConfig(
        object_type=(header[2] >> 6) + 1,
        sample_rate=_SAMPLE_RATES[header[2] >> 2 & 15],
        channels=(header[2] & 1) << 2 | header[3] >> 6,
    )


def _late_clocks(rows: np.ndarray, adapted: np.ndarray, heads: np.ndarray, dts: list[int]) -> int:
    """How many programme clock references lie after the DTS of the picture or sound that they come with.

    `adapted` are the stream's packets with an adaptation field, where such references are.
    """
    carries = (rows[adapted, 4] >= 7) & (rows[adapted, 5] & 0x10 != 0)
    late = 0
    for row in adapted[carries]:
        six = rows[row, 6:12].tobytes()
        clock = int.from_bytes(six[:4], "big") << 1 | six[4] >> 7
        at = int(np.searchsorted(heads, row, side="right")) - 1
        behind = (clock - dts[max(at, 0)]) % _WRAP
        late += 0 < behind < _WRAP // 2
    return late
