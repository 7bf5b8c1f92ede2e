"""`DreamLake`: the Python SDK in one class."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from ..api.bss import DeletedRecord, Record, RecordRef, Status
from ..api.garbage import Tally
from ..api.integrity import Found
from ..api.server import EpisodeSummary
from ..checked import checked, checking
from ..errors import Code, DreamlakeError
from ..filetypes import check_types
from ..flags import Flag
from ..ids import is_id
from ..kinds import Kind, check_kind
from ..names import EVERY_NAMESPACE, check_owner, folder_of
from ..playback import PlaybackMode
from ..remote import garbage
from ..remote.bss import Place, in_slices
from ..remote.patience import FIRST_SECONDS, TRANSFER_SECONDS, Patience
from ..remote.services import Services
from ..settings import Settings
from . import episodes, fsck, moving, removal, tokens, trees
from .cache import HashCache
from .connection import addresses
from .events import Event, Processing, Summary, Waiting
from .fetch import DEFAULT_JOBS, Stored, What, Writable, check_what, pour
from .file import File
from .files import Files, check_status, several
from .fsck import Checked, RepairSummary
from .lookup import find_file, find_places, require
from .plan import plan
from .rebuild import Rebuilt, rebuild
from .selection import Candidates, Chooser, Selection, named_files
from .stock import Recorded
from .storing import OnEvent, StoreOptions, retry, store, summed_up
from .target import Target, parse_target
from .telling import telling
from .waiting import changes

if TYPE_CHECKING:
    import pandas as pd

_DOWNLOAD_SECONDS = 120.0  # that a download waits for services that are away


@checked
class DreamLake:
    """A connection to BSS and DreamLake Server. Close it, or use it as a context manager.

        with DreamLake() as lake:
            summary = lake.ingest("recordings", episode="robot@lab", episode_per_folder=True, wait=True)
            print(summary.ready, "ready,", summary.failed, "failed")

    `bss` and `index` have one method per route. Methods raise DreamlakeError.
    """

    @checking
    def __init__(
        self,
        *,
        remote: str | None = None,
        bss_url: str | None = None,
        api_key: str | None = None,
        namespace: str | None = None,
        cache: Path | None = None,
        patience: Patience | None = None,
    ) -> None:
        """Without arguments, the DreamLake that the command line talks to as well (connection.py).

        `remote` is the URL of DreamLake Server, `bss_url` of BSS, `api_key` a token. `namespace` is that of targets
        which name none. `cache` is a folder in which hashes of local files are remembered (cache.py): by default where
        the command line has it, and none for a DreamLake that is given by its URLs. `patience` is that of single calls,
        some seconds by default; transfers have one of their own.

        Raises UNREACHABLE when there is no DreamLake to talk to, USAGE when it is only half described.
        """
        settings = Settings()
        if remote is None and bss_url is None:
            cache = cache or settings.cache
        found = addresses(remote=remote, bss_url=bss_url, api_key=api_key)
        self.namespace = settings.namespace if namespace is None else check_owner(namespace)
        self._cache = cache
        self.services = Services(**found._asdict(), patience=patience)
        self.bss, self.index = self.services.bss, self.services.index

    @classmethod
    def from_environment(cls) -> DreamLake:
        """The same as `DreamLake()`."""
        return cls()

    def __repr__(self) -> str:
        bss, server = self.services.both
        return f"DreamLake(remote={server.base_url!r}, bss_url={bss.base_url!r}, namespace={self.namespace!r})"

    def close(self) -> None:
        self.services.close()

    def __enter__(self) -> DreamLake:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def target(self, text: str | Target) -> Target:
        """The target that `PROJECT[@NAMESPACE][:EPISODE]` names."""
        return text if isinstance(text, Target) else parse_target(text, namespace=self.namespace)

    # Finding files

    def file(self, what: str | Target, path: str | None = None) -> File:
        """One file, by its place in two words or in one, or by its id.

            lake.file("cups:run-001", "/camera/front.mp4")
            lake.file("cups:run-001/camera/front.mp4")

        Raises NOT_FOUND, which names the nearest ones, and USAGE.
        """
        words = [str(what)] if path is None else [str(what), path]
        return File(self, find_file(self, words))

    def files(
        self,
        what: str | Target,
        *,
        folder: str | None = None,
        kind: Kind | str | Sequence[Kind | str] | None = None,
        status: Status | str | Sequence[Status | str] | None = None,
    ) -> Files:
        """The files of a project, an episode (`cups:run-001`) or a folder (`cups:run-001/camera`), to be iterated.

        `folder` is one of its folders, with all that is below it; `kind` and `status` are those that are wanted, one or
        several. Raises NOT_FOUND, which names the nearest ones, USAGE, and UNKNOWN_KIND.
        """
        words = [str(what)] if folder is None else [str(what), folder]
        named = find_places(self, words)
        if named.ids:
            raise DreamlakeError(Code.USAGE, f"{what} is the id of one file.", hint="lake.file() looks it up.")
        kinds = [check_kind(one) for one in several(kind)] or list(Kind)
        return Files(self, named.places, kinds=kinds, statuses=[check_status(one) for one in several(status)])

    def table(self, what: str | Target, kind: Kind | str | None = None) -> pd.DataFrame:
        """The files of a place as a DataFrame, a row each: place, kind, status, why it failed, duration, counts."""
        return self.files(what, kind=kind).table()

    def labels(self, bss_id: str) -> pd.DataFrame:
        """The entries of a label track that is ready, by the id of its record. The same as `file(bss_id).labels()`."""
        return self.file(bss_id).labels()

    # Episodes

    def episodes(
        self,
        project: str | Target,
        *,
        flag: Flag | str | None = None,
        status: Status | str | Sequence[Status | str] | None = None,
        kind: Kind | str | Sequence[Kind | str] | None = None,
        text: str | None = None,
    ) -> Iterator[EpisodeSummary]:
        """A project's episodes, the newest first: files, bytes, length, flag, note; asked for as they are iterated.

        Those with a flag (`"none"`: with no flag); with a file of one of the kinds that has one of the statuses; with a
        text in their name or note. Files of no episode come first, under the name None. Raises NOT_FOUND.
        """
        return episodes.summaries(self, self.target(project), flag, several(status), several(kind), text)

    def flag(self, episode: str | Target, flag: Flag | str, *, note: str | None = None) -> EpisodeSummary:
        """Call an episode good or bad, or neither (`"none"`), and note why; what the index knows of it then.

        Without `note`, its note stays; an empty one takes it away. Raises NOT_FOUND, which names the nearest episodes,
        and USAGE.
        """
        return episodes.flag(self, self.target(episode), flag, note)

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
        target, folder = self.target(episode), folder_of(to)
        given = [paths] if isinstance(paths, str | Path) else paths
        its_kind = None if kind is None else check_kind(kind)
        return self.store_events(lambda types: named_files(given, target, folder, its_kind, types), target, **options)

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
        return self.store_events(selection, selection.target, **options)

    def store_events(
        self, files: Candidates | Chooser, target: Target, **options: Unpack[StoreOptions]
    ) -> Iterator[Event]:
        """Store files of one's own choice in the target's project; `upload` and `ingest` are two ways to choose.

        `files` may be a function that finds them: it is told what kind some extensions stand for (`filetypes.py`), by
        the option `types` and by what the project keeps. The last event is the Summary.
        """
        return store(self.services, files, target, self._cache, **options)

    def plan_events(
        self,
        files: Candidates | Chooser,
        target: Target,
        *,
        types: Mapping[str, Kind | str] | None = None,
        rehash: bool = False,
    ) -> Iterator[Event]:
        """What `store_events` would do, without any effect; the last event is a Summary. See `plan.py`."""
        said = check_types(types or {})
        with HashCache(None if rehash else self._cache) as cache:
            yield from plan(files, target, types=said, bss=self.bss, cache=cache)

    def wait(self, ids: str | Iterable[str], *, timeout: float | None = None) -> list[Record]:
        """Wait until records are ready or failed, or `timeout` seconds passed; what they are then.

        Of one or several, by their ids or places. Those that are deleted meanwhile are left out. Raises NOT_FOUND for
        what is not there at the start.
        """
        given = self._ids(ids)
        deque(self.wait_events(given, timeout=timeout), maxlen=0)
        found = {record.id: record for some in in_slices(given) for record in self.bss.query(some)}
        return [found[one] for one in given if one in found]

    def wait_events(
        self, ids: str | Iterable[str], *, timeout: float | None = None
    ) -> Iterator[Record | Processing | Waiting]:
        """`wait` as a stream: records as their status changes, and how many are in which state (waiting.py)."""
        return changes(self.services, self._ids(ids), timeout, must_exist=True)

    def _ids(self, given: str | Iterable[str]) -> list[str]:
        """The ids of records that are given by their ids or places. Raises NOT_FOUND, USAGE."""
        words = [given] if isinstance(given, str) else list(given)
        for word in words:
            if not isinstance(word, str):
                raise DreamlakeError(Code.USAGE, f"{word!r} is no id and no place of a file.")
        return [one if is_id(one) else find_file(self, [one]).id for one in words]

    def retry(
        self,
        episode: str | Target | None = None,
        *,
        ids: str | Sequence[str] = (),
        everything: bool = False,
        playback: PlaybackMode | str | None = None,
        wait: bool = False,
        timeout: float | None = None,
        on_event: OnEvent | None = None,
    ) -> Summary:
        """Process again what failed or was never processed, and bring the index up to date; what became of it.

        Of the files `ids` (ids or places), or of a whole project or episode; with `everything`, also what is ready.
        With `playback`, only videos, which are made for these browsers beside those that they are made for already.
        Raises NOT_FOUND for a project or episode that holds nothing, and where none of the ids is one; one that is none
        among others is one of the summary's `failures`.
        """
        events = self.retry_events(
            episode, ids=ids, everything=everything, playback=playback, wait=wait, timeout=timeout
        )
        return summed_up(events, on_event)

    def retry_events(
        self,
        episode: str | Target | None = None,
        *,
        ids: str | Sequence[str] = (),
        everything: bool = False,
        playback: PlaybackMode | str | None = None,
        wait: bool = False,
        timeout: float | None = None,
    ) -> Iterator[Event]:
        """`retry` as a stream of events, the last of which is the Summary. Nothing is done until it is iterated."""
        given = self._ids(ids) if ids else []
        if episode is None and not given:
            raise DreamlakeError(Code.USAGE, "Say what to retry.", hint="A project, an episode, or ids of files.")
        target = None if episode is None else self.target(episode)
        events = retry(
            self.services, target, given, everything=everything, playback=playback, wait=wait, timeout=timeout
        )
        return events if target is None or given else self._of_something(target, events)

    def _of_something(self, target: Target, events: Iterator[Event]) -> Iterator[Event]:
        """The events; raises NOT_FOUND, with the nearest names, when there was no file since the target holds none."""
        for event in events:
            if isinstance(event, Summary) and not event.files:
                require(self, Place(target.namespace, target.project, target.episode), stock=Recorded(self))
            yield event

    def download(
        self,
        places: str | Sequence[str],
        directory: str | Path | None = None,
        *,
        what: What | str | Sequence[What | str] = What.RAW,
        include: str | Sequence[str] = (),
        exclude: str | Sequence[str] = (),
        jobs: int = DEFAULT_JOBS,
        force: bool = False,
        timeout: float | None = None,
        on_event: OnEvent | None = None,
    ) -> Summary:
        """Fetch projects, episodes, folders and files to below `directory`, verified; what became of them.

        Each place is `PROJECT[@NAMESPACE][:EPISODE][/PATH]`, or an id. What is there whole is not fetched again; a file
        of other content is replaced only with `force`. `what` are "raw", "parquet", "vtt", "poster", "waveform",
        "meta" and "playlist". See `trees.prepare` for where each comes to lie, and `trees.fetch` for the rest.
        """
        events = self.download_events(
            places,
            directory,
            what=what,
            include=include,
            exclude=exclude,
            jobs=jobs,
            force=force,
            timeout=timeout,
        )
        return summed_up(events, on_event)

    def download_events(
        self,
        places: str | Sequence[str],
        directory: str | Path | None = None,
        *,
        what: What | str | Sequence[What | str] = What.RAW,
        include: str | Sequence[str] = (),
        exclude: str | Sequence[str] = (),
        jobs: int = DEFAULT_JOBS,
        force: bool = False,
        timeout: float | None = None,
    ) -> Iterator[Event]:
        """`download` as a stream of events, the last of which is the Summary. Nothing is done until it is iterated."""
        prepared = trees.prepare(
            self,
            [places] if isinstance(places, str) else places,
            output=None if directory is None else str(directory),
            what=[check_what(what)] if isinstance(what, str) else list(map(check_what, what)),
            include=[include] if isinstance(include, str) else include,
            exclude=[exclude] if isinstance(exclude, str) else exclude,
        )
        yield from self.fetch_prepared(prepared, jobs=jobs, force=force, timeout=timeout)

    def fetch_prepared(
        self, prepared: trees.Prepared, *, jobs: int = DEFAULT_JOBS, force: bool = False, timeout: float | None = None
    ) -> Iterator[Event]:
        """Fetch what `trees.prepare` found (see `trees.fetch`)."""
        return trees.fetch(self.services, prepared, self._cache, jobs=jobs, force=force, timeout=timeout)

    def pour(self, stored: Stored, what: What, out: Writable) -> None:
        """Write a file to a stream, such as standard output (see fetch/pour.py)."""
        patience = Patience(_DOWNLOAD_SECONDS)
        pour(self.services.patient_bss(patience), stored, what, out, patience)

    def delete(self, file: File | Record | RecordRef | str) -> None:
        """Delete a file, also by its id or its place: its record in BSS, and its name in the index as long as the name
        stands for this record. It can be restored for a time (`restorable`, `restore`). Twice is a success, but of a
        place, which raises NOT_FOUND when nothing is there, or no file.

        Where DreamLake Server does not answer, the file is deleted all the same, and no `File` any more; its name goes
        from the index within minutes, or by the same call again.
        """
        if isinstance(file, str):
            found = self.bss.query([file]) if is_id(file) else [find_file(self, [file])]
            refs = [removal.ref_of(record) for record in found]
        elif isinstance(file, RecordRef):
            refs = [file]
        else:
            refs = [removal.ref_of(file.record if isinstance(file, File) else file)]
        for _ in removal.delete(self.bss, self.index, refs):
            pass

    def plan_move(
        self, words: Sequence[str], *, episode: str | None = None, force: bool = False
    ) -> list[moving.Renamed]:
        """What is renamed by `[source, destination]`; see `moving.plan`."""
        return moving.plan(self, words, episode=episode, force=force)

    def move_events(
        self, renamed: Sequence[moving.Renamed], *, replace: bool = False
    ) -> Iterator[list[moving.Renamed]]:
        """Rename what `plan_move` found; what became of it, some at a time (see moving.py)."""
        return moving.move(self.bss, self.index, renamed, replace=replace)

    def move(self, source: str, destination: str, *, force: bool = False) -> list[moving.Renamed]:
        """Rename or move a file, folder or episode within its project; the records with their new names.

        `destination` is a path in the same episode, or a place of the same project. With `force`, what has a name that
        is taken is deleted, and can be restored for a time. Raises NOT_FOUND, USAGE, CONFLICT.
        """
        renamed = self.plan_move([source, destination], force=force)
        return [one for some in self.move_events(renamed, replace=force) for one in some]

    def deletable(self, places: removal.Named) -> list[RecordRef]:
        """The records of projects, episodes, folders, files or ids, each once; also those of earlier content under
        their names. Raises NOT_FOUND for a name that is not there."""
        return removal.deletable(self, places)

    def restorable(self, places: removal.Named) -> list[DeletedRecord]:
        """The deleted records of projects, episodes, folders, files or ids that can be restored, each once: none, where
        nothing was deleted. Raises NOT_FOUND for a name of which there is and was nothing."""
        return removal.restorable(self, places)

    def delete_events(self, records: Sequence[RecordRef]) -> Iterator[list[RecordRef]]:
        """Delete records and their names in the index; those that were there, some at a time (see removal.py)."""
        return removal.delete(self.bss, self.index, records)

    def restore(
        self, records: Sequence[DeletedRecord] | removal.Named, *, replace: bool = False
    ) -> list[DeletedRecord | removal.NotRestored]:
        """Restore deleted records, or all that is `restorable` of what is named, and their names in the index; what
        became of each.

        One whose name a later upload has is not restored, unless with `replace`.
        """
        found = removal.chosen(self, records)
        return list(chain.from_iterable(self.restore_events(found, replace=replace)))

    def restore_events(
        self, records: Sequence[DeletedRecord], *, replace: bool = False
    ) -> Iterator[list[DeletedRecord | removal.NotRestored]]:
        """`restore` as a stream: what became of some at a time."""
        return removal.restore(self.bss, self.index, records, replace=replace)

    def collect_garbage(self, *, dry_run: bool = False) -> Tally:
        """Free what nobody needs; what was freed, or with `dry_run` would be. Needs a token that writes everywhere."""
        return deque(self.collect_garbage_events(dry_run=dry_run), maxlen=1).pop()

    def collect_garbage_events(self, *, dry_run: bool = False) -> Iterator[Tally]:
        """`collect_garbage` as a stream: what was freed so far, after each step."""
        return garbage.collect(self.bss, dry_run=dry_run)

    # What is stored, and what should be

    def fsck(self, target: str | Target | None = None, *, deep: bool = False) -> list[Found]:
        """Check a project, or everything that the token reaches; what was found to be wrong.

        Nothing is changed. `deep` reads and hashes every byte; else references and sizes are checked. See fsck.py.
        """
        return [one for one in self.fsck_events(target, deep=deep) if isinstance(one, Found)]

    def fsck_events(
        self, target: str | Target | None = None, *, deep: bool = False
    ) -> Iterator[Found | Checked | Waiting]:
        """`fsck` as a stream: findings as they come, and what was looked at so far."""
        place = None if target is None else self.target(target)
        if place is not None and place.episode is not None:
            raise DreamlakeError(Code.USAGE, f"{place} names an episode: whole projects are checked.")
        patience = Patience(TRANSFER_SECONDS, unheard=FIRST_SECONDS)
        bss, index = self.services.patient_bss(patience), self.services.patient_index(patience)

        def check() -> Iterator[Found | Checked]:
            namespaces = [place.namespace] if place else index.me().namespaces
            project = place.project if place else None
            for owner in [None] if EVERY_NAMESPACE in namespaces else sorted(namespaces):
                yield from fsck.check(bss, index, patience, owner=owner, project=project, deep=deep)

        return telling(patience, check())

    def repair(self, findings: Sequence[Found]) -> RepairSummary:
        """Put right what `fsck` found, as far as it can be."""
        return fsck.repair(self.bss, self.index, findings)

    def rebuild(self, *, merge: bool = False) -> Rebuilt:
        """Make records and index again from the bucket, after their databases are lost; what was done.

        Needs a token that writes everywhere. With `merge`, add to a database that has records what it lacks.
        See rebuild.py.
        """
        done = Rebuilt()
        for one in self.rebuild_events(merge=merge):
            if isinstance(one, Rebuilt):
                done = Rebuilt(one.phase, one.done, done.problems + one.problems)
        return done

    def rebuild_events(self, *, merge: bool = False) -> Iterator[Rebuilt | Waiting]:
        """`rebuild` as a stream: what is done so far, and what is waited for."""
        patience = Patience(TRANSFER_SECONDS, unheard=FIRST_SECONDS)
        bss, index = self.services.patient_bss(patience), self.services.patient_index(patience)
        return telling(patience, rebuild(bss, index, merge=merge))

    # Tokens

    def revoke_tokens(self, ids: Sequence[str]) -> None:
        """Revoke tokens by their ids (`auth.token_id`), at both services. Needs a token that writes everywhere."""
        tokens.revoke(self.services.both, ids)

    def revoked_tokens(self) -> list[tokens.Revoked]:
        """The tokens that were revoked, the last first."""
        return tokens.revoked(self.services.both)
