"""The pipeline's code location without media work and without the object store's bytes.

What is left is what Dagster, BSS and the index cost: a sound file gets what was made of the first one, with its
own bytes for a segment; staged files are those on the disk of the embedded S3 server, whose keys are believed; what is
stored goes nowhere. The stack loads it when DREAMLAKE_DEFINITIONS names this module.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from dreamlake_pipeline import storage
from dreamlake_pipeline.media.audio.make import make_audio
from dreamlake_pipeline.media.results import AudioResult
from dreamlake_pipeline.processing import audio
from dreamlake_pipeline.processing.product import Job
from dreamlake_pipeline.settings import Settings
from dreamlake_pipeline.stack.state import BUCKET

_HOME = Settings().home
_OBJECTS = _HOME / "objects" / BUCKET
_made: AudioResult | None = None
_lock = threading.Lock()


def make(job: Job) -> AudioResult:
    """What was made of the first file, with one segment: this file's own bytes."""
    global _made
    with _lock:
        if _made is None:
            kept = Path(tempfile.mkdtemp(prefix="noop-", dir=_HOME / "run"))
            shutil.copy(job.source.path, kept / job.source.path.name)
            _made = make_audio(kept / job.source.path.name, kept, filename=job.filename)
    stream = _made.streams[0]
    source = job.source
    segment = replace(stream.segments[0], content=source.read(), sha256=source.sha256, size=source.size)
    return replace(_made, streams=(replace(stream, segments=(segment,)),))


class WeightlessStore(storage.ObjectStore):
    """Lists like the real one; what it downloads is where it was, with the hash that its key names; stores nothing."""

    def read_small(self, key: str, most: int) -> bytes | None:
        return (_OBJECTS / key).read_bytes()

    def download(self, key: str, path: Path) -> str:
        path.symlink_to(_OBJECTS / key)
        return key.rsplit("/", 1)[-1]

    def put(self, key: str, data: bytes, **_: Any) -> None:
        pass

    def put_file(self, key: str, path: Path, **_: Any) -> None:
        pass

    def upload(self, key: str, path: Path, **_: Any) -> None:
        pass


audio.make = make
storage.ObjectStore = WeightlessStore  # type: ignore[misc]

from dreamlake_pipeline.definitions import defs  # noqa: E402 - made of what was put in place above

__all__ = ["defs"]
