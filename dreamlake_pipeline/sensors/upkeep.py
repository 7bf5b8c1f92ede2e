"""Keep Dagster's own tables small: retire the partitions of old batches. Their records remain in BSS."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from dagster import DefaultSensorStatus, SensorEvaluationContext, SensorResult, SkipReason, sensor

from ..assets.partitions import BATCHES, batches, formed_at

KEPT = timedelta(days=30)
MOST_KEPT = 5000  # the asset pages of the UI take half a second at this number
_FRESH = timedelta(days=2)  # a batch this young may still be at work, however many there are
_MOST_RETIRED = 200  # each one is a query, and an evaluation has 60 seconds


def partitions_to_retire(keys: Sequence[str], now: datetime) -> list[str]:
    """The partitions that are older than 30 days or beyond the newest 5,000, oldest first.

    A batch that is still open in BSS comes back with its next attempt.
    """
    dated = sorted((formed, key) for key in keys if (formed := formed_at(key)))
    beyond = len(dated) - MOST_KEPT
    return [
        key
        for position, (formed, key) in enumerate(dated)
        if now - formed > KEPT or (position < beyond and now - formed > _FRESH)
    ]


@sensor(
    target=None,
    minimum_interval_seconds=3600,
    default_status=DefaultSensorStatus.RUNNING,
    description="Retires partitions of batches older than 30 days, or beyond the newest 5,000. BSS keeps the records.",
)
def retire_partitions(context: SensorEvaluationContext) -> SensorResult | SkipReason:
    old = partitions_to_retire(context.instance.get_dynamic_partitions(BATCHES), datetime.now(UTC))
    if not old:
        return SkipReason("No partition is old enough to be retired.")
    some = old[:_MOST_RETIRED]
    context.log.info("retiring %d of %d old partitions", len(some), len(old))
    return SensorResult(dynamic_partitions_requests=[batches.build_delete_request(some)])
