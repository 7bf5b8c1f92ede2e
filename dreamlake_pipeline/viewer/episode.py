"""The view model of an episode: its files as tracks on one clock, from the index and from BSS."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Any

from ..api.bss import Record, Status
from ..api.server import Asset, EpisodeDetails
from ..kinds import Kind
from ..remote.services import Services
from .alignment import align
from .tracks import describe, has_times, timed, video_of
from .units import clock

MOST_TRACKS = 1000  # of an episode that are shown, which is also what BSS tells in one call

_MOST_FIELDS = 5000  # of all label tracks together; a page of a thousand of them would have 12 MB else
_LEAST_FIELDS = 10  # of each

# Of an episode with more files, a camera is worth more than one of a thousand short sounds.
_FIRST = (Kind.VIDEO, Kind.LABEL_TRACK, Kind.TEXT_TRACK, Kind.AUDIO)


def view_of_episode(
    services: Services, namespace: str, project: str, episode: str | None, *, can_write: bool, dagster_url: str | None
) -> dict[str, Any]:
    """The view model of an episode; without a name, of the files that belong to none. Raises DreamlakeError."""
    summary = services.index.episode(namespace, project, episode)
    assets = _first_files(services, namespace, project, episode)
    records = {record.id: record for record in services.bss.query([asset.bss_id for asset in assets])} if assets else {}
    # What was deleted from BSS may be in the index a little longer.
    files = [(asset, records[asset.bss_id]) for asset in assets if asset.bss_id in records]
    return {
        "namespace": namespace,
        "project": project,
        "episode": episode,
        "flag": summary.flag,
        "note": summary.note,
        "canWrite": can_write,
        "previous": summary.previous,
        "next": summary.next,
        "state": _state(summary),
        **view_of_files(files, dagster_url=dagster_url),
        "moreFiles": max(summary.files - len(assets), 0),
    }


def state_of_episode(services: Services, namespace: str, project: str, episode: str | None) -> dict[str, Any]:
    """By what a page that is looked at sees that there is something else to be seen. Raises DreamlakeError."""
    return _state(services.index.episode(namespace, project, episode))


def _state(summary: EpisodeDetails) -> dict[str, Any]:
    return {"files": summary.files, "statuses": summary.statuses}


def view_of_files(files: Sequence[tuple[Asset, Record]], *, dagster_url: str | None = None) -> dict[str, Any]:
    """What is known of the files as tracks on one clock, in the order of their names."""
    files = sorted(files, key=lambda file: file[1].name)
    # A file that failed, or a table without times, does not take part in how the others are aligned.
    placed = [file for file in files if has_times(file[1])]
    videos = {at: record for at, (_, record) in enumerate(placed) if record.kind is Kind.VIDEO}
    times = [
        timed(record, offset=asset.time_offset_sec or 0.0, video=video_of(record, videos)) for asset, record in placed
    ]
    found = align(times)
    starts = {record.id: at for at, (_, record) in enumerate(placed)}
    labels = sum(record.kind is Kind.LABEL_TRACK for _, record in files)
    most_fields = max(_MOST_FIELDS // max(labels, 1), _LEAST_FIELDS)
    tracks = []
    for asset, record in files:
        at = starts.get(record.id)
        video = times[at].beside if at is not None else None
        tracks.append(
            describe(asset, record, dagster_url=dagster_url, most_fields=most_fields)
            | {
                "startSec": found.starts[at] if at is not None else 0.0,
                "durationSec": times[at].duration if at is not None else None,
                "offsetSec": _offset(asset),
                "alignedBy": found.known_by[at] if at is not None else None,
                "video": placed[video][0].id if video is not None else None,
            }
        )
    counts = Counter(record.status for _, record in files)
    return {
        "durationSec": found.duration,
        "lengthText": clock(found.duration) if placed else _why_without_length(counts),
        "alignment": {"by": found.by, "text": found.text, "epoch": found.epoch},
        "tracks": tracks,
        "counts": dict(counts),
    }


def _why_without_length(counts: Counter[Status]) -> str:
    """What is said in the place of a length where no file has a time."""
    if not counts:
        return "no files"
    if any(not status.is_final for status in counts):
        return "length not known yet"
    return "nothing plays" if set(counts) == {Status.FAILED} else "no times"


def _first_files(services: Services, namespace: str, project: str, episode: str | None) -> list[Asset]:
    assets: list[Asset] = []
    for kind in _FIRST:
        some = services.index.assets(kind, namespace=namespace, project=project, episode=episode or "")
        assets += islice(some, MOST_TRACKS - len(assets))
    return assets


def _offset(asset: Asset) -> float:
    return asset.time_offset_sec or 0.0
