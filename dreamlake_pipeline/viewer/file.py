"""What the page of a file shows, as data: everything that is known of it, from the index and from BSS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from .. import layout
from ..api.bss import Record
from ..api.common import ErrorBody
from ..api.server import Asset
from ..dagsterpaths import runs_of_batch
from ..errors import ERRORS, Code, DreamlakeError
from ..kinds import MEDIA, Kind
from ..names import split_name
from ..remote.services import Services
from ..viewerpaths import episode_path
from .advice import next_for_file
from .facts import facts_of, tables_of

# What is made of files of a kind, whatever is in them.
_ALWAYS = {Kind.TEXT_TRACK: ("track.vtt",), Kind.LABEL_TRACK: ("data.parquet",)}

# The pictures of a file, largest first, with what they show.
_PICTURES = {
    "poster.jpg": "A picture of the video",
    "contact-sheet.jpg": "Pictures along the video",
    "waveform.png": "The waveform",
    "plot.png": "The values over time",
}


def find_file(services: Services, either_id: str) -> tuple[Asset | None, Record]:
    """The file of an id of the index or of BSS: its entry in the index, if it has one, and its record.

    Raises NOT_FOUND, also for a file that the caller does not reach.
    """
    asset = services.index.asset_of_any_kind(either_id)
    found = services.bss.query([asset.bss_id if asset else either_id])
    if not found:
        raise DreamlakeError(
            Code.NOT_FOUND,
            f"There is no file with id {either_id}.",
            hint="It was deleted, or this key does not reach it.",
        )
    return asset or services.index.entry_of(found[0]), found[0]


def view_of_file(
    services: Services, asset: Asset | None, record: Record, *, can_write: bool, dagster_url: str | None
) -> dict[str, Any]:
    """The view model of a file. `asset` is null of one that the index has under no name, or has not yet."""
    metadata = record.metadata or {} if record.is_playable else {}
    error = record.error or record.last_error
    playback = services.bss.playback(record.kind, record.id) if metadata and record.kind in MEDIA else None
    outputs = _outputs(record, metadata)
    return {
        "assetId": asset.id if asset else None,
        "recordId": record.id,
        "namespace": record.owner,
        "project": record.project,
        "episode": record.episode,
        "kind": record.kind,
        "name": record.name,
        "filename": split_name(record.name).filename,
        "folder": split_name(record.name).folder,
        "status": record.status,
        "playable": record.is_playable,
        "canWrite": can_write,
        "error": error and explained(error),
        "log": services.bss.logs([record.id]).get(record.id, []) if error else [],
        "waiting": record.waiting and record.waiting.model_dump(mode="json", by_alias=True),
        "warnings": record.warnings or metadata.get("warnings", []),
        "partial": bool(metadata.get("partial")),
        "timeOffsetSec": asset.time_offset_sec if asset else None,
        "episodePage": _in_episode(record, asset),
        "facts": [fact._asdict() for fact in facts_of(metadata)],
        "tables": [table._asdict() for table in tables_of(metadata)],
        "conformance": _conformance(metadata),
        "made": _made(metadata),
        "pictures": [{"url": one["url"], "alt": _PICTURES[one["name"]]} for one in outputs if one["name"] in _PICTURES],
        "outputs": outputs,
        "playback": playback and playback.wire(),
        "download": f"/download/{record.kind}/{record.id}",
        "batch": record.partition,
        "run": runs_of_batch(dagster_url, record.partition),
        "record": record.model_dump(mode="json", by_alias=True),
        "asset": asset and asset.model_dump(mode="json", by_alias=True, exclude={"metadata"}, exclude_none=True),
    }


def explained(error: ErrorBody) -> dict[str, Any]:
    """An error with what its code means."""
    known = ERRORS[Code(error.code)] if error.code in [*Code] else None
    return {
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "meaning": known.meaning if known else None,
        "next": next_for_file(error.code, error.hint),
        "retryable": known.retryable if known else True,
    }


def _in_episode(record: Record, asset: Asset | None) -> str:
    """The page of its episode, at its track."""
    page = episode_path(record.owner, record.project, record.episode)
    return f"{page}?file={quote(asset.id)}" if asset else page


def _made(metadata: Mapping[str, Any]) -> dict[str, Any] | None:
    """How it was made: what there is of `api.metadata.Processing`, all of its fields."""
    made = metadata.get("processing")
    return made and {"mode": None, "transcodeReasons": [], "recipe": None, "seconds": None} | made


def _conformance(metadata: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the validator of published HLS found, rules that are broken first."""
    checks = (metadata.get("conformance") or {}).get("checks", [])
    if not checks:
        return None
    return {
        "held": sum(bool(check.get("ok")) for check in checks),
        "checks": sorted(checks, key=lambda check: (bool(check.get("ok")), check.get("level") != "must")),
    }


def _outputs(record: Record, metadata: Mapping[str, Any]) -> list[dict[str, str]]:
    """The files that were made of it, with their paths here."""
    if not metadata:
        return []
    told = [value for field, value in _urls(metadata) if field.endswith("Url") and isinstance(value, str)]
    made = [*_ALWAYS.get(record.kind, ()), *(url.rsplit("/", 1)[-1] for url in told)]
    return [
        {"name": name, "url": f"/{route}/{record.kind}/{record.id}/{name}"}
        for name in dict.fromkeys(made)
        if name in layout.RESULT_FILES[record.kind]
        for route in ("results" if name in _PICTURES else "download",)
    ]


def _urls(metadata: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [*metadata.items(), *(metadata.get("telemetry") or {}).items()]
