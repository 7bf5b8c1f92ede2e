"""The index as one Parquet file, for whoever reads tables better than APIs."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from .. import layout
from ..objectstore import ObjectStore
from .scratch import scratch_folder

_TIME = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("namespace", pa.string(), nullable=False),
        pa.field("project", pa.string(), nullable=False),
        pa.field("episode", pa.string()),
        pa.field("path", pa.string(), nullable=False),
        pa.field("filename", pa.string(), nullable=False),
        pa.field("bss_id", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("size", pa.int64()),
        pa.field("sha256", pa.string()),
        pa.field("duration_sec", pa.float64()),
        pa.field("metadata", pa.string()),
        pa.field("created_at", _TIME, nullable=False),
        pa.field("updated_at", _TIME, nullable=False),
    ]
)
_ROW_GROUP = 20_000


def write_catalog(store: ObjectStore, rows: Iterable[Mapping[str, Any]], *, scratch: Path | None = None) -> int:
    """Write rows of the index to `catalog/assets.parquet`, a row group at a time; how many there were.

    Rows have the columns of `SCHEMA` but `duration_sec`, which is taken from `metadata` (a JSON object, kept as text).
    The object is replaced whole: a reader sees the old catalog or the new one. Its user metadata say what was written.
    """
    count = 0
    with scratch_folder(scratch) as folder:
        path = folder / "assets.parquet"
        with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
            for group in _groups(rows):
                writer.write_table(pa.Table.from_pylist([_row(row) for row in group], schema=SCHEMA))
                count += len(group)
        with path.open("rb") as file:
            noted = {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "size": str(path.stat().st_size)}
        store.upload(layout.CATALOG_KEY, path, content_type="application/vnd.apache.parquet", metadata=noted)
    return count


def count_rows(store: ObjectStore) -> int:
    """How many rows the stored catalog has, by its footer, which says so only when the file is whole."""
    return pq.read_metadata(io.BytesIO(store.read(layout.CATALOG_KEY))).num_rows


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    metadata = row["metadata"]
    return {
        **row,
        "duration_sec": (metadata or {}).get("durationSec"),
        "metadata": None if metadata is None else json.dumps(metadata, ensure_ascii=False),
    }


def _groups(rows: Iterable[Mapping[str, Any]]) -> Iterator[Sequence[Mapping[str, Any]]]:
    iterator = iter(rows)
    while group := list(islice(iterator, _ROW_GROUP)):
        yield group
