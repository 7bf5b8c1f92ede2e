"""What a check found: one line that says what is so and, where that is not well, what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ..errors import DreamlakeError


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"
    LEFT_OUT = "left out"  # this machine is not told of the part, and may need none


@dataclass(frozen=True, slots=True)
class Finding:
    """`part` in a word or two, `what` is so, and `hint`: what to do, for a warning and for what is wrong."""

    level: Level
    part: str
    what: str
    hint: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The JSON object of `dreamlake doctor --json`."""
        return {"level": str(self.level), "part": self.part, "what": self.what, "hint": self.hint or None}


def ok(part: str, what: str) -> Finding:
    return Finding(Level.OK, part, what)


def warning(part: str, what: str, hint: str) -> Finding:
    return Finding(Level.WARNING, part, what, hint)


def wrong(part: str, what: str, hint: str = "") -> Finding:
    return Finding(Level.WRONG, part, what, hint)


def left_out(part: str, variable: str) -> Finding:
    return Finding(Level.LEFT_OUT, part, f"{variable} is not set")


def of_error(part: str, error: DreamlakeError, hint: str = "") -> Finding:
    """What an error of ours says, with its own hint where it has one."""
    return wrong(part, error.message.rstrip("."), error.hint or hint)


def guarded(part: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """What a check yields; a fault that it does not know is a finding, too, and ends it."""
    try:
        yield from check()
    except DreamlakeError as error:
        yield of_error(part, error)
    except Exception as fault:
        yield wrong(part, f"the check broke off: {type(fault).__name__}: {first_line(fault)}")


def first_line(fault: BaseException) -> str:
    return next((line.strip() for line in str(fault).splitlines() if line.strip()), "")
