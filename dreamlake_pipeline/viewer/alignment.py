"""One clock for all tracks of an episode: when each of them starts on it, and how that is known.

| what is known of a track | where it starts |
| --- | --- |
| times since 1970, GPS times, dates (`Clock.UNIX`, `Clock.LOCAL`) | at its time, exactly |
| when its container says that it was recorded (`created`) | at that time, where it can be compared with such times |
| times since something (`Clock.RELATIVE`, `Clock.MIDNIGHT`) | at its time, where that lies within the recording |
| nothing | when the episode starts |

Containers tell their creation to a second, some by the end of the recording, some by the wrong time zone. So creation
times are used only where they put a recording beside absolute times, and never to set cameras apart from each other by
less than `_TOGETHER`. Of absolute clocks, those that are more than `_FAR` from most are wrong: what they time starts
with the episode. Label files on one relative clock keep their distance, since they are likely to be of one recorder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

_TOGETHER = 2.0  # seconds by which the creation times of recordings that start together may differ
_FAR = 3600.0  # seconds between tracks of one recording


class Clock(StrEnum):
    """What a track's own times count from; `LOCAL` are dates without a time zone, taken for UTC."""

    UNIX = "unix"
    LOCAL = "local"
    MIDNIGHT = "midnight"
    RELATIVE = "relative"


class By(StrEnum):
    """How the start of a track is known."""

    ABSOLUTE = "absolute"
    CREATION = "creation"
    START = "start"
    OFFSET = "offset"


@dataclass(frozen=True, slots=True)
class Timed:
    """What is known of the times of a track; all in seconds.

    `start` is its first time on its own `clock`, where it has one; `created` counts from 1970. `beside` is the place
    in the list of the track whose start this one shares, as subtitles do. `offset` is what a person set: a positive
    one has it start later.
    """

    name: str
    duration: float = 0.0
    clock: Clock | None = None
    start: float = 0.0
    created: float | None = None
    beside: int | None = None
    offset: float = 0.0

    @property
    def is_absolute(self) -> bool:
        return self.clock in (Clock.UNIX, Clock.LOCAL)


@dataclass(frozen=True, slots=True)
class Alignment:
    """When each track starts on the episode's clock, of which 0 is the earliest start, and what that is known by.

    `epoch` is that 0 in seconds since 1970, where absolute times tell it; `duration` is the end of the last track.
    """

    starts: tuple[float, ...]
    known_by: tuple[By, ...]
    epoch: float | None
    duration: float
    text: str

    @property
    def by(self) -> str:
        """`absolute` or `starts`, where that holds for all of them; else `mixed`."""
        kinds = {by in (By.ABSOLUTE, By.CREATION) for by in self.known_by if by is not By.OFFSET}
        return "mixed" if len(kinds) > 1 else "absolute" if True in kinds else "starts"


def align(tracks: Sequence[Timed]) -> Alignment:
    """Place the tracks of an episode on one clock. The order of the tracks does not matter."""
    starts: dict[int, float] = {}  # by absolute time, or by whatever zero there is
    known_by: dict[int, By] = {}
    alone = [at for at, track in enumerate(tracks) if track.beside is None]
    absolute = _most([at for at in alone if tracks[at].is_absolute], tracks)
    for at in absolute:
        starts[at], known_by[at] = tracks[at].start, By.ABSOLUTE
    for at, created in _by_creation(absolute, alone, tracks):
        starts[at], known_by[at] = created, By.CREATION
    zero = min(starts.values(), default=0.0)
    rest = [at for at in alone if at not in starts]
    longest = max((tracks[at].duration for at in alone if tracks[at].clock is None), default=0.0)
    for at, start in _by_start(rest, longest, tracks):
        starts[at], known_by[at] = zero + start, By.START
    for at in alone:
        starts[at] += tracks[at].offset
    for at, track in enumerate(tracks):
        if track.beside is not None:
            starts[at], known_by[at] = starts[track.beside] + track.offset, known_by[track.beside]
    first = min(starts.values(), default=0.0)
    placed = tuple(starts[at] - first for at in range(len(tracks)))
    return Alignment(
        starts=placed,
        known_by=tuple(By.OFFSET if track.offset else known_by[at] for at, track in enumerate(tracks)),
        epoch=first if absolute else None,
        duration=max((start + track.duration for start, track in zip(placed, tracks, strict=True)), default=0.0),
        text=_describe([known_by[at] for at in range(len(tracks))], tracks),
    )


def _most(absolute: list[int], tracks: Sequence[Timed]) -> list[int]:
    """The largest set of tracks with no gap of `_FAR` between them; of equals the earliest."""
    groups = list(_groups(absolute, tracks, _FAR))
    return max(groups, key=len, default=[])


def _groups(some: list[int], tracks: Sequence[Timed], gap: float = 0.0) -> Iterator[list[int]]:
    """The tracks by their own times, parted where nothing is for longer than the gap; the earliest first."""
    group: list[int] = []
    end = 0.0
    for at in sorted(some, key=lambda at: (tracks[at].start, tracks[at].duration)):
        if group and tracks[at].start > end + gap:
            yield group
            group = []
        end = max(end, tracks[at].start + tracks[at].duration) if group else tracks[at].start + tracks[at].duration
        group.append(at)
    if group:
        yield group


def _by_creation(absolute: list[int], alone: list[int], tracks: Sequence[Timed]) -> Iterator[tuple[int, float]]:
    """Recordings without times of their own that were created while the absolute times ran, and when they start."""
    if not absolute:
        return
    low = min(tracks[at].start for at in absolute)
    high = max(tracks[at].start + tracks[at].duration for at in absolute)
    created = sorted((tracks[at].created or 0.0, at) for at in alone if _is_created(tracks[at]))
    while created:
        first = created[0][0]
        together = [at for time, at in created if time - first <= _TOGETHER]
        created = created[len(together) :]
        if first <= high and first + max(tracks[at].duration for at in together) >= low:
            yield from ((at, first) for at in together)


def _is_created(track: Timed) -> bool:
    return track.clock is None and track.created is not None


def _by_start(rest: list[int], longest: float, tracks: Sequence[Timed]) -> Iterator[tuple[int, float]]:
    """When tracks start that nothing absolute places, in seconds since the start of the episode.

    A relative clock counts from there where its first time lies within the `longest` recording; every other clock is
    of an unknown zero, and what it times first starts with the episode.
    """
    yield from ((at, 0.0) for at in rest if tracks[at].clock is None)
    for clock in Clock:
        for group in _groups([at for at in rest if tracks[at].clock is clock], tracks):
            first = tracks[group[0]].start
            zero = 0.0 if clock is Clock.RELATIVE and 0 <= first < longest else first
            yield from ((at, tracks[at].start - zero) for at in group)


_WORDS = {
    By.ABSOLUTE: "absolute time",
    By.CREATION: "creation time, within a second",
    By.START: "start",
}
_NAMED = 2  # tracks with an offset that the text names


def _describe(known_by: Sequence[By], tracks: Sequence[Timed]) -> str:
    """`aligned by start · joints.csv +0.12 s`."""
    counts = {by: known_by.count(by) for by in _WORDS if by in known_by}
    if len(counts) == 1:
        text = f"aligned by {_WORDS[next(iter(counts))]}"
    else:
        text = ", ".join(f"{count} by {_WORDS[by]}" for by, count in counts.items()) or "nothing to align"
    moved = [track for track in tracks if track.offset]
    if len(moved) > _NAMED:
        return f"{text} · {len(moved)} moved"
    return " · ".join([text, *(f"{track.name} {track.offset:+g} s" for track in moved)])
