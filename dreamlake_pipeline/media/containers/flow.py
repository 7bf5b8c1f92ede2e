"""Whether the sound of a file flows: where the times of its packets leave holes, or go back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ...errors import Code, DreamlakeError
from .bounds import MAX_PACKETS

# Seconds: a frame of AAC or Opus, about. What times are off by less than this is how containers round them, or how
# steadily a recorder stamps what it hears.
LEAST_HOLE = 0.02
_LONGEST_PACKET = 5.0  # seconds of sound
# Containers whose packets have times that were stored; others have the times that their packets before them add up to.
_CLOCKS = ("mov", "matroska", "mpegts", "ogg")
_LONGEST_DELAY = 0.25  # seconds for which pictures are decoded before they are shown, and sound waits for them
_EVEN = ("aac", "mp3", "mp2", "ac3")  # codecs whose frames all last the same
_PATIENCE = 0.1  # the share by which a small difference is taken over at each packet, lest rounding add up


@dataclass(frozen=True, slots=True)
class Flow:
    """Stretches without any sound, and stretches of which there is too much: how many, and seconds in all. `first` is
    the place of the first one of either, in seconds from the start of the sound. `changes` counts the changes of form
    that the headers of ADTS frames tell of; what is encoded tells of its own. `cuts` are the places on the way where
    an edit list leaves packets out. `damaged` are the seconds of packets of which a part did not arrive, as MPEG-TS
    shows it. `apart` counts the packets before the sound that belong to what an encoder puts before it: FFmpeg writes
    them so into MP4 without edit lists, such as fragments.
    """

    holes: int = 0
    missing: float = 0.0
    overlaps: int = 0
    doubled: float = 0.0
    first: float | None = None
    changes: int = 0
    cuts: int = 0
    damaged: float = 0.0
    apart: int = 0

    @property
    def is_steady(self) -> bool:
        return not self.holes and not self.overlaps

    def words(self) -> str:
        """What is the matter, as a phrase that has the sound as its subject; empty where nothing is."""
        phrases = []
        if self.holes:
            phrases.append(f"has {_count(self.holes, 'hole')}, {self.missing:.2f} s in all")
        if self.overlaps:
            phrases.append(f"goes back {_count(self.overlaps, 'time')}, by {self.doubled:.2f} s in all")
        return f"{' and '.join(phrases)}, first at {self.first:.2f} s" if phrases else ""


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' if number != 1 else ''}"


class FlowMeter:
    """Follows the times of the packets of one sound track."""

    def __init__(self, stream: Any, demuxer: str, *, beside_pictures: bool) -> None:
        context = stream.codec_context
        self._time_base = float(stream.time_base)
        self._is_chain = demuxer == "ogg"  # whose times start again with each stream (RFC 3533 4)
        self._is_adts = demuxer == "mpegts" and context.codec.canonical_name == "aac"
        self._form: tuple[int, int] | None = None
        self._changes = 0
        self._cuts, self._is_cut = 0, False
        self._is_opus = context.codec.canonical_name == "opus"
        # What a container says of a packet's duration may be the time until the next one.
        frame = getattr(context, "frame_size", 0) or 0
        self._frame = frame / context.sample_rate if frame > 1 and context.sample_rate else None
        self._is_even = context.codec.canonical_name in _EVEN
        self._usual: float | None = None
        self._is_priming = beside_pictures and demuxer == "mov"  # whether the first packet may be that
        self._seen = self._apart = 0
        self._start: float | None = None
        self._expected: float | None = None
        self._holes = self._overlaps = 0
        self._missing = self._doubled = self._damaged = 0.0
        self._first: float | None = None

    def see(self, packet: Any) -> None:
        if packet.is_discard:  # no part of the presentation
            self._is_cut, self._is_priming = self._start is not None, False
            return
        self._cuts, self._is_cut = self._cuts + self._is_cut, False
        time = packet.pts
        if self._is_adts:
            self._see_form(packet)
        lasts = opus_seconds(packet) if self._is_opus else self._lasts((packet.duration or 0) * self._time_base)
        self._damaged += lasts if packet.is_corrupt else 0.0
        if time is None:
            if self._expected is not None:
                self._expected += lasts
            return
        now = time * self._time_base
        if self._start is None:
            self._start = now
        if self._expected is not None:
            if self._seen == 1 and self._is_priming and LEAST_HOLE < now - self._expected <= _LONGEST_DELAY:
                self._start, self._expected, self._apart = now, now, 1
            self._compare(now, self._expected)
            if abs(now - self._expected) <= LEAST_HOLE:
                now = self._expected + _PATIENCE * (now - self._expected)
        self._seen += 1
        self._expected = now + lasts if lasts else None

    def _see_form(self, packet: Any) -> None:
        """The profile, rate and channels in the header of an ADTS frame (ISO/IEC 13818-7 6.2)."""
        data = memoryview(packet)
        if len(data) >= 7 and data[0] == 0xFF and data[1] & 0xF6 == 0xF0:
            form = (data[2] & 0xFD, data[3] & 0xC0)
            self._changes += self._form not in (None, form)
            self._form = form

    def _lasts(self, duration: float) -> float:
        if self._frame is None:
            return min(duration, _LONGEST_PACKET)
        if not 0.5 * self._frame <= duration <= 2.5 * self._frame:
            return self._usual or self._frame
        if self._is_even:  # a packet that lasts longer than another has a hole behind it
            duration = self._usual = min(duration, self._usual or duration)
        return duration

    def _compare(self, now: float, expected: float) -> None:
        ahead = now - expected
        if abs(ahead) <= LEAST_HOLE or (self._is_chain and ahead < 0):
            return
        if ahead > 0:
            self._holes, self._missing = self._holes + 1, self._missing + ahead
        else:
            self._overlaps, self._doubled = self._overlaps + 1, self._doubled - ahead
        if self._first is None and self._start is not None:
            self._first = max(0.0, min(now, expected) - self._start)

    def result(self) -> Flow:
        return Flow(
            self._holes,
            self._missing,
            self._overlaps,
            self._doubled,
            self._first,
            self._changes,
            self._cuts,
            self._damaged,
            self._apart,
        )


def opus_seconds(packet: Any) -> float:
    """How long the sound in an Opus packet lasts, by its first bytes (RFC 6716 3.1, 3.2)."""
    data = memoryview(packet)
    config, code = data[0] >> 3, data[0] & 3
    if config < 12:
        frame = (10.0, 20.0, 40.0, 60.0)[config & 3]
    elif config < 16:
        frame = (10.0, 20.0)[config & 1]
    else:
        frame = (2.5, 5.0, 10.0, 20.0)[config & 3]
    count = (1, 2, 2)[code] if code < 3 else data[1] & 63 if len(data) > 1 else 0
    return frame * count / 1000


def has_clock(demuxer: str) -> bool:
    """Whether packets have times of their own in the container that FFmpeg's `demuxer` reads."""
    return demuxer in _CLOCKS


def read_flow(container: Any, stream: Any, demuxer: str, subject: str) -> Flow:
    """The flow of a sound track, whose packets are all read for it where its container has times at all.

    Raises MEDIA_TOO_LARGE for more packets than anything has.
    """
    if not has_clock(demuxer):
        return Flow()
    meter = FlowMeter(stream, demuxer, beside_pictures=False)
    packets: Iterable[Any] = container.demux(stream)
    for seen, packet in enumerate(packets):
        if seen >= MAX_PACKETS:
            raise DreamlakeError(Code.MEDIA_TOO_LARGE, f"{subject} has more than {MAX_PACKETS:,} packets.")
        if packet.size:
            meter.see(packet)
    return meter.result()
