"""The bytes of a file whose long runs of zeros are shortened, so that they fit into memory."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any, BinaryIO

BLOCK_BYTES = 2**20
ZEROS = re.compile(rb"\0{64,}")  # no shorter run is shortened: so many bytes are more than _RUN NULs in any encoding


def open_bytes(source: Path) -> BinaryIO:
    return io.BufferedReader(_Shortened(source), BLOCK_BYTES)


class _Shortened(io.RawIOBase):
    """The bytes of a file in which runs of zeros are cut to 64 to 67 of them, so that they fit into memory.

    A run keeps its length modulo 4, so that what follows stays whole in UTF-16 and UTF-32.
    """

    def __init__(self, source: Path) -> None:
        self._file = source.open("rb", buffering=0)
        self._zeros = 0  # read, and not given yet: more may follow
        self._held = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._held:
            block = self._file.read(BLOCK_BYTES)
            if not block:
                self._held, self._zeros = _zeros(self._zeros), 0
                break
            if self._zeros or b"\0" in block:
                block = self._shorten(block)
            self._held = block
        given = self._held[: len(buffer)]
        self._held = self._held[len(given) :]
        buffer[: len(given)] = given
        return len(given)

    def close(self) -> None:
        self._file.close()
        super().close()

    def _shorten(self, block: bytes) -> bytes:
        rest = block.lstrip(b"\0")
        zeros = self._zeros + len(block) - len(rest)
        if not rest:
            self._zeros = zeros
            return b""
        text = rest.rstrip(b"\0")
        self._zeros = len(rest) - len(text)
        return _zeros(zeros) + ZEROS.sub(lambda run: _zeros(len(run[0])), text)


def _zeros(count: int) -> bytes:
    return bytes(count if count < 64 else 64 + count % 4)
