"""The index as two Parquet files, for whoever reads tables better than APIs: a row a file, and a row an episode."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from .. import layout
from ..storage import ObjectStore
from .scratch import scratch_folder

_TIME = pa.timestamp("us", tz="UTC")


class Table(NamedTuple):
    """One of the catalog's files."""

    key: str
    schema: pa.Schema


_FILES = pa.schema(
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
        pa.field("time_offset_sec", pa.float64()),
        pa.field("episode_flag", pa.string()),
    ]
)
_EPISODES = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("namespace", pa.string(), nullable=False),
        pa.field("project", pa.string(), nullable=False),
        pa.field("episode", pa.string(), nullable=False),
        pa.field("flag", pa.string()),
        pa.field("note", pa.string()),
        pa.field("files", pa.int64(), nullable=False),
        pa.field("failed", pa.int64(), nullable=False),
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("duration_sec", pa.float64()),
        pa.field("created_at", _TIME, nullable=False),
        pa.field("updated_at", _TIME, nullable=False),
    ]
)
FILES, EPISODES = Table(layout.CATALOG_KEY, _FILES), Table(layout.EPISODES_KEY, _EPISODES)
_ROW_GROUP = 20_000


def write_table(
    store: ObjectStore, table: Table, rows: Iterable[Mapping[str, Any]], *, scratch: Path | None = None
) -> int:
    """Write rows of the index to a file of the catalog, a row group at a time; how many there were.

    Rows have the columns of the schema; JSON objects are kept as text. The object is replaced whole: a reader sees the
    old one or the new one. Its user metadata say what was written.
    """
    count = 0
    with scratch_folder(scratch) as folder:
        path = folder / "table.parquet"
        with pq.ParquetWriter(path, table.schema, compression="zstd") as writer:
            for group in _groups(rows):
                writer.write_table(pa.Table.from_pylist([_row(row) for row in group], schema=table.schema))
                count += len(group)
        with path.open("rb") as file:
            noted = {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "size": str(path.stat().st_size)}
        store.upload(table.key, path, content_type="application/vnd.apache.parquet", metadata=noted)
    return count


def count_rows(store: ObjectStore, table: Table) -> int:
    """How many rows a stored file of the catalog has, by its footer, which says so only when the file is whole."""
    return pq.read_metadata(io.BytesIO(store.read(table.key))).num_rows


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value for name, value in row.items()
    }


def _groups(rows: Iterable[Mapping[str, Any]]) -> Iterator[Sequence[Mapping[str, Any]]]:
    iterator = iter(rows)
    while group := list(islice(iterator, _ROW_GROUP)):
        yield group
