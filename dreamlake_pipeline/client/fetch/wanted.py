"""Which files are fetched: those of a project, an episode, folders, and single ones; and where each comes to lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from ...api.bss import Record
from ...api.server import Asset
from ...errors import Code, DreamlakeError
from ...kinds import Kind
from ...names import check_name, split_name
from ...remote.bss import BssClient, Place, in_slices
from ...remote.server import IndexClient
from ..events import FileEvent, FileStatus, failure
from ..globs import matches_below
from .local import LocalTree
from .what import What


@dataclass(frozen=True, slots=True)
class Stored:
    """A file as the index, or BSS, names it."""

    id: str
    kind: Kind
    project: str
    episode: str | None
    name: str
    size: int
    asset_id: str | None = None

    @classmethod
    def of_asset(cls, asset: Asset) -> Stored:
        return cls(asset.bss_id, asset.kind, asset.project, asset.episode, asset.name, asset.size or 0, asset.id)

    @classmethod
    def of_record(cls, record: Record) -> Stored:
        return cls(record.id, record.kind, record.project, record.episode, record.name, record.size or 0)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One file to be fetched, `what` of a stored file, to the local `path`."""

    stored: Stored
    what: What
    path: str

    @property
    def size(self) -> int:
        """In bytes, of a raw file; what was made from it is not known to be of any size."""
        return self.stored.size if self.what is What.RAW else 0

    def event(self, status: FileStatus, **more: Any) -> FileEvent:
        stored = self.stored
        told: dict[str, Any] = {"size": self.size, "bss_id": stored.id, "asset_id": stored.asset_id} | more
        return FileEvent(self.path, status, stored.name, episode=stored.episode, kind=stored.kind, **told)

    def failed(self, error: DreamlakeError) -> FileEvent:
        return self.event(FileStatus.FAILED, **failure(error))


@dataclass(frozen=True, slots=True)
class Choice:
    """The files of `places`, as the index lists them, and those of the records `ids`; `what` of each.

    A file's path below the local folder is its name in its episode, below a folder of the episode's name; that of
    `episode` and the files of no episode have no such folder. So what `ingest` stored comes out as it went in. With
    `by_project`, each project has a folder around all that. Globs are held against that path and each part of it.
    """

    places: Sequence[Place] = ()
    ids: Sequence[str] = ()
    what: Sequence[What] = (What.RAW,)
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    episode: str | None = None
    by_project: bool = False

    def below(self, *, by_project: bool, episode: str | None = None) -> Choice:
        """The same files with other local paths."""
        return replace(self, by_project=by_project, episode=episode)

    def lone(self, bss: BssClient, index: IndexClient) -> Stored | None:
        """The file, where a single one was named; None where whole folders or several were. Raises NOT_FOUND."""
        if len(self.places) + len(self.ids) != 1:
            return None
        if self.ids:
            return next(self._by_id(bss))
        [place] = self.places
        if place.path in (None, "/"):
            return None
        stored = next(_nodes(index, place, place.episode or None), None)
        return stored if stored is not None and stored.name == place.path else None

    def wanted(self, bss: BssClient, index: IndexClient, tree: LocalTree) -> Iterator[Wanted | FileEvent]:
        """The files and where they come to lie; an event for each that cannot lie there.

        Raises NOT_FOUND, before anything else, when one of the places or records is not there; and when there is
        nothing to fetch.
        """
        files = [*(_listed(index, place) for place in self.places), self._by_id(bss)]
        # The first of each is asked for at once: a name that is wrong is told before anything is fetched.
        firsts = [next(one, None) for one in files]
        is_any = False
        for first, rest in zip(firsts, files, strict=True):
            for stored in chain([first] if first else [], rest):
                for what in self.what:
                    if not what.is_of(stored.kind):
                        continue
                    relative = self._relative(stored)
                    if self.include and not matches_below(relative, self.include):
                        continue
                    if self.exclude and matches_below(relative, self.exclude):
                        continue
                    is_any = True
                    yield place_of(stored, what, relative, tree)
        if not is_any:
            raise self._nothing()

    def _relative(self, stored: Stored) -> str:
        """The path below the local folder, its parts joined by `/`."""
        project = f"{stored.project}/" if self.by_project else ""
        return project + (stored.name[1:] if stored.episode in (None, self.episode) else stored.episode + stored.name)

    def _by_id(self, bss: BssClient) -> Iterator[Stored]:
        for some in in_slices(self.ids):
            found = {record.id: record for record in bss.query(some)}
            if missing := [record_id for record_id in some if record_id not in found]:
                raise DreamlakeError(
                    Code.NOT_FOUND,
                    f"There is no file {', '.join(missing)}.",
                    hint="`dreamlake tree` shows what is there.",
                )
            yield from (Stored.of_record(found[record_id]) for record_id in some)

    def _nothing(self) -> DreamlakeError:
        globs = [f"--include {glob}" for glob in self.include] + [f"--exclude {glob}" for glob in self.exclude]
        if globs:
            return DreamlakeError(
                Code.NOT_FOUND,
                f"No file is left by {' '.join(globs)}.",
                hint="Patterns are held against the path, as `dreamlake tree` shows it, and against each part of it.",
            )
        if self.what != (What.RAW,):
            return DreamlakeError(Code.NOT_FOUND, f"No file there has a {' or '.join(self.what)}.")
        return DreamlakeError(Code.NOT_FOUND, "There is no file.", hint="`dreamlake tree` shows what is there.")


def place_of(stored: Stored, what: What, relative: str, tree: LocalTree) -> Wanted | FileEvent:
    """Where a file comes to lie; an event when it cannot."""
    local = relative + what.suffix
    try:
        check_name(stored.name)
        return Wanted(stored, what, tree.take(local))
    except DreamlakeError as error:
        return Wanted(stored, what, f"{tree.root}/{local}").failed(error)


def lone_name(stored: Stored) -> str:
    """What a file that was named by itself is called locally."""
    return split_name(stored.name).filename


def _listed(index: IndexClient, place: Place) -> Iterator[Stored]:
    """The files of a place, as the index has them. Raises NOT_FOUND."""
    if place.project is None:
        raise ValueError("a place of several projects")
    if place.episode is not None:
        yield from _nodes(index, place, place.episode or None)
        return
    for episode in list(index.episodes(place.owner, place.project)):
        yield from _nodes(index, place, episode.name)


def _nodes(index: IndexClient, place: Place, episode: str | None) -> Iterator[Stored]:
    for node in index.nodes(place.owner, place.project or "", episode=episode, path=place.path or "/", recursive=True):
        if node.asset is not None:
            yield Stored.of_asset(node.asset)
