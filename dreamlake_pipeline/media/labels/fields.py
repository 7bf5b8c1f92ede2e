"""The fields of a label file: their types, which of them become columns, and what those are called."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from ..text.bad_lines import BadLines
from .delimited import Csv
from .json_lines import JsonLines
from .rows import LINE_COLUMN, MAX_FIELDS, OTHER_COLUMN, Rows, most_columns, short_name, unique_names
from .types import FieldType, Inference, clean_text

MAX_FIELD_WARNINGS = 20


@dataclass(frozen=True)
class Fields:
    """What inference came to: by source name, the type and the column's name; and whether there are other fields."""

    types: dict[str, FieldType]
    columns: dict[str, str]
    others: bool
    warnings: list[str]


class Inferred:
    """The types of the fields in the parts seen so far, and how many values each has."""

    def __init__(self, table: JsonLines | Csv) -> None:
        self._table = table
        self._is_json = isinstance(table, JsonLines)
        self._see = Inference.see_cells if isinstance(table, Csv) else Inference.see_values
        self._measure = Inference.measure_cells if isinstance(table, Csv) else Inference.measure_values
        self._inferences: dict[str, Inference] = {}
        self._rows = 0
        self._counts: Counter[str] = Counter()  # values of each field of JSON
        self._others = 0  # entries with fields beyond the limit
        self._first_other = 0  # line of the first of them

    def see(self, part: Rows) -> None:
        self._rows += len(part.lines)
        for name in (*part.columns, *part.sparse):
            self._inferences.setdefault(name, Inference())
        for name, values in part.columns.items():
            self._see(self._inferences[name], values)
            if self._is_json:
                self._counts[name] += len(values) - (values.count(None) if isinstance(values, list) else 0)
        if not part.others:
            return
        values, beyond = self._sparse_values(part)
        for name, found in values.items():
            self._see(self._inferences[name], found)
            self._counts[name] += len(found)
        if beyond:
            self._first_other = self._first_other or part.lines[beyond[0]].as_py()
            self._others += len(beyond)

    def _sparse_values(self, part: Rows) -> tuple[dict[str, list[Any]], list[int]]:
        """The values of fields that few rows of a part have, and the rows with fields beyond the limit."""
        values: dict[str, list[Any]] = {}
        beyond = []
        for at, row in enumerate(part.others or ()):
            more = False
            for name, value in (row or {}).items():
                if name in self._inferences:
                    values.setdefault(name, []).append(value)
                else:
                    more = True
            if more:
                beyond.append(at)
        return values, beyond

    def measure(self) -> None:
        """Read the file once more for fields whose digits were not measured from its beginning."""
        names = [name for name, inference in self._inferences.items() if inference.unmeasured]
        if not names:
            return
        for part in self._table.read(BadLines()):
            sparse = self._sparse_values(part)[0] if part.others else {}
            for name in names:
                values = part.columns.get(name, sparse.get(name))
                if values is not None:
                    self._measure(self._inferences[name], values)

    def agrees_with(self, fields: Fields) -> bool:
        """Whether what was seen since then has changed nothing."""
        chosen = self._columns()
        if len(chosen) != len(fields.types) or self._has_others(chosen) > fields.others:
            return False
        return all(name in fields.types and self._inferences[name].resolve() == fields.types[name] for name in chosen)

    def _columns(self) -> list[str]:
        """The fields that become columns: all of them, unless the table would be mostly empty; then those with the
        most values."""
        names = list(self._inferences)
        most = most_columns(self._rows, self._counts.total()) if self._is_json else MAX_FIELDS
        if len(names) <= most:
            return names
        kept = set(sorted(names, key=lambda name: -self._counts[name])[:most])
        return [name for name in names if name in kept]

    def _has_others(self, columns: list[str]) -> bool:
        return bool(self._others) or len(columns) < len(self._inferences)

    def fields(self) -> Fields:
        names = self._columns()
        types = {name: self._inferences[name].resolve() for name in names}
        plain = [short_name(clean_text(name)) or "unnamed" for name in types]
        columns = dict(zip(types, unique_names(plain, (LINE_COLUMN, OTHER_COLUMN)), strict=True))
        mixtures = {columns[name]: mixture for name in names if (mixture := self._inferences[name].mixture())}
        warnings = _warn_of_fields(columns, mixtures)
        if rare := len(self._inferences) - len(names):
            warnings.append(
                f"{rare:,} fields that few entries have are kept as JSON in {OTHER_COLUMN!r}: with a column for each, "
                "the table would be mostly empty."
            )
        if self._others:
            entries = "an entry has" if self._others == 1 else f"{self._others} entries have"
            warnings.append(
                f"Beyond the first {MAX_FIELDS} fields of the file, {entries} more (first on line "
                f"{self._first_other}): these are kept as JSON in {OTHER_COLUMN!r}."
            )
        return Fields(types, columns, self._has_others(names), warnings)


def _warn_of_fields(columns: dict[str, str], mixtures: dict[str, str]) -> list[str]:
    """`columns` by source name; what is mixed, by column."""
    warnings = [f"Field {column!r} holds {mixed}: its values were kept as text." for column, mixed in mixtures.items()]
    if len(warnings) > MAX_FIELD_WARNINGS:
        warnings[MAX_FIELD_WARNINGS:] = [f"{len(warnings) - MAX_FIELD_WARNINGS} more fields are kept as text."]
    renamed = [
        f"Field {short_name(name)!r}{_length_of(name)} is column {column!r}."
        for name, column in columns.items()
        if name != column
    ]
    if len(renamed) > MAX_FIELD_WARNINGS:
        renamed[MAX_FIELD_WARNINGS:] = [f"{len(renamed) - MAX_FIELD_WARNINGS} more fields have columns of other names."]
    return [*warnings, *renamed]


def _length_of(name: str) -> str:
    """How long a name is that is shown in part."""
    return "" if short_name(name) == name else f" ({len(name):,} characters)"
