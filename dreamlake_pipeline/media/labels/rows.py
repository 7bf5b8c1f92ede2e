"""Rows of a label file in chunks of bounded size, each with its line number, and the reader of JSONL.

A line that can't be used is reported to a `BadLines` and passed over. Reading the same file twice gives
the same chunks and the same bad lines. The reader of CSV is in `delimited`.

A block of lines in which nothing is out of the ordinary is read at once by fast code (`label_blocks`); any other is
read line by line, by code that says what is wrong and where. Both give the same rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from ..text.file import BadLines, Blocks, Encoding, is_whole, problem_of, read_lines, split_lines
from . import blocks as label_blocks

LabelFormat = Literal["jsonl", "csv"]

MAX_FIELDS = 5000

# A chunk has the rows of one block (`textfile.Blocks`); rows of JSON with few fields in common fill several.
_CHUNK_CELLS = 2 * 10**6

_GROUP = 64  # lines of JSON that are tried at once where a block holds a bad one

_SNIFFED_LINES = 100


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows in source order: `lines` their line numbers (1-based), `columns` their values by source field name.

    The values of JSON are a list of Python's; those of a CSV are an Arrow array of strings.
    """

    lines: pa.Array
    columns: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JsonLines:
    """One JSON object a line (https://jsonlines.org); blank lines are passed over."""

    path: Path
    encoding: Encoding
    warnings: tuple[str, ...] = ()

    def read(self, bad: BadLines, *, fast: bool = True) -> Iterator[Chunk]:
        number = 1
        with Blocks(self.path, self.encoding) as blocks:
            while block := blocks.take():
                lines = split_lines(block)
                if fast and is_whole(block) and (rows := label_blocks.parse_json_lines(lines)) is not None:
                    numbers: Sequence[int] = range(number, number + len(rows))
                else:
                    numbers, rows = self._read_carefully(lines, number, bad, group=_GROUP if fast else 1)
                number += len(lines)
                yield from _to_chunks(numbers, rows)

    def _read_carefully(
        self, lines: list[str], number: int, bad: BadLines, *, group: int
    ) -> tuple[list[int], list[dict[str, Any]]]:
        """The objects and their line numbers: by groups of lines, and line by line where a group holds a bad one."""
        numbers: list[int] = []
        rows: list[dict[str, Any]] = []
        for start in range(0, len(lines), group):
            some = [(at, line) for at, line in enumerate(lines[start : start + group], number + start) if line.strip()]
            texts = [line for _, line in some]
            if group > 1 and is_whole("".join(texts)) and (found := label_blocks.parse_json_lines(texts)) is not None:
                numbers += [at for at, _ in some]
                rows += found
                continue
            for at, line in some:
                if (row := self._parse(line, at, bad)) is not None:
                    numbers.append(at)
                    rows.append(row)
        return numbers, rows

    def _parse(self, line: str, number: int, bad: BadLines) -> dict[str, Any] | None:
        if problem := problem_of(line, self.encoding):
            bad.add(number, problem)
            return None
        try:
            row = json.loads(line)
        except json.JSONDecodeError as fault:
            bad.add(number, f"The line is not JSON: {fault.msg} at character {fault.pos + 1}.")
        except (ValueError, RecursionError) as fault:
            nested = isinstance(fault, RecursionError)
            bad.add(number, "The JSON is nested too deeply." if nested else "The JSON has a number that is too long.")
        else:
            if isinstance(row, dict) and row:
                return row
            bad.add(number, f"The line is {_describe(row)}, not an object with fields.")
        return None


def is_json_lines(path: Path, encoding: Encoding) -> bool:
    """Whether one of the first lines is a JSON object."""
    for line in islice(read_lines(path, encoding), _SNIFFED_LINES):
        if line.lstrip().startswith("{"):
            try:
                return isinstance(json.loads(line), dict)
            except (ValueError, RecursionError):
                continue
    return False


def unique_names(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """The names, with `_2`, `_3`, … where one is taken."""
    used = set(taken)
    numbers: dict[
        str, int
    ] = {}  # the last one that a name was given: a thousand twins are told apart in a thousand steps
    unique = []
    for name in names:
        candidate, number = name, numbers.get(name, 1)
        while candidate in used:
            number += 1
            candidate = f"{name}_{number}"
        numbers[name] = number
        used.add(candidate)
        unique.append(candidate)
    return unique


def _to_chunks(numbers: Sequence[int], rows: list[dict[str, Any]]) -> Iterator[Chunk]:
    names = dict.fromkeys(chain.from_iterable(rows))
    step = max(1, _CHUNK_CELLS // len(names)) if names else 1
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        present = names if step >= len(rows) else dict.fromkeys(chain.from_iterable(some))
        yield Chunk(pa.array(numbers[start : start + step], pa.int64()), _columns_of(some, list(present)))


def _columns_of(rows: list[dict[str, Any]], names: list[str]) -> dict[str, list[Any]]:
    """The values of each name, None where a row has none."""
    if len(names) > 1:
        with suppress(KeyError), label_blocks.no_collection():  # as there is unless every row has every name
            return dict(zip(names, map(list, zip(*map(itemgetter(*names), rows), strict=True)), strict=True))
    return {name: [row.get(name) for row in rows] for name in names}


def _describe(value: Any) -> str:
    match value:
        case {}:
            return "an empty object"
        case list():
            return "a list"
        case None:
            return "null"
        case str():
            return "text"
        case _:
            return "a number or boolean"
