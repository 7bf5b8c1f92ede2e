"""Parts of the Dagster instance that `dagster.yaml` names: a run launcher for one machine, a storage that keeps its
connections. Either can be left out; Dagster's own are in their place then."""

from .launcher import ForkRunLauncher
from .storage import PooledPostgresStorage

__all__ = ["ForkRunLauncher", "PooledPostgresStorage"]
