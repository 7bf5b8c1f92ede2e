"""`dreamlake show`: what is known of one file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import AsJson, OptionalEpisode, What

if TYPE_CHECKING:
    from ..api.bss import Record
    from ..client import DreamLake


def show(
    what: What,
    episode: OptionalEpisode = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Everything: every rule of HLS, streams, segments, how it was made.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is known of a file: status, why it failed, what was found in it, and the run that processed it.

    --verbose shows all of it to people, --json to programs.
    """
    from ..client.lookup import find_file
    from .connection import connect
    from .output import print_columns, print_json, style

    with connect() as lake:
        record = find_file(lake, what, episode)
        run, entry = _run_url(record), lake.index.entry_of(record)
        if as_json:
            offset = {"timeOffsetSec": entry.time_offset_sec if entry else None}
            print_json(whole(record, entry.id if entry else None) | offset | ({"runUrl": run} if run else {}))
            return
        rows = [*_about(record, lake.namespace)]
        if entry and entry.time_offset_sec is not None:
            rows.append(("offset", f"{entry.time_offset_sec:+g} s, as somebody said"))
        rows += [*_found(lake, record, verbose=verbose)]
        rows += _kept(record, run, verbose=verbose)
    print_columns([[style(field, dim=True), value] for field, value in rows])


def whole(record: Record, asset_id: str | None = None) -> dict[str, Any]:
    """The record as BSS returns it, and the fields that all events of files have."""
    from ..client.fields import FileFields
    from .output import as_returned

    error = record.error or record.last_error
    fields: FileFields = {
        "path": None,
        "name": record.name,
        "episode": record.episode,
        "kind": str(record.kind),
        "size": record.size or 0,
        "status": str(record.status),
        "code": error.code if error else None,
        "reason": error.message if error else None,
        "bssId": record.id,
        "assetId": asset_id,
    }
    return as_returned(record) | fields


def _about(record: Record, namespace: str) -> Iterator[tuple[str, str]]:
    """Which file it is, how far it is, and what is wrong with it."""
    from ..remote.bss import Place
    from .listing import spell
    from .output import show_bytes, show_status

    yield "file", spell(Place(record.owner, record.project, record.episode or "", record.name), namespace)
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


def _found(lake: DreamLake, record: Record, *, verbose: bool) -> Iterator[tuple[str, str]]:
    """What was found in the file."""
    from .facts import show_metadata

    yield from show_metadata(record, link=_links(lake, record) if verbose else None, verbose=verbose)


def _links(lake: DreamLake, record: Record) -> Callable[[str], str]:
    """Makes of a path of BSS's a URL; one that a browser opens, where there is a playback URL whose token it takes."""
    from ..kinds import MEDIA

    base, query = lake.bss.http.base_url, ""
    if record.is_playable and record.kind in MEDIA:
        query = "?" + lake.bss.playback(record.kind, record.id).url.partition("?")[2]
    return lambda path: f"{base}{path}{query}" if path.startswith("/") else path


def _kept(record: Record, run: str | None, *, verbose: bool) -> Iterator[tuple[str, str]]:
    """Under which ids, where and since when it is stored, and which run processed it."""
    yield "id", record.id
    if digest := record.sha256 or record.staging_hash:
        yield "sha256", digest + ("" if record.sha256 else " (promised, not verified yet)")
    if record.partition:
        yield "batch", f"{record.partition} (attempt {record.attempts})"
    if run:
        yield "run", run
    yield "created", f"{record.created_at:%Y-%m-%d %H:%M:%S %Z}"
    if record.ready_at:
        yield "ready", f"{record.ready_at:%Y-%m-%d %H:%M:%S %Z}"
    if verbose:
        yield "stored as", record.staging_key
        if record.request_id:
            yield "request", record.request_id


def _run_url(record: Record) -> str | None:
    """Dagster's page of the runs of the record's batch; None where no batch or no Dagster is known."""
    import os

    from ..client.connection import variables
    from ..dagsterpaths import runs_of_batch
    from ..settings import Settings

    url = Settings().dagster_url or variables(os.environ).get("DREAMLAKE_DAGSTER_URL")
    return runs_of_batch(url, record.partition)
