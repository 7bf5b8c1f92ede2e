"""What starts work, and what keeps Dagster itself in order."""

from .catalog import build_catalog_schedule
from .deletions import deleted_records
from .failed_files import list_failed_files
from .failure import failed_runs
from .garbage import build_garbage_schedule
from .staging import build_staging_sensor
from .upkeep import retire_partitions

__all__ = [
    "build_catalog_schedule",
    "build_garbage_schedule",
    "build_staging_sensor",
    "deleted_records",
    "failed_runs",
    "list_failed_files",
    "retire_partitions",
]
