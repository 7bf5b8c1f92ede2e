"""What the assets of a batch work with, as one resource."""

from dagster import ConfigurableResource

from .batching import BatchPolicy
from .bss import BssResource
from .folder_tree import FolderTreeResource
from .media_tools import MediaToolsResource
from .object_store import ObjectStoreResource


# Dagster reads these annotations: they must not be strings, as `from __future__ import annotations` makes them.
class BatchTools(ConfigurableResource):
    """The other resources of a batch, which are configured under their own names. It has no fields of its own."""

    bss: BssResource
    object_store: ObjectStoreResource
    folder_tree: FolderTreeResource
    media_tools: MediaToolsResource
    batch_policy: BatchPolicy
