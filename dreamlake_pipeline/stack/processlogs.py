"""The logs of the stack's processes: their last lines, and what is added to them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

_BLOCK = 64 * 1024
_LONGEST = 16 * _BLOCK  # bytes of a line that does not end, and of all that is read for the last lines
_POLL_SECONDS = 0.3


class Written(NamedTuple):
    """A line that a process has written, without its end."""

    process: str
    line: str


def last_lines(log: Path, count: int) -> list[str]:
    """The last lines of a log, of its last MiB; none if it is not there."""
    try:
        with log.open("rb") as file:
            return _last_lines(file, count)
    except FileNotFoundError:
        return []


def follow(logs: Mapping[str, Path], count: int) -> Iterator[Written | None]:
    """The last lines of each log, by the name of its process, and then for ever what is added to any of them; None
    whenever there is nothing new. A log that is rotated is read to its end, and then the new one."""
    followed = {process: _Followed(log, count) for process, log in logs.items()}
    while True:
        is_idle = True
        for process, one in followed.items():
            for line in one.new_lines():
                is_idle = False
                yield Written(process, line)
        if is_idle:
            yield None
            time.sleep(_POLL_SECONDS)


class _Followed:
    """A log that is read on as it grows."""

    def __init__(self, log: Path, count: int) -> None:
        self._log = log
        self._file: BufferedReader | None = None
        self._rest = b""  # what comes after the last end of a line
        self._first = [*last_lines(log, count)]
        if self._open():
            assert self._file is not None, "it was just opened"
            self._file.seek(0, os.SEEK_END)

    def new_lines(self) -> Iterator[str]:
        """What was added since the last time, in whole lines."""
        yield from self._first
        self._first = []
        if self._file is None and not self._open():
            return
        yield from self._read()
        if self._is_replaced() and self._file is not None:
            yield from self._read()  # what was added before it was
            self._file.close()
            self._file = None

    def _open(self) -> bool:
        try:
            self._file = self._log.open("rb")
        except FileNotFoundError:
            return False
        return True

    def _read(self) -> Iterator[str]:
        assert self._file is not None, "it is opened before it is read"
        while block := self._file.read(_BLOCK):
            *lines, self._rest = (self._rest + block).split(b"\n")
            yield from map(_text, lines)
            if len(self._rest) > _LONGEST:
                yield _text(self._rest)
                self._rest = b""

    def _is_replaced(self) -> bool:
        """Whether another file has the log's name, or it was emptied."""
        assert self._file is not None, "it is opened before it is asked for"
        here = os.fstat(self._file.fileno())
        try:
            now = self._log.stat()
        except FileNotFoundError:
            return False
        return now.st_ino != here.st_ino or now.st_size < self._file.tell()


def _last_lines(file: BufferedReader, count: int) -> list[str]:
    end = start = file.seek(0, os.SEEK_END)
    read = b""
    while start and read.count(b"\n") <= count and end - start < _LONGEST:
        start = max(0, start - _BLOCK)
        file.seek(start)
        read = file.read(end - start)
    lines = read.split(b"\n")
    if not lines[-1]:
        lines.pop()
    if start:
        lines = lines[1:]  # it may begin before
    return [_text(line) for line in lines[-count:]] if count else []


def _text(line: bytes) -> str:
    return line.decode(errors="replace").rstrip("\r")
