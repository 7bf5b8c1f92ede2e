"""A part of a file that is read as if it were a file of its own, with another header in front of it.

Nothing is copied: what is read in this process gets it as a file object, and ffmpeg by a URL of its protocols.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

PROTOCOLS = "file,subfile,concat"
_HEAD = "head"


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The bytes `start` to `end` of a file behind those of `head`."""

    head: bytes = field(repr=False)
    start: int
    end: int

    def opened(self, file: BinaryIO) -> BinaryIO:
        """A file object for reading; `file` stays open for as long as that is read."""
        return _Opened(self, file)  # type: ignore[return-value]

    def url(self, name: str, folder: Path) -> str:
        """The URL for an ffmpeg that runs in `folder`, where the file is called `name`; the head is written there."""
        part = f"subfile,,start,{self.start},end,{self.end},,:file:{name}"
        if not self.head:
            return part
        (folder / _HEAD).write_bytes(self.head)
        return f"concat:file:{_HEAD}|{part}"


class _Opened(io.RawIOBase):
    def __init__(self, excerpt: Excerpt, file: BinaryIO) -> None:
        super().__init__()
        self._excerpt, self._file, self._at = excerpt, file, 0
        self._size = len(excerpt.head) + excerpt.end - excerpt.start

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence])
        return self._at

    def read(self, size: int = -1) -> bytes:
        head, left = self._excerpt.head, max(0, self._size - self._at)
        size = left if size is None or size < 0 else min(size, left)
        if not size:
            return b""
        if self._at < len(head):
            data = head[self._at : self._at + size]
        else:
            self._file.seek(self._excerpt.start + self._at - len(head))
            data = self._file.read(size)
        self._at += len(data)
        return data
