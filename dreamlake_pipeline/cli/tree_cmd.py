"""`dreamlake tree`: a project or episode as a tree, with what is known of each file."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from ..flags import FlagFilter
from .choice import Choice, Failed, Kinds, Long, OfFlag, Order, Reverse, Sort, Statuses, check_projects, choose, key_of
from .options import AsJson, OptionalEpisode, Which

if TYPE_CHECKING:
    from ..api.server import Node
    from ..client import DreamLake
    from ..remote.bss import Place
    from .listing import Line, State


def tree(
    what: Which = None,
    episode: OptionalEpisode = None,
    failed: Failed = False,
    status: Statuses = None,
    kind: Kinds = None,
    flag: OfFlag = None,
    long: Long = False,
    sort: Sort = None,
    reverse: Reverse = False,
    as_json: AsJson = False,
) -> None:
    """Show a project or an episode as a tree: kind, duration, size and status of each file.

    With --failed, --status or --kind, only the files that are so, and their
    folders. With --flag, only the episodes of a project that were called so.
    """
    from ..client.place import describe
    from .connection import connect
    from .listing import Table, file_json, named_places, spell
    from .output import as_returned, note, plural, print_json, say, style

    choice = choose(failed=failed, statuses=status, kinds=kind)
    files, failures, table = 0, 0, Table(whole=long)
    with connect() as lake:
        places = named_places(lake, what or (), episode)
        check_projects(places, flag)
        for place in (one for named in places for one in _episodes(lake, named, flag)):
            nodes, states = _chosen(lake, place, choice)
            files += len(states)
            failures += sum(state.status == "failed" for state in states.values())
            if as_json:
                for node in nodes:
                    returned = as_returned(node)
                    if node.asset is not None:
                        returned["asset"] = file_json(node.asset, states[node.asset.bss_id])
                    print_json(returned)
            elif nodes:
                say(style(describe(place._replace(path=None)), bold=True))
                table.show(_lines(_sorted(nodes, states, sort, reverse=reverse), states, long=long))
        if as_json:
            return
        if not files and (flag or not choice.is_all):
            note("No file matches.")
            return
        table.tell_cut(lake.namespace)
        say(plural(files, "file") + (f", {failures:,} failed" if failures else ""))
        if failures:
            whose = shlex.join(spell(place, lake.namespace) for place in places)
            note(f"`dreamlake failed {whose}` says why.")


def _episodes(lake: DreamLake, place: Place, flag: FlagFilter | None) -> list[Place]:
    """The places of the episodes of a project, or of those of a flag; any other place is itself in one."""
    if place.episode is not None or place.path is not None:
        return [place]
    episodes = list(lake.index.episodes(place.owner, place.project or ""))
    if flag is not None:
        episodes = [one for one in episodes if one.name and (one.flag or FlagFilter.NONE) == flag]
    return [place._replace(episode=episode.name or "") for episode in episodes]


def _chosen(lake: DreamLake, place: Place, choice: Choice) -> tuple[list[Node], dict[str, State]]:
    """The chosen files of a place with their folders, in tree order, and the states of the files."""
    from .listing import live_states

    path, episode = place.path or "/", place.episode or None
    nodes = list(lake.index.nodes(place.owner, place.project or "", episode=episode, path=path, recursive=True))
    states = live_states(lake, [node.asset for node in nodes if node.asset is not None])
    if choice.is_all:
        return nodes, states
    kept: list[Node] = []
    above = ""  # the path of the last node that was kept; the folders of what is kept come before it
    for node in reversed(nodes):
        if node.asset is not None:
            is_kept = choice.has(node.asset, states[node.asset.bss_id])
        else:
            is_kept = above.startswith(f"{node.path}/")
        if is_kept:
            kept.append(node)
            above = node.path
    kept.reverse()
    return kept, {node.asset.bss_id: states[node.asset.bss_id] for node in kept if node.asset is not None}


def _sorted(nodes: list[Node], states: dict[str, State], order: Order | None, *, reverse: bool) -> list[Node]:
    """The nodes with what each folder holds in another order: folders by name, before files."""
    if order is None and not reverse:
        return nodes
    key = key_of(order or Order.NAME)
    held: dict[str, list[Node]] = {}
    for node in nodes:
        held.setdefault(node.path.rpartition("/")[0], []).append(node)

    def rank(node: Node) -> tuple[bool, Any, str]:
        if node.asset is None:
            return False, "", node.name
        return True, key(node.asset, states[node.asset.bss_id]), node.name

    laid: list[Node] = []
    root = min(held, key=lambda path: path.count("/"), default="")
    waiting = sorted(held.get(root, []), key=rank, reverse=not reverse)  # the next one is the last
    while waiting:
        node = waiting.pop()
        laid.append(node)
        if node.asset is None:
            waiting += sorted(held.get(node.path, []), key=rank, reverse=not reverse)
    return laid


def _lines(nodes: list[Node], states: dict[str, State], *, long: bool) -> list[Line]:
    """Lines of nodes that come in tree order, each folder followed by what it holds."""
    from .listing import Line, file_cells, place_of
    from .output import style

    depths = [node.path.count("/") for node in nodes]
    top = min(depths, default=0)
    last_at: dict[int, bool] = {}  # by depth: whether what stands there is the last of its folder
    is_last = [False] * len(nodes)
    for place in range(len(nodes) - 1, -1, -1):
        depth = depths[place]
        is_last[place] = depth not in last_at
        last_at = {above: True for above in last_at if above < depth} | {depth: True}
    lines: list[Line] = []
    ended: dict[int, bool] = {}
    for node, depth, last in zip(nodes, depths, is_last, strict=True):
        guides = "".join("    " if ended.get(above) else "│   " for above in range(top, depth))
        ended[depth] = last
        branch = "└── " if last else "├── "
        if node.asset is None:
            lines.append(Line([guides + branch + style(node.name + "/", fg="blue")]))
        else:
            state = states[node.asset.bss_id]
            cells = [guides + branch + node.name, *file_cells(node.asset, state, long=long)]
            lines.append(Line(cells, state.error, place_of(node.asset)))
    return lines
