"""A folder is watched, and what has settled in it is stored, for as long as somebody iterates.

What the file system tells of changes (notices.py) says where to look soon; a look at everything from time to time finds
the rest, and alone suffices where nothing is told. A file that is not sent yet is pending (pending.py) until it has
settled; then `DreamLake.store_events` stores it, as any upload does, and the ledger (ledger.py) remembers it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from ...errors import ERRORS, Code, DreamlakeError
from ...filetypes import Types, check_types
from ...kinds import Kind
from ...playback import PlaybackMode
from ...remote.away import Away
from ..dreamlake import DreamLake
from ..events import Event, FileEvent, FileStatus, Progress, Summary, Waiting, Warned
from ..selection import LocalFile, Selection
from ..upload import DEFAULT_JOBS
from ..walk import show_path
from .ledger import Ledger
from .notices import Notices, is_remote
from .outages import Outages
from .pending import Held, PendingFiles

DEFAULT_SETTLE = 5.0  # seconds

_RESCAN, _RESCAN_REMOTE = 600.0, 30.0  # seconds between two looks at everything, with and without events
_RESCAN_LEAST = 5.0  # seconds between two of them, whatever happens
_RESCAN_SHARE = 20  # a look at everything takes a twentieth of the time at the most
_AWAY_PAUSES = (2.0, 60.0)  # first and longest seconds until a folder or service that is away is tried again
_LINGER = 0.2  # seconds for which others are waited for that are due a moment later
_PER_RUN = 10_000  # files that one run of an upload takes,
_BYTES_PER_RUN = 2 * 2**30  # and bytes, but for its last file: what settles meanwhile waits for its end
_BULK = 1000  # files that are looked up in the ledger together
_KEPT_FAILURES = 100  # that the summary names
_TOLD_REFUSALS = 10_000  # what could not be walked is told once, as long as there are not more of these
_GONE_SECONDS = 30 * 86_400  # for which the ledger remembers files that are no longer there

_SERVICE_AWAY = frozenset({Code.UNREACHABLE, Code.OVERLOADED, Code.STORAGE_FULL, Code.STORAGE_FAILED})
_SERVICE = "DreamLake"


class Watch:
    """One watch of one folder. `summary` tells at any time what came of it so far.

    `settle` are the seconds for which size and modification time of a file must have stayed the same. `rescan` are
    those between two looks at everything: by default 600, and 30 where other machines write to the file system, or
    where it tells nothing. `once`: what is there is stored, and what changes meanwhile is left. `again`: what was sent
    before is compared with the services once more.
    """

    def __init__(
        self,
        lake: DreamLake,
        selection: Selection,
        *,
        settle: float = DEFAULT_SETTLE,
        rescan: float | None = None,
        once: bool = False,
        again: bool = False,
        ladder: Sequence[int] | None = None,
        playback: PlaybackMode | None = None,
        csv: Mapping[str, str] | None = None,
        jobs: int = DEFAULT_JOBS,
        types: Mapping[str, Kind | str] | None = None,
        state: Path | None = None,
    ) -> None:
        """`state` is the folder in which is remembered what was sent; without it, it is forgotten at the end."""
        self.summary = Summary()
        self._began = time.monotonic()
        self._lake = lake
        self._selection = selection
        self._root = Path(selection.folder).resolve()
        self._rescan_seconds = rescan
        self._once = once
        self._again = again
        self._ladder, self._playback, self._csv, self._jobs = ladder, playback, csv, jobs
        self._types: Types = check_types(types or {})
        self._notices = Notices(str(selection.folder))
        self._pending = PendingFiles(settle)
        self._ledger = Ledger(
            state,
            [
                *(lake.bss.http.base_url, str(selection.target), selection.to),
                *(str(selection.episode_per_folder), str(self._root)),
            ],
        )
        self._outages = Outages()
        self._settle = settle
        self._rescan_at = self._rescan_earliest = 0.0
        self._once_until = 0.0
        self._try_at = 0.0
        self._tries = 0
        self._told: set[str] = set()
        self._skipped = Summary()  # by the last look at everything
        self._dealt_with = 0  # files, which may be dealt with again after they changed

    @property
    def unsettled(self) -> int:
        """How many files are there and not sent."""
        return len(self._pending)

    def events(self) -> Iterator[Event]:
        """What becomes of each file, as it happens; with `once`, the last event is the Summary. Else it does not end.

        Leaving the iteration stops the work: what has arrived by then is not sent again. What is away is waited for.
        Raises DreamlakeError for what no waiting mends: USAGE or FILE_MISSING for the folder when it begins,
        UNAUTHENTICATED, FORBIDDEN; with `once`, also UNREACHABLE.
        """
        try:
            list(self._selection.files(()))  # raises what is wrong with the folder
            self._ledger.forget(only_refused=not self._again)
            yield from self._greet()
            yield from self._go_on()
        finally:
            self._notices.close()
            self._ledger.flush()
            self._ledger.close()
            self._total()
        yield self.summary

    def _greet(self) -> Iterator[Waiting]:
        """Wait until BSS answers, and ask what the project keeps.

        What was sent to a project in which nothing is any more counts as not sent.
        """
        target = self._selection.target
        while True:
            try:
                kept = self._lake.bss.project_settings(target.namespace, target.project).types or {}
                is_empty = not any(
                    self._lake.bss.list_page(kind, owner=target.namespace, project=target.project, limit=1).items
                    for kind in Kind
                )
                break
            except DreamlakeError as error:
                yield from self._away(error)
                time.sleep(max(0.0, self._try_at - time.monotonic()))
        self._types = {**kept, **self._types}
        if is_empty:
            self._ledger.forget()
        yield from self._answered()

    def _go_on(self) -> Iterator[Event]:
        while True:
            if time.monotonic() >= self._rescan_at:
                yield from self._look_at_everything()
            batch = (yield from self._due()) if time.monotonic() >= self._try_at else {}
            if batch:
                yield from self._send(batch)
            elif self._once and (not self._pending or time.monotonic() >= self._once_until):
                return
            changed = self._notices.wait(0.0 if batch else self._pause())
            if changed is None:
                self._rescan_at = self._rescan_earliest
            elif changed:
                yield from self._look_at(changed)

    def _pause(self) -> float:
        """Seconds for which there is nothing to do, unless the file system tells of something."""
        next_try = max(self._pending.next_due() + _LINGER, self._try_at)
        return max(0.0, min(self._rescan_at, next_try) - time.monotonic())

    # Looking

    def _look_at_everything(self) -> Iterator[FileEvent | Warned | Waiting]:
        began = time.monotonic()
        if not self._once:
            self._notices.renew()  # before the look, so that nothing happens between the two
        skipped = Summary()
        try:
            yield from self._found(self._selection.files(types=self._types), skipped)
            yield from self._outages.over_for(show_path(str(self._selection.folder)))
            if set(skipped.unknown) - set(self._skipped.unknown):
                yield self._left_out(skipped)
            self._skipped = skipped
            self._ledger.forget_gone(self._root, before=time.time() - _GONE_SECONDS)
        except DreamlakeError as error:  # the folder itself: not mounted, for one
            if self._once:
                raise
            yield from self._outages.away(show_path(str(self._selection.folder)), error.message)
            self._notices.close()
            self._rescan_at = time.monotonic() + self._next_pause()
            return
        took = time.monotonic() - began
        if self._once:
            self._rescan_at, self._once_until = math.inf, time.monotonic() + self._settle
            return
        usual = _RESCAN if self._notices.is_working and not is_remote(str(self._root)) else _RESCAN_REMOTE
        self._rescan_at = time.monotonic() + max(self._rescan_seconds or usual, _RESCAN_SHARE * took)
        self._rescan_earliest = time.monotonic() + max(_RESCAN_LEAST, _RESCAN_SHARE * took)

    def _look_at(self, paths: set[str]) -> Iterator[FileEvent]:
        try:
            yield from self._found(self._selection.files(sorted(paths), types=self._types), Summary())
        except DreamlakeError:
            self._rescan_at = self._rescan_earliest

    def _found(self, found: Iterable[LocalFile | FileEvent], skipped: Summary) -> Iterator[FileEvent]:
        """Those files that are not sent yet are pending from now on; what can't be sent is told once.

        What is of no kind that is stored is counted as `skipped`.
        """
        items = iter(found)
        while group := list(islice(items, _BULK)):
            files = {self._relative(item.path): item for item in group if isinstance(item, LocalFile)}
            for path in self._ledger.unknown({path: file.version for path, file in files.items()}):
                self._pending.found(path, files[path])
            for event in group:
                if not isinstance(event, FileEvent):
                    continue
                if event.status is FileStatus.SKIPPED:
                    skipped.add(event)
                elif (path := event.path or "") not in self._told and len(self._told) < _TOLD_REFUSALS:
                    self._told.add(path)
                    yield self._counted(event)

    def _left_out(self, skipped: Summary) -> Warned:
        """What is of no kind that is stored, by extension: told when the first file of an extension is found."""
        shown = ", ".join(f"{extension} {count:,}" for extension, count in sorted(skipped.unknown.items()))
        folder = show_path(str(self._selection.folder))
        return Warned(folder, "/", f"files below {folder} are left out, since nothing says what they are: {shown}.")

    def _relative(self, path: str) -> str:
        return path.removeprefix(str(self._selection.folder).rstrip("/") + "/")

    # Sending

    def _due(self) -> Generator[FileEvent | Warned, None, dict[str, tuple[str, LocalFile]]]:
        """Tells what is gone or held open; returns the files that are to be sent, by their paths for people."""
        due: list[tuple[str, LocalFile]] = []
        was_full = self._pending.is_full
        for one in self._pending.due(_PER_RUN):
            match one:
                case Held():
                    reason = (
                        f"{show_path(one.file.path)} is open for writing by {one.by}: it is sent when it is closed."
                    )
                    yield Warned(show_path(one.file.path), one.file.name, reason)
                case LocalFile():
                    yield self._counted(one.event(FileStatus.GONE, reason=_gone(one.path)))
                case (path, file):
                    due.append((path, file))
        if was_full and due:
            self._rescan_at = 0.0  # there is room for others
        return _small_first(due)

    def _send(self, batch: dict[str, tuple[str, LocalFile]]) -> Iterator[Event]:
        files = [file for _, file in batch.values()]
        events = self._lake.store_events(
            files,
            self._selection.target,
            ladder=self._ladder,
            playback=self._playback,
            csv=self._csv,
            jobs=self._jobs,
        )
        assert isinstance(events, Generator), "it is to be closed, by whatever way this ends"
        try:
            for event in events:
                match event:
                    case FileEvent(path=str(path)):
                        yield from self._told_of(event, *batch[path])
                    case Warned():
                        yield event
                    case Waiting():
                        yield from self._outages.heard(event)
                    case Summary():
                        self.summary.bytes += event.bytes
                        self.summary.warnings += event.warnings
                        yield from self._answered()
                    case Progress():
                        yield event
        except DreamlakeError as error:
            yield from self._away(error)
        finally:
            events.close()
            self._ledger.flush()

    def _told_of(self, event: FileEvent, path: str, file: LocalFile) -> Iterator[FileEvent | Waiting]:
        """Note what became of a file that was sent, and tell it."""
        match event.status:
            case FileStatus.UPLOADED | FileStatus.DUPLICATE:
                yield from self._answered()
                self._ledger.sent(path, file.version)
                self._pending.drop(path)
            case FileStatus.FAILED if event.bss_id:
                pass  # it is stored; what failed is its processing
            case FileStatus.FAILED if event.code == Code.FILE_CHANGED:
                self._pending.changed(path)
                return
            case FileStatus.FAILED if event.code == Code.FILE_MISSING:
                self._pending.drop(path)
                event = file.event(FileStatus.GONE, reason=_gone(file.path))
            case FileStatus.FAILED if _may_pass(event.code) and not self._once:
                if not self._pending.failed(path):
                    return
            case FileStatus.FAILED | FileStatus.SKIPPED:
                self._ledger.refused(path, file.version)
                self._pending.drop(path)
        yield self._counted(event)

    def _counted(self, event: FileEvent) -> FileEvent:
        self.summary.add(event)
        del self.summary.failures[_KEPT_FAILURES:]
        self._dealt_with += event.status is not FileStatus.READY and not (
            event.status is FileStatus.FAILED and event.bss_id is not None
        )
        self._total()
        return event

    def _total(self) -> None:
        self.summary.skipped, self.summary.unknown = self._skipped.skipped, self._skipped.unknown
        self.summary.system_files = self._skipped.system_files
        self.summary.files = self._dealt_with + self.summary.skipped
        self.summary.seconds = time.monotonic() - self._began

    # What is away

    def _away(self, error: DreamlakeError) -> Iterator[Waiting]:
        """Go on later, when that may help. Raises the error where it does not."""
        if self._once or error.code not in _SERVICE_AWAY:
            raise error
        self._try_at = time.monotonic() + self._next_pause()
        yield from self._outages.away(_SERVICE, error.reason if isinstance(error, Away) else error.message)

    def _answered(self) -> Iterator[Waiting]:
        self._tries, self._try_at = 0, 0.0
        yield from self._outages.over()

    def _next_pause(self) -> float:
        self._tries += 1
        return min(_AWAY_PAUSES[0] * 2.0 ** min(self._tries - 1, 10), _AWAY_PAUSES[1])


def _small_first(due: list[tuple[str, LocalFile]]) -> dict[str, tuple[str, LocalFile]]:
    """As many of the files as one run takes, by their paths for people: others wait for no more than a large file."""
    batch, total = {}, 0
    for path, file in sorted(due, key=lambda one: one[1].size):
        batch[show_path(file.path)] = (path, file)
        total += file.size
        if total >= _BYTES_PER_RUN:
            break
    return batch


def _may_pass(code: str | None) -> bool:
    """Whether a file that failed so may be sent later although it stays as it is: its permissions may change, too."""
    return code == Code.FILE_UNREADABLE or code not in ERRORS or ERRORS[Code(code)].retryable


def _gone(path: str) -> str:
    return f"{show_path(path)} was deleted, or got another name, before it was sent."
