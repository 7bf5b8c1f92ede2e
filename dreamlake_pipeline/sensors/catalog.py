"""The catalog is written again every hour in which the index changed."""

from dagster import (
    AssetKey,
    DagsterInstance,
    DefaultScheduleStatus,
    RunRequest,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SkipReason,
    schedule,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

_INDEX = AssetKey("dreamlake_index")
_CATALOG = AssetKey("catalog")


def build_catalog_schedule(job: UnresolvedAssetJobDefinition) -> ScheduleDefinition:
    """The schedule that launches `job` at the 17th minute of an hour, unless the catalog is up to date."""

    @schedule(
        cron_schedule="17 * * * *",
        job=job,
        default_status=DefaultScheduleStatus.RUNNING,
        description="Writes the catalog every hour, if a batch was indexed since it was last written.",
    )
    def hourly_catalog(context: ScheduleEvaluationContext) -> RunRequest | SkipReason:
        indexed, written = _materialized_at(context.instance, _INDEX), _materialized_at(context.instance, _CATALOG)
        if indexed is None:
            return SkipReason("Nothing was indexed yet.")
        if written is not None and written > indexed:
            return SkipReason("The catalog is up to date.")
        return RunRequest()

    return hourly_catalog


def _materialized_at(instance: DagsterInstance, asset: AssetKey) -> float | None:
    event = instance.get_latest_materialization_event(asset)
    return event.timestamp if event else None
