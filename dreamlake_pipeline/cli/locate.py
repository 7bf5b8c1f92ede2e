"""From what a person names (a path of an episode, or an id) to the record in BSS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import Code, DreamlakeError
from ..ids import is_id
from ..kinds import Kind

if TYPE_CHECKING:
    from ..api.bss import Record
    from ..client import DreamLake

_EXAMPLE = "Example: robot@lab:run-001 /camera/front.mp4"


def find_named(lake: DreamLake, words: list[str], episode: str | None) -> Record:
    """The record that `[TARGET] PATH|ID` names; --episode may stand for TARGET. Raises NOT_FOUND, USAGE."""
    if len(words) > 2 or (len(words) == 2 and episode is not None):
        raise DreamlakeError(Code.USAGE, "Name one file: an id, or a target and a path.", hint=_EXAMPLE)
    return find_record(lake, words[-1], words[0] if len(words) == 2 else episode)


def find_record(lake: DreamLake, what: str, episode: str | None) -> Record:
    """The record of a path in `episode`, of a BSS id, or of an id of the index. Raises NOT_FOUND, USAGE."""
    record_id = what if is_id(what) else _id_at(lake, what, episode)
    if found := lake.bss.query([record_id]):
        return found[0]
    if record_id == what and (of_index := _id_of_asset(lake, what)) and (found := lake.bss.query([of_index])):
        return found[0]
    raise DreamlakeError(Code.NOT_FOUND, f"There is no file {what}.", hint="`dreamlake tree` shows what is there.")


def _id_at(lake: DreamLake, path: str, episode: str | None) -> str:
    if episode is None:
        raise DreamlakeError(
            Code.USAGE,
            f"{path!r} is no id; a path needs the project or episode before it.",
            hint=_EXAMPLE,
        )
    from ..names import check_name

    target = lake.target(episode)
    name = check_name(path if path.startswith("/") else f"/{path}")
    for node in lake.index.nodes(target.namespace, target.project, episode=target.episode, path=name):
        if node.asset is not None and node.asset.name == name:
            return node.asset.bss_id
        break
    raise DreamlakeError(
        Code.NOT_FOUND, f"{name} in {target} is a folder, not a file.", hint="`dreamlake ls` shows what it holds."
    )


def _id_of_asset(lake: DreamLake, asset_id: str) -> str | None:
    for kind in Kind:
        try:
            return lake.index.asset(kind, asset_id).bss_id
        except DreamlakeError as error:
            if error.code is not Code.NOT_FOUND:
                raise
    return None
