"""What the assets of a batch work with, as one resource."""

from typing import Any

from dagster import ConfigurableResource, InitResourceContext
from pydantic import PrivateAttr

from .batching import BatchPolicy
from .bss import BssResource
from .folder_tree import FolderTreeResource
from .media_tools import MediaToolsResource
from .object_store import ObjectStoreResource


# Dagster reads these annotations: they must not be strings, as `from __future__ import annotations` makes them.
class BatchTools(ConfigurableResource):
    """The other resources of a batch, which are configured under their own names. It has no fields of its own.

    `work` is a BatchWork (processing/batch.py) while one is under way: `staging_objects` begins it, each kind's asset
    waits for its kind. It ends with the run, whatever ends that.
    """

    bss: BssResource
    object_store: ObjectStoreResource
    folder_tree: FolderTreeResource
    media_tools: MediaToolsResource
    batch_policy: BatchPolicy

    _work: Any = PrivateAttr(default=None)
    _items: Any = PrivateAttr(default=())

    @property
    def work(self) -> Any:
        return self._work

    @property
    def items(self) -> Any:
        """All items of the batch, as they were when the work began."""
        return self._items

    def begin(self, work: Any) -> None:
        """Have the assets after this one find the work."""
        self._work = work

    def show(self, items: Any) -> None:
        """Have them find all items of the batch."""
        self._items = items

    def teardown_after_execution(self, context: InitResourceContext) -> None:
        if self._work is not None:
            self._work.close()
            self._work = None
