"""Files and what is in them as tables: pandas DataFrames and Arrow tables."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..api.bss import Record
from ..errors import Code, DreamlakeError
from .streaming import read_url

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

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
_COUNTS = ["size", "frames", "width", "height", "sample_rate", "cues", "entries"]
_COLUMNS = [
    *("episode", "name", "kind", "status", "code", "reason", "size"),
    *_METADATA,
    *("sha256", "bss_id", "updated_at"),
]


def files_frame(records: Iterable[Record]) -> pd.DataFrame:
    """A row per file: where it is, what it is, its status, why it failed, and what was found in it."""
    import pandas as pd

    return pd.DataFrame([_row(record) for record in records], columns=_COLUMNS).astype(dict.fromkeys(_COUNTS, "Int64"))


def _row(record: Record) -> dict[str, Any]:
    error = record.error or record.last_error
    return {
        "episode": record.episode,
        "name": record.name,
        "kind": str(record.kind),
        "status": str(record.status),
        "code": error and error.code,
        "reason": error and error.message,
        "size": record.size,
        **{column: (record.metadata or {}).get(field) for column, field in _METADATA.items()},
        "sha256": record.sha256 or record.staging_hash,
        "bss_id": record.id,
        "updated_at": record.updated_at,
    }


def read_table(url: str) -> pa.Table:
    """The table of a Parquet file. Raises NOT_FOUND, STORAGE_FAILED, UNREACHABLE, INTERNAL when it is none."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    try:
        return parquet.read_table(io.BytesIO(read_url(url)))
    except pa.ArrowException as fault:
        raise DreamlakeError(Code.INTERNAL, f"What is stored is no Parquet that can be read here: {fault}.") from fault
