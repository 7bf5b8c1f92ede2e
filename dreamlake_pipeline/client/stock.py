"""What there is to be named: in the index, among the records of BSS, or among those that were deleted.

Each kind of stock tells whether a place holds anything, and which names there are, for who wrote one that is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from shlex import quote
from typing import TYPE_CHECKING

from ..api.bss import DeletedRecord, RecordRef
from ..errors import Code, DreamlakeError
from ..names import split_name
from ..nearest import MOST_NAMES
from ..remote.bss import Place, in_slices
from .place import describe

if TYPE_CHECKING:
    from .dreamlake import DreamLake

_MOST_SHOWN = 3
_MOST_NODES = 2000  # of an episode, whose names are looked at when one of them is not there


class Indexed:
    """What the index shows: the files that `ls` and `tree` list."""

    def __init__(self, lake: DreamLake) -> None:
        self._lake = lake
        self._index = lake.index

    def holds(self, place: Place) -> bool:
        """Whether there is a file in this place, or it is one. One request."""
        assert place.project is not None, "a place that somebody named has a project"
        return self._index.holds(place.owner, place.project, episode=place.episode, path=place.path)

    def absent(self, place: Place, what: str) -> str:
        """The sentence that says that `what` is not there, as which the place was named."""
        return f"There is no {what}."

    def where_to_look(self, place: Place) -> str:
        """The hint where no name of what is there is like the one that was meant: a project, an episode or a place."""
        verb = "tree" if place.episode is not None else "ls"
        return f"`dreamlake {verb} {quote(describe(place))}` shows what is there."

    def where_projects(self, namespace: str) -> str:
        """The hint where no project's name is like the one that was meant."""
        return "`dreamlake ls` shows the projects."

    def ids(self, ids: Sequence[str]) -> list[str]:
        """The ids of records in BSS that these are, or that the index has under these; others stay as they are."""
        known = {record.id for some in in_slices(ids) for record in self._lake.bss.query(some)}
        return [one if one in known else self._of_index(one) or one for one in ids]

    def _of_index(self, asset_id: str) -> str | None:
        asset = self._index.asset_of_any_kind(asset_id)
        return asset.bss_id if asset else None

    def namespaces(self) -> list[str]:
        """The namespaces that can be named."""
        return [one.name for one in islice(self._index.namespaces(), MOST_NAMES)]

    def projects(self, namespace: str) -> list[str]:
        """The projects of a namespace; none, if it is not there."""
        return _unless_missing(lambda: [one.name for one in islice(self._index.projects(namespace), MOST_NAMES)])

    def episodes(self, namespace: str, project: str) -> list[str]:
        """The episodes of a project; none, if it is not there."""
        return _unless_missing(
            lambda: [one.name for one in islice(self._index.episodes(namespace, project), MOST_NAMES) if one.name]
        )

    def paths(self, place: Place) -> list[str]:
        """Paths of files and folders of the place's episode: those beside and above the place's own, then the others,
        as many as are looked at."""
        assert place.project is not None, "a place that somebody named has a project"
        owner, project, episode = place.owner, place.project, place.episode or None

        def paths(folder: str, *, recursive: bool) -> list[str]:
            nodes = self._index.nodes(owner, project, episode=episode, path=folder, recursive=recursive)
            return _unless_missing(lambda: [node.path for node in islice(nodes, _MOST_NODES)])

        folder = place.path or "/"
        while folder != "/":
            folder = split_name(folder).folder
            if beside := paths(folder, recursive=False):
                return list(dict.fromkeys(chain(beside, paths("/", recursive=True))))
        return paths("/", recursive=True)


class Recorded(Indexed):
    """What BSS has, be it in the index or not."""

    def holds(self, place: Place) -> bool:
        return self._lake.bss.holds(place)


class Deleted(Indexed):
    """What was deleted and can be restored."""

    noun = "deleted file that can be restored"

    def holds(self, place: Place) -> bool:
        return self._lake.bss.holds(place, deleted=True)

    def absent(self, place: Place, what: str) -> str:
        return f"There is no {self.noun} in {describe(place)}."

    def where_to_look(self, place: Place) -> str:
        return f"`dreamlake undelete --dry-run {quote(describe(place))}` lists what can be restored."

    def where_projects(self, namespace: str) -> str:
        projects = self.projects(namespace)
        if not projects:
            return f"Nothing of namespace {namespace!r} can be restored: it was not deleted, or its time is over."
        shown = [quote(describe(Place(namespace, project))) for project in projects[:_MOST_SHOWN]]
        more = f", and of {len(projects) - len(shown):,} more projects" if len(projects) > len(shown) else ""
        return f"Files of {', '.join(shown)}{more} can be restored."

    def ids(self, ids: Sequence[str]) -> list[str]:
        return [*ids]

    def projects(self, namespace: str) -> list[str]:
        return self._names(Place(namespace), lambda record: record.project)

    def episodes(self, namespace: str, project: str) -> list[str]:
        return self._names(Place(namespace, project), lambda record: record.episode)

    def paths(self, place: Place) -> list[str]:
        files = self._names(place._replace(episode=place.episode or "", path=None), lambda record: record.name)
        return list(dict.fromkeys(path for file in files for path in (file, *_folders_of(file))))

    def _names(self, place: Place, name_of: Callable[[RecordRef], str | None]) -> list[str]:
        records: Iterator[DeletedRecord] = self._lake.bss.list_deleted(place)
        return [name for name in dict.fromkeys(map(name_of, islice(records, MOST_NAMES))) if name]


def _folders_of(path: str) -> Iterator[str]:
    """The folders that a file lies in, the innermost first, without the root."""
    while (path := split_name(path).folder) != "/":
        yield path


def _unless_missing(names: Callable[[], list[str]]) -> list[str]:
    """The names; none where what should hold them is not there, or is not shown to the caller."""
    try:
        return names()
    except DreamlakeError as error:
        if error.code not in (Code.NOT_FOUND, Code.FORBIDDEN):
            raise
        return []
