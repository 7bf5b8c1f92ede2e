"""`dreamlake status`: what the embedded stack is doing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from ..errors import ExitCode
from .options import AsJson
from .output import note, plural, print_json
from .waits import waited_for

if TYPE_CHECKING:
    from ..stack.control import ProcessStatus


def status(as_json: AsJson = False) -> None:
    """Show each process of the embedded stack, each layer of the cage around what reads uploaded files, and how many
    files are how far. Exits 0 when all processes are healthy, else 3.

    With --json, one object a line, one for each process; the layers are the field `cage` of the process `workers`,
    the files the fields `files` and `waiting` of the process `bss`.
    """
    from ..settings import Settings
    from ..stack import control

    home = Settings().home
    processes = control.status(home)
    healthy = {process.name for process in processes if process.healthy}
    layers = control.cage_of(home) if "workers" in healthy else []
    work = control.work_of(home) if "bss" in healthy else None
    if as_json:
        for process in processes:
            more: dict[str, Any] = {}
            if process.name == "workers":
                more = {"cage": [layer.as_dict() for layer in layers]}
            elif process.name == "bss" and work:
                more = {"files": work.files, "waiting": work.waiting}
            print_json(process.as_dict() | more)
    else:
        _show(processes)
        for layer in layers:
            typer.echo(f"cage: {layer.name:<11} {layer.state:<12} {layer.why}")
        if work and work.files:
            typer.echo(f"files: {', '.join(f'{count:,} {status}' for status, count in work.files.items())}")
            for code, count in work.waiting.items():
                typer.echo(f"files: {count:,} of those queued wait for {waited_for(code)}")
    if not processes:
        note(f"No stack was ever started under {home}.")
    if not processes or not all(process.healthy for process in processes):
        raise typer.Exit(ExitCode.UNREACHABLE)


def _show(processes: list[ProcessStatus]) -> None:
    # What a person opens comes first, then the others in the order of starting.
    for process in sorted(processes, key=lambda process: process.name != "viewer"):
        typer.echo(_row(process))
    if any(process.state == "unsupervised" for process in processes):
        note(f"{processes[0].problem}.")
        return
    for process in processes:
        if not process.healthy and process.state != "stopped":
            note(f"{process.name}: {process.problem}. Its log is {process.log}.")


def _row(process: ProcessStatus) -> str:
    columns = [
        f"{process.name:<17}",
        f"{process.state:<12}",
        f"{'healthy' if process.healthy else '' if process.state == 'stopped' else 'not healthy':<11}",
        f"{f'pid {process.pid}' if process.pid else '':<11}",
        f"{'' if process.uptime is None else _show_uptime(process.uptime):<7}",
        process.login_url or process.url or "",
        f"({plural(process.restarts, 'restart')})" if process.restarts else "",
    ]
    return " ".join(columns).rstrip()


def _show_uptime(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s" if minutes else f"{rest}s"
