"""What a run prints, in the bucket: for installations where runs leave the machine of the webserver."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from dagster._serdes import ConfigurableClassData
from dagster_aws.s3.compute_log_manager import S3ComputeLogManager

from ..storage.connecting import open_client
from .logs import RunLogFiles, private_folder

log = logging.getLogger(__name__)

_INTERVAL = 10  # seconds between two uploads of what a run at work has printed


class RunLogsInBucket(S3ComputeLogManager):
    """dagster-aws's `S3ComputeLogManager`, with all of its settings, that asks the bucket as the rest of the pipeline
    does (address, authorities and patience, storage/connecting.py), keeps what it has not sent yet in a folder that no
    other user can reach, and starts no further processes. While the bucket is away, a run goes on without its logs."""

    def __init__(self, bucket: str, **settings: Any) -> None:
        folder = _writable(settings.pop("local_dir", None) or os.environ.get("DAGSTER_HOME"))
        self._temporary = None if folder else tempfile.mkdtemp(prefix="dreamlake-run-logs-")
        endpoint = settings.get("endpoint_url")
        super().__init__(bucket, **{"upload_interval": _INTERVAL} | settings)
        self._s3_session = open_client(silence=10, tries=2, endpoint_url=endpoint)
        self._local_manager = RunLogFiles(folder or private_folder(Path(self._temporary or "")))

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> RunLogsInBucket:
        given = {name: value for name, value in config_value.items() if value is not None}
        return cls(inst_data=inst_data, **given)

    def on_progress(self, log_key: Sequence[str]) -> None:
        """Send what there is; what can't be sent is sent the next time: an exception would end the thread."""
        try:
            super().on_progress(log_key)
        except (BotoCoreError, ClientError, OSError) as fault:
            log.warning("What the run printed could not be sent to the bucket, and is sent later: %s", fault)

    def dispose(self) -> None:
        super().dispose()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)


def _writable(home: str | None) -> str | None:
    """The folder for logs in a home; None where nothing can be written there, as in a container whose root is
    read-only, or where there is none."""
    if not home:
        return None
    try:
        folder = private_folder(Path(home))
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None
