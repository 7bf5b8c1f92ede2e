"""Label tracks: JSONL and CSV to Parquet with inferred types, statistics, and every bad line located.

The source is read in parts, so that memory is bounded by the part, not by the file. What is written has the types
that the first part suggests; where a later one needs others, all of the file is read for its types, and again to be
written.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ...errors import Code, DreamlakeError
from ...kinds import content_type_of
from ..text.bad_lines import BadLine, BadLines
from ..text.encoding import Encoding, detect_encoding, explain_no_text
from ..text.nuls import find_nuls
from .delimited import Csv, describe, open_csv
from .form import Form
from .json_lines import JsonLines, is_json_lines
from .plot import write_plot
from .rows import MAX_FIELDS, LabelFormat, Rows, unique_names
from .stats import Statistics, bound, share_of_budget
from .time_candidates import OTHER_COLUMN
from .times import LabelTime, find_time
from .types import JSON, FieldType, Inference, clean_text, column_of_cells, column_of_values

LINE_COLUMN = "_line"
MAX_FIELD_WARNINGS = 20

_GROUP_BYTES = 16 * 2**20
_GROUP_CELLS = 5 * 10**7


@dataclass(frozen=True, slots=True)
class LabelField:
    """One field over all entries.

    `distinct` is how many different values there are, exactly; None for lists, and where there are more than
    `distinct_above`, which is None otherwise. `min` and `max` are of numbers (finite ones; decimals as text, so that
    no digit is lost) and times (RFC 3339), None for other types.
    """

    name: str
    type: str
    nulls: int
    distinct: int | None
    min: int | float | str | None
    max: int | float | str | None
    distinct_above: int | None = None


@dataclass(frozen=True, slots=True)
class LabelResult:
    """A label file made into `path`, a Parquet file whose first column `_line` is the source's line number.

    `time` tells when an entry was, if a field does; `plot` is a picture of the entries over that time.
    `format` and `encoding` are the source's, `form` is how a CSV is written, `units` are those of its row of units, by
    field. `bad_lines` locates the first hundred of the `bad_entries`.
    """

    path: Path
    plot: Path | None
    entries: int
    fields: tuple[LabelField, ...]
    time: LabelTime | None
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
            for part in table.read(BadLines()):
                written.write(part)
    # What is mostly wrong has been misread, or is no table.
    if bad.count > written.entries * (1 if isinstance(table, Csv) else 2):
        raise _misread(filename, table, bad, written.entries)
    units = table.units if isinstance(table, Csv) else {}
    unnamed = table.names if isinstance(table, Csv) and table.form.header_line is None else ()
    time, time_warnings = find_time(path, written.statistics, units, unnamed)
    plot = out / "plot.png" if time else None
    if time and plot:
        write_plot(np.array(time.counts), plot)
    return LabelResult(
        path=path,
        plot=plot,
        entries=written.entries,
        fields=tuple(_describe(name, found) for name, found in written.statistics.items()),
        time=time,
        encoding=encoding.name,
        format="csv" if isinstance(table, Csv) else "jsonl",
        form=table.form if isinstance(table, Csv) else None,
        units=units,
        bad_entries=bad.count,
        bad_lines=tuple(bad.first),
        warnings=(
            *filter(None, [encoding.warning]),
            *find_nuls(source, encoding).warnings,
            *table.warnings,
            *(f"Left out as {what}: {lines}." for what, lines in bad.passed_over.items()),
            *fields.warnings,
            *time_warnings,
        ),
    )


@dataclass(frozen=True)
class _Fields:
    """What inference came to: by source name, the type and the column's name; and whether there are fields beyond."""

    types: dict[str, FieldType]
    columns: dict[str, str]
    others: bool
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
    """The types that all of the file asks for; and what was written, if the first part asks for the same."""
    inferred = _Inferred(table)
    with ExitStack() as stack:
        writer = None
        for number, part in enumerate(table.read(bad)):
            inferred.see(part)
            if number == 0:
                writer = stack.enter_context(_Writer(table, inferred.fields(), path))
            elif writer and not inferred.agrees_with(writer.fields):
                stack.close()
                writer = None
            if writer:
                writer.write(part)
    inferred.measure()
    return inferred.fields(), writer


class _Inferred:
    """The types of the fields in the parts seen so far."""

    def __init__(self, table: JsonLines | Csv) -> None:
        self._table = table
        self._see = Inference.see_cells if isinstance(table, Csv) else Inference.see_values
        self._measure = Inference.measure_cells if isinstance(table, Csv) else Inference.measure_values
        self._inferences: dict[str, Inference] = {}
        self._others = 0  # entries with fields beyond the limit
        self._first_other = 0  # line of the first of them

    def see(self, part: Rows) -> None:
        for name, values in part.columns.items():
            self._see(self._inferences.setdefault(name, Inference()), values)
        if part.others and (lines := [line for line, row in zip(part.lines, part.others, strict=True) if row]):
            self._first_other = self._first_other or lines[0].as_py()
            self._others += len(lines)

    def measure(self) -> None:
        """Read the file once more for fields whose digits were not measured from its beginning."""
        names = [name for name, inference in self._inferences.items() if inference.unmeasured]
        if not names:
            return
        for part in self._table.read(BadLines()):
            for name in names:
                if name in part.columns:
                    self._measure(self._inferences[name], part.columns[name])

    def agrees_with(self, fields: _Fields) -> bool:
        """Whether what was seen since then has changed nothing."""
        if len(self._inferences) > len(fields.types) or bool(self._others) > fields.others:
            return False
        return all(self._inferences[name].resolve() == type_ for name, type_ in fields.types.items())

    def fields(self) -> _Fields:
        types = {name: inference.resolve() for name, inference in self._inferences.items()}
        plain = [clean_text(name) or "unnamed" for name in types]
        columns = dict(zip(types, unique_names(plain, (LINE_COLUMN, OTHER_COLUMN)), strict=True))
        mixtures = {columns[name]: mixture for name, found in self._inferences.items() if (mixture := found.mixture())}
        warnings = _warn_of_fields(columns, mixtures)
        if self._others:
            entries = "an entry has" if self._others == 1 else f"{self._others} entries have"
            warnings.append(
                f"Beyond the first {MAX_FIELDS} fields of the file, {entries} more (first on line "
                f"{self._first_other}): these are kept as JSON in {OTHER_COLUMN!r}."
            )
        return _Fields(types, columns, bool(self._others), warnings)


class _Writer:
    """Writes the Parquet file and gathers the statistics by column name.

    A row group has the rows of as many parts as `_GROUP_BYTES` and `_GROUP_CELLS` allow: of a wide file, a part has
    few rows, and Parquet notes hundreds of bytes for each column of a row group.
    """

    def __init__(self, table: JsonLines | Csv, fields: _Fields, path: Path) -> None:
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
        self._file = pq.ParquetWriter(path, self._schema, compression="zstd")
        self._group: list[pa.RecordBatch] = []
        self._group_bytes = self._group_cells = 0

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self._flush()
        self._file.close()

    def write(self, part: Rows) -> None:
        rows = len(part.lines)
        nulls: dict[pa.DataType, pa.Array] = {}  # one for all fields of a type that no row of the part has
        columns: list[pa.Array] = [part.lines]
        for (name, type_), found in zip(self.fields.types.items(), self.statistics.values(), strict=False):
            if (values := part.columns.get(name)) is None:
                found.nulls += rows
                columns.append(nulls.get(type_.arrow) or nulls.setdefault(type_.arrow, pa.nulls(rows, type_.arrow)))
                continue
            columns.append(self._convert(values, type_))
            found.see(columns[-1])
            self._group_bytes += columns[-1].nbytes
        if self.fields.others:
            columns.append(column_of_values(part.others or [None] * rows, JSON))
            self.statistics[OTHER_COLUMN].see(columns[-1])
            self._group_bytes += columns[-1].nbytes
        self._group.append(pa.RecordBatch.from_arrays(columns, schema=self._schema))
        self._group_cells += rows * len(columns)
        self.entries += rows
        if self._group_bytes >= _GROUP_BYTES or self._group_cells >= _GROUP_CELLS:
            self._flush()

    def _flush(self) -> None:
        if self._group:
            rows = pa.Table.from_batches(self._group, self._schema)
            self._file.write_table(rows, row_group_size=len(rows))
        self._group = []
        self._group_bytes = self._group_cells = 0


def _describe(name: str, statistics: Statistics) -> LabelField:
    return LabelField(
        name=name,
        type=statistics.type.name,
        nulls=statistics.nulls,
        distinct=statistics.distinct,
        distinct_above=statistics.distinct_above,
        min=bound(statistics.low, statistics.type),
        max=bound(statistics.high, statistics.type),
    )


def _warn_of_fields(columns: dict[str, str], mixtures: dict[str, str]) -> list[str]:
    """`columns` by source name; what is mixed, by column."""
    warnings = [f"Field {column!r} holds {mixed}: its values were kept as text." for column, mixed in mixtures.items()]
    if len(warnings) > MAX_FIELD_WARNINGS:
        warnings[MAX_FIELD_WARNINGS:] = [f"{len(warnings) - MAX_FIELD_WARNINGS} more fields are kept as text."]
    warnings += [f"Field {name!r} is column {column!r}." for name, column in columns.items() if name != column]
    return warnings


def _misread(filename: str, table: JsonLines | Csv, bad: BadLines, entries: int) -> DreamlakeError:
    first = bad.first[0]
    reason = f"Line {first.line}: {first.reason}"
    if isinstance(table, JsonLines):
        some = f"{bad.count} of {bad.count + entries} lines of {filename} can't be read" if entries else None
        return _invalid(f"{some or f'{filename} holds no entry that can be read'}. {reason}")
    many = f"{bad.count} of {bad.count + entries} rows of {filename} can't" if entries else f"No row of {filename} can"
    form = describe(table.form)
    return _invalid(f"{many} be read as it was understood ({form}). {reason}", hint=_MISREAD_HINT)


_HINT = "A label track is JSONL, one object a line, or CSV, one entry a row."
_MISREAD_HINT = (
    "Say how the file is written, for instance --csv delimiter=';' --csv header=4 (the line of the column names) or "
    "--csv skip=3, or mend its rows."
)


def _invalid(message: str, *, hint: str = _HINT) -> DreamlakeError:
    return DreamlakeError(Code.LABELS_INVALID, message, hint=hint)
