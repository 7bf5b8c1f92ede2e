"""`DreamLake`: the Python SDK in one class."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from ..api.bss import DeletedRecord, Record, RecordRef, Status
from ..api.garbage import Tally
from ..api.integrity import Found
from ..auth import EVERY_NAMESPACE
from ..csv_options import check_csv_options
from ..errors import Code, DreamlakeError
from ..kinds import Kind, check_kind
from ..ladder import check_ladder
from ..names import check_folder
from ..settings import Settings
from . import fsck, garbage, removal, tokens
from .away import Away
from .bss import BssClient, Place, in_slices
from .cache import HashCache
from .download import download
from .events import Event, FileEvent, FileStatus, Processing, Summary, Waiting, Warned, record_failure
from .fsck import Checked, RepairSummary
from .http import RequestIds, ServiceClient
from .patience import FIRST_SECONDS, TRANSFER_SECONDS, Patience, telling
from .plan import plan
from .rebuild import Rebuilt, rebuild
from .retry import retry
from .selection import LocalFile, Selection, named_files
from .server import IndexClient
from .storing import OnEvent, StoreOptions, summed_up
from .target import Target, parse_target
from .upload import DEFAULT_JOBS, Uploader

if TYPE_CHECKING:
    import pandas as pd

_DOWNLOAD_SECONDS = 120.0  # that a download waits for services that are away

_POLL_SECONDS = (0.3, 2.0)  # first, and longest, pause between two questions for the states of records


class DreamLake:
    """A connection to BSS and DreamLake Server. Close it, or use it as a context manager.

        with DreamLake.from_environment() as lake:
            summary = lake.ingest("recordings", episode="robot@lab", episode_per_folder=True, wait=True)
            print(summary.ready, "ready,", summary.failed, "failed")

    `bss` and `index` have one method per route. Methods raise DreamlakeError.
    """

    def __init__(
        self,
        *,
        remote: str,
        bss_url: str,
        api_key: str,
        namespace: str = "local",
        cache: Path | None = None,
        patience: Patience | None = None,
    ) -> None:
        """`cache` is a folder in which hashes of local files are remembered (see cache.py); none by default.

        `patience` is that of single calls, some seconds by default; transfers have one of their own.
        """
        self.namespace = namespace
        self._cache = cache
        ids = RequestIds()
        self._services = (
            ServiceClient("BSS", bss_url, api_key, patience=patience, request_ids=ids),
            ServiceClient("DreamLake Server", remote, api_key, patience=patience, request_ids=ids),
        )
        self.bss = BssClient(self._services[0])
        self.index = IndexClient(self._services[1])

    @classmethod
    def from_environment(cls) -> DreamLake:
        """From DREAMLAKE_REMOTE, DREAMLAKE_BSS_URL, DREAMLAKE_API_KEY (and DREAMLAKE_NAMESPACE).

        Raises USAGE that names the variable which is missing.
        """
        settings = Settings()
        return cls(
            remote=settings.require("remote"),
            bss_url=settings.require("bss_url"),
            api_key=settings.require("api_key"),
            namespace=settings.namespace,
            cache=settings.cache,
        )

    def close(self) -> None:
        for service in self._services:
            service.close()

    def __enter__(self) -> DreamLake:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def target(self, text: str | Target) -> Target:
        """The target that `PROJECT[@NAMESPACE][:EPISODE]` names."""
        return text if isinstance(text, Target) else parse_target(text, namespace=self.namespace)

    # Storing files

    def upload(
        self,
        paths: str | Path | Iterable[str | Path],
        *,
        episode: str | Target,
        to: str = "/",
        kind: Kind | str | None = None,
        on_event: OnEvent | None = None,
        **options: Unpack[StoreOptions],
    ) -> Summary:
        """Store single files as `to`/filename, one or several; what became of them.

        `kind` overrides what the extensions say. A file that cannot be stored is one of the summary's `failures`;
        raised is only what concerns all of them. `on_event` hears of every event meanwhile. See `StoreOptions`.
        """
        return summed_up(self.upload_events(paths, episode=episode, to=to, kind=kind, **options), on_event)

    def upload_events(
        self,
        paths: str | Path | Iterable[str | Path],
        *,
        episode: str | Target,
        to: str = "/",
        kind: Kind | str | None = None,
        **options: Unpack[StoreOptions],
    ) -> Iterator[Event]:
        """`upload` as a stream of events, the last of which is the Summary. Nothing is done until it is iterated."""
        target, folder = self.target(episode), check_folder(to)
        given = [paths] if isinstance(paths, str | Path) else paths
        its_kind = None if kind is None else check_kind(kind)
        return self.store_events(named_files(given, target, folder, its_kind), target, **options)

    def ingest(
        self,
        folder: str | Path,
        *,
        episode: str | Target,
        to: str = "/",
        episode_per_folder: bool = False,
        include: str | Sequence[str] = (),
        exclude: str | Sequence[str] = (),
        follow_links: bool = False,
        on_event: OnEvent | None = None,
        **options: Unpack[StoreOptions],
    ) -> Summary:
        """Store the files below `folder` under their paths below it; what became of them.

        See `Selection` for what is stored where, and `upload` for the rest.
        """
        events = self.ingest_events(
            folder,
            episode=episode,
            to=to,
            episode_per_folder=episode_per_folder,
            include=include,
            exclude=exclude,
            follow_links=follow_links,
            **options,
        )
        return summed_up(events, on_event)

    def ingest_events(
        self,
        folder: str | Path,
        *,
        episode: str | Target,
        to: str = "/",
        episode_per_folder: bool = False,
        include: str | Sequence[str] = (),
        exclude: str | Sequence[str] = (),
        follow_links: bool = False,
        **options: Unpack[StoreOptions],
    ) -> Iterator[Event]:
        """`ingest` as a stream of events, the last of which is the Summary. Nothing is done until it is iterated."""
        selection = Selection(
            folder,
            self.target(episode),
            to=to,
            episode_per_folder=episode_per_folder,
            include=[include] if isinstance(include, str) else include,
            exclude=[exclude] if isinstance(exclude, str) else exclude,
            follow_links=follow_links,
        )
        return self.store_events(selection.files(), selection.target, **options)

    def plan_events(
        self, files: Iterable[LocalFile | FileEvent], target: Target, *, rehash: bool = False
    ) -> Iterator[Event]:
        """What `store_events` would do, without any effect; the last event is a Summary. See `plan.py`."""
        with HashCache(None if rehash else self._cache) as cache:
            yield from plan(files, target, bss=self.bss, cache=cache)

    def wait(self, ids: Iterable[str], *, timeout: float | None = None) -> Iterator[Record | Processing | Waiting]:
        """Records as their status changes, until all of them are ready or failed, or `timeout` seconds passed.

        A `Processing` comes between them at least twice a second, and a `Waiting` when BSS is away. Records that are
        gone are no longer awaited.
        """
        until = math.inf if timeout is None else time.monotonic() + timeout
        patience = Patience(TRANSFER_SECONDS, until=until)
        return telling(patience, self._changes(ids, until, patience))

    def _changes(self, ids: Iterable[str], until: float, patience: Patience) -> Iterator[Record | Processing]:
        waiting: dict[str, Status | None] = dict.fromkeys(ids)
        states: dict[str, int] = {}
        bss = self._patient_bss(patience)
        changed_at = time.monotonic()
        pause = _POLL_SECONDS[0]
        while waiting:
            has_changed = False
            made, put_off = 0, Counter[str]()
            for some in in_slices(list(waiting)):
                try:
                    found = {record.id: record for record in bss.query(some)}
                except Away:
                    if time.monotonic() < until:
                        raise
                    return
                for record_id in some:
                    before, record = waiting[record_id], found.get(record_id)
                    if record is None:
                        del waiting[record_id]
                        continue
                    made += record.status is Status.PROCESSING and record.reported_at is not None
                    if record.status is Status.QUEUED and record.waiting is not None:
                        put_off[record.waiting.code] += 1
                    if record.status is before:
                        continue
                    has_changed = True
                    if before is not None:
                        states[before] -= 1
                    states[record.status] = states.get(record.status, 0) + 1
                    waiting[record_id] = record.status
                    if record.status.is_final:
                        del waiting[record_id]
                    yield record
            now = time.monotonic()
            if has_changed:
                changed_at, pause = now, _POLL_SECONDS[0]
            counts = {str(state): count for state, count in states.items() if count}
            yield Processing(counts, now - changed_at, made, dict(put_off))
            if not waiting or now >= until or patience.stopping.wait(max(0.0, min(pause, until - now))):
                return
            pause = min(pause * 1.3, _POLL_SECONDS[1])

    def _patient_bss(self, patience: Patience) -> BssClient:
        return BssClient(self._services[0].with_patience(patience))

    def _patient_index(self, patience: Patience) -> IndexClient:
        return IndexClient(self._services[1].with_patience(patience))

    def retry(
        self,
        episode: str | Target | None = None,
        *,
        ids: str | Sequence[str] = (),
        everything: bool = False,
        wait: bool = False,
        timeout: float | None = None,
        on_event: OnEvent | None = None,
    ) -> Summary:
        """Process again what failed or was never processed, and bring the index up to date; what became of it.

        Of the records `ids`, or of a whole project or episode; with `everything`, also what is ready.
        """
        events = self.retry_events(episode, ids=ids, everything=everything, wait=wait, timeout=timeout)
        return summed_up(events, on_event)

    def retry_events(
        self,
        episode: str | Target | None = None,
        *,
        ids: str | Sequence[str] = (),
        everything: bool = False,
        wait: bool = False,
        timeout: float | None = None,
    ) -> Iterator[Event]:
        """`retry` as a stream of events, the last of which is the Summary. Nothing is done until it is iterated."""
        started, summary, queued = time.monotonic(), Summary(), {}
        target = None if episode is None else self.target(episode)
        ids = [ids] if isinstance(ids, str) else ids
        if target is None and not ids:
            raise DreamlakeError(Code.USAGE, "Say what to retry.", hint="A project, an episode, or ids of files.")
        patience = Patience(TRANSFER_SECONDS if timeout is None else timeout, unheard=FIRST_SECONDS)
        bss, index = self._patient_bss(patience), self._patient_index(patience)
        for event in telling(patience, retry(bss, index, target=target, ids=ids, everything=everything)):
            if isinstance(event, int):
                summary.files += event
                continue
            if isinstance(event, FileEvent):
                summary.add(event)
                if event.status is FileStatus.QUEUED and event.bss_id:
                    queued[event.bss_id] = event
            yield event
        if wait:
            yield from self._wait_for(queued, summary, timeout)
        summary.seconds = time.monotonic() - started
        yield summary

    def download(self, record: Record, path: str | Path, on_bytes: Callable[[int], None] = lambda _: None) -> str:
        """Write the raw file to `path`, verified, whole or not at all; its SHA-256 (see download.py)."""
        patience = Patience(_DOWNLOAD_SECONDS)
        return download(self._patient_bss(patience), record, Path(path), patience, on_bytes)

    def delete(self, record: Record) -> None:
        """Delete a file: its record in BSS, and its name in the index as long as the name stands for this record. It
        can be restored for a time (`restorable`, `restore`). Twice is a success."""
        try:
            self.bss.delete(record.kind, record.id)
        except DreamlakeError as error:
            if error.code is not Code.NOT_FOUND:
                raise
        self.index.delete_name(
            record.kind,
            namespace=record.owner,
            project=record.project,
            episode=record.episode,
            path=record.name,
            bss_id=record.id,
        )

    def deletable(self, places: Sequence[Place]) -> list[RecordRef]:
        """The records of these places, each once; also those of earlier content under their names."""
        return list({record.id: record for place in places for record in self.bss.list_refs(place)}.values())

    def restorable(self, places: Sequence[Place]) -> list[DeletedRecord]:
        """The deleted records of these places that can be restored, each once."""
        return list({record.id: record for place in places for record in self.bss.list_deleted(place)}.values())

    def delete_many(self, records: Sequence[RecordRef]) -> Iterator[list[RecordRef]]:
        """Delete records and their names in the index; those that were there, some at a time (see removal.py)."""
        return removal.delete(self.bss, self.index, records)

    def restore(
        self, records: Sequence[DeletedRecord], *, replace: bool = False
    ) -> Iterator[list[DeletedRecord | removal.NotRestored]]:
        """Restore deleted records, and their names in the index; what became of each, some at a time.

        One whose name a later upload has is not restored, unless with `replace`.
        """
        return removal.restore(self.bss, self.index, records, replace=replace)

    def collect_garbage(self, *, dry_run: bool = False) -> Iterator[Tally]:
        """Free what nobody needs; what was freed so far, after each step. Needs a token that writes everywhere."""
        return garbage.collect(self.bss, dry_run=dry_run)

    # What is stored, and what should be

    def fsck(self, target: str | Target | None = None, *, deep: bool = False) -> Iterator[Found | Checked | Waiting]:
        """Check a project, or everything that the token reaches: findings as they come, and what was looked at.

        Nothing is changed. `deep` reads and hashes every byte; else references and sizes are checked. See fsck.py.
        """
        place = None if target is None else self.target(target)
        if place is not None and place.episode is not None:
            raise DreamlakeError(Code.USAGE, f"{place} names an episode: whole projects are checked.")
        patience = Patience(TRANSFER_SECONDS, unheard=FIRST_SECONDS)
        bss, index = self._patient_bss(patience), self._patient_index(patience)

        def check() -> Iterator[Found | Checked]:
            namespaces = [place.namespace] if place else index.me().namespaces
            project = place.project if place else None
            for owner in [None] if EVERY_NAMESPACE in namespaces else sorted(namespaces):
                yield from fsck.check(bss, index, patience, owner=owner, project=project, deep=deep)

        return telling(patience, check())

    def repair(self, findings: Sequence[Found]) -> RepairSummary:
        """Put right what `fsck` found, as far as it can be."""
        return fsck.repair(self.bss, self.index, findings)

    def rebuild(self, *, merge: bool = False) -> Iterator[Rebuilt | Waiting]:
        """Make records and index again from the bucket, after their databases are lost (see rebuild.py).

        Needs a token that writes everywhere. With `merge`, add to a database that has records what it lacks.
        """
        patience = Patience(TRANSFER_SECONDS, unheard=FIRST_SECONDS)
        return telling(patience, rebuild(self._patient_bss(patience), self._patient_index(patience), merge=merge))

    # Tokens

    def revoke_tokens(self, ids: Sequence[str]) -> None:
        """Revoke tokens by their ids (`auth.token_id`), at both services. Needs a token that writes everywhere."""
        tokens.revoke(self._services, ids)

    def revoked_tokens(self) -> list[tokens.Revoked]:
        """The tokens that were revoked, the last first."""
        return tokens.revoked(self._services)

    # For notebooks

    def files(self, target: str | Target, kind: Kind | None = None) -> pd.DataFrame:
        """The files of a project or an episode, a row each: place, kind, status, duration, counts (see frames.py)."""
        from .frames import files_frame

        place = self.target(target)
        kinds = [kind] if kind else list(Kind)
        return files_frame(
            asset
            for one in kinds
            for asset in self.index.assets(one, namespace=place.namespace, project=place.project, episode=place.episode)
        )

    def labels(self, record_id: str) -> pd.DataFrame:
        """The entries of a label track that is ready, by the id of its BSS record. Raises NOT_FOUND, NOT_READY."""
        from .frames import labels_frame

        found = self.bss.query([record_id])
        if not found:
            raise DreamlakeError(Code.NOT_FOUND, f"There is no record {record_id}.")
        return labels_frame(self.bss, found[0])

    def store_events(
        self,
        files: Iterable[LocalFile | FileEvent],
        target: Target,
        *,
        ladder: Sequence[int] | None = None,
        csv: Mapping[str, str] | None = None,
        jobs: int = DEFAULT_JOBS,
        rehash: bool = False,
        most_failures: int | None = None,
        wait: bool = False,
        timeout: float | None = None,
    ) -> Iterator[Event]:
        """Store files of one's own choice in the target's project; `upload` and `ingest` are two ways to choose.

        The last event is the Summary. See `StoreOptions`.
        """
        started = time.monotonic()
        steps = None if ladder is None else check_ladder(ladder)
        options = None if csv is None else check_csv_options(csv)
        seconds = TRANSFER_SECONDS if timeout is None else timeout
        yield from self._greet(target, Patience(seconds, unheard=FIRST_SECONDS))
        summary, stored = Summary(), {}
        with HashCache(self._cache) as cache:
            patience = Patience(seconds)
            uploader = Uploader(
                self._patient_bss(patience),
                self._patient_index(patience),
                target,
                patience=patience,
                ladder=steps,
                csv=options,
                jobs=jobs,
                cache=cache,
                rehash=rehash,
            )
            events = uploader.run(files)
            for event in events:
                if isinstance(event, Warned):
                    summary.warnings += 1
                if isinstance(event, FileEvent):
                    summary.add(event)
                    if wait and event.bss_id:
                        if event.status in (FileStatus.UPLOADED, FileStatus.DUPLICATE):
                            stored[event.bss_id] = event
                        else:  # ready or failed already
                            stored.pop(event.bss_id, None)
                yield event
                if most_failures is not None and summary.failed >= most_failures:
                    summary.stopped = 1
                    events.close()
                    break
        if wait and not summary.stopped:
            yield from self._wait_for(stored, summary, timeout)
        summary.files, summary.bytes = uploader.files_found, uploader.bytes_sent
        summary.seconds = time.monotonic() - started
        yield summary

    def _greet(self, target: Target, patience: Patience) -> Iterator[Waiting]:
        """Before anything is read and hashed: does BSS answer, and does it know this token?"""
        bss = self._patient_bss(patience)

        def ask() -> Iterator[Waiting]:
            bss.list_page(Kind.VIDEO, owner=target.namespace, project=target.project, limit=1)
            yield from ()

        return telling(patience, ask())

    def _wait_for(
        self, stored: dict[str, FileEvent], summary: Summary, timeout: float | None
    ) -> Iterator[FileEvent | Processing | Waiting]:
        """Tell how the files, by the ids of their records, end; and count it."""
        for change in self.wait(list(stored), timeout=timeout):
            if isinstance(change, Processing | Waiting):
                yield change
            elif change.status.is_final:
                event = _end_of(change, stored.pop(change.id))
                summary.add(event)
                yield event
        summary.unfinished = len(stored)


def _end_of(record: Record, stored: FileEvent) -> FileEvent:
    """The event that tells that a stored file is processed."""
    if record.status is Status.READY and record.last_error is None:
        return replace(stored, status=FileStatus.READY)
    return replace(stored, status=FileStatus.FAILED, **record_failure(record))
