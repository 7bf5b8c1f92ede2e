"""A run that Dagster's launchers are given, as its daemon gives them one."""

from __future__ import annotations

from dagster import DagsterInstance, DagsterRun
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.launcher import LaunchRunContext
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.storage.dagster_run import DagsterRunStatus
from dagster._core.utils import make_new_run_id


def launch(instance: DagsterInstance) -> DagsterRun:
    """Have the instance's launcher start a run of the code location."""
    repository = RepositoryPythonOrigin(
        executable_path="/opt/dreamlake/bin/python",
        code_pointer=ModuleCodePointer("dreamlake_pipeline.definitions", "defs", None),
        container_image=None,
        entry_point=["dagster"],
        container_context=None,
    )
    run = DagsterRun(
        job_name="__ASSET_JOB",
        run_id=make_new_run_id(),
        status=DagsterRunStatus.STARTING,
        job_code_origin=JobPythonOrigin(job_name="__ASSET_JOB", repository_origin=repository),
    )
    instance.add_run(run)
    instance.run_launcher.launch_run(LaunchRunContext(dagster_run=run, workspace=None))
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found
