"""From what a person names (a project, an episode, folders and files of it, ids) to places in BSS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..errors import Code, DreamlakeError
from ..ids import is_id

if TYPE_CHECKING:
    from ..client import DreamLake
    from ..client.bss import Place


class Named(NamedTuple):
    """Places, and ids of records that were named by themselves."""

    places: list[Place]
    ids: list[str]


def describe(place: Place) -> str:
    """A place as a person names it."""
    target = f"{place.project}@{place.owner}" + (f":{place.episode}" if place.episode else "")
    return f"{target} {place.path}" if place.path else target


def missing(what: str, named: Sequence[str], *, hint: str) -> DreamlakeError:
    """The error for words that name nothing: then nothing is done with the others either."""
    return DreamlakeError(Code.NOT_FOUND, f"There is no {what} in {', '.join(named)}.", hint=hint)


def find_places(lake: DreamLake, words: list[str], episode: str | None) -> Named:
    """What `[TARGET] [PATH|ID]...` names; --episode may stand for TARGET. Without a path, all of the target; a path of
    a project without an episode is one of the files that belong to the project itself. Raises USAGE, INVALID_NAME."""
    from ..client.bss import Place
    from ..names import check_folder
    from .options import check_target

    rest = list(words)
    if episode is None and rest and not (is_id(rest[0]) or rest[0].startswith("/")):
        episode = check_target(rest.pop(0))
    ids = [word for word in rest if is_id(word)]
    paths = [word for word in rest if not is_id(word)]
    if episode is None:
        if paths or not ids:
            raise DreamlakeError(
                Code.USAGE,
                "Say what: a path needs its project or episode before it." if paths else "Say what.",
                hint="A project or episode (robot@lab:run-001), paths in it, or ids.",
            )
        return Named([], ids)
    target = lake.target(episode)
    if not paths and not ids:
        return Named([Place(target.namespace, target.project, target.episode)], [])
    folders = [check_folder(path if path.startswith("/") else f"/{path}") for path in paths]
    return Named([Place(target.namespace, target.project, target.episode or "", folder) for folder in folders], ids)
