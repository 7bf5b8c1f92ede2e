"""`dreamlake tree`: a project or episode as a tree, with what is known of each file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .listing import State, file_columns, live_states, with_waiting
from .options import TARGET_FORM, AsJson, check_target

if TYPE_CHECKING:
    from ..api.server import Node


def tree(
    target: Annotated[
        str,
        typer.Argument(metavar="TARGET", help=f"A project, or an episode of it: {TARGET_FORM}.", callback=check_target),
    ],
    path: Annotated[str, typer.Argument(metavar="PATH", help="A folder of it.")] = "/",
    as_json: AsJson = False,
) -> None:
    """Show a project or an episode as a tree: kind, duration, size and status of each file."""
    from .connection import connect
    from .output import as_returned, plural, print_json, say, style

    with connect() as lake:
        where = lake.target(target)
        if where.episode is None:
            episodes = [episode.name for episode in lake.index.episodes(where.namespace, where.project)]
        else:
            episodes = [where.episode]
        files = 0
        for episode in episodes:
            nodes = list(lake.index.nodes(where.namespace, where.project, episode=episode, path=path, recursive=True))
            files += sum(node.asset is not None for node in nodes)
            states = live_states(lake, nodes)
            if as_json:
                for node in nodes:
                    returned = as_returned(node)
                    if node.asset is not None:
                        returned["asset"] = with_waiting(returned["asset"], node.asset, states)
                    print_json(returned)
                continue
            place = f"{where.project}@{where.namespace}" + (f":{episode}" if episode else "")
            say(style(place, bold=True))
            _draw(nodes, states)
        if not as_json:
            say(plural(files, "file"))


def _draw(nodes: list[Node], states: dict[str, State]) -> None:
    """Print nodes that come in tree order, each folder followed by what it holds."""
    from ..visible import visible
    from .output import say, style, unstyle

    depths = [node.path.count("/") for node in nodes]
    top = min(depths, default=0)
    last_at: dict[int, bool] = {}  # by depth: whether what stands there is the last of its folder
    is_last = [False] * len(nodes)
    for place in range(len(nodes) - 1, -1, -1):
        depth = depths[place]
        is_last[place] = depth not in last_at
        last_at = {above: True for above in last_at if above < depth} | {depth: True}
    rows: list[tuple[str, list[str]]] = []
    ended: dict[int, bool] = {}
    for node, depth, last in zip(nodes, depths, is_last, strict=True):
        guides = "".join("    " if ended.get(above) else "│   " for above in range(top, depth))
        ended[depth] = last
        branch = "└── " if last else "├── "
        if node.asset is None:
            rows.append((guides + branch + style(node.name + "/", fg="blue"), []))
        else:
            rows.append((guides + branch + visible(node.name), file_columns(node.asset, states[node.asset.bss_id])))
    name_width = max((len(unstyle(name)) for name, _ in rows), default=0)
    widths = [max((len(unstyle(cells[column])) for _, cells in rows if cells), default=0) for column in range(4)]
    for name, cells in rows:
        padded = [cell + " " * (width - len(unstyle(cell))) for cell, width in zip(cells, widths, strict=False)]
        say("  ".join([name + " " * (name_width - len(unstyle(name))), *padded]).rstrip())
