"""A Parquet file in the object store: its footer is kept, and of its columns only what is asked for is read."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ...errors import Code, DreamlakeError
from ...storage import ObjectStore
from .pieces import Extent, Pieces, fetch, too_large

_TAIL = 64 * 2**10
_CACHE_BYTES = 64 * 2**20
_MOST_MEMORY = 256 * 2**20  # bytes of columns that are read at a time, once they are decoded
_END = 8  # bytes behind a footer: its length, and `PAR1`


class Footer:
    """What a Parquet file says of itself. `size` is about how many bytes that takes."""

    def __init__(self, file: pq.ParquetFile) -> None:
        metadata = file.metadata
        self.metadata: Any = metadata
        self.schema: pa.Schema = file.schema_arrow
        self.notes: dict[bytes, bytes] | None = metadata.metadata
        self.rows: int = metadata.num_rows
        groups = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
        self.begins = np.concatenate(([0], np.cumsum(groups, dtype=np.int64)))

    @property
    def size(self) -> int:
        return 10 * int(self.metadata.serialized_size) + 500 * len(self.schema) + 1000

    @cached_property
    def paths(self) -> list[str]:
        """Of each column, what pyarrow finds it by."""
        return [self.metadata.schema.column(number).path for number in range(self.metadata.num_columns)]

    def statistics(self, column: str) -> tuple[np.ndarray, np.ndarray]:
        """The lowest and highest value of a column in each row group; NaN where there is none."""
        number = self.schema.get_field_index(column)
        bounds = np.full((2, self.metadata.num_row_groups), np.nan)
        for group in range(self.metadata.num_row_groups):
            found = self.metadata.row_group(group).column(number).statistics
            if found is not None and found.has_min_max:
                bounds[:, group] = found.min, found.max
        return bounds[0], bounds[1]

    def extents(self, groups: Sequence[int], names: Sequence[str]) -> list[Extent]:
        """Where these columns of these row groups lie, and those that pyarrow reads along: it takes `a` to mean `a.b`
        as well."""
        wanted = [
            number
            for number, path in enumerate(self.paths)
            if any(path == name or path.startswith(f"{name}.") for name in names)
        ]
        return [self._extent(group, number) for group in groups for number in wanted]

    def _extent(self, group: int, number: int) -> Extent:
        column = self.metadata.row_group(group).column(number)
        first = column.data_page_offset
        if column.has_dictionary_page and column.dictionary_page_offset:
            first = min(first, column.dictionary_page_offset)
        return Extent(first, first + column.total_compressed_size)


class Footers:
    """The footers that were asked for last, within a bound of bytes. Safe to share between threads."""

    def __init__(self, most_bytes: int = _CACHE_BYTES) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], Footer] = OrderedDict()
        self._bytes = 0

    def get(self, store: ObjectStore, key: str, size: int, etag: str) -> Footer:
        """The footer of what is stored under `key` with this ETag. Raises NOT_FOUND, STORAGE_FAILED."""
        with self._lock:
            if found := self._kept.get((key, etag)):
                self._kept.move_to_end((key, etag))
                return found
        footer = _read_footer(store, key, size)
        with self._lock:
            if (key, etag) not in self._kept:
                self._kept[key, etag] = footer
                self._bytes += footer.size
            while self._bytes > self._most_bytes and len(self._kept) > 1:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= dropped.size
        return footer


def _read_footer(store: ObjectStore, key: str, size: int) -> Footer:
    tail = store.read(key, start=max(0, size - _TAIL), length=min(_TAIL, size))
    length = int.from_bytes(tail[-_END:-4], "little") + _END
    if tail[-4:] != b"PAR1" or length > size:
        raise _unreadable(key)
    if length > len(tail):
        tail = store.read(key, start=size - length, length=length)
    try:
        return Footer(pq.ParquetFile(pa.PythonFile(Pieces(size, [(size - len(tail), tail)]), mode="r")))
    except (pa.ArrowException, OSError):
        raise _unreadable(key) from None


def _unreadable(key: str) -> DreamlakeError:
    return DreamlakeError(
        Code.STORAGE_FAILED,
        f"What is stored as {key.rpartition('/')[2]} is not what was made.",
        hint="If it is not being written just now, `dreamlake fsck --deep` finds it.",
    )


class StoredTable:
    """A Parquet file of ours in the object store."""

    def __init__(self, store: ObjectStore, footers: Footers, key: str) -> None:
        """Raises NOT_FOUND, STORAGE_FAILED."""
        found = store.head(key)
        if found is None:
            raise DreamlakeError(Code.NOT_FOUND, f"Nothing is stored under {key!r}.")
        self._store, self._key, self._size = store, key, found.size
        self.footer = footers.get(store, key, found.size, found.etag)

    @property
    def rows(self) -> int:
        return self.footer.rows

    @property
    def schema(self) -> pa.Schema:
        return self.footer.schema

    def read_groups(self, groups: Sequence[int], columns: Sequence[str], *, items: int | None = None) -> pa.Table:
        """These columns of these row groups, in their order; of each list no more than so many items.

        Raises STORAGE_FAILED, and REQUEST_TOO_LARGE as soon as it is: a few bytes of a file may stand for any number.
        """
        names = list(dict.fromkeys(columns))
        if not len(groups) or not names:
            return self.schema.empty_table().select(names)
        groups = [int(group) for group in groups]
        pieces = fetch(self._store, self._key, self._size, self.footer.extents(groups, names))
        parts, left = [], _MOST_MEMORY
        try:
            source = pa.PythonFile(pieces, mode="r")
            file = pq.ParquetFile(source, metadata=self.footer.metadata, page_checksum_verification=True)
            for group in groups:
                parts.append(_cut(file.read_row_group(group, columns=names).select(names), items))
                left -= parts[-1].nbytes
                if left < 0:
                    raise too_large(self._key, _MOST_MEMORY)
        except (pa.ArrowException, OSError):
            raise _unreadable(self._key) from None
        return pa.concat_tables(parts)

    def read_all(self, columns: Sequence[str], *, items: int | None = None) -> pa.Table:
        """These columns of all rows."""
        return self.read_groups(range(len(self.footer.begins) - 1), columns, items=items)

    def read_first(self, rows: int, columns: Sequence[str]) -> pa.Table:
        """These columns of the row groups in which the first rows are."""
        return self.read_groups(range(int(np.searchsorted(self.footer.begins[:-1], rows))), columns)

    def read_rows(self, numbers: np.ndarray, columns: Sequence[str], *, items: int | None = None) -> pa.Table:
        """These columns of the rows of these numbers, in this order."""
        begins = self.footer.begins
        groups, group_of = np.unique(np.searchsorted(begins, numbers, side="right") - 1, return_inverse=True)
        table = self.read_groups(groups.tolist(), columns, items=items)
        # A row's place among the groups that were read.
        ahead = np.concatenate(([0], np.cumsum(np.diff(begins)[groups])))[:-1] if len(groups) else np.empty(0, np.int64)
        return table.take(pa.array(numbers - begins[groups][group_of] + ahead[group_of]))

    def count_rows_of_groups(self, numbers: np.ndarray) -> int:
        """How many rows are read to have these."""
        begins = self.footer.begins
        groups = np.unique(np.searchsorted(begins, numbers, side="right") - 1)
        return int(np.diff(begins)[groups].sum())


def _cut(table: pa.Table, items: int | None) -> pa.Table:
    """The table with lists of no more than so many items."""
    for at, field in enumerate(table.schema):
        if items is not None and pa.types.is_list(field.type):
            table = table.set_column(at, field, pc.list_slice(table.column(at), 0, items))
    return table
