"""A run of ffmpeg that reads what another one writes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from types import TracebackType

from .ffmpeg import Finished


class Pipe:
    """As a context: `work` runs beside it, and is given the descriptor from which it reads what is written here.

    Leaving it waits for `work` to end. What that raises is raised then.
    """

    def __init__(self, work: Callable[[int], Finished]) -> None:
        self._work = work
        self._finished: Finished | None = None
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="pipe")

    def __enter__(self) -> Pipe:
        self._reading, self._writing = os.pipe()
        self._thread.start()
        return self

    def _run(self) -> None:
        try:
            self._finished = self._work(self._reading)
        except BaseException as fault:
            self._fault = fault
        finally:
            os.close(self._reading)  # whoever writes is told by this that nobody reads any more

    def write(self, data: bytes) -> None:
        """Raises BrokenPipeError when `work` has ended; leaving the context then raises what ended it."""
        left = memoryview(data)
        while left:
            left = left[os.write(self._writing, left) :]

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        os.close(self._writing)
        self._thread.join()
        if self._fault is not None and (error is None or isinstance(error, BrokenPipeError)):
            raise self._fault from None

    def result(self) -> Finished:
        assert self._finished is not None
        return self._finished
