"""`dreamlake up`: start the embedded stack in the background."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import typer

from .options import AsJson
from .output import note, print_json

if TYPE_CHECKING:
    from ..stack.state import Stack


def up(as_json: AsJson = False) -> None:
    """Start the storage service (BSS), the index (DreamLake Server), the viewer, Dagster, Postgres and an S3 server.

    Waits until all are healthy. They run in the background, on 127.0.0.1 only. Harmless when they run already. With
    --json, prints what `dreamlake env --json` prints.
    """
    from ..settings import Settings
    from ..stack import control

    begun = time.monotonic()
    stack = control.up(Settings().home, note)
    note(f"The stack is up ({time.monotonic() - begun:.1f} s).")
    if missing := [layer.name for layer in control.cage_of(stack.home) if layer.state == "missing"]:
        note(f"The cage of what reads uploaded files lacks {', '.join(missing)} here: `dreamlake status` says why.")
    if as_json:
        print_json(stack.environment())
    else:
        typer.echo(describe(stack))


def describe(stack: Stack) -> str:
    """Every URL of the stack, for a person."""
    rows = [
        ("Viewer", f"{stack.url_of('viewer')}    (`dreamlake open` logs a browser in)"),
        ("Dagster", stack.login_url),
        ("BSS API", f"{stack.url_of('bss')}/docs"),
        ("Server API", f"{stack.url_of('server')}/docs"),
        ("S3", stack.url_of("s3")),
        ("Postgres", stack.url_of("postgres")),
        ("State, logs", stack.home),
        ("In a shell", 'eval "$(dreamlake env)"'),
    ]
    return "\n".join(f"{title:<13}{value}" for title, value in rows)
