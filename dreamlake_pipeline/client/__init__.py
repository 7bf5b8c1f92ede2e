"""The Python SDK: `from dreamlake_pipeline.client import DreamLake` (docs/sdk.md)."""

from ..api.bss import DeletedRecord, Record, RecordRef, Status
from ..api.common import ErrorBody
from ..errors import Code, DreamlakeError
from ..kinds import Kind
from ..remote.bss import Place
from .cues import Cue
from .decoding import Frame, Frames, Sound
from .dreamlake import DreamLake
from .events import Event, FileEvent, FileStatus, Processing, Progress, Summary, Waiting, Warned
from .file import File
from .files import Files
from .selection import Selection
from .storing import StoreOptions
from .target import Target

__all__ = [
    "Code",
    "Cue",
    "DeletedRecord",
    "DreamLake",
    "DreamlakeError",
    "ErrorBody",
    "Event",
    "File",
    "FileEvent",
    "FileStatus",
    "Files",
    "Frame",
    "Frames",
    "Kind",
    "Place",
    "Processing",
    "Progress",
    "Record",
    "RecordRef",
    "Selection",
    "Sound",
    "Status",
    "StoreOptions",
    "Summary",
    "Target",
    "Waiting",
    "Warned",
]
