"""What Tab completes: projects, episodes, folders and files that are stored, names of processes, codes of errors.

It asks the services, for two seconds at the most, and offers nothing where they do not answer: a line that is being
written is no place for an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import typer
from typer import _completion_shared

if TYPE_CHECKING:
    from ..client import DreamLake
    from ..remote.bss import Place

_MOST_OFFERED = 200
_SECONDS = 2.0

# Bash takes `:` and `@` for ends of words, and replaces only what comes after the last of them (readline's
# COMP_WORDBREAKS). So the word is taken from the line itself, and what bash keeps of it from each answer. A folder and
# an episode end with `/`, a project with `:`: no blank comes after them, since there is more to be named.
_BASH = r"""
%(complete_func)s() {
    local IFS=$'\n' line="${COMP_LINE:0:COMP_POINT}" breaks="${COMP_WORDBREAKS//[[:space:]]/}" word kept
    [[ $line =~ ([^[:space:]\\]|\\.)*$ ]] && word="${BASH_REMATCH[0]}"
    kept="${word%%"${word##*[$breaks]}"}"
    COMPREPLY=( $( env %(autocomplete_var)s=complete_fish _TYPER_COMPLETE_FISH_ACTION=get-args \
                   _TYPER_COMPLETE_ARGS="$line" %(prog_name)s 2> /dev/null | cut -f 1 ) )
    if (( ${#COMPREPLY[@]} )); then
        COMPREPLY=( $( printf '%%q\n' "${COMPREPLY[@]}" ) )
        COMPREPLY=( "${COMPREPLY[@]#"$kept"}" )
        [[ ${COMPREPLY[0]} == *[/:] ]] && compopt -o nospace
    fi
    return 0
}

complete -o default -F %(complete_func)s %(prog_name)s
"""

# Zsh quotes what it is given by itself; what ends with `/` or `:` gets no blank after it.
_ZSH = r"""
#compdef %(prog_name)s

%(complete_func)s() {
    local -a found open closed
    local one
    found=( "${(@f)$(env %(autocomplete_var)s=complete_fish _TYPER_COMPLETE_FISH_ACTION=get-args \
            _TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" %(prog_name)s 2> /dev/null | cut -f 1)}" )
    for one in $found; do
        if [[ $one == *[/:] ]]; then open+=( "$one" ); else closed+=( "$one" ); fi
    done
    if (( $#open + $#closed )); then
        compadd -S '' -- $open
        compadd -- $closed
    else
        _files
    fi
}

compdef %(complete_func)s %(prog_name)s
"""


def install() -> None:
    """Have typer's --install-completion and --show-completion write scripts that know what our names look like."""
    _completion_shared._completion_scripts |= {"bash": _BASH, "zsh": _ZSH}


def complete_place(context: typer.Context, incomplete: str) -> list[str]:
    """The places that a word may become; after a target (an argument before, or --episode), paths in it."""
    words = context.params.get("names" if "names" in context.params else "what") or ()  # as the verb calls them
    target = context.params.get("episode") or (words[0] if words else None)

    def offer(lake: DreamLake) -> Iterator[str]:
        if target is not None:
            yield from _paths_of(lake, target, incomplete)
        if context.params.get("episode") is None and not incomplete.startswith("/"):
            yield from _places(lake, incomplete)

    return _asked(offer)


def complete_project(incomplete: str) -> list[str]:
    """The projects that a word may become."""
    return _asked(lambda lake: (target.rstrip(":/") for target in _targets(lake, incomplete.partition(":")[0])))


def complete_status(incomplete: str) -> list[str]:
    from ..api.bss import Status

    return [status for status in Status if status.startswith(incomplete)]


def complete_code(incomplete: str) -> list[str]:
    from ..errors import Code

    return [code for code in Code if code.startswith(incomplete)]


def complete_process(incomplete: str) -> list[str]:
    from ..stack.processes import PROCESSES

    return [process.name for process in PROCESSES if process.name.startswith(incomplete)]


def complete_target(incomplete: str) -> list[str]:
    """The projects and episodes that a word may become."""
    return _asked(lambda lake: _targets(lake, incomplete))


def _asked(offer: Callable[[DreamLake], Iterator[str]]) -> list[str]:
    from ..client import DreamLake
    from ..remote.patience import Patience

    found: dict[str, None] = {}
    try:
        with DreamLake(patience=Patience(_SECONDS, silence=_SECONDS)) as lake:
            for one in islice(offer(lake), _MOST_OFFERED):
                found[one] = None
    except Exception:  # what was found before it is as good as without it
        return list(found)
    return list(found)


def _places(lake: DreamLake, incomplete: str) -> Iterator[str]:
    """Projects; once there is a `:`, episodes of the project, and paths in each reading of the word."""
    head, slash, _ = incomplete.rpartition("/")
    yield from _targets(lake, incomplete)
    if slash and head:
        for place in _readings(lake, head):
            for path in _children(lake, place, incomplete[len(head) + 1 :]):
                yield f"{head}/{path}"


def _targets(lake: DreamLake, incomplete: str) -> Iterator[str]:
    project, colon, episode = incomplete.partition(":")
    if "/" in project:
        return
    if colon:
        place = _readings(lake, project)[0]
        for one in lake.index.episodes(place.owner, place.project or ""):
            if one.name and one.name.startswith(episode):
                yield f"{project}:{one.name}"
        return
    name, at, namespace = project.partition("@")
    owners = [one.name for one in lake.index.namespaces() if one.name.startswith(namespace)] if at else [lake.namespace]
    found = [
        f"{one.name}@{owner}" if at else one.name
        for owner in owners
        for one in lake.index.projects(owner)
        if (one.name == name if at else one.name.startswith(name))
    ]
    if len(found) != 1:
        yield from found
        return
    place = _readings(lake, found[0])[0]
    for one in lake.index.episodes(place.owner, place.project or ""):
        yield f"{found[0]}:" if one.name else f"{found[0]}/"


def _paths_of(lake: DreamLake, target: str, incomplete: str) -> Iterator[str]:
    """Paths in what comes before the word, as the word writes them: with or without the first `/`."""
    from ..client.place import below

    folder, slash, start = incomplete.rpartition("/")
    for place in _readings(lake, target):
        for path in _children(lake, below(place, folder or "/"), start):
            yield f"{folder}{slash}{path}"


def _readings(lake: DreamLake, text: str) -> list[Place]:
    from ..client.place import readings

    return readings(text, namespace=lake.namespace)


def _children(lake: DreamLake, place: Place, start: str) -> Iterator[str]:
    """What lies in a folder and begins so; none, if it is not there. Folders end with `/`."""
    from ..errors import Code, DreamlakeError

    path = place.path or "/"
    nodes = lake.index.nodes(place.owner, place.project or "", episode=place.episode or None, path=path)
    try:
        for node in nodes:
            if node.name.startswith(start) and not (node.asset and node.path == path):
                yield node.name if node.asset else f"{node.name}/"
    except DreamlakeError as error:
        if error.code is not Code.NOT_FOUND:
            raise
