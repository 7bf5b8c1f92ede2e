"""Fetching whole trees: what is chosen comes to lie below a local folder, and a stream of events tells of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from .cache import HashCache
from .events import Event, FileEvent, Summary
from .fetch.fetcher import DEFAULT_JOBS, Fetcher
from .fetch.filling import has_none
from .fetch.local import LocalTree
from .fetch.wanted import Choice, Stored, Wanted, lone_name, place_of
from .patience import FIRST_SECONDS, TRANSFER_SECONDS, Patience
from .services import Services


def fetch(
    services: Services,
    choice: Choice,
    directory: str | Path,
    cache_folder: Path | None,
    *,
    jobs: int = DEFAULT_JOBS,
    force: bool = False,
    timeout: float | None = None,
) -> Iterator[Event]:
    """Fetch the files of the choice to below `directory`; the last event is the Summary.

    What is there whole is not fetched again, nor are bytes that arrived; a file of other content is replaced only with
    `force`. `jobs` is the most files at once. A service that is away is waited for, an hour or `timeout` seconds each
    time. Raises DreamlakeError for what concerns all files: NOT_FOUND for a name that is wrong, and when nothing
    matches; STORAGE_FULL, UNREACHABLE.
    """
    patience = _patience(timeout)
    tree = LocalTree(directory)
    wanted = choice.wanted(services.patient_bss(patience), services.patient_index(patience), tree)
    with HashCache(cache_folder) as cache:
        fetcher = Fetcher(services.patient_bss(patience), tree, patience=patience, jobs=jobs, cache=cache, force=force)
        yield from _told(fetcher, wanted)


def fetch_one(
    services: Services,
    choice: Choice,
    stored: Stored,
    directory: str | Path,
    cache_folder: Path | None,
    *,
    name: str | None = None,
    force: bool = False,
    timeout: float | None = None,
) -> Iterator[Event]:
    """Fetch a file that was named by itself (`Choice.lone`) to `directory`, under its own filename, or as `name`.

    See `fetch`. It fails where it has no such result. `name` is for one `what` alone.
    """
    patience = _patience(timeout)
    tree = LocalTree(directory)

    def wanted() -> Iterator[Wanted | FileEvent]:
        for what in choice.what:
            if not what.is_of(stored.kind):
                raise has_none(stored.name, what)
            yield Wanted(stored, what, tree.take(name)) if name else place_of(stored, what, lone_name(stored), tree)

    with HashCache(cache_folder) as cache:
        fetcher = Fetcher(
            services.patient_bss(patience), tree, patience=patience, jobs=1, cache=cache, force=force, must_have=True
        )
        yield from _told(fetcher, wanted())


def _patience(timeout: float | None) -> Patience:
    return Patience(TRANSFER_SECONDS if timeout is None else timeout, unheard=FIRST_SECONDS)


def _told(fetcher: Fetcher, wanted: Iterator[Wanted | FileEvent]) -> Iterator[Event]:
    started, summary = time.monotonic(), Summary()
    for event in fetcher.run(wanted):
        if isinstance(event, FileEvent):
            summary.add(event)
        yield event
    summary.files, summary.bytes = fetcher.files_found, fetcher.bytes_fetched
    summary.seconds = time.monotonic() - started
    yield summary
