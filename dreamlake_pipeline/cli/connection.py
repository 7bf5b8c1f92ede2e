"""Which DreamLake the command talks to: the one of the environment, else the embedded stack that was started."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..errors import Code, DreamlakeError

if TYPE_CHECKING:
    from ..client import DreamLake

_URLS = ("DREAMLAKE_REMOTE", "DREAMLAKE_BSS_URL")
_KEY = "DREAMLAKE_API_KEY"


def connect() -> DreamLake:
    """A client. Raises UNREACHABLE when there is nothing to talk to, USAGE when it is only half described."""
    from ..client import DreamLake
    from ..settings import Settings

    known = variables()
    return DreamLake(
        remote=known["DREAMLAKE_REMOTE"],
        bss_url=known["DREAMLAKE_BSS_URL"],
        api_key=known[_KEY],
        namespace=namespace(),
        cache=Settings().cache,
    )


def namespace() -> str:
    """The namespace for targets that name none."""
    from ..settings import Settings

    return Settings().namespace


def variables() -> Mapping[str, str]:
    """Both URLs, from one place, and the key; a key in the environment goes before the stack's."""
    given = {name: value for name in (*_URLS, _KEY) if (value := os.environ.get(name))}
    if any(name in given for name in _URLS):
        for name in (*_URLS, _KEY):
            if name not in given:
                raise DreamlakeError(
                    Code.USAGE,
                    f"{name} is not set.",
                    hint=f"Set all of {', '.join((*_URLS, _KEY))}, or none to use the embedded stack.",
                )
        return given
    return stack_variables() | given


def stack_variables() -> dict[str, str]:
    """What the embedded stack under DREAMLAKE_HOME exports. Raises UNREACHABLE when none was started."""
    from ..settings import Settings
    from ..stack import state

    home = Settings().home
    exports = state.environment(home)
    if exports is None:
        raise DreamlakeError(
            Code.UNREACHABLE,
            "No DreamLake is running.",
            hint="Start one with `dreamlake up`, or set DREAMLAKE_REMOTE, DREAMLAKE_BSS_URL and DREAMLAKE_API_KEY.",
        )
    return exports
