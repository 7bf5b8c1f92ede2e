"""The code location as the Dagster UI shows it: its names are a contract, and everything explains itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from dagster import AssetsDefinition, DefaultScheduleStatus, DefaultSensorStatus, Definitions
from dagster._config import ConfigTypeKind, validate_config
from dagster._core.remote_representation.external_data import RepositorySnap

from dreamlake_pipeline.definitions import defs

LINEAGE = {
    "staging_objects": set(),
    "hls_streams": {"staging_objects"},
    "audio_renditions": {"staging_objects"},
    "text_tracks": {"staging_objects"},
    "label_tracks": {"staging_objects"},
    "dreamlake_index": {"hls_streams", "audio_renditions", "text_tracks", "label_tracks"},
    "catalog": {"dreamlake_index"},
    "failed_files": set(),
    "garbage": set(),
}
CHECKS = {
    "hls_streams": {"every_file_processed", "bytes_match_hash", "hls_conformance", "durations_agree"},
    "audio_renditions": {"every_file_processed", "bytes_match_hash", "hls_conformance", "durations_agree"},
    "text_tracks": {"every_file_processed", "bytes_match_hash", "nothing_dropped"},
    "label_tracks": {"every_file_processed", "bytes_match_hash", "nothing_dropped"},
    "dreamlake_index": {"every_file_processed", "index_complete"},
    "failed_files": {"nothing_failed"},
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
    assert {job.name for job in defs.resolve_all_job_defs()} - {"__ASSET_JOB"} == {
        "process_batch",
        "redo_batch",
        "write_catalog",
        "collect_garbage",
    }


@pytest.mark.parametrize("name", sorted(LINEAGE))
def test_every_asset_explains_itself(name: str) -> None:
    [asset] = [
        one for one in defs.assets or [] if isinstance(one, AssetsDefinition) and one.key.to_user_string() == name
    ]
    spec = asset.get_asset_spec()
    assert spec.description and spec.owners and spec.kinds
    assert spec.group_name in ("batches", "catalog", "overview", "upkeep")
    assert (asset.partitions_def is not None) == (name not in ("catalog", "failed_files", "garbage"))
    assert all(check.description for check in asset.check_specs)


def test_what_starts_work_runs_without_being_switched_on() -> None:
    repository = defs.get_repository_def()
    sensors = {sensor.name: sensor.default_status for sensor in repository.sensor_defs}
    schedules = {schedule.name: schedule.default_status for schedule in repository.schedule_defs}
    names = ("staging_sensor", "failed_runs", "list_failed_files", "deleted_records", "retire_partitions")
    assert sensors == dict.fromkeys(names, DefaultSensorStatus.RUNNING)
    assert schedules == dict.fromkeys(("hourly_catalog", "nightly_garbage"), DefaultScheduleStatus.RUNNING)


def test_loading_it_imports_nothing_heavy() -> None:
    """Every run's process imports the code location: what only some of its work needs must wait until then."""
    heavy = ["av", "pyarrow", "pandas", "httpx", "psycopg", "fastapi", "ffmpeg"]
    code = f"import sys, dreamlake_pipeline.definitions; print(*[name for name in {heavy} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    # Dagster itself loads some of them; what it loads is not ours to say.
    code = f"import sys, dagster, dagster_aws.s3; print(*[name for name in {heavy} if name in sys.modules])"
    anyway = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert set(loaded) - set(anyway) == set()


def leaves(config_type: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that a config can hold: where, and of which type."""
    if fields := getattr(config_type, "fields", None):
        for name, field in fields.items():
            yield from leaves(field.config_type, f"{path}.{name}" if path else name)
    elif inner := getattr(config_type, "inner_type", None):
        yield from leaves(inner, f"{path}[]")
    elif config_type.kind is ConfigTypeKind.SCALAR_UNION:
        yield path, config_type.scalar_type
        yield from leaves(config_type.non_scalar_type, path)
    elif config_type.kind is not ConfigTypeKind.STRICT_SHAPE:  # one without fields takes nothing
        yield path, config_type


# Dagster's own: whether a step is tried again, where the UI's timeline ends, how loudly the console logs and as whom.
HARMLESS = {
    "execution.config.marker_to_close",
    "execution.config.step_dependency_config.require_upstream_step_success",
    "loggers.console.config.log_level",
    "loggers.console.config.name",
}


@pytest.mark.parametrize("job", ["process_batch", "redo_batch", "write_catalog", "__ASSET_JOB"])
def test_run_config_says_what_is_done_again_and_nothing_else(job: str) -> None:
    """No address, no secret, no `{env: NAME}`, nothing that takes anything."""
    config_type = defs.resolve_job_def(job).run_config_schema.config_type
    found = {path: one.given_name for path, one in leaves(config_type) if path not in HARMLESS}
    redo = {"resources.redo.config.force": "Bool", "resources.redo.config.only[]": "String"}
    assert found == redo


RESOURCES = sorted(set(defs.resources or {}) - {"redo"})
ENV = {"env": "DREAMLAKE_AUTH_SECRET"}


@pytest.mark.parametrize(
    "config",
    [
        *(
            {"resources": {name: {"config": {field: value}}}}
            for name in RESOURCES
            for field in ("url", "token", "bucket")
            for value in ("http://attacker", ENV)
        ),
        {"resources": {"bss": {"config": {"url": "http://attacker", "token": ENV}}}},
        {"resources": {"object_store": {"config": {"endpoint_url": "http://attacker", "aws_secret_access_key": ENV}}}},
        {"resources": {"folder_tree": {"config": {"postgres_url": {"env": "DREAMLAKE_POSTGRES_URL"}}}}},
        {"resources": {"media_tools": {"config": {"scratch": "/etc"}}}},
        {"resources": {"batch_policy": {"config": {"batch_open": 10**9}}}},
        {"resources": {"batch_tools": {"config": {"bss": {"url": "http://attacker"}}}}},
        {"resources": {"io_manager": {"config": {"base_dir": "/etc"}}}},
        {"resources": {"redo": {"config": {"only": [ENV]}}}},
        {"resources": {"redo": {"config": {"only": ENV}}}},
        {"resources": {"redo": {"config": {"force": ENV}}}},
        {"resources": {"another": {"config": {}}}},
        {"ops": {"hls_streams": {"config": {"path": ENV}}}},
        {"ops": {"hls_streams": {"config": ENV}}},
        {"ops": {"hls_streams": {"inputs": {"x": {"pickle": {"path": "/tmp/x"}}}}}},
        {"ops": {"hls_streams": {"outputs": [{"result": {"json": {"path": "/tmp/x"}}}]}}},
        {"loggers": {"console": {"config": {"name": ENV}}}},
        {"loggers": {"file": {"config": {"path": "/tmp/x"}}}},
        {"execution": {"config": {"multiprocess": {}}}},
        {"execution": {"config": {"marker_to_close": ENV}}},
        {"inputs": {"x": {"value": 1}}},
    ],
    ids=str,
)
def test_run_config_that_names_anything_else_is_refused(config: dict[str, Any]) -> None:
    job = defs.resolve_job_def("process_batch")
    validated = validate_config(job.run_config_schema.config_type, config)
    assert not validated.success


def test_run_config_that_says_what_is_done_again_is_taken() -> None:
    job = defs.resolve_job_def("process_batch")
    config = {"resources": {"redo": {"config": {"force": True, "only": ["a"]}}}}
    assert validate_config(job.run_config_schema.config_type, config).success
    assert validate_config(job.run_config_schema.config_type, {}).success


def test_resources_are_shown_by_the_names_of_their_classes() -> None:
    """The UI calls a resource what its class is called, also one that is closed."""
    shown = {one.name: one.resource_type for one in RepositorySnap.from_def(defs.get_repository_def()).resources}
    assert "BssResource" in shown["bss"] and "_initialize_and_run" not in " ".join(shown.values())
    ours = {name: kind for name, kind in shown.items() if name != "io_manager"}
    assert all(kind.startswith("dreamlake_pipeline.resources.") for kind in ours.values())


@pytest.mark.parametrize(("job", "force"), [("process_batch", False), ("redo_batch", True)])
def test_the_launchpad_says_what_is_done_again_and_whose_it_is(job: str, force: bool) -> None:
    """The run config and tags that Dagster fills in when a partition is chosen, and gives to the runs of a backfill."""
    found = defs.resolve_job_def(job)
    partition = "lab/cups/2026-11-22T10-15-03Z-3f2a"
    config = found.get_run_config_for_partition_key(partition)
    assert config == {"resources": {"redo": {"config": {"force": force, "only": []}}}}
    assert validate_config(found.run_config_schema.config_type, config).success
    tags = found.get_tags_for_partition_key(partition, selected_asset_keys=None)
    assert (tags["dreamlake/owner"], tags["dreamlake/project"]) == ("lab", "cups")
    assert not {"dreamlake/owner", "dreamlake/project"} & set(
        found.get_tags_for_partition_key("by hand", selected_asset_keys=None)
    )
