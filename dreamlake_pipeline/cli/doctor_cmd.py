"""`dreamlake doctor`: whether an installation works, looked at from this machine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import typer

from ..errors import ExitCode
from .options import AsJson

if TYPE_CHECKING:
    from ..checks import Finding


def doctor(as_json: AsJson = False) -> None:
    """Check the installation that the environment names, or the embedded stack: databases, bucket with each right,
    services, clocks, certificates, token, and what processes files. One line each, and what to do. Exits 1 when
    something is wrong.

    What it stores for a trial it takes away again. A machine that is only a client's has its part looked at.
    """
    from ..checks import installation
    from .output import note

    if name_stack():
        note("looking at the embedded stack, since the environment names no other DreamLake")
    if show(installation.check(), as_json=as_json):
        raise typer.Exit(ExitCode.SOME_FAILED)


def name_stack() -> bool:
    """Have this process see the embedded stack's variables where its environment names none; whether it does."""
    import os

    from ..settings import Settings
    from ..stack import state

    if any(os.environ.get(name) for name in ("DREAMLAKE_REMOTE", "DREAMLAKE_BSS_URL", "DREAMLAKE_POSTGRES_URL")):
        return False
    exports = state.environment(Settings().home)
    if exports is None:
        return False
    os.environ.update(exports)
    return True


def show(findings: Iterable[Finding], *, as_json: bool) -> bool:
    """Print each finding when it comes; whether something is wrong."""
    from ..checks import Level
    from .output import plural, print_json, say, style

    colors = {Level.OK: "green", Level.WARNING: "yellow", Level.WRONG: "red", Level.LEFT_OUT: "bright_black"}
    counts = dict.fromkeys(Level, 0)
    for finding in findings:
        counts[finding.level] += 1
        if as_json:
            print_json(finding.as_dict())
            continue
        hint = f". {finding.hint}." if finding.hint else ""
        level = style(f"{finding.level:<8}", fg=colors[finding.level])
        say(f"{level}  {finding.part:<24} {finding.what}{hint}")
    if not as_json:
        say(f"{counts[Level.WRONG]} wrong, {plural(counts[Level.WARNING], 'warning')}, {counts[Level.OK]} ok")
    return counts[Level.WRONG] > 0
