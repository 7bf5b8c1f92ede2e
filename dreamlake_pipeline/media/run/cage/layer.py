"""What a cage consists of, and what of it there is here."""

from __future__ import annotations

import base64
import json
import sys
from dataclasses import asdict, dataclass
from typing import NamedTuple

from ..bounds import RESIDENT

NAMESPACES = "namespaces"
ROOT = "root"
USER = "user"
PRIVILEGES = "privileges"
LANDLOCK = "landlock"
SECCOMP = "seccomp"
LIMITS = "limits"

LAYERS = (NAMESPACES, ROOT, USER, LIMITS, PRIVILEGES, LANDLOCK, SECCOMP)  # in the order in which they are put on


class Layer(NamedTuple):
    """A layer, whether it holds here, and `why`: what it keeps away, or what is missing."""

    name: str
    holds: bool
    why: str


class Missing(Exception):
    """A layer, or a part of it, can't be had on this system; the text says why, to a person."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a worker needs to reach: its folders and ffmpeg, by absolute paths.

    `program` are seccomp's instructions; `no_program` is why there are none. All processes together may keep `resident`
    bytes in memory. `without` are layers that are left out, for tests of the others.
    """

    room: str
    ffmpeg: str
    program: bytes = b""
    no_program: str = ""
    resident: int = RESIDENT
    without: tuple[str, ...] = ()

    @property
    def inputs(self) -> str:
        return f"{self.room}/in"

    @property
    def outputs(self) -> str:
        return f"{self.room}/out"

    def __str__(self) -> str:
        return json.dumps(asdict(self) | {"program": base64.b64encode(self.program).decode()})


def parse(text: str) -> Plan:
    """The plan that `str()` wrote."""
    told = json.loads(text)
    return Plan(**told | {"program": base64.b64decode(told["program"]), "without": tuple(told["without"])})


def is_linux() -> bool:
    return sys.platform == "linux"
