"""What the list of failed files shows, as data: also files that are partial, and those that have warnings."""

from __future__ import annotations

from collections import defaultdict
from enum import StrEnum
from typing import Any

from ..api.bss import Record, RecordRef
from ..dagsterpaths import runs_of_batch
from ..errors import Code, DreamlakeError
from ..remote.bss import Place
from ..remote.services import Services
from ..viewerpaths import episode_path, file_path, project_path
from .file import explained

PAGE = 100  # files

_UNKNOWN = {"code": Code.INTERNAL, "message": "Nothing more is known.", "hint": None, "meaning": None, "next": None}


class What(StrEnum):
    """Which files: those whose last processing failed, those of which only a part was good, those with warnings."""

    FAILED = "failed"
    PARTIAL = "partial"
    WARNED = "warned"


def view_of_failed(
    services: Services,
    what: What,
    *,
    namespace: str | None,
    project: str | None,
    cursor: str | None,
    can_write: bool,
    dagster_url: str | None,
) -> dict[str, Any]:
    """A page of the files, of a project, a namespace or all that the key reaches, oldest first. Failed ones are in
    groups by the reason, those of which there are most first; `cursor` of the view is that of the next page.

    Raises INVALID_REQUEST for a project without its namespace, FORBIDDEN.
    """
    if project is not None and namespace is None:
        raise DreamlakeError(Code.INVALID_REQUEST, "namespace: name the one that the project belongs to, too.")
    refs, after = _refs(services, what, namespace, project, cursor)
    records = services.bss.query([ref.id for ref in refs]) if refs else []
    logs = services.bss.logs([record.id for record in records]) if records and what is What.FAILED else {}
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in sorted(records, key=lambda one: (one.owner, one.project, one.episode or "", one.name)):
        file = _file(record, dagster_url) | {"log": logs.get(record.id, [])}
        groups[file["error"]["code"] if what is What.FAILED else ""].append(file)
    ordered = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    return {
        "what": what,
        "namespace": namespace,
        "project": project,
        "canWrite": can_write and what is What.FAILED,
        "groups": [
            {"code": code or None, "meaning": files[0]["error"]["meaning"] if code else None, "files": files}
            for code, files in ordered
        ],
        "count": len(records),
        "cursor": after,
    }


def _refs(
    services: Services, what: What, namespace: str | None, project: str | None, cursor: str | None
) -> tuple[list[RecordRef], str | None]:
    """A page of the records, and the cursor of the next one: `NAMESPACE:CURSOR` of BSS's list there."""
    at, _, inner = (cursor or "").partition(":")
    names = [namespace] if namespace else sorted(one.name for one in services.index.namespaces())
    found: list[RecordRef] = []
    for name in names:
        if name < at:
            continue
        after = inner or None if name == at else None
        page = services.bss.troubled_page(
            Place(name, project), **{what.value: True}, cursor=after, limit=PAGE - len(found)
        )
        found += page.items
        if page.cursor is not None:
            return found, f"{name}:{page.cursor}"
        if len(found) >= PAGE:
            following = next((other for other in names if other > name), None)
            return found, f"{following}:" if following else None
    return found, None


def _file(record: Record, dagster_url: str | None) -> dict[str, Any]:
    error = record.error or record.last_error
    return {
        "recordId": record.id,
        "namespace": record.owner,
        "project": record.project,
        "projectPage": project_path(record.owner, record.project),
        "episode": record.episode,
        "episodePage": episode_path(record.owner, record.project, record.episode),
        "name": record.name,
        "kind": record.kind,
        "size": record.size,
        "status": record.status,
        "playable": record.is_playable,
        "error": explained(error) if error else _UNKNOWN,
        "warnings": record.warnings,
        "at": record.updated_at.isoformat(),
        "attempts": record.attempts,
        "file": file_path(record.id),
        "batch": record.partition,
        "run": runs_of_batch(dagster_url, record.partition),
    }
