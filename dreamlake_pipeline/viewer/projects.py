"""What the list of projects and the page of a project show, as data."""

from __future__ import annotations

import time
from itertools import islice
from typing import Any

from ..api.server import EpisodeSummary, ProjectTotals
from ..remote.services import Services
from ..viewerpaths import episode_path, project_path
from .filters import Filters

MOST_PROJECTS = 2000
PAGE = 50  # episodes

_SEARCH_SECONDS = 0.5  # in which a page is filled when few episodes match


def view_of_projects(services: Services) -> dict[str, Any]:
    """All projects that the key reaches, up to `MOST_PROJECTS`; `more` says whether there are others."""
    found = list(islice(services.index.totals(), MOST_PROJECTS + 1))
    return {
        "projects": [_project(one) for one in found[:MOST_PROJECTS]],
        "more": len(found) > MOST_PROJECTS,
    }


def view_of_project(
    services: Services, namespace: str, project: str, filters: Filters, *, cursor: str | None
) -> dict[str, Any]:
    """A page of a project's episodes, the newest first. `cursor` of the view is that of the next page. Raises
    NOT_FOUND."""
    found: list[EpisodeSummary] = []
    until = time.monotonic() + _SEARCH_SECONDS
    after = cursor
    while True:
        page = services.index.summaries(namespace, project, **filters.wanted(), cursor=after, limit=PAGE - len(found))
        found += page.items
        after = page.cursor
        if after is None or len(found) >= PAGE or time.monotonic() > until:
            break
    totals = next((one for one in services.index.totals(namespace) if one.project == project), None)
    return {
        "namespace": namespace,
        "project": project,
        "totals": totals and _project(totals),
        "filters": filters.query(),
        "episodes": [_episode(namespace, project, one) for one in found],
        "cursor": after,
    }


def _project(totals: ProjectTotals) -> dict[str, Any]:
    return totals.model_dump(mode="json", by_alias=True) | {"path": project_path(totals.namespace, totals.project)}


def _episode(namespace: str, project: str, summary: EpisodeSummary) -> dict[str, Any]:
    return summary.model_dump(mode="json", by_alias=True) | {"path": episode_path(namespace, project, summary.name)}
