"""The files below a folder: streamed, in an order that depends on their names only.

Links are read as what they lead to, with two limits. A link to a folder is not descended into when that
folder lies in the tree, where its files are found anyway (so no loop is ever entered); and a link that
leads out of the tree is reported, not followed, unless `follow_links` says so. What systems and tools leave in folders
(systemfiles.py) is passed over, their folders as a whole.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import Code, DreamlakeError
from ..systemfiles import system_file, system_folder


@dataclass(frozen=True, slots=True)
class Version:
    """What tells one state of a file from another without reading it."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, facts: os.stat_result) -> Version:
        # Some filesystems use all of 64 bits, and SQLite, in which cache.py keeps it, all but one.
        return cls(facts.st_size, facts.st_mtime_ns, facts.st_ino % 2**63)


@dataclass(frozen=True, slots=True)
class WalkedFile:
    """A regular file; `relative` is its path below the walked folder, with `/` between its parts."""

    path: str
    relative: str
    version: Version


@dataclass(frozen=True, slots=True)
class Passed:
    """Something that is left out for a reason that is no fault; `is_system`: a system or tool left it there."""

    path: str
    relative: str
    reason: str
    is_system: bool = False


@dataclass(frozen=True, slots=True)
class Unwalkable:
    """Something that should have been read and cannot be; `relative` of a folder ends with `/`."""

    path: str
    relative: str
    error: DreamlakeError


Walked = WalkedFile | Passed | Unwalkable


def walk(
    folder: str | Path,
    *,
    follow_links: bool = False,
    leave_out: Callable[[str], bool] | None = None,
    paths: Iterable[str] | None = None,
) -> Iterator[Walked]:
    """Everything below `folder`, depth first, the entries of each folder in the order of their names.

    Files and folders whose path below `folder` makes `leave_out` true are passed over without a word. With `paths`
    (below `folder`, with `/` between their parts), only what lies there and below: nothing where a path leads nowhere.
    Raises DreamlakeError(FILE_MISSING, USAGE or FILE_UNREADABLE) when `folder` itself cannot be walked.
    """
    root = os.fspath(folder)
    if not Path(root).exists():
        raise DreamlakeError(Code.FILE_MISSING, f"{show_path(root)} does not exist.", path=show_path(root))
    if not Path(root).is_dir():
        raise DreamlakeError(Code.USAGE, f"{show_path(root)} is a file.", hint="Use `dreamlake upload` for files.")
    try:
        os.scandir(root).close()
    except OSError as fault:
        raise unreadable(root, fault) from None
    its_walk, ancestors = _Walk(os.path.realpath(root), follow_links, leave_out), (_identity(Path(root).stat()),)
    if paths is None:
        yield from its_walk.descend(root, "", ancestors)
    else:
        for path in paths:
            yield from its_walk.at(root, path, ancestors)


class _Entry:
    """What `os.DirEntry` tells, of a path that no folder was read for."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.name = os.path.basename(path)  # noqa: PTH119 - `Path` would make another one of some names

    def is_symlink(self) -> bool:
        return Path(self.path).is_symlink()

    def is_dir(self) -> bool:
        return Path(self.path).is_dir()

    def stat(self) -> os.stat_result:
        return Path(self.path).stat()


class _Walk:
    def __init__(self, real_root: str, follow_links: bool, leave_out: Callable[[str], bool] | None) -> None:
        self.real_root = real_root
        self.follow_links = follow_links
        self.leave_out = leave_out

    def descend(self, folder: str, relative: str, ancestors: tuple[tuple[int, int], ...]) -> Iterator[Walked]:
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as fault:
            yield Unwalkable(folder, relative, unreadable(folder, fault))
            return
        for entry in entries:
            yield from self._judge(entry, f"{relative}{entry.name}", ancestors)

    def at(self, root: str, relative: str, ancestors: tuple[tuple[int, int], ...]) -> Iterator[Walked]:
        """What `descend` would find at a path below the root, and below it."""
        *folders, name = relative.split("/")
        path, below = root, ""
        for folder in folders:
            path, below = f"{path}/{folder}", f"{below}{folder}"
            try:
                is_left_out = system_folder(folder) or (self.leave_out and self.leave_out(below))
                is_link, facts = Path(path).is_symlink(), Path(path).stat()
            except OSError:
                return
            if is_left_out or (is_link and self._judge_link(path, below, True, _identity(facts) in ancestors)):
                return
            below, ancestors = f"{below}/", (*ancestors, _identity(facts))
        path = f"{path}/{name}"
        if os.path.lexists(path):
            yield from self._judge(_Entry(path), f"{below}{name}", ancestors)

    def _judge(
        self, entry: os.DirEntry[str] | _Entry, below: str, ancestors: tuple[tuple[int, int], ...]
    ) -> Iterator[Walked]:
        """What an entry is, and what is below it."""
        if self.leave_out and self.leave_out(below):
            return
        if what := _what_system_left(entry):
            yield Passed(entry.path, below, what, is_system=True)
            return
        try:
            is_link = entry.is_symlink()
            facts = entry.stat()
        except FileNotFoundError:
            yield Unwalkable(entry.path, below, _broken(entry.path))
            return
        except OSError as fault:  # ELOOP: a link that leads to itself, among others
            yield Unwalkable(entry.path, below, unreadable(entry.path, fault))
            return
        is_folder = stat.S_ISDIR(facts.st_mode)
        if is_link and (refusal := self._judge_link(entry.path, below, is_folder, _identity(facts) in ancestors)):
            yield refusal
        elif is_folder:
            yield from self.descend(entry.path, below + "/", (*ancestors, _identity(facts)))
        elif stat.S_ISREG(facts.st_mode):
            yield WalkedFile(entry.path, below, Version.of(facts))
        else:
            yield Passed(entry.path, below, "is a device, socket or pipe, not a file")

    def _judge_link(self, path: str, relative: str, is_folder: bool, is_loop: bool) -> Passed | Unwalkable | None:
        """Why a link is not followed; None when it is."""
        target = os.path.realpath(path)
        is_inside = target == self.real_root or target.startswith(self.real_root.rstrip("/") + "/")
        if is_folder and (is_inside or is_loop):
            return Passed(path, relative, f"is a link to {show_path(target)}, whose files are found there")
        if is_inside or self.follow_links:
            return None
        return Unwalkable(
            path,
            relative,
            DreamlakeError(
                Code.FILE_UNREADABLE,
                f"{show_path(path)} is a link that leads out of the folder, to {show_path(target)}.",
                hint="Pass --follow-links to follow such links.",
            ),
        )


def _what_system_left(entry: os.DirEntry[str] | _Entry) -> str | None:
    """Why the entry is a system's or tool's; None for anybody's own file or folder."""
    try:
        is_folder = entry.is_dir()
    except OSError:
        is_folder = False
    if is_folder:
        what = system_folder(entry.name)
        return what and f"is a system folder: {what}"
    what = system_file(entry.name)
    return what and f"is a system file: {what}"


def unreadable(path: str, fault: OSError) -> DreamlakeError:
    """The error for a path that the operating system refuses to read."""
    code = Code.FILE_MISSING if isinstance(fault, FileNotFoundError) else Code.FILE_UNREADABLE
    what = "does not exist" if code is Code.FILE_MISSING else f"cannot be read: {fault.strerror or fault}"
    return DreamlakeError(code, f"{show_path(path)} {what}.")


def show_path(path: str) -> str:
    """A path for people and JSON: bytes that are not Unicode are written as escapes."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _identity(facts: os.stat_result) -> tuple[int, int]:
    return facts.st_dev, facts.st_ino


def _broken(path: str) -> DreamlakeError:
    if Path(path).is_symlink():
        return DreamlakeError(Code.FILE_MISSING, f"{show_path(path)} is a link to something that does not exist.")
    return DreamlakeError(Code.FILE_MISSING, f"{show_path(path)} vanished while the folder was read.")
