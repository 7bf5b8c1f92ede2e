"""What was freed of the bucket and of BSS's tables, since nobody needs it any more."""

from typing import Any

from dagster import AssetExecutionContext, MaterializeResult, MetadataValue, TableRecord, asset

from ..resources import BssResource
from .run import OWNERS, plain_failure


@asset(
    group_name="upkeep",
    owners=OWNERS,
    config_schema={},
    kinds={"s3", "postgres"},
    description="Frees deleted files whose time is over, segments that nothing refers to, abandoned uploads, and rows "
    "of what is past. Safe beside everything else; `dreamlake gc` does the same.",
)
def garbage(context: AssetExecutionContext, bss: BssResource) -> MaterializeResult:
    from ..api.garbage import Tally
    from ..remote.bss import BssClient
    from ..remote.garbage import collect

    total = Tally()
    with plain_failure():
        for total in collect(BssClient(bss.http), dry_run=False):
            context.log.debug("freed so far: %s", total.freed)
    freed = [TableRecord({"what": str(kind), **one.model_dump()}) for kind, one in total.freed.items()]
    metadata: dict[str, Any] = {
        "freed": MetadataValue.table(freed) if freed else "nothing",
        "bytes freed": sum(one.bytes for one in total.freed.values()),
        "bytes to be freed later": sum(one.bytes for one in total.later.values()),
        "folders of unknown records": total.unknown,
        "objects that the store refuses": total.refused,
    }
    return MaterializeResult(metadata=metadata)
