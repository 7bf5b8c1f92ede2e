"""What a staged object is that nobody registered: by its user metadata, its key, and its content.

A foreign uploader says what a file is by the object's user metadata (`kind`, `name`, `episode`, in the form that
`layout.staging_metadata` has), or by its key: `staging/{episode}@@/{path}`, or `staging/{path}` for a file of no
episode. What says so and breaks a rule is refused, and told (`dreamlake staging`): a file is not to turn up elsewhere
than where it was meant.
"""

from __future__ import annotations

import hashlib
from pathlib import PurePosixPath

from .. import layout, names
from ..api.pipeline import StagedObject
from ..errors import Code, DreamlakeError
from ..kinds import MEDIA, Kind, content_type_of, kind_of, may_be_text
from ..media.containers.sniff import Sniffed, sniff
from ..media.run import bounds
from ..media.run.workers import Workers
from ..storage import ObjectInfo, ObjectStore
from ..systemfiles import system_part

_MOST_READ = 8 * 2**20  # bytes at a time
NO_ETAG = "-"  # some servers have none for files that were laid into their folder


class Refused(Exception):
    """The object is none of ours: a code of errors.py, and a sentence that says why."""

    def __init__(self, code: Code, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


def understand(store: ObjectStore, workers: Workers, item: ObjectInfo) -> StagedObject | None:
    """What a staged object is: by its user metadata, else by its key's extension, else by its first bytes, at which a
    worker looks.

    What systems and tools leave in folders (systemfiles.py), which uploads of whole folders bring along, is no kind.
    None when it is gone in the meantime. Raises Refused, and DreamlakeError for what the object store says.
    """
    key = layout.parse_staging_key(item.key)
    if key is None:
        return None
    _check_project(key.project)
    head = store.head(item.key)
    if head is None:
        return None
    told = layout.read_staging_metadata(head.metadata)
    of_key, path = layout.split_episode(key.rest)
    if path.endswith("/") or not path:
        raise Refused(Code.SYSTEM_FILE, "It is a folder marker.")
    if not told.get("kind") and (what := system_part(told.get("name") or path)):
        raise Refused(Code.SYSTEM_FILE, f"It is left out as a system's file: {what}.")
    episode = _episode_of(told.get("episode"), of_key)
    named = _name_told(told.get("name")) or _name_of(path)
    by_content = may_be_text(named or path)
    kind = _kind_told(told.get("kind")) or (None if by_content else kind_of(named or path))
    extension = PurePosixPath(path).suffix.lower()
    if kind is None:
        sniffed = _sniff(store, workers, item.key) if head.size else None
        if sniffed is None or sniffed.kind is None or (by_content and sniffed.kind not in MEDIA):
            raise _of_no_kind(sniffed, extension, is_empty=not head.size)
        kind, extension = sniffed.kind, sniffed.extension
    name = named or f"/unnamed/{_stem_of(path)}{extension}"
    return StagedObject(
        key=item.key,
        owner=key.owner,
        project=key.project,
        size=head.size,
        etag=head.etag or NO_ETAG,
        kind=kind,
        name=name,
        episode=episode,
        content_type=content_type_of(name),
    )


def refused(item: ObjectInfo, why: Refused) -> StagedObject | None:
    """The object as one that is to be ignored; None for what lies under no staging prefix."""
    key = layout.parse_staging_key(item.key)
    return key and StagedObject(
        key=item.key,
        owner=key.owner,
        project=key.project,
        size=item.size,
        etag=item.etag or NO_ETAG,
        code=str(why.code),
        reason=why.reason,
    )


def _of_no_kind(sniffed: Sniffed | None, extension: str, *, is_empty: bool) -> Refused:
    said = f"its extension ({extension})" if extension else "its name"
    if is_empty:
        return Refused(Code.FILE_EMPTY, f"It is empty, and {said} does not say what it is.")
    what = f"is {sniffed.container}, which is none" if sniffed else "is none"
    return Refused(Code.UNKNOWN_KIND, f"Its content {what} of the kinds that are processed, and so is {said}.")


def _check_project(project: str) -> None:
    try:
        names.check_project(project)
    except DreamlakeError as error:
        raise Refused(Code.INVALID_NAME, f"Its folder is no project: {error.message}") from None


def _episode_of(told: str | None, of_key: str | None) -> str | None:
    """The episode that the metadata say, or else the key. Raises Refused for one that breaks the rules."""
    said, where = (told, "user metadata") if told is not None else (of_key, f"key before `{layout.EPISODE_END}`")
    if said is None:
        return None
    try:
        return names.check_episode(said)
    except DreamlakeError as error:
        raise Refused(Code.INVALID_NAME, f"The episode of its {where} is none: {error.message}") from None


def _name_told(told: str | None) -> str | None:
    """The name that the metadata say. Other uploaders have uses of their own for a field of that name: what is no
    absolute path is none of ours. Raises Refused for a path that breaks the rules."""
    if told is None or not told.startswith("/"):
        return None
    try:
        return names.check_name(told)
    except DreamlakeError as error:
        raise Refused(Code.INVALID_NAME, f"The name of its user metadata is none: {error.message}") from None


def _name_of(path: str) -> str | None:
    """The name that a foreign uploader's key gives: its path below the staging prefix. A bare hash is no name."""
    if names.is_hash(path):
        return None
    try:
        return names.check_name(f"/{path}")
    except DreamlakeError:
        return None


def _kind_told(told: str | None) -> Kind | None:
    return Kind(told) if told in list(Kind) else None


def _stem_of(path: str) -> str:
    """A name for what has none: the beginning of its hash, or of its path's."""
    return (path if names.is_hash(path) else hashlib.sha256(path.encode()).hexdigest())[:32]


def _sniff(store: ObjectStore, workers: Workers, key: str) -> Sniffed | None:
    def read(at: int, length: int) -> bytes:
        if at < 0 or not 0 <= length <= _MOST_READ:
            raise DreamlakeError(Code.NOT_MEDIA, f"{key} can't be looked at.")
        return store.read(key, start=at, length=length) if length else b""

    return workers.run(sniff, subject=key, bounds=bounds.LOOK, read=read)
