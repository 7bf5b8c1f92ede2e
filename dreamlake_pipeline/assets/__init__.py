"""What exists: the assets of a batch, in the order of their lineage, the catalog of everything, what failed, and what
was freed."""

from .audio_renditions import audio_renditions
from .catalog import catalog
from .dreamlake_index import dreamlake_index
from .failed_files import failed_files
from .garbage import garbage
from .hls_streams import hls_streams
from .label_tracks import label_tracks
from .staging_objects import staging_objects
from .text_tracks import text_tracks

__all__ = [
    "audio_renditions",
    "catalog",
    "dreamlake_index",
    "failed_files",
    "garbage",
    "hls_streams",
    "label_tracks",
    "staging_objects",
    "text_tracks",
]
