"""What was found in a file, as its page shows it: facts, and tables of what there are many of.

The metadata of a record have the shape of `api.metadata`. A field that is not spelled here, as one of a later version,
is shown all the same, under its own name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from . import units

_MOST_ROWS = 200  # of one table; the page's data have all of them


class Fact(NamedTuple):
    """A name and what it is, as text."""

    name: str
    value: str


class Table(NamedTuple):
    """`numbers` are the columns that are set as figures; `more` rows are left out."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    numbers: list[int]
    more: int


# What has a place of its own on the page, or is an address of BSS's.
_ELSEWHERE = frozenset({"warnings", "conformance", "processing", "streams", "partial", "badLines", "hasAudio"})


def facts_of(metadata: Mapping[str, Any]) -> list[Fact]:
    """Everything that was found but tables, what matters first."""
    known = [Fact(name, show(metadata)) for name, show in _FIRST if _has(metadata, name)]
    used = {field for name, _ in _FIRST for field in _FIELDS_OF.get(name, ())} | _ELSEWHERE | _IN_TABLES
    rest = {field: value for field, value in metadata.items() if field not in used and not field.endswith("Url")}
    return [*known, *(Fact(name, text) for field, value in rest.items() for name, text in _flat(_words(field), value))]


def tables_of(metadata: Mapping[str, Any]) -> list[Table]:
    """The tables, those of people's data first."""
    units_of = (metadata.get("csv") or {}).get("units") or {}
    telemetry = metadata.get("telemetry") or {}
    source = metadata.get("source") or {}
    found = [
        _table("Fields", [_field(one, units_of) for one in metadata.get("fields", [])]),
        _table("Measurements", [_field(one, {}) for one in telemetry.get("fields", [])]),
        _table("Lines that could not be read", [_line(one) for one in metadata.get("badLines", [])]),
        _table("Lines before the first row", [_line(one) for one in (metadata.get("csv") or {}).get("skipped", [])]),
        _table("Sizes to play", [_rendition(one) for one in metadata.get("renditions", [])]),
        _table("Sound tracks", [_sound(one) for one in metadata.get("audioTracks", [])]),
        _table("Streams of the source", [_inline(one) for one in source.get("streams", [])]),
    ]
    return [table for table in found if table is not None]


def _table(title: str, rows: Sequence[Mapping[str, Any]]) -> Table | None:
    """A table of the columns in which any row has something."""
    columns = [
        name
        for name in dict.fromkeys(name for row in rows for name in row)
        if any(row.get(name) not in (None, "") for row in rows)
    ]
    if not columns:
        return None
    shown = rows[:_MOST_ROWS]
    numbers = [
        at
        for at, name in enumerate(columns)
        if all(isinstance(row.get(name), int | float | None) and not isinstance(row.get(name), bool) for row in shown)
    ]
    return Table(
        title, columns, [[_text(row.get(name)) for name in columns] for row in shown], numbers, len(rows) - len(shown)
    )


def _field(one: Mapping[str, Any], units_of: Mapping[str, str]) -> dict[str, Any]:
    distinct = one.get("distinct")
    if distinct is None and one.get("distinctAbove") is not None:
        distinct = f"more than {one['distinctAbove']:,}"
    return {
        "name": one.get("name"),
        "unit": one.get("unit") or units_of.get(one.get("name", "")),
        "type": one.get("type"),
        "least": one.get("min"),
        "greatest": one.get("max"),
        "different": distinct,
        "null": one.get("nulls") or None,
        "in the source": one.get("source"),
    }


def _line(one: Mapping[str, Any]) -> dict[str, Any]:
    return {"line": one.get("line"), "why": one.get("reason")}


def _rendition(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "size": f"{one.get('width')} × {one.get('height')}" if one.get("width") else "sound only",
        "average": _bits(one.get("averageBandwidth")),
        "peak": _bits(one.get("bandwidth")),
        "codecs": one.get("codecs"),
    }


def _sound(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": one.get("name"),
        "language": one.get("language"),
        "codec": one.get("codec"),
        "stream": one.get("index"),
        "plays first": "yes" if one.get("default") else None,
    }


def _inline(one: Mapping[str, Any]) -> dict[str, Any]:
    """A stream of the source, whose objects and lists go into one cell each."""
    return {
        _words(name): value if isinstance(value, int | float | str) else _text(value)
        for name, value in one.items()
        if value is not None
    }


def _length(seconds: float) -> str:
    return f"{units.clock(seconds)} ({_text(seconds)} s)"


def _size(metadata: Mapping[str, Any]) -> str:
    return f"{metadata['width']} × {metadata['height']}"


def _loudness(metadata: Mapping[str, Any]) -> str:
    loudness = metadata["loudness"]
    measures = (("integrated", "", "LUFS"), ("range", "range ", "LU"), ("truePeak", "true peak ", "dBTP"))
    found = [
        f"{before}{_text(loudness[name])} {unit}" for name, before, unit in measures if loudness.get(name) is not None
    ]
    return "; ".join([*filter(None, [", ".join(found)]), *filter(None, [loudness.get("why")])]) or "–"


def _time(metadata: Mapping[str, Any]) -> str:
    time = metadata["time"]
    how = ", ".join(part for part in (time.get("unit"), time.get("origin")) if part)
    parts = [f"{' + '.join(map(str, time.get('fields', [])))} ({how})"]
    for field, what in (("leftOut", "left out of the span"), ("goesBack", "before the one above")):
        if count := time.get(field):
            parts.append(f"{count:,} {'entry' if count == 1 else 'entries'} {what}")
    return "; ".join([*parts, *filter(None, [time.get("why")])])


def _chunks(metadata: Mapping[str, Any]) -> str:
    chunks = metadata["chunks"]
    text = f"{chunks.get('count', 0):,} ({units.size(chunks.get('bytes'))})"
    shared = chunks.get("reused")
    return f"{text}, {shared:,} of them shared with other files" if shared else text


def _container(metadata: Mapping[str, Any]) -> str:
    source = metadata["source"]
    told = "" if source.get("extensionAgrees", True) else ", which its name does not say"
    return f"{source.get('container')}{told}"


def _csv(metadata: Mapping[str, Any]) -> str:
    form = metadata["csv"]
    signs = ("delimiter", "quote", "escape", "decimal", "thousands", "comment")
    parts = [f"{sign} {form[sign]}" for sign in signs if form.get(sign) is not None]
    for field, what in (("headerLine", "header"), ("unitsLine", "units"), ("firstLine", "first row")):
        if form.get(field):
            parts.append(f"{what} in line {form[field]}")
    if form.get("certainty") is not None:
        parts.append(f"certainty {_text(form['certainty'])}")
    return ", ".join(parts)


def _origin(metadata: Mapping[str, Any]) -> str:
    origin = metadata["timeOrigin"]
    return f"{_text(origin.get('sourceStart'))} s ({origin.get('pts')} × {origin.get('timeBase')})"


def _field_of(field: str, show: Callable[[Any], str] | None = None) -> Callable[[Mapping[str, Any]], str]:
    return lambda metadata: (show or _text)(metadata[field])


_Shown = tuple[str, Callable[[Mapping[str, Any]], str]]

# Facts in the order of the page, each with the fields that it tells of.
_SPELLED: tuple[tuple[str, tuple[str, ...], Callable[[Mapping[str, Any]], str]], ...] = (
    ("content", ("kindByContent",), _field_of("kindByContent")),
    ("length", ("durationSec",), _field_of("durationSec", _length)),
    ("frames", ("length",), _field_of("length", lambda count: f"{count:,}")),
    ("frames a second", ("fps",), _field_of("fps")),
    ("picture", ("width", "height"), _size),
    ("codec", ("codec",), _field_of("codec")),
    ("sample rate", ("sampleRate",), _field_of("sampleRate", lambda rate: f"{rate:,} Hz")),
    ("channels", ("channels",), _field_of("channels")),
    ("loudness", ("loudness",), _loudness),
    ("highest sample", ("peakDb",), _field_of("peakDb", lambda level: f"{_text(level)} dBFS")),
    ("mean level", ("rmsDb",), _field_of("rmsDb", lambda level: f"{_text(level)} dBFS")),
    ("entries", ("entries",), _field_of("entries", lambda count: f"{count:,}")),
    ("entries left out", ("badEntries",), _field_of("badEntries", lambda count: f"{count:,}")),
    ("fields in all", ("fieldsTotal",), _field_of("fieldsTotal", lambda count: f"{count:,}")),
    ("time", ("time",), _time),
    ("first time", ("start",), _field_of("start")),
    ("last time", ("end",), _field_of("end")),
    ("cues", ("cues",), _field_of("cues", lambda count: f"{count:,}")),
    ("first cue", ("startSec",), _field_of("startSec", _length)),
    ("last cue ends", ("endSec",), _field_of("endSec", _length)),
    ("cues left out", ("badCues",), _field_of("badCues", lambda count: f"{count:,}")),
    ("language", ("language",), _field_of("language")),
    ("format", ("format",), _field_of("format")),
    ("encoding", ("encoding",), _field_of("encoding")),
    ("written as", ("csv",), _csv),
    ("container", ("source",), _container),
    ("starts at", ("timeOrigin",), _origin),
    ("segments", ("chunks",), _chunks),
)  # fmt: skip
_FIRST: tuple[_Shown, ...] = tuple((name, show) for name, _, show in _SPELLED)
_FIELDS_OF = {name: fields for name, fields, _ in _SPELLED}
_IN_TABLES = frozenset({"fields", "renditions", "audioTracks", "telemetry", "timeField"})


def _has(metadata: Mapping[str, Any], name: str) -> bool:
    nothing: tuple[Any, ...] = (None, {}, 0) if name.endswith("left out") else (None, {})
    return all(metadata.get(field) not in nothing for field in _FIELDS_OF[name])


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """A value of any shape as facts; what is nested has the names above it before its own."""
    if value in (None, [], {}):
        return
    if isinstance(value, dict):
        for field, inner in value.items():
            yield from _flat(f"{name}, {_words(field)}", inner)
    else:
        yield name, _text(value)


def _words(field: str) -> str:
    """`wordsPerMinute` as `words per minute`."""
    return re.sub(r"(?<=[a-z0-9])[A-Z]", lambda letter: f" {letter[0].lower()}", field)


def _bits(rate: int | None) -> str | None:
    if rate is None:
        return None
    return f"{rate / 1e6:.1f} Mbit/s" if rate >= 999_500 else f"{rate / 1e3:.0f} kbit/s"


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return units.figure(value)
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if isinstance(value, dict):
        return ", ".join(f"{_words(name)} {_text(inner)}" for name, inner in value.items() if inner is not None)
    return str(value)
