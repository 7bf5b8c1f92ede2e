"""`dreamlake down`: stop the embedded stack."""

from __future__ import annotations

import typer

from .options import AsJson
from .output import note, print_json


def down(as_json: AsJson = False) -> None:
    """Stop exactly what `dreamlake up` started. Data stay, and the next `up` finds them."""
    from ..settings import Settings
    from ..stack import control

    home = Settings().home
    stopped = control.down(home, note)
    if as_json:
        print_json({"stopped": stopped})
    else:
        typer.echo("The stack is stopped." if stopped else f"No stack runs under {home}.")
