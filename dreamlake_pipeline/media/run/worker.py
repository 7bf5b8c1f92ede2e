"""A worker process: reads calls, does what they say, and answers, until its run has nothing more to say.

start.py starts one by `python -I -m dreamlake_pipeline.media.run.worker PLAN`, which is then its keeper.
"""

from __future__ import annotations

import errno
import os
import resource
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from ...errors import Code, DreamlakeError
from ...machine import fault_of_machine, is_short_of_memory
from . import build
from .bounds import OPEN_FILES, Bounds
from .cage import namespaces
from .cage.keeper import keep
from .cage.layer import Layer, Plan, parse
from .messages import Call, Callback, Failure, framed, receive
from .values import pack

_MOST_TRACEBACK = 8000  # characters
_at_start = 0  # bytes of address space that libraries had taken when the process was forked


def serve(calls: BinaryIO, answers: BinaryIO) -> None:
    """Answer calls until there are none any more."""
    wire = _Wire(calls, answers)
    while True:
        try:
            call: Call = receive(calls)
        except EOFError:
            return
        answer = _answer(call, wire)
        if os.getpid() == 1:
            namespaces.end_others()
        wire.send(answer)


def _answer(call: Call, wire: _Wire) -> bytes:
    _bound(call.bounds)
    build.tell(call.build)
    arguments = {name: wire.given(value) for name, value in call.arguments.items()}
    try:
        if call.out:
            Path(call.out).mkdir()
        return pack(["done", call.function(**arguments)])
    except DreamlakeError as error:
        return _failure(error)
    except Exception as fault:
        known = _bound_that_broke(fault) or fault_of_machine(fault)
        return _failure(known) if known else _fault()


def _bound_that_broke(fault: Exception) -> DreamlakeError | None:
    """The error of a file that wants more than one may take of what the cage bounds; None for any other fault, among
    them what the machine lacks for everybody."""
    number = fault.errno if isinstance(fault, OSError) else None
    if (isinstance(fault, MemoryError) or number == errno.ENOMEM) and not is_short_of_memory():
        return DreamlakeError(Code.MEDIA_TOO_LARGE, "It needs more memory than one file may take.")
    if number == errno.EFBIG:
        return DreamlakeError(Code.MEDIA_TOO_LARGE, "It became more output than one file may.")
    if number == errno.EMFILE and resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= OPEN_FILES:
        return DreamlakeError(Code.MEDIA_TOO_LARGE, "It needs more open files than one file may take.")
    return None


def _failure(error: DreamlakeError) -> bytes:
    return pack(["failed", Failure(type(error).__name__, str(error.code), error.message, error.hint, error.details)])


def _fault() -> bytes:
    return pack(["fault", traceback.format_exc()[-_MOST_TRACEBACK:]])


class _Wire:
    """The two pipes to the run, which a call's threads share."""

    def __init__(self, calls: BinaryIO, answers: BinaryIO) -> None:
        self._calls, self._answers = calls, answers
        self._lock = threading.Lock()

    def send(self, message: bytes) -> None:
        self._answers.write(framed(message))
        self._answers.flush()

    def given(self, value: Any) -> Any:
        """An argument; where it is one of the run's functions, what calls that."""
        return partial(self._call, value.name) if isinstance(value, Callback) else value

    def _call(self, name: str, *arguments: Any) -> Any:
        with self._lock:
            self.send(pack(["call", [name, arguments]]))
            return receive(self._calls)


def _bound(bounds: Bounds) -> None:
    """The run's own clock and count hold without this; these hold for what it does not see in time."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    # Of each process by itself, and ffmpeg has several threads.
    _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime + bounds.seconds * (os.cpu_count() or 1)) + 1)
    _limit(resource.RLIMIT_AS, _at_start + bounds.memory)
    _limit(resource.RLIMIT_FSIZE, bounds.output)


def _limit(limit: int, value: int) -> None:
    hard = resource.getrlimit(limit)[1]
    with suppress(ValueError, OSError):  # a system may not know a limit
        resource.setrlimit(limit, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def at(calls: int, answers: int) -> Callable[[Plan, list[Layer]], None]:
    """What a caged process does, which reads and writes at these descriptors: say what its cage is, and serve."""
    return partial(_work, calls, answers, _addresses())


def _work(calls: int, answers: int, addresses: int, plan: Plan, layers: list[Layer]) -> None:
    # Libraries may print: that is nobody's.
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in {0, 1, 2} - {calls, answers}:
        os.dup2(nowhere, stream)
    global _at_start
    _at_start = addresses
    os.environ["TMPDIR"] = plan.outputs
    build.work_with(plan.ffmpeg)
    with os.fdopen(calls, "rb") as reading, os.fdopen(answers, "wb") as writing:
        _Wire(reading, writing).send(pack(["ready", layers]))
        serve(reading, writing)


def _addresses() -> int:
    """Bytes of address space of this process; a guess where there is no /proc."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        return 2**30


def main() -> None:
    sys.exit(keep(parse(sys.argv[1]), 0, 1, at(0, 1)))


if __name__ == "__main__":
    main()
