"""A table of what became of every file of a run: one row a file, as CSV or, by the name's extension, Parquet."""

from __future__ import annotations

import contextlib
import csv
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from ..errors import Code, DreamlakeError
from .events import FileEvent
from .fields import MEANINGS, OLD_COLUMNS

COLUMNS = (*MEANINGS, "sha256", "plan", "warning", "seconds", *OLD_COLUMNS)
_ROWS = 10_000  # in memory at once
_UPSERT = (
    f"INSERT INTO files VALUES ({', '.join('?' * len(COLUMNS))}) ON CONFLICT (path) DO UPDATE SET "  # noqa: S608
    + ", ".join(f"{name} = coalesce(excluded.{name}, {name})" for name in COLUMNS[1:])
)


class Report:
    """Rows by path, the last change of a file being what counts; `seconds` is when that was, from the run's start.

    Rows wait in a temporary SQLite database, which goes to disk when it grows. The file appears whole or not at all,
    when the report is closed, whatever ended the run.
    """

    def __init__(self, path: Path) -> None:
        """Raises USAGE when `path` has another extension, or no folder that can be written to."""
        if path.suffix.lower() not in (".csv", ".parquet"):
            raise DreamlakeError(Code.USAGE, f"{path} must end in .csv or .parquet.")
        self._path = path
        self._part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            self._part.touch()
        except OSError as fault:
            raise DreamlakeError(Code.USAGE, f"{path} cannot be written: {fault.strerror}.") from None
        self._started = time.monotonic()
        self._rows = sqlite3.connect("")
        self._rows.execute(f"CREATE TABLE files ({', '.join(COLUMNS)}, PRIMARY KEY (path))")

    def add(self, event: FileEvent) -> None:
        """Note a change of a file."""
        seconds = round(time.monotonic() - self._started, 3)
        fields = event.fields()
        plan = event.plan and str(event.plan)
        old = (event.bss_id, event.asset_id)
        self._rows.execute(_UPSERT, [*fields.values(), event.sha256, plan, event.warning, seconds, *old])

    def close(self) -> None:
        """Write the file. Raises STORAGE_FULL or FILE_UNREADABLE when it cannot be written."""
        try:
            if self._path.suffix.lower() == ".csv":
                self._write_csv()
            else:
                self._write_parquet()
            with self._part.open("rb") as written:
                os.fsync(written.fileno())
            self._part.replace(self._path)
        except OSError as fault:
            code = Code.STORAGE_FULL if fault.errno in (28, 122) else Code.FILE_UNREADABLE  # ENOSPC, EDQUOT
            raise DreamlakeError(
                code,
                f"The report {self._path} cannot be written: {fault.strerror or fault}.",
                hint="The files themselves are as reported above; the same command again sends nothing twice.",
            ) from None
        finally:
            with contextlib.suppress(OSError):
                self._part.unlink(missing_ok=True)
            self._rows.close()

    def _groups(self) -> Iterator[list[tuple]]:
        cursor = self._rows.execute("SELECT * FROM files ORDER BY rowid")
        while rows := cursor.fetchmany(_ROWS):
            yield rows

    def _write_csv(self) -> None:
        with self._part.open("w", encoding="utf-8", newline="") as out:
            table = csv.writer(out)
            table.writerow(COLUMNS)
            for rows in self._groups():
                table.writerows(rows)

    def _write_parquet(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        types = {"size": pa.int64(), "seconds": pa.float64()}
        schema = pa.schema([(name, types.get(name, pa.string())) for name in COLUMNS])
        with pq.ParquetWriter(self._part, schema, compression="zstd") as out:
            for rows in self._groups():
                values = zip(zip(*rows, strict=True), schema, strict=True)
                columns = [pa.array(column, field.type) for column, field in values]
                out.write_batch(pa.record_batch(columns, schema=schema))
