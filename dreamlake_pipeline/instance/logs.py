"""What a run prints, in files of its own.

Dagster's `LocalComputeLogManager` also copies it to the output of the process that started the run, by four further
processes for each run, which cost as much as a small run.
"""

from __future__ import annotations

import os
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


class RunLogFiles(LocalComputeLogManager):
    """`LocalComputeLogManager` under `$DAGSTER_HOME/storage` that writes files and nothing else, which no other
    user can reach."""

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> RunLogFiles:
        folder = Path(os.environ["DAGSTER_HOME"]) / "storage"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Runs print names of files, and whatever else a library says.
        if (mode := stat.S_IMODE(folder.stat().st_mode)) & 0o007:
            folder.chmod(mode & ~0o007)
        return cls(str(folder), inst_data=inst_data)

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
