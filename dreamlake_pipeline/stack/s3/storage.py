"""Where the embedded S3 server keeps objects: nanio's files, each of the size that it has on the disk.

nanio notes the size of an object beside it, and announces that. Of a file that a full or broken disk cut off, S3's
clients would be told another length than comes.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from nanio.storage.backend import ObjectInfo
from nanio.storage.filesystem import FilesystemStorage


class Storage(FilesystemStorage):
    """nanio's storage, whose sizes are those of the files."""

    def _read_or_synthesize_metadata(self, bucket: str, key: str, opath: Path) -> ObjectInfo:
        info = super()._read_or_synthesize_metadata(bucket, key, opath)
        size = opath.stat(follow_symlinks=False).st_size
        return info if info.size == size else replace(info, size=size)
