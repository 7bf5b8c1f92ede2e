"""What exists: the assets of a batch, in the order of their lineage, and the catalog of everything."""

from .audio_renditions import audio_renditions
from .catalog import catalog
from .dreamlake_index import dreamlake_index
from .hls_streams import hls_streams
from .label_tracks import label_tracks
from .staging_objects import staging_objects
from .text_tracks import text_tracks

__all__ = [
    "audio_renditions",
    "catalog",
    "dreamlake_index",
    "hls_streams",
    "label_tracks",
    "staging_objects",
    "text_tracks",
]
