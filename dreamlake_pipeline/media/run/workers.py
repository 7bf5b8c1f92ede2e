"""Worker processes: everything that reads a stranger's file runs in one, and nothing that knows a secret does.

A file may crash a decoder, make it eat memory, never end, or take it over. Its worker then ends, by its own bounds or
by ours, and the next file gets a new one. What a worker says is values of the expected types (values.py) and files of
its own folder (room.py).
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from ...errors import Code, DreamlakeError
from ...machine import fault_of_machine
from .. import results
from . import build
from .bounds import Bounds
from .cage.layer import Layer
from .messages import Call, Callback, Failure, pickled
from .room import Room, Takings, TooMuchTaken, Untaken
from .start import Process, start
from .values import Message, Signature, UnexpectedValue, signature

log = logging.getLogger(__name__)

Result = TypeVar("Result")

_ATTEMPTS = 2  # a process may also die of what others do: the system, short of memory, picks one to kill
_MOST_CALLS = 5000  # of one process: what it leaks is gone then
_TICK = 0.5  # seconds between two looks at what a call has written; more where a look takes long
_START = 60.0  # seconds that a worker may take to start, on a machine that has much else to do
_LEAST_DISK, _MOST_RESERVE = 64 * 2**20, 2**30  # bytes that are left to databases and all others on the same disk
_MOST_TRACEBACK = 16_000  # characters of what a worker says, which go into the log of its run
_ERRORS = {one.__name__: one for one in (DreamlakeError, results.SoundOnly)}


class WorkerFault(Exception):
    """A fault of this program in a worker; its text is the traceback there."""


class Workers:
    """At most `count` worker processes, started when they are needed; their folders are below `scratch`, else in the
    system's place. All of them are of one owner. Safe to share between threads; close it, or use it as a context.

    `plan` are fields of cage/layer.py's Plan, in the place of those that are right here.
    """

    def __init__(self, count: int, scratch: Path | None = None, **plan: Any) -> None:
        self._free = threading.Semaphore(count)
        self._scratch, self._plan = scratch, plan
        self._idle: list[_Worker] = []
        self._lock = threading.Lock()
        self._closed = False
        self._stopped = threading.Event()

    def run(self, function: Callable[..., Result], *, subject: str, bounds: Bounds, **arguments: Any) -> Result:
        """`function(**arguments)` in a worker; it must be a module's own, its arguments plain values, or functions of
        ours, which are then called here with what its annotations say. So does the result have the annotated type.

        Raises the DreamlakeError that it raises, or that such a function raises here; MEDIA_TIMEOUT, MEDIA_TOO_LARGE
        for more than `bounds`; CRASHES_WORKER when the process died of it, twice; STACK_FAILED when there can be no
        worker; STORAGE_FULL, MACHINE_FAILED for what the machine lacks; WorkerFault. `subject` is the file's name for
        messages.
        """
        return self._run(_Task(function, arguments, subject, bounds, stopped=self._stopped))

    def make(
        self,
        maker: Callable[..., Result],
        source: Path,
        out: Path,
        *,
        subject: str,
        bounds: Bounds,
        **arguments: Any,
    ) -> Result:
        """`run` of a maker, `maker(source, out, …)`: it reads a file and makes others, which are in `out` then."""
        return self._run(_Task(maker, arguments, subject, bounds, source, out, stopped=self._stopped))

    def _run(self, task: _Task) -> Any:
        with self._free:
            for _ in range(_ATTEMPTS):
                one = self._take()
                try:
                    result = one.do(task)
                except _Died:
                    one.close()
                    continue
                except DreamlakeError:
                    # The call ended as calls do; a broken one has closed its worker.
                    self._give_back(one)
                    raise
                except BaseException:
                    one.close()
                    raise
                self._give_back(one)
                return result
        raise DreamlakeError(
            Code.CRASHES_WORKER,
            f"The process that read {task.subject} died of it, and so did the next one.",
            hint="Play it locally to see whether the original is whole, and upload it again.",
        )

    def layers(self) -> list[Layer]:
        """What the cage of a worker is here. Raises as `run` does for one that does not start."""
        with self._free:
            one = self._take()
            self._give_back(one)
            return one.layers

    def _take(self) -> _Worker:
        if self._stopped.is_set():
            raise _stopped()
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return _Worker(self._scratch, self._plan, self._stopped)

    def _give_back(self, one: _Worker) -> None:
        with self._lock:
            if not self._closed and not one.is_closed and one.calls < _MOST_CALLS:
                self._idle.append(one)
                return
        one.close()

    def stop(self) -> None:
        """End all calls soon, by STACK_FAILED; there can be no further ones."""
        self._stopped.set()

    def close(self) -> None:
        """End the idle processes; one that is at work ends with its call."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for one in idle:
            one.dismiss()
        for one in idle:
            one.close()

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class _Died(Exception):
    """The process ended before it answered, or says what makes no sense."""


class _Task:
    """What is asked of a worker, and how to read what it says to that."""

    def __init__(
        self,
        function: Callable[..., Any],
        arguments: dict[str, Any],
        subject: str,
        bounds: Bounds,
        source: Path | None = None,
        out: Path | None = None,
        *,
        stopped: threading.Event,
    ) -> None:
        self.stopped = stopped
        self.function, self.subject, self.bounds = function, subject, bounds.within(_most_seconds())
        self.source, self.out = source, out
        self.types: Signature = signature(function)
        self.callbacks = {name: value for name, value in arguments.items() if name in self.types.callbacks and value}
        self.arguments = arguments | {name: Callback(name) for name in self.callbacks}


@cache
def _most_seconds() -> float:
    from ...settings import Settings

    return Settings().file_seconds


class _Worker:
    """One process with its room, and one call at a time."""

    def __init__(self, scratch: Path | None, plan: Mapping[str, Any], stopped: threading.Event) -> None:
        self.calls = 0
        self.is_closed = False
        self._room = Room(scratch)
        try:
            self._process = start(self._room, plan)
        except BaseException:
            self._leave()
            raise
        try:
            self.layers = _told(self._process, stopped)
            _check(self.layers)
        except BaseException:
            self.close()
            raise

    def do(self, task: _Task) -> Any:
        """What the task gives. Raises _Died, DreamlakeError, WorkerFault. All but an error of the task itself are to be
        followed by `close`, which a broken bound has been already."""
        self.calls += 1
        arguments, place, takings = task.arguments, None, None
        if task.source and task.out:
            task.out.mkdir(parents=True, exist_ok=True)
            place = self._room.outputs / str(self.calls)
            takings = self._room.takings(place, task.out, task.bounds.output, task.bounds.files)
            arguments = arguments | {"source": self._room.lay(task.source), "out": place}
        call = Call(task.function, arguments, task.bounds, str(place) if place else None, build.known())
        conversation = _Conversation(self._process, task, takings, self._room)
        try:
            result = conversation.hold(call)
        except (OSError, EOFError, UnexpectedValue, Untaken) as error:
            if isinstance(error, TimeoutError):
                self.close()
                raise DreamlakeError(
                    Code.MEDIA_TIMEOUT,
                    f"{task.subject} took longer than {task.bounds.seconds:.0f} seconds and was stopped.",
                ) from None
            if (lack := fault_of_machine(error)) is not None:
                self.close()
                raise lack from error
            raise _Died from error
        except _TooMuch as error:
            self.close()
            raise error.args[0] from None
        except _Failed as failed:
            self._tidy(task)
            raise failed.args[0] from None
        except DreamlakeError:  # of a function that was called here: the worker waits for its answer
            self.close()
            raise
        self._tidy(task)
        return result

    def _tidy(self, task: _Task) -> None:
        if task.source:
            self._room.clear()

    def dismiss(self) -> None:
        """Tell the process to end, without waiting for it as `close` does."""
        self._process.dismiss()

    def close(self) -> None:
        """End the process, and what it started, and delete its room."""
        if not self.is_closed:
            self.is_closed = True
            self._process.kill()
            self._leave()

    def _leave(self) -> None:
        try:
            self._room.close()
        except OSError as fault:
            log.warning("The folder of a worker could not be deleted: %s", fault)


def _told(process: Process, stopped: threading.Event) -> list[Layer]:
    """What a new worker says of its cage. Raises STACK_FAILED for one that says nothing, and once all is `stopped`."""

    def look() -> None:
        if stopped.is_set():
            raise _stopped()

    try:
        message = Message(process.receive(time.monotonic() + _START, look), _take_nothing)
        match message.value:
            case ["ready", list(layers)]:
                return message.read(layers, list[Layer])
    except (OSError, EOFError, UnexpectedValue):
        pass
    raise DreamlakeError(
        Code.STACK_FAILED, "A worker process did not start.", hint="The log of the process `workers` may say why."
    )


def _check(layers: list[Layer]) -> None:
    """Name what is missing, once. Raises STACK_FAILED for it where the setting `cage` requires all."""
    missing = tuple(layer for layer in layers if not layer.holds)
    if not missing:
        return
    if _is_required():
        names = "; ".join(f"{layer.name}: {layer.why}" for layer in missing)
        raise DreamlakeError(
            Code.STACK_FAILED,
            f"DREAMLAKE_CAGE=require, and the cage of worker processes lacks layers here ({names}).",
            hint="docs/configuration.md says what each needs; DREAMLAKE_CAGE=auto works with what there is.",
        )
    _warn(missing)


@cache
def _warn(missing: tuple[Layer, ...]) -> None:
    for layer in missing:
        log.warning("The cage of worker processes lacks the layer %s: %s", layer.name, layer.why)


@cache
def _is_required() -> bool:
    from ...settings import Settings

    return Settings().cage == "require"


class _Failed(Exception):
    """The task raised the DreamlakeError that is the argument."""


class _TooMuch(Exception):
    """The task went over a bound; the argument is the DreamlakeError that says so."""


class _Conversation:
    """One call, from its being sent to its answer. Raises TimeoutError, and what `_Worker.do` says."""

    def __init__(self, process: Process, task: _Task, takings: Takings | None, room: Room) -> None:
        self._process, self._task, self._room = process, task, room
        self._claim = takings.take if takings else _take_nothing
        self._deadline = time.monotonic() + task.bounds.seconds
        self._look_at = time.monotonic() + _TICK

    def hold(self, call: Call) -> Any:
        """Say what is to be done, and answer what the worker asks until it has a result."""
        try:
            return self._hold(call)
        except TooMuchTaken:
            raise self._too_much() from None

    def _hold(self, call: Call) -> Any:
        self._process.send(pickled(call), self._deadline)
        while True:
            data = self._process.receive(self._deadline, self._look)
            message = Message(data, self._claim, self._task.bounds.answer)
            match message.value:
                case ["call", [str(name), list(given)]] if name in self._task.callbacks:
                    types = self._task.types.callbacks[name]
                    if len(given) != len(types):
                        raise UnexpectedValue
                    arguments = [message.read(value, kind) for value, kind in zip(given, types, strict=True)]
                    self._process.send(pickled(self._task.callbacks[name](*arguments)), self._deadline)
                case ["done", value]:
                    return message.read(value, self._task.types.result)
                case ["failed", value]:
                    raise _Failed(_error(message.read(value, Failure)))
                case ["fault", str(text)]:
                    raise WorkerFault(text[-_MOST_TRACEBACK:])
                case _:
                    raise UnexpectedValue

    def _look(self) -> None:
        """Raise when nobody waits for the result any more, when the room holds more than it may, or the disk less than
        everybody needs."""
        if self._task.stopped.is_set():
            raise _stopped()
        started = time.monotonic()
        if started < self._look_at:
            return
        task = self._task
        if self._room.used(task.bounds.output, task.bounds.files):
            raise self._too_much()
        disk = shutil.disk_usage(self._room.path)
        if disk.free < max(_LEAST_DISK, min(_MOST_RESERVE, disk.total // 50)):
            message = f"The disk of temporary files filled up while {task.subject} was processed."
            raise _TooMuch(DreamlakeError(Code.STORAGE_FULL, message))
        now = time.monotonic()
        self._look_at = now + max(_TICK, 20 * (now - started))

    def _too_much(self) -> _TooMuch:
        bounds = self._task.bounds
        return _TooMuch(
            DreamlakeError(
                Code.MEDIA_TOO_LARGE,
                f"{self._task.subject} became more than {bounds.output // 2**20} MiB or {bounds.files:,} files of "
                "output and was stopped.",
            )
        )


def _error(failure: Failure) -> DreamlakeError:
    try:
        code = Code(failure.code)
    except ValueError:
        raise UnexpectedValue from None
    kind = _ERRORS.get(failure.kind, DreamlakeError)
    try:
        return kind(code, failure.message, hint=failure.hint, **failure.details)
    except TypeError:  # a detail is called as another argument is
        raise UnexpectedValue from None


def _stopped() -> DreamlakeError:
    return DreamlakeError(Code.STACK_FAILED, "The work was stopped before its end.")


def _take_nothing(text: str) -> Path:
    raise Untaken
