"""The sensor that removes from the index what was deleted from BSS."""

from dagster import DefaultSensorStatus, SensorEvaluationContext, SkipReason, sensor

from ..errors import DreamlakeError
from ..resources import BssResource, FolderTreeResource


@sensor(
    target=None,
    minimum_interval_seconds=60,
    default_status=DefaultSensorStatus.RUNNING,
    description=(
        "Removes files from the folder tree whose records were deleted from BSS by somebody who did not tell the index."
    ),
)
def deleted_records(context: SensorEvaluationContext, bss: BssResource, folder_tree: FolderTreeResource) -> SkipReason:
    from ..processing.deletions import tell_deletions

    try:
        told, removed = tell_deletions(bss.pipeline, folder_tree.remove)
    except DreamlakeError as error:
        return SkipReason(f"{error} The next tick tries again; nothing is lost.")
    if removed:
        context.log.info("removed %d files whose records were deleted", removed)
    return SkipReason(f"{told} records were deleted, {removed} of them were still in the index.")
