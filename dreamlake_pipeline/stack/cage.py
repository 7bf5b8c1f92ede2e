"""What the cage of worker processes consists of on this machine: the worker server is asked, over its socket."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from typing import Any

from .state import Stack

_TIMEOUT = 20  # seconds: a worker is started for the answer


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer, whether it holds here, and `why`: what it keeps away, or what is missing. So is `libav` told of, which
    is no wall, but what the walls stand around: whether its release has known holes."""

    name: str
    holds: bool
    why: str

    @property
    def is_of_the_cage(self) -> bool:
        """Whether it is a layer, and no remark: `libav` tells what the cage stands around."""
        return self.name != "libav"

    @property
    def state(self) -> str:
        """In a word."""
        return "holds" if self.holds else "missing" if self.is_of_the_cage else "outdated"

    def as_dict(self) -> dict[str, Any]:
        """The JSON object in the field `cage` of `dreamlake status --json`."""
        return {"layer": self.name, "holds": self.holds, "why": self.why}


def layers(stack: Stack) -> list[Layer]:
    """Every layer; none when the worker server does not answer."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_TIMEOUT)
            connection.connect(str(stack.worker_socket))
            connection.sendall(b'{"layers": true}\n')
            connection.shutdown(socket.SHUT_WR)
            with connection.makefile("rb") as answer:
                return [Layer(*told) for told in json.loads(answer.read() or b"[]")]
    except (OSError, ValueError, TypeError):
        return []
