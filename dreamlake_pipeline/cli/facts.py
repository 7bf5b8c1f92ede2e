"""The metadata of a record as rows for people: a name and a value, in the order of the kind's model.

A name that is empty belongs to a row that goes on with the one above it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..api.bss import Record

Rows = Iterator[tuple[str, str]]
Link = Callable[[str], str]

# What says how a file was read and made, rather than what it holds.
_VERBOSE = frozenset({"streams", "chunks", "timeOrigin", "source", "processing", "csv", "csvOptions", "encoding"})

_MOST_LINES = 20  # of one field, where not all is asked for

_STREAM_FIRST = ("index", "type", "codec")


def show_metadata(record: Record, *, link: Link | None = None, verbose: bool = False) -> Rows:
    """What was found in a file, but its warnings, which are the record's as well. With `verbose`, all of it: how it was
    made, too, and URLs as `link` makes them of the paths that BSS tells."""
    for field, value in _in_order(record).items():
        if field == "warnings" or (not verbose and (field in _VERBOSE or field.endswith("Url"))):
            continue
        if field == "ladder":
            yield from _ladder(record, value)
        elif field == "playback":
            yield from _playback(record, value)
        elif field == "conformance":
            yield from _under(field, _conformance(value, verbose=verbose))
        elif field in _SHOWN:
            yield from _under(field, _first(_SHOWN[field](value), all_of_them=verbose))
        elif link is not None and field.endswith("Url") and value:
            yield field, link(value)
        elif verbose or value not in (0, False):
            yield from _flat(field, value)


def _first(lines: Iterator[str], *, all_of_them: bool) -> Iterator[str]:
    """The first lines, and how many more there are."""
    if all_of_them:
        yield from lines
        return
    yield from islice(lines, _MOST_LINES)
    if more := sum(1 for _ in lines):
        yield f"and {more:,} more: --verbose shows them"


def _in_order(record: Record) -> dict[str, Any]:
    """The metadata in the order of its model: Postgres keeps none. What the model does not know comes last."""
    from pydantic import ValidationError

    from ..api.metadata import model_of

    found = record.metadata or {}
    try:
        known = model_of(record.kind, found).model_validate(found).wire()
    except ValidationError:  # written by another version
        return found
    return known | {field: value for field, value in found.items() if field not in known}


def _under(name: str, lines: Iterator[str]) -> Rows:
    for line in lines:
        yield name, line
        name = ""


def _conformance(conformance: Mapping[str, Any], *, verbose: bool = True) -> Iterator[str]:
    """What the validator of published HLS found: how many of the rules hold, and a line for each of them, or for each
    that is broken."""
    from .output import style

    checks = conformance.get("checks", [])
    if not checks:
        return
    held = sum(check["ok"] for check in checks)
    yield f"{held} of {len(checks)} rules hold"
    for check in checks:
        if check["ok"] and not verbose:
            continue
        if check["ok"]:
            verdict = style("ok    ", fg="green")
        else:
            verdict = style("broken", fg="red" if check["level"] == "must" else "yellow")
        yield f"{verdict}  {check['rule']}" + (f" ({check['detail']})" if check["detail"] else "")


def _renditions(renditions: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The picture in each size, with the bits per second that a player needs for it."""
    from .output import show_bits

    for one in renditions:
        average, peak = show_bits(one["averageBandwidth"]), show_bits(one["bandwidth"])
        size = f"{one['width']}x{one['height']}"
        yield f"{size:<9}  {average}, peak {peak}  {one['codecs']}"


def _ladder(record: Record, made_with: list[int]) -> Rows:
    """Which smaller renditions were asked for, and by whom."""
    from ..ladder import show_ladder

    if record.ladder is not None:
        yield "ladder", f"{show_ladder(record.ladder)} (its own)"
    elif made_with:
        yield "ladder", f"{show_ladder(made_with)} (the project's, or the installation's)"


def _playback(record: Record, made_for: str) -> Rows:
    """For which browsers it was asked for, and by whom."""
    if record.playback is not None:
        yield "playback", f"{record.playback} (its own)"
    elif made_for != "everywhere":
        yield "playback", f"{made_for} (the project's)"


def _loudness(loudness: Mapping[str, Any]) -> Iterator[str]:
    """The measures of EBU R128 that there are, and why others are missing."""
    measures = (("integrated", "LUFS"), ("range", "LU"), ("truePeak", "dBTP"))
    named = {"integrated": "", "range": "range ", "truePeak": "true peak "}
    found = [f"{named[one]}{_text(loudness[one])} {unit}" for one, unit in measures if loudness.get(one) is not None]
    if found:
        yield ", ".join(found)
    if why := loudness.get("why"):
        yield _text(why)


def _fields(fields: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A line for each column of a table: name, type, least and greatest value, and how many are null or differ."""
    from .output import align

    yield from align([[_text(one["name"]), _text(one["type"]), _values(one)] for one in fields])


def _total(count: int) -> Iterator[str]:
    yield f"{count:,} in all, of which the first are shown; all of them are in the file that fieldsUrl names"


def _values(field: Mapping[str, Any]) -> str:
    parts = []
    if field.get("min") is not None:
        unit = f" {field['unit']}" if field.get("unit") else ""
        parts.append(f"{_text(field['min'])} to {_text(field.get('max'))}{_text(unit)}")
    if field.get("distinct") is not None:
        parts.append(f"{field['distinct']:,} different")
    elif field.get("distinctAbove") is not None:
        parts.append(f"more than {field['distinctAbove']:,} different")
    if field.get("nulls"):
        parts.append(f"{field['nulls']:,} null")
    return ", ".join(parts)


def _time(time: Mapping[str, Any]) -> Iterator[str]:
    """Which fields are the time, and how that was decided."""
    from .output import plural

    apart = []
    if left_out := time.get("leftOut"):
        apart.append(f"{plural(left_out, 'entry', 'entries')} left out of the span")
    if goes_back := time.get("goesBack"):
        apart.append(f"{plural(goes_back, 'entry', 'entries')} before the one above")
    how = ", ".join(part for part in (time.get("unit"), time.get("origin")) if part)
    yield "; ".join([f"{' + '.join(map(_text, time['fields']))} ({how})", *apart])
    if why := time.get("why"):
        yield _text(why)


def _csv(form: Mapping[str, Any]) -> Iterator[str]:
    """How a CSV was read: its signs, its lines, how sure that is, and what came before the first row."""
    signs = ("delimiter", "quote", "escape", "decimal", "thousands", "comment")
    yield "  ".join(f"{sign} {form[sign]}" for sign in signs if form.get(sign) is not None)
    lines = (("header", "headerLine"), ("units", "unitsLine"), ("first row", "firstLine"))
    yield ", ".join(
        [f"{what} in line {form[line]}" if form.get(line) else f"no {what}" for what, line in lines]
        + [f"certainty {_text(form['certainty'])}", f"{form['agreement']:.0%} of the first lines agree"]
    )
    if units := form.get("units"):
        yield "units: " + ", ".join(f"{_text(field)} in {_text(unit)}" for field, unit in units.items())
    yield from (f"skipped {line}" for line in _lines(form.get("skipped", [])))


def _csv_options(options: Mapping[str, str]) -> Iterator[str]:
    from ..csv_options import show_csv_options

    if options:
        yield show_csv_options(options)


def _lines(lines: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Lines of the source, and what is said of each."""
    for one in lines:
        yield f"line {one['line']:,}: {_text(one['reason'])}"


_SHOWN: Mapping[str, Callable[[Any], Iterator[str]]] = {
    "badLines": _lines,
    "csv": _csv,
    "csvOptions": _csv_options,
    "fields": _fields,
    "fieldsTotal": _total,
    "loudness": _loudness,
    "renditions": _renditions,
    "telemetry.fields": _fields,
    "time": _time,
}


def _flat(field: str, value: Any) -> Rows:
    """A value of any shape as rows; what is nested gets dotted names."""
    if value is None or value == [] or value == {}:
        return
    if field in _SHOWN:
        yield from _under(field, _SHOWN[field](value))
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(f"{field}.{name}", inner)
    elif isinstance(value, list):
        yield from _under(field, (_inline(inner) if isinstance(inner, dict) else _text(inner) for inner in value))
    else:
        yield field, _text(value)


def _inline(values: Mapping[str, Any]) -> str:
    """An object on one line: `index 0, type audio, codec aac`."""
    first = {name: values[name] for name in _STREAM_FIRST if name in values}
    return ", ".join(f"{name} {_text(value)}" for name, value in (first | dict(values)).items() if value is not None)


def _text(value: Any) -> str:
    """A single value: numbers without exponents, and with all digits where they are large, as times are."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{Decimal(f'{value:.{6 if abs(value) < 1e5 else 15}g}'):f}"
    if isinstance(value, list):
        return " ".join(map(_text, value))
    if isinstance(value, dict):
        return f"({_inline(value)})"
    return str(value)
