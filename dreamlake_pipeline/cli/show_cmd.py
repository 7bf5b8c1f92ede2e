"""`dreamlake show`: everything that is known of one file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from .options import AsJson, OptionalEpisode, What

if TYPE_CHECKING:
    from ..api.bss import Record


def show(what: What, episode: OptionalEpisode = None, as_json: AsJson = False) -> None:
    """Show the whole record of a file: status, why it failed, what was found in it, how it was processed."""
    from .connection import connect
    from .locate import find_named
    from .output import as_returned, print_columns, print_json

    with connect() as lake:
        record = find_named(lake, what, episode)
    if as_json:
        print_json(as_returned(record))
    else:
        print_columns([[typer.style(field, dim=True), value] for field, value in _fields(record)])


def _fields(record: Record) -> Iterator[tuple[str, str]]:
    from .output import show_bytes, show_status

    yield "name", record.name
    yield "episode", record.episode or "(no episode)"
    yield "project", f"{record.project}@{record.owner}"
    yield "kind", str(record.kind)
    yield "status", show_status(record.status)
    if error := record.error or record.last_error:
        yield "error" if record.error else "last attempt", f"{error.message} ({error.code})"
        if error.hint:
            yield "hint", error.hint
    for warning in record.warnings:
        yield "warning", warning
    if record.size is not None:
        yield "size", f"{show_bytes(record.size)} ({record.size:,} bytes)"
    if digest := record.sha256 or record.staging_hash:
        yield "sha256", digest + ("" if record.sha256 else " (promised, not verified yet)")
    yield "id", record.id
    yield "stored as", record.staging_key
    if record.partition:
        yield "batch", f"{record.partition} (attempt {record.attempts})"
    yield "created", f"{record.created_at:%Y-%m-%d %H:%M:%S %Z}"
    if record.ready_at:
        yield "ready", f"{record.ready_at:%Y-%m-%d %H:%M:%S %Z}"
    for field, value in _in_order(record).items():
        if field == "conformance":
            yield from _conformance(value.get("checks", []))
        elif field == "renditions":
            yield from _renditions(value)
        elif field == "ladder":
            yield from _ladder(record, value)
        elif field != "warnings":  # those of the record, shown above
            yield from _flat(field, value)


def _conformance(checks: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """What the validator of published HLS found: a line for each rule, and how many of them hold."""
    if not checks:
        return
    held = sum(check["ok"] for check in checks)
    yield "conformance", f"{held} of {len(checks)} rules hold"
    for check in checks:
        if check["ok"]:
            verdict = typer.style("ok    ", fg="green")
        else:
            verdict = typer.style("broken", fg="red" if check["level"] == "must" else "yellow")
        yield "", f"{verdict}  {check['rule']}" + (f" ({check['detail']})" if check["detail"] else "")


def _renditions(renditions: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """The picture in each size, with the bits per second that a player needs for it."""
    from .output import show_bits

    for number, one in enumerate(renditions):
        average, peak = show_bits(one["averageBandwidth"]), show_bits(one["bandwidth"])
        size = f"{one['width']}x{one['height']}"
        yield "" if number else "renditions", f"{size:<9}  {average}, peak {peak}  {one['codecs']}"


def _ladder(record: Record, made_with: list[int]) -> Iterator[tuple[str, str]]:
    """Which smaller renditions were asked for, and by whom."""
    from ..ladder import show_ladder

    if record.ladder is not None:
        yield "ladder", f"{show_ladder(record.ladder)} (its own)"
    elif made_with:
        yield "ladder", f"{show_ladder(made_with)} (the project's, or the installation's)"


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


def _flat(field: str, value: Any) -> Iterator[tuple[str, str]]:
    """A value of the metadata as lines; what is nested gets dotted names."""
    if value is None or value == [] or value == {}:
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(f"{field}.{name}", inner)
    elif isinstance(value, list):
        for inner in value:
            yield field, inner if isinstance(inner, str) else json.dumps(inner, ensure_ascii=False)
    elif isinstance(value, bool):
        yield field, "yes" if value else "no"
    elif isinstance(value, float):
        yield field, f"{value:.6g}"
    else:
        yield field, str(value)
