"""How a run shows its items to people: tables, pictures, commands. Nothing here decides anything.

Metadata lives in the event's row in Postgres: tables are cut, pictures are few and small.
"""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from dagster import MetadataValue, TableRecord

from ..api.bss import Record, Status
from ..api.common import ErrorBody, Model
from ..api.failures import BatchFile
from ..api.metadata import (
    AudioMetadata,
    LabelTrackMetadata,
    SoundOnlyMetadata,
    TextTrackMetadata,
    VideoMetadata,
    model_of,
)
from ..viewerpaths import file_path

MOST_ROWS = 200
MOST_LINKS = 20
MOST_PICTURE_BYTES = 48_000  # of Markdown, in one event

Cell = str | int | float | bool | None
Row = dict[str, Cell]

# The columns that come first, in this order: which file it is, what became of it and why. A table is wider than a
# screen, and what is found in the file can be scrolled to.
_FIRST = ("failed at", "episode", "name", "status", "reason", "problem", "what to do", "why re-encoded", "warnings")
_LAST = ("bytes", "seconds", "attempts", "id")


def place(item: Record | BatchFile) -> str:
    """The file as every command takes it: `PROJECT:EPISODE/path`, or `PROJECT/path` for one of no episode."""
    return f"{item.project}:{item.episode}{item.name}" if item.episode else f"{item.project}{item.name}"


def fault_of(item: Record) -> ErrorBody | None:
    """Why the last attempt at it came to nothing; an earlier result may stand all the same."""
    return item.error or item.last_error


def failed_of(failed: int, files: int) -> str:
    """Such as `2 of 22 failed`."""
    return f"{failed:,} of {files:,} failed"


def _video_cells(metadata: Mapping[str, Any]) -> Row:
    smaller = [f"{one['width']}x{one['height']}" for one in metadata.get("renditions", [])[1:]]
    return {
        "duration (s)": round(metadata["durationSec"], 3),
        "frames": metadata["length"],
        "size": f"{metadata['width']}x{metadata['height']}",
        **({"smaller renditions": ", ".join(smaller)} if smaller else {}),
        "codec": metadata["codec"],
        **_hls_cells(metadata),
    }


def _audio_cells(metadata: Mapping[str, Any]) -> Row:
    return {
        "duration (s)": round(metadata["durationSec"], 3),
        "LUFS": metadata["loudness"].get("integrated"),
        "peak (dBFS)": metadata.get("peakDb"),
        "codec": metadata["codec"],
        **_hls_cells(metadata),
    }


def _hls_cells(metadata: Mapping[str, Any]) -> Row:
    return {
        "mode": metadata["processing"].get("mode"),
        "why re-encoded": ", ".join(metadata["processing"].get("transcodeReasons", [])),
        "chunks new": metadata["chunks"]["new"],
        "chunks reused": metadata["chunks"]["reused"],
    }


def _text_cells(metadata: Mapping[str, Any]) -> Row:
    return {
        "cues": metadata["cues"],
        "bad cues": metadata["badCues"],
        "end (s)": metadata["endSec"],
        "language": metadata.get("language"),
        "encoding": metadata["encoding"],
        **({"telemetry fields": len(found["fields"])} if (found := metadata.get("telemetry")) else {}),
    }


def _label_cells(metadata: Mapping[str, Any]) -> Row:
    return {
        "entries": metadata["entries"],
        "bad entries": metadata["badEntries"],
        "fields": len(metadata["fields"]),
        "time field": " + ".join(time["fields"]) if (time := metadata.get("time")) else metadata.get("timeField"),
        "duration (s)": metadata.get("durationSec"),
    }


_CELLS: dict[type[Model], Callable[[Mapping[str, Any]], Row]] = {
    VideoMetadata: _video_cells,
    AudioMetadata: _audio_cells,
    SoundOnlyMetadata: lambda metadata: _audio_cells(metadata) | {"kind by content": metadata["kindByContent"]},
    TextTrackMetadata: _text_cells,
    LabelTrackMetadata: _label_cells,
}


def item_table(items: Iterable[Record]) -> MetadataValue:
    """A row per item, failed ones first: what it is, what became of it, and what was found in it."""
    return _table([_row(item) for item in _failed_first(items)])


def _failed_first(items: Iterable[Record]) -> list[Record]:
    return sorted(items, key=lambda item: (fault_of(item) is None, item.episode or "", item.name))


def _row(item: Record) -> Row:
    found = item.metadata if item.metadata is not None and item.error is None else None
    row: Row = {
        "episode": item.episode,
        "name": item.name,
        "status": _word_for(item),
        "reason": fault.message if (fault := fault_of(item)) else None,
        "what to do": fault.hint if fault else None,
        **({"warnings": _cut(item.warnings)} if item.warnings else {}),
        **(_CELLS[model_of(item.kind, found)](found) if found else {}),
        "bytes": item.size,
        "seconds": found["processing"]["seconds"] if found else None,
        "id": item.id,
    }
    return row


def _cut(warnings: Sequence[str]) -> str:
    """The first warning, and how many more there are: `dreamlake show` has them all."""
    more = f" (and {len(warnings) - 1} more)" if len(warnings) > 1 else ""
    return warnings[0] + more


def _word_for(item: Record) -> str:
    """An item with a result waits for the index; one with a reason that is not failed, for the next attempt."""
    if item.status is Status.PROCESSING:
        return "left for the next attempt" if item.error else "done" if item.reported_at else "processing"
    return str(item.status)


def index_table(items: Iterable[Record]) -> MetadataValue:
    """A row per file of any kind, failed ones first: what became of it."""
    return _table(
        [
            {
                "episode": item.episode,
                "name": item.name,
                "kind": str(item.kind),
                "status": _word_for(item),
                "reason": fault.message if (fault := fault_of(item)) else None,
                "what to do": fault.hint if fault else None,
                "duration (s)": (item.metadata or {}).get("durationSec") if not item.error else None,
                "bytes": item.size,
                "id": item.id,
            }
            for item in _failed_first(items)
        ]
    )


def staged_table(items: Iterable[Record]) -> MetadataValue:
    """A row per raw file: what it is and where it lies."""
    return _table(
        [
            {
                "episode": item.episode,
                "name": item.name,
                "kind": str(item.kind),
                "bytes": item.size,
                "attempts": item.attempts,
                "staged as": item.staging_key,
                "id": item.id,
            }
            for item in items
        ]
    )


def problem_table(items: Iterable[Record], problems: Mapping[str, str]) -> MetadataValue:
    """A row per item: what is wrong with it (`problems`, by id), and what to do."""
    return _table(
        [
            {
                "episode": item.episode,
                "name": item.name,
                "problem": problems[item.id],
                "code": fault.code if (fault := fault_of(item)) else None,
                "what to do": fault.hint if fault else None,
                "id": item.id,
            }
            for item in items
        ]
    )


def failure_table(files: Iterable[BatchFile]) -> MetadataValue:
    """A row per file that failed, whatever batch it was in: when, which file, why, and where to look."""
    return _table(
        [
            {
                "failed at": f"{file.updated_at:%Y-%m-%d %H:%M:%S}",
                "episode": file.episode,
                "name": file.name,
                "reason": file.error.message if file.error else None,
                "what to do": file.error.hint if file.error else None,
                "code": file.error.code if file.error else None,
                "kind": str(file.kind),
                "namespace": file.owner,
                "project": file.project,
                "batch": file.partition,
                "run": file.run_id,
                "attempts": file.attempts,
                "id": file.id,
            }
            for file in files
        ]
    )


def moved_table(files: Iterable[BatchFile]) -> MetadataValue:
    """A row per file that a batch has had: what became of it, and in which batch it is now."""
    return _table(
        [
            {
                "episode": file.episode,
                "name": file.name,
                "status": str(file.status),
                "reason": file.error.message if file.error else None,
                "batch": file.partition or "none yet: it waits for one",
                "run": file.run_id,
                "id": file.id,
            }
            for file in files
        ]
    )


def _table(rows: Sequence[Row]) -> MetadataValue:
    """A table of the columns in which any of the rows has something; beyond MOST_ROWS it says how many are left out."""
    filled = list(dict.fromkeys(column for row in rows for column, cell in row.items() if cell is not None))
    first, last = ([one for one in names if one in filled] for names in (_FIRST, _LAST))
    columns = [*first, *(one for one in filled if one not in (*first, *last)), *last]
    shown = [{column: row.get(column) for column in columns} for row in rows[:MOST_ROWS]]
    if len(rows) > MOST_ROWS:
        shown.append(dict.fromkeys(columns) | {"name": f"… and {len(rows) - MOST_ROWS} more"})
    if not shown:
        return MetadataValue.text("none")
    return MetadataValue.table(records=[TableRecord(row) for row in shown])


def pictures(previews: Iterable[tuple[str, bytes]]) -> MetadataValue | None:
    """Pictures with their names as Markdown with data URIs, as many as fit; None when none does."""
    text = ""
    for name, picture in previews:
        kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
        image = f"![](data:image/{kind};base64,{base64.b64encode(picture).decode()})\n\n{_plain(name)}\n\n"
        if len(text) + len(image) <= MOST_PICTURE_BYTES:
            text += image
    return MetadataValue.md(text) if text else None


def commands(named: Iterable[tuple[str, str]]) -> MetadataValue:
    """Commands for a shell under their names, as Markdown."""
    return MetadataValue.md("\n".join(f"- {_plain(name)}: `{command}`" for name, command in named))


def pages(items: Iterable[Record | BatchFile], viewer_url: str | None) -> dict[str, MetadataValue]:
    """Links to the viewer's pages of the first files, failed ones first, as Markdown; nothing without a viewer."""
    if not viewer_url:
        return {}
    base = viewer_url.rstrip("/")
    first = sorted(items, key=lambda item: item.error is None and getattr(item, "last_error", None) is None)
    links = [f"- [{_plain(place(item))}]({base}{file_path(item.id)})" for item in first[:MOST_LINKS]]
    if len(first) > MOST_LINKS:
        links.append(f"- and {len(first) - MOST_LINKS:,} more")
    return {"pages in the viewer": MetadataValue.md("\n".join(links))} if links else {}


def _plain(name: str) -> str:
    """A file's name as Markdown shows it as it is."""
    return re.sub(r"([\\`*_{}\[\]<>()#!|])", r"\\\1", name)


def counts(items: Iterable[Record]) -> str:
    """Such as `1 audio file, 3 videos`: what there is of each kind."""
    found = Counter(item.kind for item in items)
    labels = {
        kind: kind.spec.label if number > 1 else kind.spec.label.removesuffix("s") for kind, number in found.items()
    }
    return ", ".join(f"{found[kind]} {labels[kind]}" for kind in sorted(found)) or "nothing"
