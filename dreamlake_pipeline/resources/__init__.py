"""What assets and sensors reach the world through. Heavy imports happen when a resource is used, not before."""

from .batch_tools import BatchTools
from .batching import BatchPolicy, Redo, redo
from .bss import BssResource
from .closed import closed
from .folder_tree import FolderTreeResource
from .media_tools import MediaToolsResource
from .object_store import ObjectStoreResource

__all__ = [
    "BatchPolicy",
    "BatchTools",
    "BssResource",
    "FolderTreeResource",
    "MediaToolsResource",
    "ObjectStoreResource",
    "Redo",
    "closed",
    "redo",
]
