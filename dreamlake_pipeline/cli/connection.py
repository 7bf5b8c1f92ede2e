"""Which DreamLake the command talks to: the one of the environment, else the embedded stack that was started."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..client import DreamLake


def connect() -> DreamLake:
    """A client. Raises UNREACHABLE when there is nothing to talk to, USAGE when it is only half described."""
    from ..client import DreamLake

    return DreamLake()


def namespace() -> str:
    """The namespace for targets that name none."""
    from ..settings import Settings

    return Settings().namespace


def variables() -> Mapping[str, str]:
    """Both URLs, from one place, and the key, by the names of their variables (client/connection.py)."""
    from ..client import connection

    return connection.variables()


def stack_variables() -> dict[str, str]:
    """What the embedded stack under DREAMLAKE_HOME exports. Raises UNREACHABLE when none was started."""
    from ..client import connection

    return connection.stack_variables()
