"""JSON Lines: the rows of a file of one JSON object a line, in parts of bounded size, each with its line number.

A block of lines in which nothing is out of the ordinary is parsed at once, to columns of Arrow where its objects are
flat (`flat_objects`); any other is parsed line by line, so that what is wrong can be located. All give the same rows:

- A number that a 64-bit float does not keep is a Decimal of all its digits (`digits.parse_number`).
- An object with a name twice keeps both values, under numbered names (RFC 8259 section 4 leaves the meaning open).
- Objects that share a line are entries each; commas between lines and the brackets of an array around them go.
- A line that is no object, or is nested deeper than `MAX_DEPTH`, is a bad line.
"""

from __future__ import annotations

import gc
import json
import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain, islice
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ..text.bad_lines import BadLines, Lines
from ..text.encoding import Encoding
from ..text.file import Blocks, problem_of, read_lines, split_lines
from ..text.marks import is_whole
from .digits import may_not_be_kept, parse_number
from .flat_objects import parse_flat
from .rows import MAX_FIELDS, Rows, is_sparse

MAX_DEPTH = 256  # of lists and objects in each other; Python's own parser and encoder give up near 1,000

# A part has the rows of one block (`text.file.Blocks`), or some of them where they have many fields.
_PART_CELLS = 2 * 10**6
_SPARSE_PART_ROWS = 2**16
_GROUP = 64  # lines that are tried at once where a block holds a bad one
_SNIFFED_LINES = 100

# Stands between the objects of joined lines. No line can hold it, so none can pass for another number of objects; and
# it has nothing of a number, which `may_not_be_kept` would find.
_BETWEEN = "".join(secrets.choice("abcdfghijklmnopqrstuvwxyz") for _ in range(32))
_SEPARATOR = f',"{_BETWEEN}",'

_OPENING, _CLOSING = b"[{", b"]}"
# What may stand around an object: RFC 7464 puts a record separator before each; joined texts have byte order marks.
_AROUND = " \t\r\n\x1e\ufeff"


@dataclass(slots=True)
class Twins:
    """Counts objects in which a name came twice or more. `line` is that of the row which is being parsed."""

    count: int = 0
    line: int = 0
    first: tuple[int, str] | None = None

    def number(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """The object of these pairs; where a name was before, `_2`, `_3`, … is added to it."""
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        named, numbers, numbered = found.keys(), dict.fromkeys(found, 1), {}
        for name, value in pairs:
            unique = name
            if name in numbered:
                self.first = self.first or (self.line, name)
                while unique in named or unique in numbered:
                    numbers[name] += 1
                    unique = f"{name}_{numbers[name]}"
            numbered[unique] = value
        self.count += 1
        return numbered


@dataclass(slots=True)
class JsonLines:
    """One JSON object a line (https://jsonlines.org); blank lines are passed over.

    The fields of the rows are the first `MAX_FIELDS` names of the file. Those that few rows of a part have, and all
    further ones, are its `others`.
    """

    path: Path
    encoding: Encoding
    _twins: Twins = field(default_factory=Twins)
    _shared: Lines = field(default_factory=Lines)  # by several objects

    @property
    def warnings(self) -> tuple[str, ...]:
        """What there is to say of the rows that were read."""
        shared = (f"Several objects share a line, and each became an entry: {self._shared}.",)
        return (shared if self._shared.count else ()) + self._warnings_of_twins()

    def _warnings_of_twins(self) -> tuple[str, ...]:
        if not self._twins.first:
            return ()
        line, name = self._twins.first
        objects = "One object has" if self._twins.count == 1 else f"{self._twins.count} objects have"
        return (
            f"{objects} a name twice, the first on line {line} ({name!r}): "
            f"all values were kept, the later ones under numbered names ({name + '_2'!r}).",
        )

    def read(self, bad: BadLines, *, fast: bool = True) -> Iterator[Rows]:
        """The rows in parts; what can't be read is added to `bad`."""
        self._twins, self._shared = Twins(), Lines()
        known: dict[str, None] = {}
        number = 1
        with Blocks(self.path, self.encoding) as blocks:
            while block := blocks.take():
                if fast and is_whole(block) and (flat := parse_flat(block)) and len(known.keys() | flat) <= MAX_FIELDS:
                    known.update(dict.fromkeys(flat))
                    yield from _to_parts(number, flat)
                    number += len(next(iter(flat.values())))
                    continue
                lines = split_lines(block)
                if fast and is_whole(block) and (rows := parse_lines(lines)) is not None:
                    numbers: Sequence[int] = range(number, number + len(rows))
                else:
                    numbers, rows = self._read_carefully(lines, number, bad, group=_GROUP if fast else 1)
                number += len(lines)
                yield from _to_rows(numbers, rows, known)

    def _read_carefully(
        self, lines: list[str], number: int, bad: BadLines, *, group: int
    ) -> tuple[list[int], list[dict[str, Any]]]:
        """The objects and their line numbers: by groups of lines, and line by line where a group holds a bad one."""
        numbers: list[int] = []
        rows: list[dict[str, Any]] = []
        for start in range(0, len(lines), group):
            some = [(at, line) for at, line in enumerate(lines[start : start + group], number + start) if line.strip()]
            texts = [line for _, line in some]
            if group > 1 and is_whole("".join(texts)) and (found := parse_lines(texts)) is not None:
                numbers += [at for at, _ in some]
                rows += found
                continue
            for at, line in some:
                found = self._parse(line, at, bad)
                numbers += [at] * len(found)
                rows += found
        return numbers, rows

    def _parse(self, line: str, number: int, bad: BadLines) -> list[dict[str, Any]]:
        if problem := problem_of(line, self.encoding):
            bad.add(number, problem)
            return []
        text = line.strip(_AROUND)
        if text in ("[", "]"):
            bad.pass_over(number, "bracket of a JSON array")
            return []
        self._twins.line = number
        deep = f"Its lists and objects are nested deeper than {MAX_DEPTH} levels."
        decoder = _careful_decoder(self._twins)
        try:
            try:
                rows = [decoder.decode(text)]
            except json.JSONDecodeError as fault:
                if not fault.msg.startswith("Extra data") or not (rows := _decode_several(text, decoder)):
                    raise
                if len(rows) > 1:
                    self._shared.add(number)
        except json.JSONDecodeError as fault:
            bad.add(number, f"The line is not JSON: {fault.msg} at character {fault.pos + 1}.")
        except RecursionError:
            bad.add(number, deep)
        except ValueError:
            bad.add(number, "The JSON has an integer of more than 4,300 digits, or an exponent of more than 18.")
        else:
            if any(map(_is_deep, rows)):
                bad.add(number, deep)
            elif all(isinstance(row, dict) and row for row in rows):
                return rows
            else:
                bad.add(number, f"The line is {_describe(rows[0])}, not an object with fields.")
        return []


def _decode_several(text: str, decoder: json.JSONDecoder) -> list[Any]:
    """The objects on one line, with or without commas between and behind them; none if there is other text."""
    found, at = [], 0
    while at < len(text):
        if text[at] in _AROUND or text[at] == ",":
            at += 1
            continue
        if text[at] != "{":
            return []
        try:
            row, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError:
            return []
        if not row:
            return []
        found.append(row)
    return found


def is_json_lines(path: Path, encoding: Encoding) -> bool:
    """Whether one of the first lines begins with a JSON object."""
    for line in islice(read_lines(path, encoding), _SNIFFED_LINES):
        text = line.strip(_AROUND)
        if text.startswith("{"):
            try:
                return isinstance(json.JSONDecoder().raw_decode(text)[0], dict)
            except (ValueError, RecursionError):
                continue
    return False


def parse_lines(lines: list[str]) -> list[dict[str, Any]] | None:
    """The objects of lines whose text is whole; None unless each line is one object with fields, each name once."""
    text = f"[{_SEPARATOR.join(lines)}]"
    if _may_be_deep(text):
        return None
    names = 0

    def count_names(found: dict[str, Any]) -> dict[str, Any]:
        nonlocal names
        names += len(found)
        return found

    numbers: dict[str, Any] = {}
    if may_not_be_kept(text.encode(errors="surrogatepass")):
        numbers = {"parse_float": parse_number, "parse_int": _parse_integer}
    try:
        with no_collection():
            found = json.loads(text, object_hook=count_names, **numbers)
            twins = Twins()
            if not _has_names(text, names):
                found = _careful_decoder(twins).decode(text)
    except (ValueError, RecursionError):
        return None
    rows = found[::2]
    if twins.count or len(rows) != len(lines) or found[1::2] != [_BETWEEN] * (len(lines) - 1):
        return None
    return rows if all(type(row) is dict and row for row in rows) else None


@contextmanager
def no_collection() -> Iterator[None]:
    """Without the garbage collector, which would look for cycles among the objects of a block again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _may_be_deep(text: str) -> bool:
    """Whether a text may be nested too deeply, by its brackets, whether they are within strings or not."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    octets = np.frombuffer(text.encode(errors="surrogatepass"), dtype=np.uint8)
    opening, closing = (
        (octets == _OPENING[0]) | (octets == _OPENING[1]),
        (octets == _CLOSING[0]) | (octets == _CLOSING[1]),
    )
    steps = opening.view(np.int8) - closing.view(np.int8)
    depth = np.cumsum(steps[np.flatnonzero(steps)], dtype=np.int64).max(initial=0)
    return bool(depth > MAX_DEPTH)


def _has_names(text: str, count: int) -> bool:
    """Whether the text has so many names, for sure. A name is what a colon follows outside of strings."""
    return text.count('":') == count and " :" not in text and "\t:" not in text


def _careful_decoder(twins: Twins) -> json.JSONDecoder:
    return json.JSONDecoder(parse_float=parse_number, parse_int=_parse_integer, object_pairs_hook=twins.number)


def _parse_integer(text: str) -> int | float:
    return -0.0 if text == "-0" else int(text)


def _is_deep(value: Any) -> bool:
    """Whether lists and objects are nested deeper than `MAX_DEPTH`."""
    level = [value]
    for _ in range(MAX_DEPTH):
        if not level:
            return False
        level = [
            item
            for outer in level
            if isinstance(outer, dict | list)
            for item in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return any(isinstance(outer, dict | list) for outer in level)


def _to_rows(numbers: Sequence[int], rows: list[dict[str, Any]], known: dict[str, None]) -> Iterator[Rows]:
    """The rows in parts of `_PART_CELLS` values; `known` are the fields so far, to which new ones are added."""
    names = dict.fromkeys(chain.from_iterable(rows))
    for name in names:
        if len(known) >= MAX_FIELDS:
            break
        known.setdefault(name)
    fields = [name for name in names if name in known]
    sparse: tuple[str, ...] = ()
    if is_sparse(sum(map(len, rows)), len(fields) * len(rows)):
        counts = Counter(chain.from_iterable(rows))
        sparse = tuple(name for name in fields if is_sparse(counts[name], len(rows)))
        fields = [name for name in fields if not is_sparse(counts[name], len(rows))]
    step = max(1, _PART_CELLS // max(len(fields), 1))
    if sparse:
        step = min(step, _SPARSE_PART_ROWS)
    dense = set(fields)
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        others = None
        if len(fields) < len(names):
            others = [
                {name: value for name, value in row.items() if value is not None and name not in dense} or None
                for row in some
            ]
        found = pa.array(numbers[start : start + step], pa.int64())
        yield Rows(found, _columns_of(some, fields), others, sparse)


def _to_parts(number: int, columns: dict[str, pa.Array]) -> Iterator[Rows]:
    """The columns of rows that begin with line `number`, in the parts that `_to_rows` gives of such."""
    rows = len(next(iter(columns.values())))
    step = max(1, _PART_CELLS // len(columns))
    for start in range(0, rows, step):
        some = {name: column.slice(start, step) for name, column in columns.items()}
        lines = np.arange(number + start, number + min(start + step, rows))
        yield Rows(pa.array(lines, pa.int64()), some)


def _columns_of(rows: list[dict[str, Any]], names: list[str]) -> dict[str, list[Any]]:
    """The values of each name, None where a row has none; without the names that no row has."""
    if len(names) > 1:
        with suppress(KeyError), no_collection():  # as there is unless every row has every name
            return dict(zip(names, map(list, zip(*map(itemgetter(*names), rows), strict=True)), strict=True))
    present = dict.fromkeys(chain.from_iterable(rows))
    return {name: [row.get(name) for row in rows] for name in names if name in present}


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
