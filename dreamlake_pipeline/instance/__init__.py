"""Parts of the Dagster instance that `dagster.yaml` names: run launchers for one machine, for a Ray cluster, and for
both; a queue that is looked at more often, a storage that keeps its connections, logs without further processes, in
files or in S3. Each can be left out; Dagster's own is in its place then.

`webserver` is Dagster's webserver behind a guard, a process of its own."""

from typing import TYPE_CHECKING, Any

from .composite import BySizeRunLauncher
from .launcher import ForkRunLauncher
from .logs import RunLogFiles
from .queue import PromptRunQueue
from .storage import PooledPostgresStorage

if TYPE_CHECKING:
    from .ray import RayJobLauncher

__all__ = [
    "BySizeRunLauncher",
    "ForkRunLauncher",
    "PooledPostgresStorage",
    "PromptRunQueue",
    "RayJobLauncher",
    "RunLogFiles",
]


def __getattr__(name: str) -> Any:
    """Only installations with a Ray cluster load the HTTP client of its launcher: runs import this package."""
    if name == "RayJobLauncher":
        from .ray import RayJobLauncher

        return RayJobLauncher
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
