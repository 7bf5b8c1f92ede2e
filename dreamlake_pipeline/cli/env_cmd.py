"""`dreamlake env`: what a shell or another tool needs to reach the embedded stack."""

from __future__ import annotations

import shlex

import typer

from .connection import stack_variables
from .options import AsJson
from .output import print_json


def env(as_json: AsJson = False) -> None:
    """Print addresses and credentials of the embedded stack as shell exports: eval "$(dreamlake env)"."""
    variables = stack_variables()
    if as_json:
        print_json(variables)
    else:
        typer.echo("\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items()))
