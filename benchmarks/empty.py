"""A code location with one empty asset and a sensor: what Dagster alone takes from a condition to a run's success."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from dagster import (
    AssetSelection,
    DefaultSensorStatus,
    Definitions,
    RunRequest,
    asset,
    define_asset_job,
    in_process_executor,
    sensor,
)

from dreamlake_pipeline.settings import Settings

DROPS = "BENCH_DROPS"


@asset
def nothing() -> None:
    """Done at once."""


make_nothing = define_asset_job("make_nothing", selection=AssetSelection.assets(nothing))


# As often as the staging sensor.
@sensor(
    job=make_nothing,
    minimum_interval_seconds=Settings().sensor_interval,
    default_status=DefaultSensorStatus.RUNNING,
)
def files_dropped() -> Iterator[RunRequest]:
    for path in sorted(Path(os.environ[DROPS]).iterdir()):
        yield RunRequest(run_key=path.name)


defs = Definitions(assets=[nothing], jobs=[make_nothing], sensors=[files_dropped], executor=in_process_executor)
