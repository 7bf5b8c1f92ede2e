"""What goes to the terminal: results on stdout, everything else on stderr; JSON is one object a line.

All text goes through `say`, and so by the rule of `visible.py`: only our own styles reach the terminal as such.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import typer

from ..visible import visible

if TYPE_CHECKING:
    from ..api.common import Model

# Stands for the escape character of our own styles until they are printed. No file can hold it.
_ESCAPE = f"<{secrets.token_hex(16)}>"
_STYLE = re.compile(rf"{_ESCAPE}\[[0-9;]*m")

_BETWEEN = "  "  # two columns of a table
_LEAST_COLUMN = 20  # columns of a terminal that the widest column of a table has at the least
_LEAST_NAME = 12
_TREE = "│├└─ "  # what stands before a name in a tree


class Interrupted(Exception):
    """Ctrl-C, with a sentence that says what remains and how to go on."""


def say(text: str = "", *, err: bool = False) -> None:
    """One line of text and of what `style` made."""
    typer.echo(visible(text).replace(_ESCAPE, "\x1b"), err=err)


def style(text: str, **how: Any) -> str:
    """The text with a style (as `typer.style` takes it) around, to be said."""
    return typer.style(visible(text), **how).replace("\x1b", _ESCAPE)


def complain(message: str, hint: str | None = None) -> None:
    """One line that says what is wrong, with further ones indented, and one that says what to do."""
    _tell("error", "red", message, hint)


def warn(message: str, hint: str | None = None) -> None:
    """What is not as somebody may expect, though nothing failed; in the form of `complain`."""
    _tell("warning", "yellow", message, hint)


def _tell(word: str, color: str, message: str, hint: str | None) -> None:
    first, *more = message.split("\n")
    say(f"{style(f'{word}:', fg=color, bold=True)} {first}", err=True)
    for line in more:
        say(f"    {line.removeprefix('    ')}", err=True)
    if hint:
        say(f"{style('hint:', fg='cyan', bold=True)} {hint}", err=True)


def note(message: str) -> None:
    """A remark that is no result."""
    say(message, err=True)


def print_json(value: dict[str, Any]) -> None:
    """One JSON object on a line of its own, at once."""
    typer.echo(json.dumps(value))


def show_bytes(count: float) -> str:
    """A number of bytes for people, in powers of 1000."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(count) < 999.5 or unit == "TB":
            return f"{count:.0f} {unit}" if unit == "B" or count >= 99.95 else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError("the last unit returns")


def show_bits(count: float) -> str:
    """Bits per second for people."""
    return f"{count / 1e6:.2f} Mbit/s" if count >= 999_500 else f"{count / 1e3:.0f} kbit/s"


def show_seconds(seconds: float | None) -> str:
    """A duration for people; empty when it is not known."""
    if seconds is None:
        return ""
    for unit, length in (("ns", 1e-9), ("µs", 1e-6), ("ms", 1e-3)):
        if 0 < seconds < min(999.5 * length, 0.0995):
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.1f} s" if seconds < 60 else show_clock(seconds)


def show_clock(seconds: float) -> str:
    """A duration as on a clock: 0:05, 12:34, 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def show_files(count: int, size: int) -> str:
    """A number of files, and of bytes in them."""
    return f"{plural(count, 'file')}, {show_bytes(size)}"


def plural(count: int, what: str, many: str | None = None) -> str:
    """A number of things; `many` is the word for several where it is not `what` with an s."""
    return f"{count:,} {what if count == 1 else many or f'{what}s'}"


def as_returned(model: Model) -> dict[str, Any]:
    """The JSON object as the service returned it."""
    return model.model_dump(mode="json", by_alias=True)


def terminal_width() -> int | None:
    """The columns of the terminal that stdout is; None where it is none, and nothing is cut or wrapped."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def print_columns(rows: Sequence[Sequence[str]]) -> None:
    """Rows of text with their columns aligned, as far as the terminal has room for it."""
    for line in align(rows, room=terminal_width()):
        say(line)


def align(rows: Sequence[Sequence[str]], *, room: int | None = None, is_cut: bool = False) -> Iterator[str]:
    """A line for each row, their columns aligned; styles do not count as width.

    With `room`, the widest column but the last, which pads nothing, gets as many columns of the terminal as the others
    leave. A cell that is longer is shortened in its middle, so that the line fits, if `is_cut`; else it moves what
    comes after it.
    """
    shown = [[visible(cell) for cell in row] for row in rows]
    widths = [max(width(cell) for cell in column) for column in zip(*shown, strict=True)]
    if room is not None and len(widths) > 1:
        widest = max(range(len(widths) - 1), key=widths.__getitem__)
        others = sum(widths) - widths[widest] + len(_BETWEEN) * (len(widths) - 1)
        widths[widest] = min(widths[widest], max(room - others, _LEAST_COLUMN))
        if is_cut:
            for row in shown:
                row[widest] = shorten(row[widest], widths[widest])
    for row in shown:
        cells = [cell + " " * (most - width(cell)) for cell, most in zip(row, widths, strict=True)]
        yield _BETWEEN.join(cells).rstrip()


def width(text: str) -> int:
    """How many columns of a terminal a text takes, without its styles."""
    bare = unstyle(text)
    if bare.isascii():
        return len(bare)
    from rich.cells import cell_len

    return cell_len(bare)


def shorten(text: str, most: int) -> str:
    """A text of at most so many columns: of a name that is too long, `…` stands for the middle. The lines of a tree
    before it, and a style around it, stay; where they leave it next to nothing, it takes more columns than there
    are."""
    bare = unstyle(text)
    name = bare.lstrip(_TREE)
    left = max(most - width(bare[: len(bare) - len(name)]), _LEAST_NAME)
    if width(name) <= left:
        return text
    left -= 1
    start, end = _beginning(name, left - left // 2), _beginning(name[::-1], left // 2)[::-1]
    return text.replace(name, f"{start}…{end}", 1)


def _beginning(text: str, most: int) -> str:
    """As many of its characters as fit into so many columns."""
    taken = 0
    for at, char in enumerate(text):
        taken += width(char)
        if taken > most:
            return text[:at]
    return text


def unstyle(text: str) -> str:
    return _STYLE.sub("", text)


_STATUS_COLORS = {"ready": "green", "failed": "red", "processing": "cyan", "queued": "cyan", "registered": "yellow"}


def show_status(status: str) -> str:
    return style(status, fg=_STATUS_COLORS.get(status))
