"""The index and label tracks as pandas DataFrames, for notebooks."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..api.bss import Record
from ..api.server import Asset
from ..errors import Code, DreamlakeError
from ..kinds import Kind
from .bss import BssClient
from .transfer import Transfer

if TYPE_CHECKING:
    import pandas as pd

# What is known of processed files, by the name of its column; a kind without it has a null there.
_METADATA = {
    "duration_sec": "durationSec",
    "frames": "length",
    "fps": "fps",
    "width": "width",
    "height": "height",
    "sample_rate": "sampleRate",
    "cues": "cues",
    "entries": "entries",
}


def files_frame(assets: Iterable[Asset]) -> pd.DataFrame:
    """A row per file of the index: where it is, what it is, its status, and what was found in it."""
    import pandas as pd

    rows = [
        {
            "episode": asset.episode,
            "name": asset.name,
            "kind": str(asset.kind),
            "status": str(asset.status),
            "size": asset.size,
            **{column: (asset.metadata or {}).get(field) for column, field in _METADATA.items()},
            "sha256": asset.sha256,
            "bss_id": asset.bss_id,
            "updated_at": asset.updated_at,
        }
        for asset in assets
    ]
    columns = ["episode", "name", "kind", "status", "size", *_METADATA, "sha256", "bss_id", "updated_at"]
    frame = pd.DataFrame(rows, columns=columns)
    counts = ["size", "frames", "width", "height", "sample_rate", "cues", "entries"]
    return frame.astype(dict.fromkeys(counts, "Int64"))


def labels_frame(bss: BssClient, record: Record) -> pd.DataFrame:
    """The entries of a label track, typed as in its Parquet; `_line` is the line of the source.

    Raises INVALID_REQUEST for another kind, NOT_READY before it is processed.
    """
    import pyarrow.parquet as parquet

    if record.kind is not Kind.LABEL_TRACK:
        raise DreamlakeError(Code.INVALID_REQUEST, f"{record.name} is of kind {record.kind}, not a label track.")
    transfer = Transfer(1)
    try:
        data = b"".join(transfer.get(bss.playback(record.kind, record.id).url, start=0))
    finally:
        transfer.close()
    return parquet.read_table(io.BytesIO(data)).to_pandas()
