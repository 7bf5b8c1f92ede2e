"""What pydantic finds to be wrong with a value, as a person is told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_OURS = "Value error, "  # pydantic puts it before what our own validators say


def problem_of(found: ErrorDetails) -> str:
    """What is wrong with a value; of what is no JSON, the reason."""
    message = found["msg"].removeprefix(_OURS)
    return f"{message}: {found['ctx']['error']}" if found["type"] == "json_invalid" else message
