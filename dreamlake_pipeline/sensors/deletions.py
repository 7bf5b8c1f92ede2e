"""The sensor that tells the index what was deleted from BSS, and what was restored."""

from dagster import DefaultSensorStatus, SensorEvaluationContext, SkipReason, sensor

from ..errors import DreamlakeError
from ..resources import BssResource, FolderTreeResource


@sensor(
    target=None,
    minimum_interval_seconds=60,
    default_status=DefaultSensorStatus.RUNNING,
    description=(
        "Removes files from the folder tree whose records were deleted from BSS by somebody who did not tell the "
        "index, and registers those that were restored."
    ),
)
def deleted_records(context: SensorEvaluationContext, bss: BssResource, folder_tree: FolderTreeResource) -> SkipReason:
    from ..processing.deletions import tell_deletions

    try:
        told = tell_deletions(bss.pipeline, folder_tree.remove, folder_tree.upsert)
    except DreamlakeError as error:
        return SkipReason(f"{error} The next tick tries again; nothing is lost.")
    if told.removed:
        context.log.info("removed %d files whose records were deleted", told.removed)
    return SkipReason(
        f"{told.deletions} records were deleted, {told.removed} of them were still in the index; "
        f"{told.restored} were restored."
    )
