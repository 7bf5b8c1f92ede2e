"""What a run prints, in files of its own.

Dagster's `LocalComputeLogManager` also copies it to the output of the process that started the run, by four further
processes for each run, which cost as much as a small run.
"""

from __future__ import annotations

import os
import socket
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dagster._config.config_schema import UserConfigSchema
from dagster._core.execution.compute_logs import redirect_to_file
from dagster._core.storage.compute_log_manager import CapturedLogContext, ComputeIOType
from dagster._core.storage.local_compute_log_manager import IO_TYPE_EXTENSION, LocalComputeLogManager
from dagster._serdes import ConfigurableClassData
from dagster._utils import ensure_file, touch_file

from ..visible import visible
from .watching import HOST_TAG


class RunLogFiles(LocalComputeLogManager):
    """`LocalComputeLogManager` under `$DAGSTER_HOME/storage` that writes files and nothing else, which no other
    user can reach."""

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> RunLogFiles:
        return cls(private_folder(Path(os.environ["DAGSTER_HOME"])), inst_data=inst_data)

    @contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Iterator[CapturedLogContext]:
        out, err = (
            self.get_captured_local_path(log_key, IO_TYPE_EXTENSION[io])
            for io in (ComputeIOType.STDOUT, ComputeIOType.STDERR)
        )
        ensure_file(out)
        ensure_file(err)
        with redirect_to_file(sys.stdout, out), redirect_to_file(sys.stderr, err):
            yield CapturedLogContext(log_key)
        touch_file(self.complete_artifact_path(log_key))

    def is_capture_complete(self, log_key: Sequence[str]) -> bool:
        """Nothing more comes of a run that another machine has: what there is to show is said at once."""
        return super().is_capture_complete(log_key) or self._elsewhere(log_key) is not None

    def get_log_data_for_type(
        self, log_key: Sequence[str], io_type: ComputeIOType, offset: int | None = 0, max_bytes: int | None = None
    ) -> tuple[bytes | None, int]:
        """What was printed; of a run that another machine has, where it lies there, as its errors."""
        data, end = super().get_log_data_for_type(log_key, io_type, offset, max_bytes)
        if data is None and io_type is ComputeIOType.STDERR and (told := self._elsewhere(log_key)) is not None:
            left = told[offset or 0 :]
            return (left if max_bytes is None else left[:max_bytes]), (offset or 0) + len(left)
        return data, end

    def _elsewhere(self, log_key: Sequence[str]) -> bytes | None:
        """A sentence that says where the logs of a run lie which is, or was, on another machine; None where they lie
        here, or nothing is known of that."""
        path = self.get_captured_local_path(log_key, IO_TYPE_EXTENSION[ComputeIOType.STDERR])
        if Path(path).exists() or not self.has_instance or not log_key:
            return None
        run = self._instance.get_run_by_id(log_key[0])
        host = run.tags.get(HOST_TAG) if run is not None else None
        if host is None or host == socket.gethostname():
            return None
        return (
            f"This run is on the machine {visible(host)}, and so is what it prints: {path} there.\n"
            "With RunLogsInBucket in dagster.yaml (docs/ray.md), the logs of all machines are shown here.\n"
        ).encode()


def private_folder(home: Path) -> str:
    """The folder `storage` of a home, which no other user can reach: runs print names of files, and whatever else a
    library says."""
    folder = home / "storage"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (mode := stat.S_IMODE(folder.stat().st_mode)) & 0o007:
        folder.chmod(mode & ~0o007)
    return str(folder)
