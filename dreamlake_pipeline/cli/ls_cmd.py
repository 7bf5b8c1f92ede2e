"""`dreamlake ls`: one level of namespaces, projects, episodes, folders and files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .listing import file_columns, live_states, with_waiting
from .options import AsJson, OptionalTarget

if TYPE_CHECKING:
    from ..client import DreamLake


def ls(
    target: OptionalTarget = None,
    path: Annotated[str | None, typer.Argument(metavar="PATH", help="A folder of the episode.")] = None,
    as_json: AsJson = False,
) -> None:
    """List projects; the episodes of a project; or a folder of an episode.

    With PATH and no episode, the files that belong to the project itself.
    """
    from .connection import connect
    from .output import note, print_columns, print_json

    with connect() as lake:
        rows = []
        for item, row in _level(lake, target, path):
            if as_json:
                print_json(item)
            rows.append(row)
    if rows and not as_json:
        print_columns(rows)
    elif not rows:
        note("No file is there.")


def _level(lake: DreamLake, text: str | None, path: str | None) -> Iterable[tuple[dict[str, Any], list[str]]]:
    """What the services return, and the columns that show it."""
    from .output import as_returned, plural

    if text is None:
        for namespace in lake.index.namespaces():
            for project in lake.index.projects(namespace.name):
                yield as_returned(project), [f"{project.name}@{namespace.name}", plural(project.assets, "file")]
        return
    target = lake.target(text)
    if target.episode is None and path is None:
        for episode in lake.index.episodes(target.namespace, target.project):
            yield as_returned(episode), [episode.name or "(no episode)", plural(episode.assets, "file")]
        return
    nodes = list(lake.index.nodes(target.namespace, target.project, episode=target.episode, path=path or "/"))
    states = live_states(lake, nodes)
    for node in nodes:
        if node.asset is None:
            yield as_returned(node), [f"{node.name}/", "", "", "", ""]
        else:
            columns = [node.name, *file_columns(node.asset, states[node.asset.bss_id])]
            yield with_waiting(as_returned(node.asset), node.asset, states), columns
