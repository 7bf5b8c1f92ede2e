"""The sensor that keeps the list of failed files: it writes the asset `failed_files` when something changed."""

import hashlib

from dagster import DefaultSensorStatus, SensorEvaluationContext, SensorResult, SkipReason, sensor

from ..assets.failed_files import events_of
from ..errors import DreamlakeError
from ..resources import BssResource


@sensor(
    target=None,
    minimum_interval_seconds=30,
    default_status=DefaultSensorStatus.RUNNING,
    description=(
        "Lists the failed files of all batches in the asset `failed_files`, when they are others than before. It "
        "needs no run. The cursor is a digest of what was listed."
    ),
)
def list_failed_files(context: SensorEvaluationContext, bss: BssResource) -> SensorResult | SkipReason:
    try:
        failures = bss.pipeline.failures()
    except DreamlakeError as error:
        return SkipReason(f"{error} The next tick tries again; nothing is lost.")
    digest = hashlib.sha256(failures.wire_json()).hexdigest()
    if digest == context.cursor or (context.cursor is None and not failures.count):
        return SkipReason(f"{failures.count} files are failed, as before.")
    return SensorResult(
        asset_events=events_of(failures), cursor=digest, skip_reason=f"{failures.count} files are failed."
    )
