"""The whole index as Parquet, for whoever reads tables better than APIs."""

from dagster import AssetExecutionContext, MaterializeResult, TableColumn, TableSchema, asset

from ..resources import FolderTreeResource, MediaToolsResource, ObjectStoreResource
from . import checks
from .dreamlake_index import dreamlake_index
from .run import OWNERS, plain_failure


@asset(
    deps=[dreamlake_index],
    group_name="catalog",
    owners=OWNERS,
    config_schema={},
    kinds={"parquet", "s3"},
    check_specs=checks.specs("catalog", checks.EVERY_ROW_WRITTEN),
    description="Every file of every project, one row each, as one Parquet file in the bucket. Replaced whole.",
)
def catalog(
    context: AssetExecutionContext,
    folder_tree: FolderTreeResource,
    object_store: ObjectStoreResource,
    media_tools: MediaToolsResource,
) -> MaterializeResult:
    from ..layout import CATALOG_KEY
    from ..processing.catalog import SCHEMA, count_rows, write_catalog

    with plain_failure():
        rows = write_catalog(object_store.store, folder_tree.rows(), scratch=media_tools.scratch_folder)
        stored = count_rows(object_store.store)
    return MaterializeResult(
        metadata={
            "dagster/row_count": rows,
            "dagster/uri": object_store.uri(CATALOG_KEY),
            "dagster/column_schema": TableSchema([TableColumn(field.name, str(field.type)) for field in SCHEMA]),
        },
        check_results=[checks.every_row_written(rows, stored)],
    )
