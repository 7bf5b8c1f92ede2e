"""Which local files are stored, and under which name: of files that somebody named, and of a whole folder."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

from ..errors import Code, DreamlakeError
from ..filetypes import Types
from ..kinds import MEDIA, Kind, extension_of, kind_of, may_be_text
from ..names import folder_of, join_name
from ..nearest import MOST_NAMES, did_you_mean, nearest
from ..systemfiles import system_file
from .digest import open_file
from .events import FileEvent, FileStatus, failure
from .globs import matches, matches_below
from .target import Target
from .walk import Passed, Unwalkable, Version, show_path, walk

_TEXT_BYTES = 4096  # of a file tell whether it is text
NO_TYPES: Types = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file that is to be stored: where it lies, and what it will be called in the project.

    `kind` is what somebody said it is, else what its content is where that was looked at (preflight.py), else what its
    extension says. `content_kind`: whether its content is a video or sound, where that is known; `warning`: what else
    is odd about it. `is_named`: somebody named the file itself, not a folder that it lies in; `is_kind_said`: and said
    its kind.
    """

    path: str
    name: str
    kind: Kind
    episode: str | None
    version: Version
    warning: str | None = None
    is_named: bool = False
    content_kind: Kind | None = None
    is_kind_said: bool = False

    @property
    def size(self) -> int:
        """In bytes."""
        return self.version.size

    def event(self, status: FileStatus, **more: Any) -> FileEvent:
        return FileEvent(
            show_path(self.path),
            status,
            self.name,
            episode=self.episode,
            kind=self.kind,
            size=self.size,
            warning=self.warning,
            **more,
        )

    def with_content(self, kind: Kind | None) -> LocalFile:
        """The file, of which it is known now whether its content is a video or sound; None where it is not."""
        is_other = kind is not None and self.kind in MEDIA and not self.is_kind_said
        return replace(self, content_kind=kind, kind=kind if kind is not None and is_other else self.kind)

    def left_out(self, reason: str) -> FileEvent:
        """That the file is a system's by its content, and not stored: a fault only where somebody named it."""
        status = FileStatus.FAILED if self.is_named else FileStatus.SKIPPED
        return self.event(status, code=str(Code.SYSTEM_FILE), reason=reason)


Candidates = Iterable[LocalFile | FileEvent]
"""Files that are to be stored, and events of what else was found beside them."""


@runtime_checkable
class Chooser(Protocol):
    """What finds the candidates, once it is known which kind some extensions stand for."""

    def __call__(self, *, types: Types) -> Candidates: ...


def named_files(
    paths: Iterable[str | Path], target: Target, folder: str, kind: Kind | None, types: Types = NO_TYPES
) -> Iterator[LocalFile | FileEvent]:
    """Files that somebody named one by one: each must be storable. `kind` is that of all of them."""
    taken: dict[str, str] = {}
    for given in paths:
        path = str(given)
        try:
            name = join_name(folder, Path(path).name)
            if name in taken:
                raise DreamlakeError(
                    Code.CONFLICT,
                    f"{show_path(path)} would get the same name, {name}, as {show_path(taken[name])}.",
                    hint="Upload them to different folders (--to).",
                )
            if not Path(path).exists():
                raise DreamlakeError(Code.FILE_MISSING, f"{show_path(path)} does not exist.")
            if Path(path).is_dir():
                raise DreamlakeError(
                    Code.FILE_UNREADABLE, f"{show_path(path)} is a folder.", hint="Use `dreamlake ingest` for folders."
                )
            if kind is None and (what := system_file(Path(path).name)):
                raise DreamlakeError(
                    Code.SYSTEM_FILE,
                    f"{show_path(path)} is a system file: {what}.",
                    hint=f"If it holds data, name its kind with --type ({', '.join(Kind)}).",
                )
            said = kind or types.get(extension_of(path))
            its_kind = said or kind_of(path)
            if reason := _why_unknown(path, its_kind, is_said=said is not None):
                raise DreamlakeError(
                    Code.UNKNOWN_KIND,
                    f"{show_path(path)}: {reason}",
                    hint=f"Name its kind with --type ({', '.join(Kind)}).",
                )
            assert its_kind is not None, "what has none was told"
            version = Version.of(Path(path).stat())
        except DreamlakeError as error:
            yield FileEvent(show_path(path), FileStatus.FAILED, **failure(error))
        except OSError as fault:
            reason = f"{show_path(path)} cannot be read: {fault.strerror}."
            yield FileEvent(show_path(path), FileStatus.FAILED, code=str(Code.FILE_UNREADABLE), reason=reason)
        else:
            taken[name] = path
            is_said = said is not None
            yield LocalFile(path, name, its_kind, target.episode, version, is_named=True, is_kind_said=is_said)


@dataclass(frozen=True, slots=True)
class Selection:
    """The files below a folder: each is stored under its path below it, in the folder `to` of the project.

    With `episode_per_folder`, each first-level folder is an episode of its name (after the target's own episode
    and a `/`, if it has one) and paths start below it; files beside those folders belong to the target itself.
    Globs are held against the path below `folder` and against each part of it. What systems and tools leave in folders
    (systemfiles.py) is passed over.
    """

    folder: str | Path
    target: Target
    to: str = "/"
    episode_per_folder: bool = False
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    follow_links: bool = False

    def __call__(self, *, types: Types = NO_TYPES) -> Candidates:
        """All of them; then, for each pattern of `include` that nothing matches, an event that says so (NOT_FOUND)."""
        includes = _Includes(self.include)
        yield from self.files(types=types, includes=includes)
        for glob in includes.unmatched:
            hint = did_you_mean(nearest(glob, includes.others))
            error = DreamlakeError(Code.NOT_FOUND, f"Nothing matches --include {glob!r}.", hint=hint)
            place = os.path.join(self.folder, glob)  # noqa: PTH118 - it is a pattern, not a path
            yield FileEvent(show_path(place), FileStatus.FAILED, **failure(error), is_pattern=True)

    def files(
        self, paths: Iterable[str] | None = None, *, types: Types = NO_TYPES, includes: _Includes | None = None
    ) -> Iterator[LocalFile | FileEvent]:
        """The files, and an event for whatever else was found: files of no known kind have the code UNKNOWN_KIND, what
        systems and tools left there SYSTEM_FILE. With `paths` (below the folder), only what lies there and below.
        `types` say what kind the files of some extensions are.

        Raises what `walk` raises for the folder itself.
        """
        includes = includes or _Includes(self.include)
        to = folder_of(self.to)
        # Paths of a folder differ; only what NFC makes of them may be the same.
        taken: dict[tuple[str | None, str], str] = {}
        leave_out = self._is_excluded if self.exclude else None
        found = walk(self.folder, follow_links=self.follow_links, leave_out=leave_out, paths=paths)
        for entry in found:
            # What could not be read of a folder may be what was to be included: it is never passed over.
            if not entry.relative.endswith("/") and not includes.take(entry.relative):
                continue
            if isinstance(entry, Passed):
                code = str(Code.SYSTEM_FILE) if entry.is_system else None
                reason = f"{show_path(entry.path)} {entry.reason}."
                yield FileEvent(show_path(entry.path), FileStatus.SKIPPED, code=code, reason=reason)
                continue
            if isinstance(entry, Unwalkable):
                yield FileEvent(show_path(entry.path), FileStatus.FAILED, **failure(entry.error))
                continue
            said = types.get(extension_of(entry.relative))
            kind = said or kind_of(entry.relative)
            why = _why_unknown(entry.path, kind, is_said=said is not None)
            if kind is None or why:
                yield FileEvent(
                    show_path(entry.path),
                    FileStatus.SKIPPED,
                    size=entry.version.size,
                    code=str(Code.UNKNOWN_KIND),
                    reason=why,
                )
                continue
            try:
                episode, relative = self._place(entry.relative)
                name = join_name(to, relative)
                if not entry.relative.isascii():
                    _require_free(taken, (episode, name), entry.path)
            except DreamlakeError as error:
                path, size = show_path(entry.path), entry.version.size
                yield FileEvent(path, FileStatus.FAILED, kind=kind, size=size, **failure(error))
            else:
                is_said = said is not None
                yield LocalFile(entry.path, name, kind, episode, entry.version, is_kind_said=is_said)

    def _is_excluded(self, path: str) -> bool:
        return matches(path, self.exclude)

    def _place(self, relative: str) -> tuple[str | None, str]:
        """The episode that a path belongs to, and its path in it."""
        first, slash, rest = relative.partition("/")
        if self.episode_per_folder and slash:
            return self.target.below(first).episode, rest
        return self.target.episode, relative


class _Includes:
    """Which files of one walk are included: all, where there are no patterns.

    `unmatched` are the patterns that matched none so far; `others` are names of some files that are not included,
    and patterns of their extensions: what somebody may have meant.
    """

    def __init__(self, globs: Sequence[str]) -> None:
        self.unmatched = list(dict.fromkeys(globs))
        self.others: dict[str, None] = {}
        self._globs = globs

    def take(self, relative: str) -> bool:
        """Whether the file of this path below the folder is included."""
        if not self._globs:
            return True
        if matches_below(relative, self._globs):
            if self.unmatched:
                self.unmatched = [glob for glob in self.unmatched if not matches_below(relative, [glob])]
            return True
        if len(self.others) < MOST_NAMES:
            self.others |= dict.fromkeys((f"*{PurePosixPath(relative).suffix}", *relative.split("/")))
        return False


def _require_free(taken: dict[tuple[str | None, str], str], place: tuple[str | None, str], path: str) -> None:
    """Take a name for a path. Raises CONFLICT when another one has it."""
    other = taken.setdefault(place, path)
    if other != path:
        raise DreamlakeError(
            Code.CONFLICT,
            f"{show_path(path)} would get the same name, {place[1]}, as {other.encode('unicode_escape').decode()}: "
            "they differ only in how their letters are composed.",
            hint="Rename one of them.",
        )


def _why_unknown(path: str, kind: Kind | None, *, is_said: bool) -> str | None:
    """Why a file is of no kind that is stored; None where it is of one."""
    suffix = show_path(PurePosixPath(path).suffix)
    if kind is None:
        return f"{suffix} is none of the known extensions." if suffix else "its name has no extension."
    if not is_said and may_be_text(path) and _is_text(path):
        return f"it is text, as source code in {suffix} files is, and no video."
    return None


def _is_text(path: str) -> bool:
    """Whether a file begins as text does; what can't be read is told of when it is its turn to be sent."""
    # Not at the top: only files that need it pay for it.
    from ..media.containers.sniff_text import decode

    try:
        with open_file(path) as descriptor:
            return decode(os.read(descriptor, _TEXT_BYTES)) is not None
    except DreamlakeError:
        return False
