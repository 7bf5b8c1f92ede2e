"""How the packets of an MPEG-TS file lie in it (ISO/IEC 13818-1 2.4.3): bare, as a rule; with a time before each, as
camcorders and Blu-ray discs write them; with parity behind each, as DVB receivers do; or from the middle of one on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .mpegts import PACKET

SYNC = 0x47
_SIZES = {PACKET: 0, 192: 4, 204: 0}  # bytes of a packet -> of these, before its sync byte
_SURE = 5  # sync bytes in a row: other bytes hold so many by no accident
_LOOKED_AT = 8


@dataclass(frozen=True, slots=True)
class Layout:
    """Bytes of each packet, where the first whole one starts, and how many bytes of it come before its sync byte."""

    size: int
    start: int
    lead: int

    def behind_last(self, file_size: int) -> int:
        """How many bytes follow the last whole packet."""
        return max(0, file_size - self.start) % self.size


def find_layout(head: bytes) -> Layout | None:
    """The layout of the packets in the first bytes of a file; None where there are none."""
    if len(head) >= PACKET and all(head[at] == SYNC for at in range(0, len(head), PACKET)[:_LOOKED_AT]):
        return Layout(PACKET, 0, 0)
    for size, lead in _SIZES.items():
        for start in range(min(size, len(head))):
            places = range(start + lead, len(head), size)[:_LOOKED_AT]
            if len(places) >= _SURE and all(head[at] == SYNC for at in places):
                return Layout(size, start, lead)
    return None


def packets(head: bytes) -> Iterator[bytes]:
    """The 188 bytes of each whole packet in the first bytes of a file."""
    layout = find_layout(head)
    if layout is not None:
        for at in range(layout.start + layout.lead, len(head) - PACKET + 1, layout.size):
            yield head[at : at + PACKET]
