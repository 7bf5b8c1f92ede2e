"""Label tracks: JSONL and CSV to Parquet with inferred types, statistics, and every bad line located.

The source is read twice, in chunks: once to learn the type of every field, once to write. Memory is bounded
by the chunk, not by the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import Code, DreamlakeError
from ..kinds import content_type_of
from .label_plot import write_plot
from .label_rows import MAX_FIELDS, Csv, JsonLines, LabelFormat, is_json_lines, open_csv, unique_names
from .label_stats import Statistics, bound, find_time
from .label_types import JSON, FieldType, Inference, clean_text, column_of_cells, column_of_values
from .textfile import BadLine, BadLines, Encoding, detect_encoding

LINE_COLUMN = "_line"
OTHER_COLUMN = "_other"
MAX_FIELD_WARNINGS = 20


@dataclass(frozen=True, slots=True)
class LabelField:
    """One field over all entries. `distinct` is exact, or None above `label_stats.MAX_DISTINCT` and for lists.

    `min` and `max` are of numbers (finite ones) and times (RFC 3339), None for other types.
    """

    name: str
    type: str
    nulls: int
    distinct: int | None
    min: int | float | str | None
    max: int | float | str | None


@dataclass(frozen=True, slots=True)
class LabelResult:
    """A label file made into `path`, a Parquet file whose first column `_line` is the source's line number.

    `time_field` is the field that tells when an entry was, if one does. Its `start` and `end` are RFC 3339 for
    dates and Unix times, seconds for other numbers; `duration` is the seconds between them. `plot` is a picture of
    the entries over that time.
    `format` and `encoding` are the source's. `bad_lines` locates the first hundred of the `bad_entries`.
    """

    path: Path
    plot: Path | None
    entries: int
    fields: tuple[LabelField, ...]
    time_field: str | None
    start: float | str | None
    end: float | str | None
    duration: float | None
    encoding: str
    format: LabelFormat
    bad_entries: int
    bad_lines: tuple[BadLine, ...]
    warnings: tuple[str, ...]


def make_label_track(source: Path, out: Path, *, filename: str) -> LabelResult:
    """Make the Parquet file `out/data.parquet` of a JSONL or CSV file; `filename` is what its uploader called it.

    The types are those of `label_types`. Raises DreamlakeError(LABELS_INVALID) when there is no entry to read.
    """
    encoding = detect_encoding(source)
    if encoding is None:
        raise _invalid(f"{filename} is not text.")
    table = _open_table(source, encoding, filename)
    bad = BadLines()
    fields = _infer_fields(table, bad)
    if not fields.types:
        raise _invalid(_explain_no_entries(filename, bad))
    path = out / "data.parquet"
    entries, statistics = _write(table, fields, path)
    time = find_time(statistics)
    plot = out / "plot.png" if time else None
    if time and plot:
        write_plot(path, time.field, plot, low=time.low, high=time.high)
    return LabelResult(
        path=path,
        plot=plot,
        entries=entries,
        fields=tuple(_describe(name, found) for name, found in statistics.items()),
        time_field=time.field if time else None,
        start=time.start if time else None,
        end=time.end if time else None,
        duration=time.duration if time else None,
        encoding=encoding.name,
        format="csv" if isinstance(table, Csv) else "jsonl",
        bad_entries=bad.count,
        bad_lines=tuple(bad.first),
        warnings=(*filter(None, [encoding.warning]), *table.warnings, *fields.warnings),
    )


@dataclass
class _Fields:
    """What the first pass found: by source name, the type and the column's name; and the fields beyond the limit."""

    types: dict[str, FieldType] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    others: dict[str, None] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def _open_table(source: Path, encoding: Encoding, filename: str) -> JsonLines | Csv:
    """The content decides; a JSONL file whose first lines are all broken is known by its name."""
    if is_json_lines(source, encoding) or content_type_of(filename) == "application/x-ndjson":
        return JsonLines(source, encoding)
    table = open_csv(source, encoding)
    if len(table.names) > MAX_FIELDS:
        raise _invalid(f"{filename} has {len(table.names)} columns; a label track may have {MAX_FIELDS}.")
    return table


def _infer_fields(table: JsonLines | Csv, bad: BadLines) -> _Fields:
    fields = _Fields()
    inferences: dict[str, Inference] = {}
    entries = False
    for chunk in table.read(bad):
        entries = True
        for name, values in chunk.columns.items():
            if name not in inferences:
                if len(inferences) >= MAX_FIELDS:
                    fields.others[name] = None
                    continue
                inferences[name] = Inference()
            if isinstance(table, Csv):
                inferences[name].see_cells(values)
            else:
                inferences[name].see_values(values)
    if not entries:
        return fields
    fields.types = {name: inference.resolve() for name, inference in inferences.items()}
    plain = [clean_text(name) or "unnamed" for name in fields.types]
    fields.columns = dict(zip(fields.types, unique_names(plain, (LINE_COLUMN, OTHER_COLUMN)), strict=True))
    fields.warnings = list(_warn_of_fields(fields, inferences))
    return fields


def _write(table: JsonLines | Csv, fields: _Fields, path: Path) -> tuple[int, dict[str, Statistics]]:
    """Write the Parquet file, one row group a chunk; the number of entries, and the statistics by column name."""
    convert = column_of_cells if isinstance(table, Csv) else column_of_values
    statistics = {fields.columns[name]: Statistics(type_) for name, type_ in fields.types.items()}
    schema = [pa.field(LINE_COLUMN, pa.int64(), nullable=False)]
    schema += [pa.field(fields.columns[name], type_.arrow) for name, type_ in fields.types.items()]
    if fields.others:
        statistics[OTHER_COLUMN] = Statistics(JSON)
        schema.append(pa.field(OTHER_COLUMN, JSON.arrow))
    entries = 0
    with pq.ParquetWriter(path, pa.schema(schema), compression="zstd") as writer:
        for chunk in table.read(BadLines()):
            rows = len(chunk.lines)
            columns: list[pa.Array] = []
            for name, type_ in fields.types.items():
                values = chunk.columns.get(name)
                columns.append(pa.nulls(rows, type_.arrow) if values is None else convert(values, type_))
            if fields.others:
                columns.append(column_of_values(_gather(chunk.columns, fields.others, rows), JSON))
            for found, column in zip(statistics.values(), columns, strict=True):
                found.see(column)
            writer.write_table(pa.Table.from_arrays([chunk.lines, *columns], schema=pa.schema(schema)))
            entries += rows
    return entries, statistics


def _gather(columns: Mapping[str, list[Any]], names: dict[str, None], rows: int) -> list[dict[str, Any] | None]:
    """The values of `names`, one object a row; None for a row that has none of them."""
    present = [(name, columns[name]) for name in names if name in columns]
    gathered = ({name: values[row] for name, values in present if values[row] is not None} for row in range(rows))
    return [values or None for values in gathered]


def _describe(name: str, statistics: Statistics) -> LabelField:
    return LabelField(
        name=name,
        type=statistics.type.name,
        nulls=statistics.nulls,
        distinct=statistics.distinct,
        min=bound(statistics.low, statistics.type),
        max=bound(statistics.high, statistics.type),
    )


def _warn_of_fields(fields: _Fields, inferences: dict[str, Inference]) -> list[str]:
    warnings = [
        f"Field {column!r} holds {mixture}: its values were kept as text."
        for name, column in fields.columns.items()
        if (mixture := inferences[name].mixture())
    ]
    if len(warnings) > MAX_FIELD_WARNINGS:
        warnings[MAX_FIELD_WARNINGS:] = [f"{len(warnings) - MAX_FIELD_WARNINGS} more fields are kept as text."]
    warnings += [f"Field {name!r} is column {column!r}." for name, column in fields.columns.items() if name != column]
    if fields.others:
        warnings.append(f"Beyond {MAX_FIELDS} fields, {len(fields.others)} are kept as JSON in {OTHER_COLUMN!r}.")
    return warnings


def _explain_no_entries(filename: str, bad: BadLines) -> str:
    if not bad.first:
        return f"{filename} holds no entry."
    first = bad.first[0]
    return f"{filename} holds no entry that can be read. Line {first.line}: {first.reason}"


def _invalid(message: str) -> DreamlakeError:
    return DreamlakeError(
        Code.LABELS_INVALID, message, hint="A label track is JSONL, one object a line, or CSV with a header."
    )
