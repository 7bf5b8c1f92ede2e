"""Parts of the Dagster instance that `dagster.yaml` names: a run launcher for one machine, a queue that is looked at
more often, a storage that keeps its connections, logs without further processes. Each can be left out; Dagster's own is
in its place then.

`webserver` is Dagster's webserver behind a guard, a process of its own."""

from .launcher import ForkRunLauncher
from .logs import RunLogFiles
from .queue import PromptRunQueue
from .storage import PooledPostgresStorage

__all__ = ["ForkRunLauncher", "PooledPostgresStorage", "PromptRunQueue", "RunLogFiles"]
