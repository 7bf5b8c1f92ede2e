"""The Dagster code location, on one page: every asset and check, sensor, schedule, job and resource.

Nothing here opens a connection. Secrets enter as `EnvVar`, which a run resolves when it starts.
"""

from __future__ import annotations

from dagster import (
    MAX_RUNTIME_SECONDS_TAG,
    AssetSelection,
    Definitions,
    EnvVar,
    define_asset_job,
    in_process_executor,
    mem_io_manager,
)

from . import logs
from .assets import (
    audio_renditions,
    catalog,
    dreamlake_index,
    failed_files,
    garbage,
    hls_streams,
    label_tracks,
    staging_objects,
    text_tracks,
)
from .assets.partitions import batch_config
from .resources import (
    BatchPolicy,
    BatchTools,
    BssResource,
    FolderTreeResource,
    MediaToolsResource,
    ObjectStoreResource,
    closed,
    redo,
)
from .sensors import (
    build_catalog_schedule,
    build_garbage_schedule,
    build_staging_sensor,
    deleted_records,
    failed_runs,
    list_failed_files,
    retire_partitions,
)
from .settings import Settings

settings = Settings()
logs.configure("pipeline")

_BATCH = AssetSelection.assets(
    staging_objects, hls_streams, audio_renditions, text_tracks, label_tracks, dreamlake_index
)
# Monitoring finds a run whose process died; this bound ends one that lives and gets nowhere.
_BOUNDED = {MAX_RUNTIME_SECONDS_TAG: str(24 * 3600)}

process_batch = define_asset_job(
    "process_batch",
    selection=_BATCH,
    description="Everything that is to be done for one batch of files, from the staged objects to the index.",
    config=batch_config(),
    tags=_BOUNDED,
)
redo_batch = define_asset_job(
    "redo_batch",
    selection=_BATCH,
    description=(
        "A batch once more, with what is ready in it, and sharing no earlier result. `only` takes the ids of the files "
        "that are meant, all of the batch when there are none. What is there plays until it is replaced."
    ),
    config=batch_config(force=True),
    tags=_BOUNDED,
)
write_catalog = define_asset_job(
    "write_catalog",
    selection=AssetSelection.assets(catalog),
    description="Writes the index as Parquet.",
    tags={MAX_RUNTIME_SECONDS_TAG: str(2 * 3600)},
)
collect_garbage = define_asset_job(
    "collect_garbage",
    selection=AssetSelection.assets(garbage),
    description="Frees what nobody needs any more.",
    tags={MAX_RUNTIME_SECONDS_TAG: str(12 * 3600)},
)

bss = BssResource(url=EnvVar("DREAMLAKE_BSS_URL"), token=EnvVar("DREAMLAKE_API_KEY"))
object_store = ObjectStoreResource(bucket=settings.bucket)
folder_tree = FolderTreeResource(postgres_url=EnvVar("DREAMLAKE_POSTGRES_URL"))
media_tools = MediaToolsResource(
    workers=settings.workers,
    ladder=list(settings.ladder or ()),
    scratch=str(settings.scratch) if settings.scratch else None,
)
batch_policy = BatchPolicy.of(settings)

defs = Definitions(
    assets=[
        # Their checks (assets/checks.py) are evaluated in their own steps.
        staging_objects,
        hls_streams,
        audio_renditions,
        text_tracks,
        label_tracks,
        dreamlake_index,
        catalog,
        failed_files,
        garbage,
    ],
    jobs=[process_batch, redo_batch, write_catalog, collect_garbage],
    sensors=[
        build_staging_sensor(process_batch, interval=settings.sensor_interval),
        failed_runs,
        list_failed_files,
        deleted_records,
        retire_partitions,
    ],
    schedules=[build_catalog_schedule(write_catalog), build_garbage_schedule(collect_garbage)],
    # Closed, but for `redo`: whoever starts a run says what is to be done again, and never where secrets go.
    resources={
        "bss": closed(bss),
        "object_store": closed(object_store),
        "folder_tree": closed(folder_tree),
        "media_tools": closed(media_tools),
        "batch_policy": closed(batch_policy),
        # Run config of a run by hand, which `redo_batch` has filled in.
        "redo": redo,
        "batch_tools": closed(
            BatchTools(
                bss=bss,
                object_store=object_store,
                folder_tree=folder_tree,
                media_tools=media_tools,
                batch_policy=batch_policy,
            )
        ),
        # No asset hands a value to another one. Dagster's default would read and write wherever run config says.
        "io_manager": closed(mem_io_manager),
    },
    # One process per run: every process costs seconds of imports, and items already run side by side inside an asset.
    executor=in_process_executor,
)
