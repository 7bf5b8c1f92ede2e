"""The Python SDK: `from dreamlake_pipeline.client import DreamLake`."""

from .dreamlake import DreamLake
from .events import Event, FileEvent, FileStatus, Processing, Progress, Summary
from .selection import Selection
from .target import Target

__all__ = ["DreamLake", "Event", "FileEvent", "FileStatus", "Processing", "Progress", "Selection", "Summary", "Target"]
