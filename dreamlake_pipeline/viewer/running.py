"""What is under way in a project, as BSS knows it."""

from __future__ import annotations

from typing import Any

from ..api.bss import Record, Status
from ..client.services import Services
from ..kinds import Kind
from ..viewerpaths import episode_path

_MOST = 100  # records of a kind and status that are looked at
_SHOWN = 20


def view_of_running(services: Services, namespace: str, project: str) -> dict[str, Any]:
    """How many files are processed and wait for it (`more`: at least so many), and some that are processed."""
    counts: dict[str, int] = {}
    more, shown = False, []
    for status in (Status.PROCESSING, Status.QUEUED):
        counts[status] = 0
        for kind in Kind:
            page = services.bss.list_page(kind, owner=namespace, project=project, status=status, limit=_MOST)
            counts[status] += len(page.items)
            more = more or page.cursor is not None
            if status is Status.PROCESSING:
                shown += [_file(record) for record in page.items]
    return {"counts": counts, "more": more, "files": shown[:_SHOWN]}


def _file(record: Record) -> dict[str, Any]:
    return {
        "recordId": record.id,
        "kind": record.kind,
        "name": record.name,
        "episode": record.episode,
        "path": episode_path(record.owner, record.project, record.episode),
    }
