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

import numpy as np

from ...errors import Code, DreamlakeError
from ...kinds import content_type_of
from ...series import form as series_form
from ..text.bad_lines import BadLine, BadLines
from ..text.encoding import Encoding, detect_encoding, explain_no_text
from ..text.nuls import find_nuls
from .delimited import Csv, describe, open_csv
from .fields import Fields, Inferred
from .form import Form
from .json_lines import JsonLines, is_json_lines
from .plot import write_plot
from .rows import MAX_FIELDS, LabelFormat
from .series import write_series
from .stats import Statistics, bound
from .times import LabelTime, find_time
from .types import clean_text
from .writer import Writer


@dataclass(frozen=True, slots=True)
class LabelField:
    """One field over all entries.

    `source` is its name in the source, where the column has another one. `distinct` is how many different values there
    are, exactly; None for lists, and where there are more than `distinct_above`, which is None otherwise. `min` and
    `max` are of numbers (finite ones; decimals as text, so that no digit is lost) and times (RFC 3339), None for other
    types.
    """

    name: str
    type: str
    nulls: int
    distinct: int | None
    min: int | float | str | None
    max: int | float | str | None
    distinct_above: int | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class LabelResult:
    """A label file made into `path`, a Parquet file whose first column `_line` is the source's line number.

    `time` tells when an entry was, if a field does; `plot` is a picture of the entries over that time; `series` is what
    curves of any span are read from, where the table is not small (`series/form.py`).
    `format` and `encoding` are the source's, `form` is how a CSV is written, `units` are those of its row of units, by
    field. `bad_lines` locates the first hundred of the `bad_entries`.
    """

    path: Path
    plot: Path | None
    series: Path | None
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
        with Writer(table, fields, path) as written:
            for part in table.read(BadLines()):
                written.write(part)
    # What is mostly wrong has been misread, or is no table.
    if bad.count > written.entries * (1 if isinstance(table, Csv) else 2):
        raise _misread(filename, table, bad, written.entries)
    renamed = {column: clean_text(name) for name, column in fields.columns.items() if name != column}
    units = table.units if isinstance(table, Csv) else {}
    unnamed = table.names if isinstance(table, Csv) and table.form.header_line is None else ()
    found, time_warnings = find_time(path, written.statistics, units, unnamed)
    time = found.time if found else None
    series = write_series(out / series_form.FILENAME, written.read(), found, written.statistics) if found else None
    plot = out / "plot.png" if time else None
    if time and plot:
        write_plot(np.array(time.counts), plot)
    return LabelResult(
        path=path,
        plot=plot,
        series=series,
        entries=written.entries,
        fields=tuple(_describe(name, found, renamed.get(name)) for name, found in written.statistics.items()),
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


def _open_table(source: Path, encoding: Encoding, filename: str, options: Mapping[str, str]) -> JsonLines | Csv:
    """The content decides; a JSONL file whose first lines are all broken is known by its name."""
    if is_json_lines(source, encoding) or content_type_of(filename) == "application/x-ndjson":
        return JsonLines(source, encoding)
    table = open_csv(source, encoding, options)
    if len(table.names) > MAX_FIELDS:
        raise _invalid(
            f"{filename} has more than the {MAX_FIELDS:,} columns that a label track may have.", hint=_WIDE_HINT
        )
    return table


def _infer_and_write(table: JsonLines | Csv, bad: BadLines, path: Path) -> tuple[Fields, Writer | None]:
    """The types that all of the file asks for; and what was written, if the first part asks for the same."""
    inferred = Inferred(table)
    with ExitStack() as stack:
        writer = None
        for number, part in enumerate(table.read(bad)):
            inferred.see(part)
            if number == 0:
                writer = stack.enter_context(Writer(table, inferred.fields(), path))
            elif writer and not inferred.agrees_with(writer.fields):
                stack.close()
                writer = None
            if writer:
                writer.write(part)
    inferred.measure()
    return inferred.fields(), writer


def _describe(name: str, statistics: Statistics, source: str | None) -> LabelField:
    return LabelField(
        name=name,
        source=source,
        type=statistics.type.name,
        nulls=statistics.nulls,
        distinct=statistics.distinct,
        distinct_above=statistics.distinct_above,
        min=bound(statistics.low, statistics.type),
        max=bound(statistics.high, statistics.type),
    )


def _misread(filename: str, table: JsonLines | Csv, bad: BadLines, entries: int) -> DreamlakeError:
    first = bad.first[0]
    reason = f"Line {first.line}: {first.reason}"
    if isinstance(table, JsonLines):
        some = f"{bad.count} of {bad.count + entries} lines of {filename} can't be read" if entries else None
        return _invalid(f"{some or f'{filename} holds no entry that can be read'}. {reason}")
    many = f"{bad.count} of {bad.count + entries} rows of {filename} can't" if entries else f"No row of {filename} can"
    form = describe(table.form)
    return _invalid(f"{many} be read as it was understood ({form}). {reason}", hint=_MISREAD_HINT)


_WIDE_HINT = "Put values that belong together into one column, as a list in JSON; or write JSONL, one object a line."
_HINT = "A label track is JSONL, one object a line, or CSV, one entry a row."
_MISREAD_HINT = (
    "Say how the file is written, for instance --csv delimiter=';' --csv header=4 (the line of the column names) or "
    "--csv skip=3, or mend its rows."
)


def _invalid(message: str, *, hint: str = _HINT) -> DreamlakeError:
    return DreamlakeError(Code.LABELS_INVALID, message, hint=hint)
