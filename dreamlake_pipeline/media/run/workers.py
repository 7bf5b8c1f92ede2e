"""Worker processes for media that is handled inside Python: what one file does to its process, no other notices.

A file of strangers may crash a decoder, make it eat memory, or never end. Its worker then ends, by its own bounds or
by ours, and the next file gets a new one. Workers know nothing that is worth stealing: their environment is empty.
"""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

from ...errors import Code, DreamlakeError
from .. import results
from . import worker

Result = TypeVar("Result")

# Modules whose types are in answers.
_VALUES = (results.__name__, "fractions", "pathlib")

_ATTEMPTS = 2  # a process may also die of what others do: the system, short of memory, picks one to kill
_MOST_CALLS = 5000  # of one process: what it leaks is gone then

_ENVIRONMENT = {
    "PATH": os.defpath,
    "LC_ALL": "C.UTF-8",
    # More threads would only take memory: the files are short, and there are other workers.
    "OPENBLAS_NUM_THREADS": "1",
    # glibc gives large blocks back to the system at once, and each file needs the same ones again: a sixth of the time.
    "MALLOC_MMAP_THRESHOLD_": str(64 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(128 * 2**20),
}


class Workers:
    """At most `count` worker processes, started when they are needed. Safe to share between threads; close it, or use
    it as a context manager."""

    def __init__(self, count: int) -> None:
        self._free = threading.Semaphore(count)
        self._idle: list[_Worker] = []
        self._lock = threading.Lock()
        self._closed = False

    def run(self, function: Callable[..., Result], *, subject: str, seconds: float, **arguments: Any) -> Result:
        """`function(**arguments)` in a worker; it must be a module's own, its arguments and result plain values.

        Raises the DreamlakeError that it raises; MEDIA_TIMEOUT after `seconds`; MEDIA_CORRUPT when the process died
        of it, twice. `subject` is the file's name for messages.
        """
        call = (function, arguments, seconds)
        with self._free:
            for _ in range(_ATTEMPTS):
                one = self._take()
                try:
                    verdict, value = one.ask(call, seconds)
                except _Died:
                    one.kill()
                    continue
                except TimeoutError:
                    one.kill()
                    raise DreamlakeError(
                        Code.MEDIA_TIMEOUT, f"{subject} took longer than {seconds:.0f} seconds and was stopped."
                    ) from None
                except BaseException:
                    one.kill()
                    raise
                self._give_back(one)
                if verdict == "failed":
                    code, message, hint, details = value
                    raise DreamlakeError(Code(code), message, hint=hint, **details)
                result: Result = value
                return result
        raise DreamlakeError(
            Code.MEDIA_CORRUPT,
            f"{subject} is damaged: the process that read it died of it.",
            hint="Play it locally to see whether the original is whole, and upload it again.",
        )

    def _take(self) -> _Worker:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return _Worker()

    def _give_back(self, one: _Worker) -> None:
        with self._lock:
            if not self._closed and one.calls < _MOST_CALLS:
                self._idle.append(one)
                return
        one.kill()

    def close(self) -> None:
        """End the idle processes; one that is at work ends with its call."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for one in idle:
            one.kill()

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class _Died(Exception):
    """The process ended before it answered."""


class _Answer(pickle.Unpickler):
    """Only values are taken from a worker: what a file made of it might answer with calls instead."""

    def find_class(self, module: str, name: str) -> Any:
        """A type that results are made of. Raises UnpicklingError for anything else."""
        if module in _VALUES and "." not in name:
            found = super().find_class(module, name)
            if isinstance(found, type):
                return found
        raise pickle.UnpicklingError(f"an answer with {module}.{name} in it")


class _Worker:
    """One process, with one call at a time."""

    def __init__(self) -> None:
        self.calls = 0
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-m", worker.__name__],
            env=_ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        os.set_blocking(self._process.stdin.fileno(), False)

    def ask(self, call: Any, seconds: float) -> tuple[str, Any]:
        """The answer. Raises _Died, or TimeoutError."""
        self.calls += 1
        deadline = time.monotonic() + seconds
        try:
            self._send(worker.packed(call), deadline)
            return self._receive(deadline)
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            if isinstance(error, TimeoutError):
                raise
            raise _Died from None

    def _send(self, message: bytes, deadline: float) -> None:
        """Write a message, which may be more than the pipe holds: who does not read it is out of time."""
        assert self._process.stdin is not None
        pipe = self._process.stdin.fileno()
        left = memoryview(message)
        with selectors.PollSelector() as selector:
            selector.register(pipe, selectors.EVENT_WRITE)
            while left:
                if not selector.select(max(0, deadline - time.monotonic())):
                    raise TimeoutError
                left = left[os.write(pipe, left) :]

    def _receive(self, deadline: float) -> tuple[str, Any]:
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        received, wanted = bytearray(), 8
        with selectors.PollSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while len(received) < wanted:
                if not selector.select(max(0, deadline - time.monotonic())):
                    raise TimeoutError
                data = os.read(pipe, 1 << 20)
                if not data:
                    raise EOFError
                received += data
                if wanted == 8 and len(received) >= 8:
                    wanted += int.from_bytes(received[:8], "big")
        answer: tuple[str, Any] = _Answer(io.BytesIO(received[8:])).load()
        return answer

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()
