"""`dreamlake show`: everything that is known of one file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .options import AsJson, OptionalEpisode, What

if TYPE_CHECKING:
    from ..api.bss import Record


def show(what: What, episode: OptionalEpisode = None, as_json: AsJson = False) -> None:
    """Show the whole record of a file: status, why it failed, what was found in it, how it was processed."""
    from .connection import connect
    from .locate import find_named
    from .output import as_returned, print_columns, print_json, style

    with connect() as lake:
        record = find_named(lake, what, episode)
    if as_json:
        print_json(as_returned(record))
    else:
        print_columns([[style(field, dim=True), value] for field, value in _fields(record)])


def _fields(record: Record) -> Iterator[tuple[str, str]]:
    from .facts import show_metadata
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
    if (waiting := record.waiting) and not record.status.is_final:
        tried = f"tried {waiting.tries} times since {waiting.since:%H:%M:%S}, again at {waiting.until:%H:%M:%S %Z}"
        yield "waiting", f"{waiting.message} ({waiting.code}); {tried}"
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
    yield from show_metadata(record)
