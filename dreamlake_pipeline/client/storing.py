"""Storing files, and processing them again: the options that every way of it takes, and what it tells.

The plain methods of `DreamLake` do what these iterators tell of, to their end (`summed_up`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypedDict

from ..csv_options import check_csv_options
from ..filetypes import Types, check_types
from ..kinds import Kind
from ..ladder import check_ladder
from ..playback import PlaybackMode, read_playback
from ..remote.patience import FIRST_SECONDS, TRANSFER_SECONDS, Patience
from ..remote.services import Services
from .cache import HashCache
from .events import Event, FileEvent, FileStatus, Summary, Waiting, Warned
from .failed import FailedBefore
from .retry import retry as queue_again
from .selection import Candidates, Chooser
from .target import Target
from .telling import telling
from .upload import DEFAULT_JOBS, Uploader
from .waiting import tell_ends

OnEvent = Callable[[Event], object]
"""What hears of each event while files are stored."""


class StoreOptions(TypedDict, total=False):
    """The options of `upload`, `ingest` and their `_events`.

    `types` says what kind the files of some extensions are, such as {".dat": "audio"} (`filetypes.py`), before what the
    project keeps.
    `ladder` are heights of further, smaller renditions of every video, such as (1080, 720, 480), none of them enlarged;
    () makes none, None leaves it to the project. A video that is ready with another ladder is made again.
    `playback` says for which browsers videos are made (`playback.py`): "everywhere", "modern" or "both"; None leaves it
    to the project. A video that is ready for others is made again.
    `csv` says how CSV files are written where it would be found out otherwise, such as
    {"delimiter": ";", "header": "4"} (`csv_options.py`); {} finds out everything, None leaves it to the project.
    `jobs` is the most requests that are sent at once. With `rehash`, also files whose hashes the cache has are read.
    With `most_failures`, so many failed files end it. The same call again goes on: files that failed the last time are
    tried again, and end it no more when they fail in the same way (`passed` of the Summary).
    With `wait`, it goes on until all files are processed, or `timeout` seconds passed. A service that is away is waited
    for, an hour or `timeout` seconds each time, and told of as Waiting.
    """

    types: Mapping[str, Kind | str] | None
    ladder: Sequence[int] | None
    playback: PlaybackMode | str | None
    csv: Mapping[str, str] | None
    jobs: int
    rehash: bool
    most_failures: int | None
    wait: bool
    timeout: float | None


def summed_up(events: Iterator[Event], on_event: OnEvent | None) -> Summary:
    """Do what the events tell of, to its end; the Summary, which comes last."""
    summary = Summary()
    for event in events:
        if on_event is not None:
            on_event(event)
        if isinstance(event, Summary):
            summary = event
    return summary


def store(
    services: Services,
    files: Candidates | Chooser,
    target: Target,
    cache_folder: Path | None,
    *,
    types: Mapping[str, Kind | str] | None = None,
    ladder: Sequence[int] | None = None,
    playback: PlaybackMode | str | None = None,
    csv: Mapping[str, str] | None = None,
    jobs: int = DEFAULT_JOBS,
    rehash: bool = False,
    most_failures: int | None = None,
    wait: bool = False,
    timeout: float | None = None,
) -> Iterator[Event]:
    """Store files in the target's project; the last event is the Summary. The options are StoreOptions.

    `cache_folder` is where hashes of local files are remembered. Raises DreamlakeError for what concerns all files.
    """
    started = time.monotonic()
    said = check_types(types or {})
    steps = None if ladder is None else check_ladder(ladder)
    csv_options = None if csv is None else check_csv_options(csv)
    seconds = TRANSFER_SECONDS if timeout is None else timeout
    kept = yield from _greet(services, target, Patience(seconds, unheard=FIRST_SECONDS))
    candidates = files(types={**kept, **said}) if callable(files) else files
    summary, stored = Summary(), {}
    with HashCache(cache_folder) as cache, FailedBefore(cache_folder, str(target)) as failed_before:
        summary.is_remembered = failed_before.is_remembering
        patience = Patience(seconds)
        uploader = Uploader(
            services.patient_bss(patience),
            services.patient_index(patience),
            target,
            patience=patience,
            ladder=steps,
            playback=None if playback is None else read_playback(playback),
            csv=csv_options,
            jobs=jobs,
            cache=cache,
            rehash=rehash,
        )
        events = uploader.run(candidates)
        for event in events:
            if isinstance(event, Warned):
                summary.warnings += 1
            if isinstance(event, FileEvent):
                summary.add(event)
                if failed_before.note(event) and most_failures is not None:
                    summary.passed += 1
                if wait and event.bss_id:
                    if event.status in (FileStatus.UPLOADED, FileStatus.DUPLICATE):
                        stored[event.bss_id] = event
                    else:  # ready or failed already
                        stored.pop(event.bss_id, None)
            yield event
            if most_failures is not None and summary.failed - summary.passed >= most_failures:
                summary.stopped = 1
                events.close()
                break
    if wait and not summary.stopped:
        yield from tell_ends(services, stored, summary, timeout)
    summary.files, summary.bytes = uploader.files_found - summary.unmatched, uploader.bytes_sent
    summary.seconds = time.monotonic() - started
    yield summary


def retry(
    services: Services,
    target: Target | None,
    ids: Sequence[str],
    *,
    everything: bool = False,
    playback: PlaybackMode | str | None = None,
    wait: bool = False,
    timeout: float | None = None,
) -> Iterator[Event]:
    """Process again the records `ids`, or of `target`; the last event is the Summary. See retry.py."""
    started, summary, queued = time.monotonic(), Summary(), {}
    patience = Patience(TRANSFER_SECONDS if timeout is None else timeout, unheard=FIRST_SECONDS)
    bss, index = services.patient_bss(patience), services.patient_index(patience)
    mode = None if playback is None else read_playback(playback)
    events = queue_again(bss, index, target=target, ids=ids, everything=everything, playback=mode)
    for event in telling(patience, events):
        if isinstance(event, int):
            summary.files += event
            continue
        if isinstance(event, FileEvent):
            summary.add(event)
            if event.status is FileStatus.QUEUED and event.bss_id:
                queued[event.bss_id] = event
        yield event
    if wait:
        yield from tell_ends(services, queued, summary, timeout)
    summary.seconds = time.monotonic() - started
    yield summary


def _greet(services: Services, target: Target, patience: Patience) -> Generator[Waiting, None, Types]:
    """Before anything is read and hashed: does BSS answer, and does it know this token? What the project keeps of
    extensions."""
    bss = services.patient_bss(patience)
    kept: dict[str, Kind] = {}

    def ask() -> Iterator[Waiting]:
        kept.update(bss.project_settings(target.namespace, target.project).types or {})
        yield from ()

    yield from telling(patience, ask())
    return kept
