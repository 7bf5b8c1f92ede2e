"""The code location as the Dagster UI shows it: its names are a contract, and everything explains itself."""

from __future__ import annotations

import subprocess
import sys

import pytest
from dagster import AssetsDefinition, DefaultScheduleStatus, DefaultSensorStatus, Definitions

from dreamlake_pipeline.definitions import defs

LINEAGE = {
    "staging_objects": set(),
    "hls_streams": {"staging_objects"},
    "audio_renditions": {"staging_objects"},
    "text_tracks": {"staging_objects"},
    "label_tracks": {"staging_objects"},
    "dreamlake_index": {"hls_streams", "audio_renditions", "text_tracks", "label_tracks"},
    "catalog": {"dreamlake_index"},
}
CHECKS = {
    "hls_streams": {"every_file_processed", "bytes_match_hash", "hls_conformance", "durations_agree"},
    "audio_renditions": {"every_file_processed", "bytes_match_hash", "hls_conformance", "durations_agree"},
    "text_tracks": {"every_file_processed", "bytes_match_hash", "nothing_dropped"},
    "label_tracks": {"every_file_processed", "bytes_match_hash", "nothing_dropped"},
    "dreamlake_index": {"index_complete"},
    "catalog": {"every_row_written"},
}


def test_it_loads() -> None:
    Definitions.validate_loadable(defs)


def test_lineage_checks_and_names() -> None:
    graph = defs.resolve_asset_graph()
    lineage = {
        key.to_user_string(): {parent.to_user_string() for parent in graph.get(key).parent_keys}
        for key in graph.get_all_asset_keys()
    }
    checks: dict[str, set[str]] = {}
    for check in graph.asset_check_keys:
        checks.setdefault(check.asset_key.to_user_string(), set()).add(check.name)
    assert lineage == LINEAGE
    assert checks == CHECKS
    assert {job.name for job in defs.resolve_all_job_defs()} - {"__ASSET_JOB"} == {"process_batch", "write_catalog"}


@pytest.mark.parametrize("name", sorted(LINEAGE))
def test_every_asset_explains_itself(name: str) -> None:
    [asset] = [
        one for one in defs.assets or [] if isinstance(one, AssetsDefinition) and one.key.to_user_string() == name
    ]
    spec = asset.get_asset_spec()
    assert spec.description and spec.owners and spec.kinds and spec.group_name in ("batches", "catalog")
    assert (asset.partitions_def is not None) == (name != "catalog")
    assert all(check.description for check in asset.check_specs)


def test_what_starts_work_runs_without_being_switched_on() -> None:
    repository = defs.get_repository_def()
    sensors = {sensor.name: sensor.default_status for sensor in repository.sensor_defs}
    schedules = {schedule.name: schedule.default_status for schedule in repository.schedule_defs}
    names = ("staging_sensor", "failed_runs", "deleted_records", "retire_partitions")
    assert sensors == dict.fromkeys(names, DefaultSensorStatus.RUNNING)
    assert schedules == {"hourly_catalog": DefaultScheduleStatus.RUNNING}


def test_loading_it_imports_nothing_heavy() -> None:
    """Every run's process imports the code location: what only some of its work needs must wait until then."""
    heavy = ["av", "pyarrow", "pandas", "httpx", "psycopg", "fastapi", "ffmpeg"]
    code = f"import sys, dreamlake_pipeline.definitions; print(*[name for name in {heavy} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    # Dagster itself loads some of them; what it loads is not ours to say.
    code = f"import sys, dagster, dagster_aws.s3; print(*[name for name in {heavy} if name in sys.modules])"
    anyway = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert set(loaded) - set(anyway) == set()


def test_run_config_reaches_what_is_done_again_and_no_more_than_each_resource_itself() -> None:
    """What carries other resources gives run config no second way to their fields, secrets among them."""
    schema = defs.resolve_job_def("process_batch").run_config_schema.config_type
    resources = schema.fields["resources"].config_type.fields
    fields = {
        name: set(resource.config_type.fields["config"].config_type.fields) for name, resource in resources.items()
    }
    assert fields["batch_tools"] == set()
    assert fields["redo"] == {"force", "only"}
    assert fields["bss"] == {"url", "token"} and fields["folder_tree"] == {"postgres_url"}
    assert all(not field.is_required for field in resources.values())
