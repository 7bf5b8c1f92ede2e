"""Paths of the viewer's pages, for all that links to them. A name in a path is percent-encoded, also its slashes."""

from __future__ import annotations

from urllib.parse import quote

# Behind a page's path: the page's data are asked for.
DATA = ".json"


def project_path(namespace: str, project: str) -> str:
    return f"/p/{_segment(namespace)}/{_segment(project)}"


def episode_path(namespace: str, project: str, episode: str | None) -> str:
    """The page of an episode; without a name, of the files that belong to none."""
    return f"{project_path(namespace, project)}/e/{_segment(episode or '')}"


def file_path(asset_id: str) -> str:
    return f"/f/{_segment(asset_id)}"


def _segment(name: str) -> str:
    """One segment of a path, which does not end as the address of data does."""
    segment = quote(name, safe="")
    return segment.removesuffix(DATA) + "%2Ejson" if segment.endswith(DATA) else segment
