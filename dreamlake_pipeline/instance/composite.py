"""Small batches beside the daemon, large ones on a cluster: `BySizeRunLauncher` in dagster.yaml.

A lone file is playable before a cluster has started its process; a thousand files need more than one machine. Which
launcher has a run is in the run's tags before it is started, and all that is asked of the run later is asked there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from dagster import DagsterRun, Field, IntSource, Permissive, StringSource
from dagster._config.config_schema import UserConfigSchema
from dagster._core.instance import T_DagsterInstance
from dagster._core.launcher import LaunchRunContext, RunLauncher
from dagster._core.launcher.base import CheckRunHealthResult
from dagster._core.storage.tags import PARTITION_NAME_TAG
from dagster._serdes import ConfigurableClass
from dagster._serdes.config_class import ConfigurableClassData

from .watching import (
    BYTES_TAG,
    FILES_TAG,
    LAUNCHER_TAG,
    MOST_BYTES_TAG,
    MOST_FILES_TAG,
    WORKER_TAG,
    PromptLauncher,
    Watcher,
)
from .worker import Worker

_HERE, _CLUSTER = "here", "cluster"


class BySizeRunLauncher(RunLauncher[T_DagsterInstance], ConfigurableClass):
    """Has `here` (ForkRunLauncher when nothing is said) start runs of batches of `small_files` files and `small_bytes`
    bytes at most, and runs that are of no batch; all others are started by `cluster`. Both are named as launchers are
    in dagster.yaml. A run that is started here takes no more than so many files, also when more have come since its
    batch was offered.
    """

    def __init__(
        self,
        here: RunLauncher[T_DagsterInstance],
        cluster: RunLauncher[T_DagsterInstance],
        small_files: int,
        small_bytes: int,
        inst_data: ConfigurableClassData | None = None,
    ) -> None:
        self._inst_data = inst_data
        self._launchers = {_HERE: here, _CLUSTER: cluster}
        self._small_files, self._small_bytes = small_files, small_bytes
        super().__init__()

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        return self._inst_data

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        launcher = {
            "module": StringSource,
            "class": StringSource,
            "config": Field(Permissive(), is_required=False, default_value={}),
        }
        return {
            "here": Field(
                launcher,
                is_required=False,
                default_value={"module": "dreamlake_pipeline.instance", "class": "ForkRunLauncher", "config": {}},
            ),
            "cluster": Field(launcher),
            "small_files": Field(IntSource, is_required=False, default_value=2),
            "small_bytes": Field(IntSource, is_required=False, default_value=64 * 2**20),
        }

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]
    ) -> BySizeRunLauncher[T_DagsterInstance]:
        return cls(
            _launcher(config_value["here"]),
            _launcher(config_value["cluster"]),
            config_value["small_files"],
            config_value["small_bytes"],
            inst_data,
        )

    def register_instance(self, instance: T_DagsterInstance) -> None:
        super().register_instance(instance)
        for launcher in self._launchers.values():
            launcher.register_instance(instance)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Have a run started by the launcher for its size, which its tags name first. Raises as that launcher does."""
        run = context.dagster_run
        name = _HERE if self._is_small(run) else _CLUSTER
        bounds = {MOST_FILES_TAG: str(self._small_files), MOST_BYTES_TAG: str(self._small_bytes)}
        self._instance.add_run_tags(run.run_id, {LAUNCHER_TAG: name, **(bounds if name == _HERE else {})})
        self._launchers[name].launch_run(context)

    def _is_small(self, run: DagsterRun) -> bool:
        files, size = _number(run.tags.get(FILES_TAG)), _number(run.tags.get(BYTES_TAG))
        if files is None or size is None:
            # A run of no batch, or one that a person started: Dagster keeps the batch's key for both.
            return PARTITION_NAME_TAG not in run.tags
        return files <= self._small_files and size <= self._small_bytes

    def _of(self, run: DagsterRun) -> RunLauncher[T_DagsterInstance]:
        """The launcher that has a run. One of before this launcher was in dagster.yaml is known by its process."""
        name = run.tags.get(LAUNCHER_TAG)
        if name not in self._launchers:
            process = run.tags.get(WORKER_TAG, "")
            name = _CLUSTER if process and Worker.parse(process) is None else _HERE
        return self._launchers[name]

    def terminate(self, run_id: str) -> bool:
        run = self._instance.get_run_by_id(run_id)
        return run is not None and self._of(run).terminate(run_id)

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        return self._of(run).check_run_worker_health(run)

    def get_run_worker_debug_info(self, run: DagsterRun, include_container_logs: bool | None = True) -> str | None:
        return self._of(run).get_run_worker_debug_info(run, include_container_logs)

    def starts_at_once(self, run: DagsterRun) -> bool:
        """Whether it is a small one, and `here` would."""
        here = self._launchers[_HERE]
        return self._is_small(run) and isinstance(here, PromptLauncher) and here.starts_at_once(run)

    def has_lost(self, run: DagsterRun) -> bool:
        """As the launcher that has the run says; False where it can't say."""
        launcher = self._of(run)
        return isinstance(launcher, Watcher) and launcher.has_lost(run)

    def was_killed_alone(self, run: DagsterRun) -> bool:
        """As the launcher that has the run says; True where it can't say, as Dagster's own are taken."""
        launcher = self._of(run)
        return not isinstance(launcher, Watcher) or launcher.was_killed_alone(run)

    def dispose(self) -> None:
        for launcher in self._launchers.values():
            launcher.dispose()


def _launcher(named: Mapping[str, Any]) -> RunLauncher[Any]:
    """A launcher by module, class and config, as dagster.yaml names it. Raises what Dagster raises for one that is
    none."""
    data = ConfigurableClassData(named["module"], named["class"], yaml.safe_dump(dict(named["config"])))
    return data.rehydrate(as_type=RunLauncher)  # type: ignore[type-abstract]  # any subclass of it


def _number(text: str | None) -> int | None:
    """A count in a tag; whoever may start runs writes their tags."""
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 19 else None
