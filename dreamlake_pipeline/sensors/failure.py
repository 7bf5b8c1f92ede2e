"""The sensor that logs why a run failed, once."""

from dagster import DefaultSensorStatus, RunFailureSensorContext, SkipReason, run_failure_sensor

from ..assets.partitions import PARTITION_TAG


@run_failure_sensor(
    default_status=DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=5,
    description=(
        "Says which batch a failed run had and why it failed. What becomes of the batch is the staging sensor's "
        "concern: it gives back the batches of runs that are over, and says so."
    ),
)
def failed_runs(context: RunFailureSensorContext) -> SkipReason:
    run = context.dagster_run
    told = f"Run {run.run_id} of {run.job_name} failed: {_cause(context)}"
    if (partition := run.tags.get(PARTITION_TAG)) is not None:
        told += f" It worked on {partition[:100]!r}: what was reported stays done, and the rest is offered again."
    context.log.error(told)
    return SkipReason(told)


def _cause(context: RunFailureSensorContext) -> str:
    """The message of the first step that failed, or the run's."""
    for event in context.get_step_failure_events():
        failure = event.step_failure_data
        if failure.user_failure_data and failure.user_failure_data.description:
            return failure.user_failure_data.description
        if failure.error:
            return (failure.error.cause or failure.error).message.strip()
    return context.failure_event.message or "no reason is known."
