"""Garbage is collected every night."""

from dagster import DefaultScheduleStatus, RunRequest, ScheduleDefinition, schedule
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition


def build_garbage_schedule(job: UnresolvedAssetJobDefinition) -> ScheduleDefinition:
    """The schedule that launches `job` at 3:43."""

    @schedule(
        cron_schedule="43 3 * * *",
        job=job,
        default_status=DefaultScheduleStatus.RUNNING,
        description="Frees what nobody needs any more, every night.",
    )
    def nightly_garbage() -> RunRequest:
        return RunRequest()

    return nightly_garbage
