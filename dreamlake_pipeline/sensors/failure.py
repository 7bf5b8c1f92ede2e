"""The sensor that logs why a run failed, once, and ends the lease of its batch."""

from dagster import DefaultSensorStatus, RunFailureSensorContext, SkipReason, run_failure_sensor

from ..assets.partitions import PARTITION_TAG
from ..errors import DreamlakeError
from ..resources import BssResource

_ATTEMPT = "dreamlake/attempt"
_PAUSE_SECONDS = 15.0
_MOST_ATTEMPTS = 8  # with which the pause grows, to an hour


@run_failure_sensor(
    default_status=DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=5,
    description=(
        "Says which batch a failed run had and why it failed, and gives the batch back, so that its next attempt "
        "need not wait for the lease to end. Attempts are counted and bounded by BSS."
    ),
)
def failed_runs(context: RunFailureSensorContext, bss: BssResource) -> SkipReason:
    run = context.dagster_run
    told = f"Run {run.run_id} of {run.job_name} failed: {_cause(context)}"
    if (partition := run.tags.get(PARTITION_TAG)) is not None:
        failures = _attempt(run.tags.get(_ATTEMPT, ""))
        if not context.get_step_failure_events():
            # It did not fail but was ended, by a kill or a reboot: nothing has to recover before the next attempt.
            failures -= 1
        told += f" {_release(bss, partition, run.run_id, pause=_PAUSE_SECONDS * (2**failures - 1))}"
    context.log.error(told)
    return SkipReason(told)


def _attempt(tag: str) -> int:
    """Which attempt at its batch a run was, as far as the pause grows with it. Whoever starts a run by hand writes its
    tags: what is no number counts as the first attempt."""
    number = int(tag[:9]) if tag.isascii() and tag.isdigit() else 1
    return min(max(number, 1), _MOST_ATTEMPTS)


def _cause(context: RunFailureSensorContext) -> str:
    """The message of the first step that failed, or the run's."""
    for event in context.get_step_failure_events():
        failure = event.step_failure_data
        if failure.user_failure_data and failure.user_failure_data.description:
            return failure.user_failure_data.description
        if failure.error:
            return (failure.error.cause or failure.error).message.strip()
    return context.failure_event.message or "no reason is known."


def _release(bss: BssResource, partition: str, run_id: str, pause: float) -> str:
    """Let the batch's lease end in `pause` seconds; what becomes of the batch, in a sentence."""
    from pydantic import ValidationError

    try:
        bss.pipeline.heartbeat(partition, run_id, lease_seconds=pause)
    except DreamlakeError as error:
        return f"Batch {partition} was not given back ({error.message}): it is offered again when its lease has ended."
    except ValidationError:
        return f"{partition[:100]!r} is no batch."
    return f"Batch {partition} is offered again in {pause:.0f} s; what was reported stays done."
