"""A partition is a batch of files, formed by BSS, never one file: a run costs seconds, a file a millisecond."""

from __future__ import annotations

from datetime import UTC, datetime

from dagster import DynamicPartitionsDefinition

BATCHES = "batches"
PARTITION_TAG = "dagster/partition"  # of a run
ATTEMPT_TAG = "dreamlake/attempt"  # of a run that was started for an offer of a batch
batches = DynamicPartitionsDefinition(name=BATCHES)


def formed_at(partition: str) -> datetime | None:
    """When a batch was formed, which its key says: `owner/project/2026-11-22T10-15-03Z-3f2a`; None for other keys."""
    try:
        return datetime.strptime(partition.rsplit("/", 1)[-1][:20], "%Y-%m-%dT%H-%M-%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
