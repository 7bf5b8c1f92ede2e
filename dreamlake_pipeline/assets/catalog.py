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
    description="Every file and every episode of every project, a row each, as two Parquet files in the bucket. "
    "Replaced whole.",
)
def catalog(
    context: AssetExecutionContext,
    folder_tree: FolderTreeResource,
    object_store: ObjectStoreResource,
    media_tools: MediaToolsResource,
) -> MaterializeResult:
    from ..processing.catalog import EPISODES, FILES, count_rows, write_table

    store, scratch = object_store.store, media_tools.scratch_folder
    with plain_failure():
        files = write_table(store, FILES, folder_tree.files(), scratch=scratch)
        episodes = write_table(store, EPISODES, folder_tree.episodes(), scratch=scratch)
        stored = count_rows(store, FILES) + count_rows(store, EPISODES)
    return MaterializeResult(
        metadata={
            "dagster/row_count": files,
            "dagster/uri": object_store.uri(FILES.key),
            "dagster/column_schema": TableSchema([TableColumn(one.name, str(one.type)) for one in FILES.schema]),
            "episodes": episodes,
            "episodes_uri": object_store.uri(EPISODES.key),
        },
        check_results=[checks.every_row_written(files + episodes, stored)],
    )
