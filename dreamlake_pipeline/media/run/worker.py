"""A worker process: `python -I -m dreamlake_pipeline.media.run.worker`, started by workers.py and by nobody else.

It reads calls from stdin and writes answers to stdout until stdin ends, and bounds itself before it does.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import resource
import sys
from typing import Any, BinaryIO

from ...errors import Code, DreamlakeError

_MEMORY = 2 * 2**30  # address space; a file at work takes a hundredth of it
_FILE = 512 * 2**20  # bytes of any file that is written


def packed(message: Any) -> bytes:
    """A message as it is sent: its length in 8 bytes, and itself."""
    body = pickle.dumps(message)
    return len(body).to_bytes(8, "big") + body


def serve(calls: BinaryIO, answers: BinaryIO) -> None:
    """Answer calls, `(function, arguments, seconds)`, with `("done", result)` or `("failed", error)`."""
    while True:
        try:
            function, arguments, seconds = receive(calls)
        except EOFError:
            return
        _bound_time(seconds)
        try:
            answer = ("done", function(**arguments))
        except DreamlakeError as error:
            answer = ("failed", (str(error.code), error.message, error.hint, error.details))
        except MemoryError:
            answer = ("failed", (str(Code.MEDIA_TOO_LARGE), "It needs more memory than one file may take.", None, {}))
        answers.write(packed(answer))
        answers.flush()


def receive(stream: BinaryIO) -> Any:
    """Read one message. Raises EOFError where there is none any more."""
    head = stream.read(8)
    body = stream.read(int.from_bytes(head, "big")) if len(head) == 8 else b""
    if not body:
        raise EOFError
    return pickle.loads(body)  # noqa: S301 (both ends are this program)


def _bound(limit: int, value: int) -> None:
    with contextlib.suppress(ValueError, OSError):  # a system may not know a limit, or have a lower one
        resource.setrlimit(limit, (value, resource.getrlimit(limit)[1]))


def _bound_time(seconds: float) -> None:
    """The parent's clock ends a call that takes too long; this one holds when there is no parent any more."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _bound(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime + seconds) + 1)


def main() -> None:
    # Libraries may print: that must not get between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _bound(resource.RLIMIT_AS, _MEMORY)
    _bound(resource.RLIMIT_FSIZE, _FILE)
    _bound(resource.RLIMIT_CORE, 0)
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
