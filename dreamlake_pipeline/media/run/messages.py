"""How a run and its worker talk, over two pipes: calls are pickled, since a worker believes its run; what a worker
says is read as values (values.py), since a run believes no worker.

    run -> worker   Call, and for each callback that the worker calls, what it gave back
    worker -> run   ["ready", told]  once; then for each call any number of ["call", [name, arguments]], and one of
                    ["done", result], ["failed", Failure], ["fault", traceback]
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple

from .bounds import Bounds
from .build import Build

HEAD = 8  # bytes that say how long a message is


@dataclass(frozen=True, slots=True)
class Callback:
    """Stands for an argument that is called in the run."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """What a worker is to do. `out` is a folder to be made before, `build` the ffmpeg that is known to the run."""

    function: Callable[..., Any]
    arguments: dict[str, Any]
    bounds: Bounds
    out: str | None
    build: Build | None


class Failure(NamedTuple):
    """A DreamlakeError, by the name of its class."""

    kind: str
    code: str
    message: str
    hint: str | None
    details: dict[str, Any]


def framed(body: bytes) -> bytes:
    return len(body).to_bytes(HEAD, "big") + body


def pickled(message: Any) -> bytes:
    return framed(pickle.dumps(message))


def receive(stream: BinaryIO) -> Any:
    """Read what the run sent. Raises EOFError where there is nothing any more."""
    head = stream.read(HEAD)
    body = stream.read(int.from_bytes(head, "big")) if len(head) == HEAD else b""
    if not body:
        raise EOFError
    return pickle.loads(body)  # noqa: S301 (from the run, to which this process belongs)
