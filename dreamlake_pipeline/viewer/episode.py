"""What the page of an episode shows, as data."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import Any

from ..client.services import Services

_MOST_TRACKS = 1000


def view_of_episode(
    services: Services, namespace: str, project: str, episode: str | None, *, can_write: bool, dagster_url: str | None
) -> dict[str, Any]:
    """The view model of an episode; without a name, of the files that belong to none. Raises DreamlakeError."""
    nodes = services.index.nodes(namespace, project, episode=episode, path="/", recursive=True)
    files = [node.asset for node in islice(nodes, 4 * _MOST_TRACKS) if node.asset is not None]
    tracks: list[dict[str, Any]] = [
        {
            "assetId": file.id,
            "recordId": file.bss_id,
            "kind": file.kind,
            "name": file.name,
            "filename": file.filename,
            "folder": file.folder,
            "status": file.status,
            "startSec": 0.0,
            "durationSec": (file.metadata or {}).get("durationSec"),
            "offsetSec": 0.0,
            "alignedBy": "start",
            "error": (file.metadata or {}).get("error"),
            "warnings": [],
            "partial": False,
            "file": f"/f/{file.id}",
            "run": None,
        }
        for file in files[:_MOST_TRACKS]
    ]
    return {
        "namespace": namespace,
        "project": project,
        "episode": episode,
        "flag": None,
        "note": None,
        "canWrite": can_write,
        "previous": None,
        "next": None,
        "durationSec": max((track["durationSec"] or 0.0 for track in tracks), default=0.0),
        "alignment": {"by": "starts", "text": "aligned by start", "epoch": None},
        "tracks": tracks,
        "counts": dict(Counter(str(file.status) for file in files)),
        "moreFiles": max(0, len(files) - _MOST_TRACKS),
    }
