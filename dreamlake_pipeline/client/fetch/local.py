"""Where files come to lie locally: below one folder, each under a path of its own, or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
import unicodedata
from pathlib import Path

from ...errors import Code, DreamlakeError
from ..walk import show_path

_NAME_BYTES = 255  # of one part of a path, on nearly every file system
_MOST_REMEMBERED = 10_000  # folders that are known to be there


class LocalTree:
    """A local folder and what is put below it. It is made with the first file.

    Nothing is written outside of it: neither by `..` in a path (an episode may be called so), nor through a link that
    leads out of it.
    """

    def __init__(self, root: str | Path, *, folds_case: bool | None = None) -> None:
        """`folds_case`: whether its file system takes `A` and `a` for one name; None finds out where it matters."""
        self.root = os.fspath(root)
        self._folds_case = folds_case
        # Hashes in the place of paths: a hundred thousand of them take 15 MB.
        self._taken: set[int] = set()
        self._taken_folded: set[int] = set()
        self._folders: set[str] = set()
        self._real_root: str | None = None

    def take(self, relative: str) -> str:
        """The local path of what is called `relative` (its parts joined by `/`) below the folder; nobody else gets it.

        Not safe to share between threads. Raises INVALID_NAME for what the system cannot hold or what leads out of the
        folder, CONFLICT for a path that is taken.
        """
        for part in relative.split("/"):
            if problem := _problem(part):
                raise DreamlakeError(
                    Code.INVALID_NAME,
                    f"{relative!r} cannot be a path below {show_path(self.root)}: {problem}.",
                    hint="Download this file alone, with -o FILE.",
                )
        path = str(Path(self.root, relative))
        exact, folded = hash(relative), hash(unicodedata.normalize("NFC", relative.casefold()))
        if exact in self._taken:
            raise DreamlakeError(
                Code.CONFLICT,
                f"Another file of this download lies at {show_path(path)}.",
                hint="Download it alone, or to another folder.",
            )
        if folded in self._taken_folded and self._is_case_blind():
            raise DreamlakeError(
                Code.CONFLICT,
                f"{show_path(path)} differs from another file of this download in upper and lower case alone, and is "
                "the same file on this file system.",
                hint="Download it alone, or to another folder.",
            )
        self._taken.add(exact)
        self._taken_folded.add(folded)
        return path

    def make_folder(self, folder: str) -> None:
        """Make the folder of a path that `take` gave, and those around it. Safe to share between threads.

        Raises OSError, CONFLICT where a file is in the way, INVALID_NAME where a link leads out of the tree.
        """
        if folder in self._folders:
            return
        root = Path(self.root)
        if self._real_root is None:
            root.mkdir(parents=True, exist_ok=True)
            self._real_root = os.path.realpath(root)
        here = root
        for part in Path(folder).relative_to(root).parts:
            here = here / part
            with contextlib.suppress(FileExistsError):
                here.mkdir()
            if not here.is_dir():
                raise DreamlakeError(Code.CONFLICT, f"{show_path(str(here))} is a file, where a folder has to be.")
            if here.is_symlink() and not _is_below(os.path.realpath(here), self._real_root):
                raise DreamlakeError(
                    Code.INVALID_NAME, f"{show_path(str(here))} is a link that leads out of {show_path(self.root)}."
                )
        if len(self._folders) >= _MOST_REMEMBERED:
            self._folders = set()
        self._folders.add(folder)

    def _is_case_blind(self) -> bool:
        if self._folds_case is None:
            self._folds_case = False
            # Where nothing can be written, that is told of each file.
            with contextlib.suppress(OSError):
                Path(self.root).mkdir(parents=True, exist_ok=True)
                with tempfile.NamedTemporaryFile(prefix=".dreamlake-Case-", dir=self.root) as probe:
                    folder, name = os.path.split(probe.name)
                    self._folds_case = Path(folder, name.swapcase()).exists()
        return self._folds_case


def _problem(part: str) -> str | None:
    """Why this cannot be one part of a local path."""
    if part in ("", ".", ".."):
        return "it would lead elsewhere" if part == ".." else f"a part of it is {part!r}"
    if "\0" in part or os.sep in part or (os.altsep and os.altsep in part):
        return f"{part!r} has a character that no local name has"
    try:
        size = len(os.fsencode(part))
    except UnicodeEncodeError:
        return f"{part!r} cannot be written in this system's encoding of names"
    if size > _NAME_BYTES:
        return f"a part of it has {size} bytes, and no local name more than {_NAME_BYTES}"
    return None


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")
