"""The `dreamlake` command as typer runs it: wrong values of options are told in plain words."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup


class Group(TyperGroup):
    """Verbs, whose options typer has pydantic read."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = _plain(error)
            raise


def _plain(error: typer.BadParameter) -> str:
    """What pydantic says of a value, without its own words for it."""
    from pydantic import ValidationError

    from ..problems import problem_of

    if not isinstance(error.__cause__, ValidationError):
        return error.message
    found = error.__cause__.errors(include_url=False)[0]
    return problem_of(found).replace("Input", repr(found["input"]), 1).removesuffix(".") + "."
