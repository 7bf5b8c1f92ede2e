"""Find objects under the staging prefixes that nobody registered, and understand what they are.

S3 lists keys in order, so the position of the walk through all staging prefixes is one key. A tick goes on from
there: for a moment as long as all that it sees is known, for longer while it finds what is not. After a moment comes a
rest, so that listing takes a tenth of the time at most, however many objects are staged. What is already known is BSS's
knowledge, not the walk's: a position that is lost costs one more round and nothing else.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import groupby

from pydantic import ValidationError

from .. import names
from ..api.pipeline import StagedKeys, StagedObject
from ..crashpoints import CrashPoint, reached
from ..errors import ERRORS, Code, DreamlakeError
from ..media.run.workers import Workers
from ..remote.pipeline import PipelineClient
from ..storage import ObjectInfo, ObjectStore, Page, was_answered
from .drops import NO_ETAG, Refused, refused, understand
from .scratch import scratch_folder

log = logging.getLogger(__name__)

MOST_PAGES = 50
MOST_SECONDS = 15.0  # of a tick that finds what nobody registered
_QUIET_SECONDS = 0.3  # of one that does not; a page is always finished
_PAGE = 1000
_LOOKS = 16  # objects that are looked at side by side
_LOOKERS = 2  # workers that look at their content
_REST = 9.0  # s seconds of listing are followed by 9 s of rest
# A listing that an outage made slow is no reason for a long rest: what came meanwhile waits for the next one.
_LONGEST_REST = 10.0
_MOST_LATE = 20.0  # seconds for which a walk may be put off while there are batches to launch
_UNBELIEVABLE_REST = 3600.0  # seconds: a cursor with such a rest was written by somebody else
_MOST_REFUSED = 3  # folders that a tick passes over: a store that refuses all of them is not asked for each
_LONGEST_KEY = 1024  # bytes (Amazon S3 User Guide, Naming Amazon S3 objects)


@dataclass(slots=True)
class Position:
    """Where the walk stands: after which key, and when it may go on (Unix time)."""

    after: str = ""
    rest_until: float = 0.0

    @classmethod
    def parse(cls, text: str | None) -> Position:
        """The position that `str()` wrote; the beginning for anything else, since people can set a sensor's cursor."""
        try:
            after, rest_until = json.loads(text or "")
            position = cls(str(after), float(rest_until))
            is_key = len(position.after.encode()) <= _LONGEST_KEY
        except (ValueError, TypeError, OverflowError, RecursionError):
            return cls()
        return position if is_key and position.rest_until < time.time() + _UNBELIEVABLE_REST else cls()

    @property
    def is_overdue(self) -> bool:
        """Whether the walk can no longer be put off."""
        return time.time() > self.rest_until + _MOST_LATE

    def __str__(self) -> str:
        return json.dumps([self.after, round(self.rest_until, 3)])


@dataclass(slots=True)
class Found:
    """What one tick of the walk came to. `too_young` were left for a later round, and so was what `left` tells of."""

    listed: int = 0
    answered: bool = False  # whether the object store was asked, and answered
    registered: int = 0
    ignored: list[str] = field(default_factory=list)  # why, one sentence each
    too_young: int = 0
    left: list[str] = field(default_factory=list)  # why, one sentence each


def adopt_unregistered(
    pipeline: PipelineClient,
    store: ObjectStore,
    position: Position,
    *,
    grace_seconds: float,
    pages: int = MOST_PAGES,
    seconds: float = MOST_SECONDS,
) -> Found:
    """Walk on from `position` (which moves) and register what nobody registered within the grace time."""
    found = Found()
    started = time.time()
    if started < position.rest_until:
        return found
    adopting, refused = 0.0, 0
    for page, end in _staged_pages(store, position.after):
        listed = time.time()
        if isinstance(page, str):
            found.left.append(page)
            refused += 1
        else:
            found.answered = True
        brought_news = isinstance(page, Page) and _adopt_page(pipeline, store, page, grace_seconds, found)
        position.after = end
        pages -= 1
        now = time.time()
        if brought_news:
            adopting += now - listed
        if refused >= _MOST_REFUSED or pages <= 0 or now - started > (seconds if brought_news else _QUIET_SECONDS):
            if brought_news:
                return found  # more may follow: the next tick goes on at once
            break
    else:
        position.after = ""
        found.answered = True
    now = time.time()
    position.rest_until = now + min(_REST * (now - started - adopting), _LONGEST_REST)
    return found


def _adopt_page(pipeline: PipelineClient, store: ObjectStore, page: Page, grace: float, found: Found) -> bool:
    """Register what nobody registered; whether there was anything."""
    now = datetime.now(UTC)
    old_enough = {item.key: item for item in page.objects if (now - item.last_modified).total_seconds() >= grace}
    found.listed += len(page.objects)
    found.too_young += len(page.objects) - len(old_enough)
    if not old_enough:
        return False
    unknown = _unknown(pipeline, list(old_enough.values()), found)
    if not unknown:
        return False
    understood = [
        one for _, same in groupby(unknown, _owner_of) for one in _look_at(store, [old_enough[k] for k in same])
    ]
    found.left += [item for item in understood if isinstance(item, str)]
    objects = [item for item in understood if isinstance(item, StagedObject)]
    if objects:
        _adopt(pipeline, objects, found)
        reached(CrashPoint.OBJECTS_ADOPTED)
    return bool(objects)


def _owner_of(key: str) -> str:
    return key.partition("/")[0]


def _look_at(store: ObjectStore, items: Sequence[ObjectInfo]) -> list[StagedObject | str | None]:
    """What objects of one owner are, side by side."""
    with (
        scratch_folder(None) as rooms,
        Workers(_LOOKERS, rooms) as workers,
        ThreadPoolExecutor(min(_LOOKS, len(items)), thread_name_prefix="look") as pool,
    ):
        return list(pool.map(partial(_look, store, workers), items))


def _unknown(pipeline: PipelineClient, items: Sequence[ObjectInfo], found: Found) -> list[str]:
    """The keys of those of the objects that BSS does not know."""
    try:
        return pipeline.unknown_keys(_asked(items))
    except ValidationError:
        pass
    sayable = []
    for item in items:
        try:
            _asked([item])
            sayable.append(item)
        except ValidationError:
            found.left.append(f"{item.key!r} is left alone: its key or ETag ({item.etag!r}) breaks the rules for them.")
    return pipeline.unknown_keys(_asked(sayable)) if sayable else []


def _asked(items: Sequence[ObjectInfo]) -> StagedKeys:
    return StagedKeys(
        keys=[item.key for item in items],
        etags=[item.etag or NO_ETAG for item in items],
        modified=[max(0.0, item.last_modified.timestamp()) for item in items],
    )


def _look(store: ObjectStore, workers: Workers, item: ObjectInfo) -> StagedObject | str | None:
    """What the object is. Whatever happens while one is looked at concerns no other: one whose content can't be looked
    at is to be ignored, and one that the object store does not give today is left for a later round (why, as text)."""
    try:
        return understand(store, workers, item)
    except Refused as why:
        reason = why
    except DreamlakeError as error:
        if error.code is Code.NOT_FOUND:
            return None  # it went away
        if ERRORS[error.code].retryable:
            return f"{item.key} is left for a later round: {error.message}"
        reason = Refused(error.code, f"It is put aside: {error.message}")
    except Exception:
        log.exception("the look at %s failed unexpectedly", item.key)
        reason = Refused(Code.INTERNAL, "It is put aside: its content could not be looked at.")
    try:
        return refused(item, reason)
    except ValidationError:
        return f"{item.key}: {reason.reason}"


def _adopt(pipeline: PipelineClient, objects: Sequence[StagedObject], found: Found) -> None:
    """Register objects, or have BSS remember that they are none of ours. One that BSS refuses is put aside."""
    try:
        adopted = pipeline.adopt(objects)
    except DreamlakeError as error:
        if ERRORS[error.code].retryable:
            raise
        if len(objects) > 1:
            for item in objects:
                _adopt(pipeline, [item], found)
        elif objects[0].kind is not None:
            refusal = {"code": str(error.code), "reason": f"It is put aside: BSS refused it. {error.message}"}
            _adopt(pipeline, [objects[0].model_copy(update={"kind": None, "name": None} | refusal)], found)
        else:
            found.left.append(f"{objects[0].key} is left alone: BSS refused it. {error.message}")
        return
    found.registered += adopted.registered
    found.ignored += [f"{item.key}: {item.reason}" for item in objects if item.reason]


def _staged_pages(store: ObjectStore, after: str) -> Iterator[tuple[Page | str, str]]:
    """Pages of the staging prefixes of every project, in key order, from behind `after`; with each, where it ends.

    A folder that the store refuses to list is passed over in this round: in the place of its page comes the reason, as
    a sentence. Raises DreamlakeError when the store does not answer, or refuses its root.
    """
    for owner_prefix in _folders(store, "", after):
        if not names.is_slug(owner_prefix.rstrip("/")):
            continue
        try:
            yield from _owners_pages(store, owner_prefix, after)
        except DreamlakeError as error:
            if not was_answered(error):
                raise
            yield f"{owner_prefix} is passed over in this round: {error.message}", _end_of(owner_prefix)


def _owners_pages(store: ObjectStore, owner_prefix: str, after: str) -> Iterator[tuple[Page | str, str]]:
    for project_prefix in _folders(store, owner_prefix, after):
        # What lies in a folder that can be no project is found too, and refused: whoever laid it there is told.
        staging = project_prefix + "staging/"
        if _is_behind(staging, after):
            continue
        try:
            yield from _projects_pages(store, staging, after)
        except DreamlakeError as error:
            if not was_answered(error):
                raise
            yield f"{staging} is passed over in this round: {error.message}", _end_of(staging)


def _projects_pages(store: ObjectStore, staging: str, after: str) -> Iterator[tuple[Page, str]]:
    start = after if after.startswith(staging) else ""
    while True:
        page = store.list_page(staging, after=start, limit=_PAGE)
        if not page.truncated or not page.objects:
            yield page, _end_of(staging)
            return
        start = page.objects[-1].key
        yield page, start


def _folders(store: ObjectStore, prefix: str, after: str) -> list[str]:
    """The folders directly under `prefix`, with trailing slash, in key order; those behind `after` are left out."""
    folders: set[str] = set()
    start = ""
    while True:
        page = store.list_page(prefix, after=start, delimiter="/")
        folders.update(page.prefixes)
        if not page.truncated or not page.prefixes:
            # Not every server lists folders in the order of the keys in them, where `a-b/` comes before `a/`.
            return sorted(folder for folder in folders if not _is_behind(folder, after))
        start = _end_of(max(page.prefixes))


def _end_of(folder: str) -> str:
    """A key behind everything in `folder` and before everything else that follows: "0" is next to "/"."""
    return folder[:-1] + "0"


def _is_behind(folder: str, after: str) -> bool:
    """Whether every key in `folder` sorts at or before `after`."""
    return folder < after and not after.startswith(folder)
