"""What storing files would do, without doing it: no file is hashed, nothing is sent, registered or begun."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from ..api.bss import ComparedFile, Difference
from ..errors import Code, DreamlakeError
from ..filetypes import Types
from ..remote.bss import MOST_PER_CALL, BssClient
from .cache import HashCache
from .digest import Digest
from .events import Event, FileEvent, FileStatus, Progress, Summary, Warned
from .preflight import Seen, look
from .selection import NO_TYPES, Candidates, Chooser, LocalFile
from .target import Target
from .walk import show_path

_LOOKERS = 4

Answer = TypeVar("Answer")


def plan(
    files: Candidates | Chooser,
    target: Target,
    *,
    types: Types = NO_TYPES,
    bss: BssClient | None = None,
    cache: HashCache | None = None,
) -> Iterator[Event]:
    """An event for each file, with how it differs from what is stored in the target's project; last, a Summary.

    A file whose hash the cache does not know is compared by name and size, and looked at as before sending
    (preflight.py). Without BSS, or where it does not answer, all is told but the differences; the Summary says why.
    Raises DreamlakeError for what else BSS refuses (UNAUTHENTICATED, FORBIDDEN).
    """
    started, summary, found_bytes = time.monotonic(), Summary(), 0
    asker = _Asker(bss, target, cache or HashCache(None))
    to_send: set[str] = set()  # the hashes of what this run would send
    items = iter(files(types={**asker.types(), **types}) if callable(files) else files)
    with ThreadPoolExecutor(_LOOKERS, thread_name_prefix="dreamlake-look") as lookers:
        while group := list(islice(items, MOST_PER_CALL)):
            storable = [item for item in group if isinstance(item, LocalFile) and item.size]
            digests = asker.digests(storable)
            unread = [file for file, digest in zip(storable, digests, strict=True) if digest is None]
            looks = lookers.map(look, unread)
            seen = [
                next(looks) if digest is None else Seen(file.with_content(digest.content_kind))
                for file, digest in zip(storable, digests, strict=True)
            ]
            differences = asker.differences([one.file for one in seen], digests)
            told = iter(zip(seen, differences, digests, strict=True))
            for item in group:
                if isinstance(item, FileEvent):
                    event = item
                elif not item.size:
                    reason = f"{show_path(item.path)} is empty (0 bytes)."
                    event = item.event(FileStatus.FAILED, code=str(Code.FILE_EMPTY), reason=reason)
                else:
                    its, difference, digest = next(told)
                    if digest and difference in (Difference.NEW, Difference.CHANGED):
                        if digest.sha256 in to_send:
                            difference = Difference.STORED  # once the first one of this content is
                        to_send.add(digest.sha256)
                    if its.left_out:
                        event = item.left_out(its.left_out)
                    else:
                        if its.file.warning:
                            summary.warnings += 1
                            yield Warned(show_path(item.path), item.name, its.file.warning)
                        event = its.file.event(FileStatus.PLANNED, plan=difference)
                        summary.add_planned(its.file.kind, difference, item.size, is_read=digest is not None)
                summary.files += not event.is_pattern
                summary.add(event)
                found_bytes += item.size
                yield event
            yield Progress(summary.files, found_bytes, summary.files, found_bytes, 0, 0, is_walking=True)
    summary.unasked = asker.refusal
    summary.seconds = time.monotonic() - started
    yield summary


class _Asker:
    """Asks the cache and BSS about files, for as long as BSS answers; `refusal` is why it does not."""

    def __init__(self, bss: BssClient | None, target: Target, cache: HashCache) -> None:
        self.refusal = None if bss else "No DreamLake is running."
        self._bss = bss
        self._target = target
        self._cache = cache

    def types(self) -> Types:
        """What the project keeps about extensions."""
        settings = self._ask(lambda bss: bss.project_settings(self._target.namespace, self._target.project))
        return (settings and settings.types) or NO_TYPES

    def digests(self, files: Sequence[LocalFile]) -> list[Digest | None]:
        """The digest of each file, where it is known without reading it: also of one that was renamed."""
        known = self._cache.recall([(file.path, file.version) for file in files])
        unknown = [file.version for file, digest in zip(files, known, strict=True) if digest is None]
        renamed = iter(self._cache.recall_renamed(unknown))
        return [next(renamed) if digest is None else digest for digest in known]

    def differences(self, files: Sequence[LocalFile], digests: Sequence[Digest | None]) -> Sequence[Difference | None]:
        """How each file differs from what is stored; None where that cannot be known."""
        if not files:
            return []
        asked = [
            ComparedFile(
                kind=file.kind,
                name=file.name,
                episode=file.episode,
                size=file.size,
                hash=digest.sha256 if digest else None,
            )
            for file, digest in zip(files, digests, strict=True)
        ]
        owner, project = self._target.namespace, self._target.project
        return self._ask(lambda bss: bss.compare_files(owner, project, asked)) or [None] * len(files)

    def _ask(self, question: Callable[[BssClient], Answer]) -> Answer | None:
        """The answer; None where nobody answers, now or before."""
        if self._bss is None:
            return None
        try:
            return question(self._bss)
        except DreamlakeError as error:
            if error.code not in (Code.UNREACHABLE, Code.OVERLOADED):
                raise
            self._bss, self.refusal = None, error.message
            return None
