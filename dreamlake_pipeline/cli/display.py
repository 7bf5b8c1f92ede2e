"""How far an upload is, while it goes on: a bar on a terminal, plain lines elsewhere. All of it goes to stderr.

The bar is rich's; what stands beside it is not its columns (`rich.progress`). Their share is rounded up to 100 % and
their clock stops before everything is done, their speeds and times left know nothing of files that wait for something
that is away, and the lines off a terminal need the same numbers without them. Tried, they took 4 lines more than these,
and 14 ms of CPU at the start of a command, which has sent nothing by then.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from ..visible import visible
from .output import note, show_bytes, show_clock
from .waits import waited_for

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ..client.events import Processing, Progress

_PLAIN_SECONDS = 5.0  # between two lines of progress off a terminal
_SPEED_SECONDS = 5.0  # over which speeds are taken
_TELLING_SHARE = 0.01  # of all bytes must be done before the time that is left can be told from them
_RATE_SECONDS = 30.0  # over which the rate of processing is taken
_RATE_LEAST = 5  # files that must have been done in that time
_RATE_SILENCE = 3.0  # seconds without a file that is done, after which nothing is told,
_RATE_MISSED = 5  # when so many were due in that time
_WIDEST = 100  # columns; a longer bar tells nothing more


class Display(Protocol):
    """How progress is shown."""

    def line(self, text: str) -> None: ...
    def sending(self, progress: Progress) -> None: ...
    def planning(self, progress: Progress) -> None: ...
    def processing(self, states: Processing) -> None: ...
    def close(self) -> None: ...


def new_display(*, as_json: bool) -> Display:
    """Bars on a terminal, unless the JSON goes to it as well."""
    return _Bars() if sys.stderr.isatty() and not (as_json and sys.stdout.isatty()) else _Lines()


def show_states(processing: Processing) -> str:
    """How many files are in which state, in the order in which a file goes through them, and what some wait for."""
    states = dict(processing.states)
    put_off = sum(processing.put_off.values())
    states |= {"queued": states.get("queued", 0) - put_off, "made": processing.made}
    states["processing"] = states.get("processing", 0) - processing.made
    order = ("registered", "queued", "processing", "made", "ready", "failed")
    shown = [f"{states[state]:,} {state}" for state in order if states.get(state, 0) > 0]
    for code, count in sorted(processing.put_off.items()):
        shown.append(f"{count:,} waiting for {waited_for(code)}")
    return ", ".join(shown)


class _Rate:
    """How fast files are done, over the last half minute, and how long the rest takes at that.

    No time is told when few are done, or when none was for a while: those that are left take longer than others did.
    What was done before such a while counts no more: files that waited for something that was away go on as fast as
    others.
    """

    def __init__(self) -> None:
        self._points: list[tuple[float, int]] = []

    def describe(self, processing: Processing) -> str:
        now = time.monotonic()
        done = processing.states.get("ready", 0) + processing.states.get("failed", 0)
        left = sum(processing.states.values()) - done
        if len(self._points) == 1 and done == self._points[0][1]:
            self._points = []  # it counts from when the first one is done: until then, all may wait for their turn
        if processing.put_off and self._points and now - self._points[-1][0] > _RATE_SILENCE:
            self._points = []
        if not self._points or done != self._points[-1][1]:
            self._points.append((now, done))
        while len(self._points) > 2 and now - self._points[1][0] > _RATE_SECONDS:
            del self._points[0]
        (since, before), (at, after) = self._points[0], self._points[-1]
        if after - before < _RATE_LEAST or at - since < 1:
            return ""
        rate = (after - before) / (now - since)
        if now - at > max(_RATE_SILENCE, _RATE_MISSED / rate):
            return ""
        told = f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s" if rate >= 1 else f"{60 * rate:.0f}/min"
        return f"{told}, {show_clock(left / rate)} left" if left else told


class _Lines:
    """Off a terminal: plain lines, and now and then how far it is."""

    def __init__(self) -> None:
        self._said_at = time.monotonic()
        self._said = ""
        self._pace, self._rate = _Pace(), _Rate()

    def line(self, text: str) -> None:
        note(text)

    def sending(self, progress: Progress) -> None:
        self._now_and_then(_with_names(self._pace.describe(progress), _show_names(progress.names)))

    def planning(self, progress: Progress) -> None:
        self._now_and_then(_describe_found(progress))

    def processing(self, states: Processing) -> None:
        self._now_and_then(_with_names(_with_rate(states, self._rate), _show_working(states)))

    def close(self) -> None:
        pass

    def _now_and_then(self, text: str) -> None:
        now = time.monotonic()
        if text != self._said and now - self._said_at >= _PLAIN_SECONDS:
            note(text)
            self._said_at, self._said = now, text


class _Bars:
    """On a terminal: a bar (of bytes while sending, of files while they are processed), and below it the numbers.

    Below these, what is being worked on by name. All of it does not fit into one line of the 80 columns that a terminal
    has.
    """

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._started = time.monotonic()
        self._pace, self._rate = _Pace(), _Rate()
        self._doing, self._numbers, self._names = "starting", "", ""
        self._done: int = 0
        self._total: int | None = None
        self._console = Console(stderr=True, highlight=False)
        self._live = Live(
            get_renderable=self._render,
            console=self._console,
            refresh_per_second=8,
            transient=True,
            # Both are written to by what does not go through this console: stdout is for whoever reads the result.
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def line(self, text: str) -> None:
        from rich.text import Text

        color = {"failed": "red", "skipped": "yellow", "warning": "yellow", "ready": "green"}.get(
            text.split(" ", 1)[0], ""
        )
        self._console.print(Text(visible(text), style=color), soft_wrap=True)

    def sending(self, progress: Progress) -> None:
        self._numbers, self._names = self._pace.describe(progress), _show_names(progress.names)
        is_moving = progress.bytes_done or not progress.bytes_read
        self._doing = "fetching" if progress.is_fetching else "sending" if is_moving else "reading"
        self._done, self._total = progress.bytes_done, progress.bytes_found or None

    def planning(self, progress: Progress) -> None:
        self._doing, self._numbers = "planning", _describe_found(progress)

    def processing(self, states: Processing) -> None:
        self._doing, self._numbers = "processing", _with_rate(states, self._rate)
        self._names = _show_working(states)
        self._done = states.states.get("ready", 0) + states.states.get("failed", 0)
        self._total = sum(states.states.values()) or None

    def close(self) -> None:
        self._live.stop()

    def _render(self) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        doing, done, total = f"{self._doing:<10}", self._done, self._total
        share = f"{100 * done // total if total else 0:>3}%"
        elapsed = show_clock(time.monotonic() - self._started)
        room = min(self._console.width - 1, _WIDEST) - len(doing) - len(share) - len(elapsed) - 3
        bar = ProgressBar(total=total, completed=done, width=max(room, 1), pulse=total is None)
        row = Table.grid(padding=(0, 1, 0, 0))
        row.add_row(doing, bar, share, elapsed)
        below = [visible(text) for text in (self._numbers, self._names) if text]
        return Group(row, *(Text(" " * (len(doing) + 1) + text, no_wrap=True, overflow="ellipsis") for text in below))


class _Pace:
    """An upload's progress in numbers, with its speeds over the last few seconds."""

    def __init__(self) -> None:
        self._read, self._sent, self._done = _Speed(), _Speed(), _Speed()

    def describe(self, progress: Progress) -> str:
        """Files, bytes, speed and time left, as far as they are known; at most 69 characters up to a million files."""
        more = "+" if progress.is_walking else ""
        sent, read = self._sent.of(progress.bytes_sent), self._read.of(progress.bytes_read)
        # Of what is stored already nothing is sent: what is done tells better than what is sent how long it takes.
        done = self._done.of(progress.bytes_done)
        is_told = done and not progress.is_walking and progress.bytes_done > _TELLING_SHARE * progress.bytes_found
        left = (progress.bytes_found - progress.bytes_done) / done if is_told else 0
        parts = [
            f"{progress.files_done:,} of {progress.files_found:,}{more} files",
            f"{show_bytes(progress.bytes_done)} of {show_bytes(progress.bytes_found)}{more}",
            f"{show_bytes(sent)}/s" if sent else f"{show_bytes(read)}/s read" if read else "",
            f"{show_clock(left)} left" if left else "",
        ]
        return ", ".join(part for part in parts if part)


def _show_names(names: Sequence[str], count: int = 0) -> str:
    """Files by name, and how many more there are of so many."""
    more = f" and {count - len(names):,} more" if count > len(names) else ""
    return ", ".join(names) + more if names else ""


def _show_working(states: Processing) -> str:
    """What is being worked on."""
    return _show_names(states.names, states.states.get("processing", 0) - states.made)


def _with_names(numbers: str, names: str) -> str:
    return f"{numbers}: {names}" if names else numbers


def _with_rate(states: Processing, rate: _Rate) -> str:
    return ", ".join(filter(None, (show_states(states), rate.describe(states))))


def _describe_found(progress: Progress) -> str:
    return f"{progress.files_found:,} files, {show_bytes(progress.bytes_found)} found"


class _Speed:
    """Bytes a second over the last few seconds, from the first byte on."""

    def __init__(self) -> None:
        self._points: list[tuple[float, int]] = []

    def of(self, total: int) -> float:
        """The speed, when there are so many bytes in all now; 0 while it is not known."""
        now = time.monotonic()
        self._points = [point for point in self._points if now - point[0] < _SPEED_SECONDS and point[1]]
        self._points.append((now, total))
        (since, before), (now, after) = self._points[0], self._points[-1]
        return (after - before) / (now - since) if now - since > 0.5 else 0.0
