"""Fetching what somebody names: a project, episodes, folders and files, to below a local folder.

`prepare` finds out what is meant and where it goes, `fetch` does it as a stream of events. The command line and the SDK
both work so.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Code, DreamlakeError
from ..remote.bss import in_slices
from ..remote.patience import FIRST_SECONDS, TRANSFER_SECONDS, Patience
from ..remote.services import Services
from .cache import HashCache
from .events import Event, FileEvent, Summary
from .fetch.fetcher import DEFAULT_JOBS, Fetcher
from .fetch.filling import has_none
from .fetch.local import LocalTree
from .fetch.wanted import Choice, Stored, Wanted, lone_name, place_of
from .fetch.what import What
from .lookup import Named, find_file, find_places

if TYPE_CHECKING:
    from .dreamlake import DreamLake


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is to be fetched, and the folder that it goes to.

    `lone`: a single file that was named by itself; it gets its own filename there, or `name`.
    """

    choice: Choice
    directory: str
    lone: Stored | None = None
    name: str | None = None


def prepare(
    lake: DreamLake,
    words: Sequence[str],
    *,
    episode: str | None = None,
    output: str | None = None,
    what: Sequence[What] = (What.RAW,),
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> Prepared:
    """What the words name (lookup.py), `what` of it, and where it goes.

    A single file goes to the folder `output`, or is that file. Everything else goes below `output`: what is of the one
    episode that was named under its path in it, other files below a folder of their episode; where several projects
    were named, below one of their project. Without `output`, a single file goes to the current folder, and everything
    else to `PROJECT[/EPISODE]` below it. Raises NOT_FOUND, USAGE, FILE_MISSING.
    """
    named = find_places(lake, words, episode)
    ids = tuple(_record_ids(lake, named.ids))
    choice = Choice(tuple(named.places), ids, what=what, include=include, exclude=exclude)
    lone = choice.lone(lake.bss, lake.index)
    if lone is not None:
        directory, name = _place_of_one(output, len(what))
        return Prepared(choice, directory, lone, name)
    return Prepared(_placed(choice, named, is_said=output is not None), output or ".")


def fetch(
    services: Services,
    prepared: Prepared,
    cache_folder: Path | None,
    *,
    jobs: int = DEFAULT_JOBS,
    force: bool = False,
    timeout: float | None = None,
) -> Iterator[Event]:
    """Fetch what was prepared; the last event is the Summary.

    What is there whole is not fetched again, nor are bytes that arrived; a file of other content is replaced only with
    `force`. `jobs` is the most files at once. A service that is away is waited for, an hour or `timeout` seconds each
    time. Raises DreamlakeError for what concerns all files: NOT_FOUND for a name that is wrong, and when nothing
    matches; STORAGE_FULL, UNREACHABLE.
    """
    patience = Patience(TRANSFER_SECONDS if timeout is None else timeout, unheard=FIRST_SECONDS)
    bss, tree = services.patient_bss(patience), LocalTree(prepared.directory)
    if prepared.lone is None:
        wanted = prepared.choice.wanted(bss, services.patient_index(patience), tree)
    else:
        wanted = _lone(prepared.choice.what, prepared.lone, prepared.name, tree)
    started, summary = time.monotonic(), Summary()
    with HashCache(cache_folder) as cache:
        fetcher = Fetcher(
            bss,
            tree,
            patience=patience,
            jobs=jobs,
            cache=cache,
            force=force,
            must_have=prepared.lone is not None,
        )
        for event in fetcher.run(wanted):
            if isinstance(event, FileEvent):
                summary.add(event)
            yield event
    summary.files, summary.bytes = fetcher.files_found, fetcher.bytes_fetched
    summary.seconds = time.monotonic() - started
    yield summary


def _record_ids(lake: DreamLake, ids: Sequence[str]) -> Iterator[str]:
    """The ids in BSS of ids of either service. Raises NOT_FOUND."""
    for some in in_slices(ids):
        known = {record.id for record in lake.bss.query(some)}
        yield from (one if one in known else find_file(lake, [one]).id for one in some)


def _lone(whats: Sequence[What], stored: Stored, name: str | None, tree: LocalTree) -> Iterator[Wanted | FileEvent]:
    for what in whats:
        if not what.is_of(stored.kind):
            raise has_none(stored.name, what)
        yield Wanted(stored, what, tree.take(name)) if name else place_of(stored, what, lone_name(stored), tree)


def _place_of_one(output: str | None, whats: int) -> tuple[str, str | None]:
    """The folder for a file that was named by itself, and its name there where `output` says it."""
    if output is None:
        return ".", None
    path = Path(output)
    if whats > 1 or output.endswith("/") or path.is_dir():
        return output, None
    if not path.parent.is_dir():
        raise DreamlakeError(
            Code.FILE_MISSING, f"{output} cannot be written: there is no folder {path.parent}.", hint="Make it first."
        )
    return str(path.parent), path.name


def _placed(choice: Choice, named: Named, *, is_said: bool) -> Choice:
    """The choice with paths that suit the folder: one that somebody said, or the current one."""
    projects = {place.project for place in named.places}
    episodes = {place.episode for place in named.places}
    if not is_said:
        return choice.below(by_project=True)
    return choice.below(
        by_project=len(projects) > 1, episode=episodes.pop() if len(episodes) == 1 and len(projects) == 1 else None
    )
