"""A partition is a batch of files, formed by BSS, never one file: a run costs seconds, a file a millisecond."""

from __future__ import annotations

from datetime import UTC, datetime

from dagster import DynamicPartitionsDefinition, PartitionedConfig, PartitionsDefinition

BATCHES = "batches"
PARTITION_TAG = "dagster/partition"  # of a run
ATTEMPT_TAG = "dreamlake/attempt"  # of a run that was started for an offer of a batch
OWNER_TAG, PROJECT_TAG = "dreamlake/owner", "dreamlake/project"  # of a run: how many an owner may have at a time
batches = DynamicPartitionsDefinition(name=BATCHES)


def batch_config(*, force: bool = False) -> PartitionedConfig[PartitionsDefinition[str]]:
    """The run config of a job over batches, which the launchpad shows once a batch is chosen and backfills have, and
    the tags by which a run that a person started counts as its owner's, like one that the sensor started."""
    return PartitionedConfig(
        partitions_def=batches,
        run_config_for_partition_key_fn=lambda partition: {
            "resources": {"redo": {"config": {"force": force, "only": []}}}
        },
        tags_for_partition_key_fn=tags_of,
    )


def tags_of(partition: str) -> dict[str, str]:
    """Whose batch this is, which its key says; nothing for other keys: people add partitions, too."""
    parts = partition.split("/")
    return {OWNER_TAG: parts[0], PROJECT_TAG: parts[1]} if len(parts) == 3 and all(parts) else {}


def formed_at(partition: str) -> datetime | None:
    """When a batch was formed, which its key says: `owner/project/2026-11-22T10-15-03Z-3f2a`; None for other keys."""
    try:
        return datetime.strptime(partition.rsplit("/", 1)[-1][:20], "%Y-%m-%dT%H-%M-%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
