"""Parts of the Dagster instance that `dagster.yaml` names: run launchers for one machine, for a Ray cluster, and for
both; a queue that is looked at more often, a storage that keeps its connections, logs without further processes, in
files or in S3. Each can be left out; Dagster's own is in its place then.

`webserver` is Dagster's webserver behind a guard, a process of its own."""

from .composite import BySizeRunLauncher
from .launcher import ForkRunLauncher
from .logs import RunLogFiles
from .queue import PromptRunQueue
from .ray import RayJobLauncher
from .storage import PooledPostgresStorage

__all__ = [
    "BySizeRunLauncher",
    "ForkRunLauncher",
    "PooledPostgresStorage",
    "PromptRunQueue",
    "RayJobLauncher",
    "RunLogFiles",
]
