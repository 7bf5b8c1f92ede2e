"""Label tracks: JSONL and CSV to Parquet with inferred types, statistics, and every bad line located.

The source is read in chunks, so that memory is bounded by the chunk, not by the file. What is written has the types
that the first chunk suggests; where a later one needs others, all of the file is read for its types, and again to be
written.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ...errors import Code, DreamlakeError
from ...kinds import content_type_of
from ..text.file import BadLine, BadLines, Encoding, detect_encoding, explain_no_text, find_nuls
from .delimited import Csv, describe, open_csv
from .form import Form
from .plot import write_plot
from .rows import MAX_FIELDS, Chunk, JsonLines, LabelFormat, is_json_lines, unique_names
from .stats import Statistics, bound, find_time
from .types import JSON, FieldType, Inference, clean_text, column_of_cells, column_of_values

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
    `format` and `encoding` are the source's, `form` is how a CSV is written, `units` are those of its row of units, by
    field. `bad_lines` locates the first hundred of the `bad_entries`.
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
    form: Form | None
    units: dict[str, str]
    bad_entries: int
    bad_lines: tuple[BadLine, ...]
    warnings: tuple[str, ...]


def make_label_track(
    source: Path, out: Path, *, filename: str, csv_options: Mapping[str, str] | None = None
) -> LabelResult:
    """Make the Parquet file `out/data.parquet` of a JSONL or CSV file; `filename` is what its uploader called it.

    The types are those of `types`. `csv_options` say how a CSV is written, in the place of what would be found out
    (`csv_options.py`). Raises DreamlakeError(LABELS_INVALID) when there is no entry to read, or when most rows of a CSV
    can't be read.
    """
    options = csv_options or {}
    encoding = Encoding(options["encoding"]) if "encoding" in options else detect_encoding(source)
    if encoding is None:
        raise _invalid(explain_no_text(source, filename))
    table = _open_table(source, encoding, filename, options)
    bad = BadLines()
    path = out / "data.parquet"
    fields, written = _infer_and_write(table, bad, path)
    if not fields.types:
        raise _misread(filename, table, bad, 0) if bad.count else _invalid(f"{filename} holds no entry.")
    if written is None:
        with _Writer(table, fields, path) as written:
            for chunk in table.read(BadLines()):
                written.write(chunk)
    if isinstance(table, Csv) and bad.count > written.entries:  # what is mostly wrong has been misread
        raise _misread(filename, table, bad, written.entries)
    time = find_time(written.statistics)
    plot = out / "plot.png" if time else None
    if time and plot:
        write_plot(path, time.field, plot, low=time.low, high=time.high)
    return LabelResult(
        path=path,
        plot=plot,
        entries=written.entries,
        fields=tuple(_describe(name, found) for name, found in written.statistics.items()),
        time_field=time.field if time else None,
        start=time.start if time else None,
        end=time.end if time else None,
        duration=time.duration if time else None,
        encoding=encoding.name,
        format="csv" if isinstance(table, Csv) else "jsonl",
        form=table.form if isinstance(table, Csv) else None,
        units=table.units if isinstance(table, Csv) else {},
        bad_entries=bad.count,
        bad_lines=tuple(bad.first),
        warnings=(
            *filter(None, [encoding.warning]),
            *find_nuls(source, encoding).warnings,
            *table.warnings,
            *(f"Left out as {what}: {lines}." for what, lines in bad.passed_over.items()),
            *fields.warnings,
        ),
    )


@dataclass(frozen=True)
class _Fields:
    """What inference came to: by source name, the type and the column's name; and the fields beyond the limit."""

    types: dict[str, FieldType]
    columns: dict[str, str]
    others: list[str]
    warnings: list[str]


def _open_table(source: Path, encoding: Encoding, filename: str, options: Mapping[str, str]) -> JsonLines | Csv:
    """The content decides; a JSONL file whose first lines are all broken is known by its name."""
    if is_json_lines(source, encoding) or content_type_of(filename) == "application/x-ndjson":
        return JsonLines(source, encoding)
    table = open_csv(source, encoding, options)
    if len(table.names) > MAX_FIELDS:
        raise _invalid(f"{filename} has {len(table.names)} columns; a label track may have {MAX_FIELDS}.")
    return table


def _infer_and_write(table: JsonLines | Csv, bad: BadLines, path: Path) -> tuple[_Fields, _Writer | None]:
    """The types that all of the file asks for; and what was written, if the first chunk asks for the same."""
    inferred = _Inferred(table)
    with ExitStack() as stack:
        writer = None
        for number, chunk in enumerate(table.read(bad)):
            inferred.see(chunk)
            if number == 0:
                writer = stack.enter_context(_Writer(table, inferred.fields(), path))
            elif writer and not inferred.agrees_with(writer.fields):
                stack.close()
                writer = None
            if writer:
                writer.write(chunk)
        return inferred.fields(), writer


class _Inferred:
    """The types of the fields in the chunks seen so far."""

    def __init__(self, table: JsonLines | Csv) -> None:
        self._see = Inference.see_cells if isinstance(table, Csv) else Inference.see_values
        self._inferences: dict[str, Inference] = {}
        self._others: dict[str, None] = {}

    def see(self, chunk: Chunk) -> None:
        for name, values in chunk.columns.items():
            if name not in self._inferences:
                if len(self._inferences) >= MAX_FIELDS:
                    self._others[name] = None
                    continue
                self._inferences[name] = Inference()
            self._see(self._inferences[name], values)

    def agrees_with(self, fields: _Fields) -> bool:
        """Whether what was seen since then has changed nothing."""
        if len(self._inferences) > len(fields.types) or len(self._others) > len(fields.others):
            return False
        return all(self._inferences[name].resolve() == type_ for name, type_ in fields.types.items())

    def fields(self) -> _Fields:
        types = {name: inference.resolve() for name, inference in self._inferences.items()}
        plain = [clean_text(name) or "unnamed" for name in types]
        columns = dict(zip(types, unique_names(plain, (LINE_COLUMN, OTHER_COLUMN)), strict=True))
        mixtures = {columns[name]: mixture for name, found in self._inferences.items() if (mixture := found.mixture())}
        return _Fields(types, columns, list(self._others), _warn_of_fields(columns, mixtures, len(self._others)))


class _Writer:
    """Writes the Parquet file, one row group a chunk, and gathers the statistics by column name."""

    def __init__(self, table: JsonLines | Csv, fields: _Fields, path: Path) -> None:
        self.fields = fields
        self.entries = 0
        self.statistics = {fields.columns[name]: Statistics(type_) for name, type_ in fields.types.items()}
        if fields.others:
            self.statistics[OTHER_COLUMN] = Statistics(JSON)
        self._convert = column_of_cells if isinstance(table, Csv) else column_of_values
        columns = [pa.field(name, found.type.arrow) for name, found in self.statistics.items()]
        self._schema = pa.schema([pa.field(LINE_COLUMN, pa.int64(), nullable=False), *columns])
        self._file = pq.ParquetWriter(path, self._schema, compression="zstd")

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def write(self, chunk: Chunk) -> None:
        rows = len(chunk.lines)
        columns: list[pa.Array] = []
        for name, type_ in self.fields.types.items():
            values = chunk.columns.get(name)
            columns.append(pa.nulls(rows, type_.arrow) if values is None else self._convert(values, type_))
        if self.fields.others:
            columns.append(column_of_values(_gather(chunk.columns, self.fields.others, rows), JSON))
        for found, column in zip(self.statistics.values(), columns, strict=True):
            found.see(column)
        self._file.write_table(pa.Table.from_arrays([chunk.lines, *columns], schema=self._schema))
        self.entries += rows


def _gather(columns: Mapping[str, list[Any]], names: list[str], rows: int) -> list[dict[str, Any] | None]:
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


def _warn_of_fields(columns: dict[str, str], mixtures: dict[str, str], others: int) -> list[str]:
    """`columns` by source name; what is mixed, by column; how many fields are beyond the limit."""
    warnings = [f"Field {column!r} holds {mixed}: its values were kept as text." for column, mixed in mixtures.items()]
    if len(warnings) > MAX_FIELD_WARNINGS:
        warnings[MAX_FIELD_WARNINGS:] = [f"{len(warnings) - MAX_FIELD_WARNINGS} more fields are kept as text."]
    warnings += [f"Field {name!r} is column {column!r}." for name, column in columns.items() if name != column]
    if others:
        warnings.append(f"Beyond {MAX_FIELDS} fields, {others} are kept as JSON in {OTHER_COLUMN!r}.")
    return warnings


def _misread(filename: str, table: JsonLines | Csv, bad: BadLines, entries: int) -> DreamlakeError:
    first = bad.first[0]
    reason = f"Line {first.line}: {first.reason}"
    if isinstance(table, JsonLines):
        return _invalid(f"{filename} holds no entry that can be read. {reason}")
    many = f"{bad.count} of {bad.count + entries} rows of {filename} can't" if entries else f"No row of {filename} can"
    form = describe(table.form)
    return _invalid(f"{many} be read as it was understood ({form}). {reason}", hint=_MISREAD_HINT)


_HINT = "A label track is JSONL, one object a line, or CSV with a header."
_MISREAD_HINT = (
    "Say how the file is written, for instance --csv delimiter=';' --csv header=4 (the line of the column names) or "
    "--csv skip=3, or mend its rows."
)


def _invalid(message: str, *, hint: str = _HINT) -> DreamlakeError:
    return DreamlakeError(Code.LABELS_INVALID, message, hint=hint)
