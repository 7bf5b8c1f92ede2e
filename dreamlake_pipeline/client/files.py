"""`Files`: the files of a place, as many as there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from ..api.bss import Record, Status
from ..api.server import Asset
from ..errors import Code, DreamlakeError
from ..kinds import Kind
from ..remote.bss import MOST_PER_CALL, Place
from .file import File
from .tables import files_frame

if TYPE_CHECKING:
    import pandas as pd

    from .dreamlake import DreamLake


_MOST_SHOWN = 20

Name = TypeVar("Name", bound=str)


class Files:
    """The files of places, looked up anew each time that it is iterated; what was deleted is none of them.

    `DreamLake.files` makes it. Iterating raises DreamlakeError.
    """

    def __init__(
        self, lake: DreamLake, places: Sequence[Place], *, kinds: Sequence[Kind], statuses: Sequence[Status]
    ) -> None:
        """Of these kinds, and with one of these statuses; without any, with all."""
        self._lake, self._places, self._kinds, self._statuses = lake, places, kinds, statuses

    def __iter__(self) -> Iterator[File]:
        return (File(self._lake, record) for record in self.records())

    def records(self) -> Iterator[Record]:
        """The records of the files: of each name, what it stands for. Two calls for a thousand files."""
        for place in self._places:
            for kind in self._kinds:
                assets = self._assets(place, kind)
                while some := list(islice(assets, MOST_PER_CALL)):
                    found = {record.id: record for record in self._lake.bss.query([asset.bss_id for asset in some])}
                    for asset in some:
                        record = found.get(asset.bss_id)
                        if record is not None and (not self._statuses or record.status in self._statuses):
                            yield record

    def table(self) -> pd.DataFrame:
        """A row per file: place, kind, status, why it failed, duration, counts (tables.py)."""
        return files_frame(self.records())

    def _assets(self, place: Place, kind: Kind) -> Iterator[Asset]:
        assert place.project is not None, "a place that somebody named has a project"
        assets = self._lake.index.assets(
            kind,
            namespace=place.owner,
            project=place.project,
            episode=place.episode,
            prefix=None if place.path == "/" else place.path,
        )
        try:
            yield from (asset for asset in assets if _is_in(asset, place))
        except DreamlakeError as error:
            # Whoever deletes what he iterates deletes the place with its last file.
            if error.code is not Code.NOT_FOUND:
                raise

    def __repr__(self) -> str:
        shown = list(islice(self, _MOST_SHOWN + 1))
        lines = [repr(file) for file in shown[:_MOST_SHOWN]] + (["…"] if len(shown) > _MOST_SHOWN else [])
        return "\n".join(lines) or "no files"

    def _repr_html_(self) -> str:
        from .notebook import show_files

        return show_files(self)


def check_status(status: Status | str) -> Status:
    """The status that is meant. Raises USAGE."""
    try:
        return Status(status)
    except ValueError:
        hint = f"Statuses: {', '.join(Status)}."
        raise DreamlakeError(Code.USAGE, f"{status!r} is no status of a file.", hint=hint) from None


def several(given: Name | Sequence[Name] | None) -> Sequence[Name]:
    """One or several as a list: one string is not its letters."""
    if given is None:
        return []
    return [given] if isinstance(given, str) else given


def _is_in(asset: Asset, place: Place) -> bool:
    """Whether a file, whose name begins with the place's path, lies there: `/camera2` is not in `/camera`."""
    return place.path in (None, "/", asset.name) or asset.name.startswith(f"{place.path}/")
