"""`dreamlake logs`: what the processes of the embedded stack log."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from .completion import complete_process

if TYPE_CHECKING:
    from pathlib import Path

_SUPERVISOR = "supervisor"
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def logs(
    processes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PROCESS",
            help="As `dreamlake status` calls them; none: all of them.",
            autocompletion=complete_process,
        ),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is added, until Ctrl-C.")] = False,
    lines: Annotated[
        int | None,
        typer.Option("--lines", "-n", min=0, help="So many of the last lines: 50 by default, of each of several 10."),
    ] = None,
) -> None:
    """Show the last lines that processes of the embedded stack logged.

    Of several processes, each line begins with the name of its own.
    """
    from ..stack import processlogs
    from .output import note

    chosen = _logs_of(processes or [])
    count = lines if lines is not None else 50 if len(chosen) == 1 else 10
    width = max(map(len, chosen)) if len(chosen) > 1 else 0
    if follow:
        for written in processlogs.follow(chosen, count):
            if written is not None:
                _say(written.process, written.line, width)
        return
    for process, log in chosen.items():
        for line in processlogs.last_lines(log, count):
            _say(process, line, width)
    if len(chosen) == 1:
        note(f"All of it: {next(iter(chosen.values()))}")


def _logs_of(names: list[str]) -> dict[str, Path]:
    """The logs of these processes, or of all. Raises NOT_FOUND, UNREACHABLE where no stack was ever started."""
    from ..errors import Code, DreamlakeError
    from ..nearest import did_you_mean, nearest
    from ..settings import Settings
    from ..stack import state
    from ..stack.processes import PROCESSES

    stack = state.load(home := Settings().home)
    if stack is None:
        raise DreamlakeError(
            Code.UNREACHABLE, f"No stack was ever started under {home}.", hint="`dreamlake up` starts one."
        )
    known = [*(process.name for process in PROCESSES), _SUPERVISOR]
    for name in names:
        if name not in known:
            raise DreamlakeError(
                Code.NOT_FOUND,
                f"The stack has no process {name!r}.",
                hint=did_you_mean(nearest(name, known)) or f"There are {', '.join(known)}.",
            )
    return {name: stack.log_of(name) for name in names or known}


def _say(process: str, line: str, width: int) -> None:
    from .output import say, style

    said = _COLOUR.sub("", line)
    say(f"{style(process.ljust(width), dim=True)}  {said}" if width else said)
