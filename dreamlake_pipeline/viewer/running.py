"""What is under way in a project, as BSS knows it."""

from __future__ import annotations

from typing import Any

from ..api.bss import Record, Status
from ..kinds import Kind
from ..remote.services import Services
from ..viewerpaths import episode_path

_SHOWN = 20  # files that are named


def view_of_running(services: Services, namespace: str, project: str) -> dict[str, Any]:
    """How many files are processed and wait for it (`more`: at least so many), and some that are processed."""
    found = services.bss.underway(namespace)
    here = next((one for one in found.items if (one.owner, one.project) == (namespace, project)), None)
    processing, queued = (here.processing, here.queued) if here else (0, 0)
    return {
        "counts": {Status.PROCESSING: processing, Status.QUEUED: queued},
        "more": found.more,
        "files": _processed(services, namespace, project, processing),
    }


def _processed(services: Services, namespace: str, project: str, count: int) -> list[dict[str, Any]]:
    """Some of the files that are processed, of which there are so many; kinds are asked for until there are enough."""
    files: list[dict[str, Any]] = []
    for kind in Kind:
        if (left := min(count, _SHOWN) - len(files)) <= 0:
            break
        page = services.bss.list_page(kind, owner=namespace, project=project, status=Status.PROCESSING, limit=left)
        files += [_file(record) for record in page.items]
    return files


def _file(record: Record) -> dict[str, Any]:
    return {
        "recordId": record.id,
        "kind": record.kind,
        "name": record.name,
        "episode": record.episode,
        "path": episode_path(record.owner, record.project, record.episode),
    }
