"""The viewer's pages: where they are, and links that log in to them."""

from __future__ import annotations

from ..api.viewer import LinkRequest, LoginLink
from ..errors import Code, DreamlakeError
from ..remote.bss import Place
from ..remote.http import ServiceClient
from ..remote.server import IndexClient
from ..viewerpaths import episode_path, file_path, project_path
from . import connection


def viewer_url() -> str | None:
    """Where the viewer of the DreamLake that a client talks to is found; None when nobody says."""
    url = connection.viewer_url()
    return url.rstrip("/") if url else None


def page_of(place: Place, index: IndexClient) -> str:
    """The path of the page that shows a place: a file's, an episode's (of a folder, too), or a project's."""
    assert place.project is not None, "a place that somebody named has a project"
    if place.path is not None:
        nodes = index.nodes(place.owner, place.project, episode=place.episode or None, path=place.path)
        node = next(nodes, None)
        if node is not None and node.asset is not None and node.asset.name == place.path:
            return file_path(node.asset.id)
    if place.episode is None and place.path is None:
        return project_path(place.owner, place.project)
    return episode_path(place.owner, place.project, place.episode)


def login_link(path: str) -> str:
    """A link to a page that logs in once. Raises UNREACHABLE when no viewer is known or none answers."""
    url = viewer_url()
    if url is None:
        raise DreamlakeError(
            Code.UNREACHABLE,
            "No viewer is known for this DreamLake.",
            hint="Set DREAMLAKE_VIEWER_URL, or run `dreamlake up` for an embedded stack of an earlier version.",
        )
    with ServiceClient("the viewer", url, connection.addresses().api_key) as http:
        return http.post("/login/links", LinkRequest(next=path), LoginLink).url
