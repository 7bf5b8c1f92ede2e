"""Which DreamLake a client talks to: the one of the environment, else the embedded stack that was started."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from ..errors import Code, DreamlakeError
from ..settings import Settings
from ..stack import state

_VARIABLES = {"remote": "DREAMLAKE_REMOTE", "bss_url": "DREAMLAKE_BSS_URL", "api_key": "DREAMLAKE_API_KEY"}
VIEWER_URL = "DREAMLAKE_VIEWER_URL"
_URLS = ("DREAMLAKE_REMOTE", "DREAMLAKE_BSS_URL")


class Addresses(NamedTuple):
    """Where both services are, and the token that they are talked to with."""

    remote: str
    bss_url: str
    api_key: str


def addresses(*, remote: str | None = None, bss_url: str | None = None, api_key: str | None = None) -> Addresses:
    """What is given, and what the environment says in the place of the rest; without any URL, the embedded stack's.

    A token that is given or in the environment goes before the stack's. Raises UNREACHABLE when there is nothing to
    talk to, USAGE when one URL is known without the other, or both without a token.
    """
    given = {"remote": remote, "bss_url": bss_url, "api_key": api_key}
    known = {_VARIABLES[name]: value for name, value in given.items() if value is not None}
    found = variables(os.environ | known)
    return Addresses(**{name: found[variable] for name, variable in _VARIABLES.items()})


def variables(environment: Mapping[str, str] = os.environ) -> Mapping[str, str]:
    """Both URLs, from one place, and the token, by the names of their variables. Raises UNREACHABLE, USAGE."""
    names = tuple(_VARIABLES.values())
    given = {name: value for name in names if (value := environment.get(name))}
    if any(name in given for name in _URLS):
        for name in names:
            if name not in given:
                raise DreamlakeError(
                    Code.USAGE,
                    f"{name} is not set.",
                    hint=f"Set all of {', '.join(names)}, or none to use the embedded stack.",
                )
        return given
    return stack_variables() | given


def viewer_url(environment: Mapping[str, str] = os.environ) -> str | None:
    """Where browsers find the viewer: as the environment says, else the embedded stack's, if that is the DreamLake that
    a client talks to; None when nobody says."""
    if url := environment.get(VIEWER_URL):
        return url
    if any(environment.get(name) for name in _URLS):
        return None
    return stack_variables().get(VIEWER_URL)


def stack_variables() -> dict[str, str]:
    """What the embedded stack under DREAMLAKE_HOME exports. Raises UNREACHABLE when none was started."""
    exports = state.environment(Settings().home)
    if exports is None:
        raise DreamlakeError(
            Code.UNREACHABLE,
            "No DreamLake is running.",
            hint="Start one with `dreamlake up`, or set DREAMLAKE_REMOTE, DREAMLAKE_BSS_URL and DREAMLAKE_API_KEY.",
        )
    return exports
