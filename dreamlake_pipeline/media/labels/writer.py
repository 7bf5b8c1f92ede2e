"""The Parquet file of a label track, written part by part, with the statistics of its columns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from .delimited import Csv
from .fields import Fields
from .json_lines import JsonLines
from .rows import LINE_COLUMN, OTHER_COLUMN, Rows
from .stats import Statistics, share_of_budget
from .types import JSON, column_of_cells, column_of_values

_GROUP_BYTES = 16 * 2**20
# Less where a group of so many bytes has rows enough: whoever looks at a moment of the track reads a group.
_LESS_BYTES, _ENOUGH_ROWS = 4 * 2**20, 2**14
_GROUP_CELLS = 5 * 10**7
_READ_ROWS = 2**16


class Writer:
    """Writes the Parquet file and gathers the statistics by column name.

    A row group has the rows of as many parts as `_GROUP_BYTES` and `_GROUP_CELLS` allow: of a wide file, a part has
    few rows, and Parquet notes hundreds of bytes for each column of a row group.
    """

    def __init__(self, table: JsonLines | Csv, fields: Fields, path: Path) -> None:
        self.fields = fields
        self.entries = 0
        types = {fields.columns[name]: type_ for name, type_ in fields.types.items()}
        if fields.others:
            types[OTHER_COLUMN] = JSON
        share = share_of_budget(len(types))
        self.statistics = {name: Statistics(type_, share) for name, type_ in types.items()}
        self._convert = column_of_cells if isinstance(table, Csv) else column_of_values
        columns = [pa.field(name, type_.arrow) for name, type_ in types.items()]
        self._schema = pa.schema([pa.field(LINE_COLUMN, pa.int64(), nullable=False), *columns])
        # Measurements hardly repeat: with a dictionary of them, a file is larger and takes five times as long to write.
        repeating = [name for name, type_ in types.items() if not _is_measured(type_.arrow)]
        self._path = path
        self._file = pq.ParquetWriter(path, self._schema, compression="zstd", use_dictionary=repeating or False)
        self._group: list[pa.RecordBatch] = []
        self._group_bytes = self._group_cells = self._group_rows = 0
        self._only_group: list[pa.RecordBatch] | None = None  # as long as no other one was written

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self._flush()
        self._file.close()

    def write(self, part: Rows) -> None:
        rows = len(part.lines)
        nulls: dict[pa.DataType, pa.Array] = {}  # one for all fields of a type that no row of the part has
        columns: list[pa.Array] = [part.lines]
        sparse, others = self._take_apart(part) if self.fields.others or part.others else ({}, None)
        for (name, type_), found in zip(self.fields.types.items(), self.statistics.values(), strict=False):
            if (values := part.columns.get(name, sparse.get(name))) is None:
                found.nulls += rows
                columns.append(nulls.get(type_.arrow) or nulls.setdefault(type_.arrow, pa.nulls(rows, type_.arrow)))
                continue
            columns.append(self._convert(values, type_))
            found.see(columns[-1])
            self._group_bytes += columns[-1].nbytes
        if self.fields.others:
            columns.append(column_of_values(others or [None] * rows, JSON))
            self.statistics[OTHER_COLUMN].see(columns[-1])
            self._group_bytes += columns[-1].nbytes
        self._group.append(pa.RecordBatch.from_arrays(columns, schema=self._schema))
        self._group_cells += rows * len(columns)
        self.entries += rows
        self._group_rows += rows
        is_large = self._group_bytes >= (_LESS_BYTES if self._group_rows >= _ENOUGH_ROWS else _GROUP_BYTES)
        if is_large or self._group_cells >= _GROUP_CELLS:
            self._flush()

    def read(self) -> Iterator[pa.RecordBatch]:
        """What was written, in parts, once the file is closed; what is in memory still is not read from it."""
        if self._only_group is not None:
            yield from self._only_group
            return
        with pq.ParquetFile(self._path) as file:
            for group in range(file.num_row_groups):
                yield from file.iter_batches(_READ_ROWS, row_groups=[group])

    def _take_apart(self, part: Rows) -> tuple[dict[str, list[Any]], list[dict[str, Any] | None]]:
        """The columns of which a part has few values, and of each row what has no column."""
        rows = len(part.lines)
        columns: dict[str, list[Any]] = {}
        others: list[dict[str, Any] | None] = [None] * rows
        for at, row in enumerate(part.others or ()):
            for name, value in (row or {}).items():
                if name not in self.fields.types:
                    rest = others[at] = others[at] or {}
                    rest[name] = value
                    continue
                if name not in columns:
                    columns[name] = [None] * rows
                columns[name][at] = value
        for name, values in part.columns.items():
            if name in self.fields.types:
                continue
            for at, value in enumerate(values):
                if value is not None:
                    rest = others[at] = others[at] or {}
                    rest[name] = value
        return columns, others

    def _flush(self) -> None:
        if self._group:
            rows = pa.Table.from_batches(self._group, self._schema)
            self._file.write_table(rows, row_group_size=len(rows))
            self._only_group = self._group if self.entries == self._group_rows else None
        self._group = []
        self._group_bytes = self._group_cells = self._group_rows = 0


def _is_measured(type_: pa.DataType) -> bool:
    return pa.types.is_floating(type_.value_type if pa.types.is_list(type_) else type_)
