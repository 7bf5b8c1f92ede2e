"""What an upload asks the services about many files at once."""

from __future__ import annotations

from collections.abc import Sequence

from ...api.bss import Finished as FinishedUpload
from ...api.bss import Plan
from ...api.server import AssetRef
from ...errors import Code, DreamlakeError
from ...playback import PlaybackMode
from ...remote.bss import BssClient
from ...remote.server import IndexClient, asset_of
from ..target import Target
from .job import Job


class IndexAway(DreamlakeError):
    """DreamLake Server does not answer; the files are stored all the same."""


class Calls:
    """Calls about the files of one target's project, each of which answers in the order of the files."""

    def __init__(
        self,
        bss: BssClient,
        index: IndexClient,
        target: Target,
        *,
        ladder: tuple[int, ...] | None,
        playback: PlaybackMode | None,
        csv: dict[str, str] | None,
    ) -> None:
        self._bss = bss
        self._index = index
        self._target = target
        self._ladder, self._playback = ladder, playback
        self._csv = csv

    def plan(self, jobs: Sequence[Job]) -> list[Plan]:
        """How each file is to be sent."""
        return self._bss.plan_uploads(
            self._target.namespace, self._target.project, [job.planned_file() for job in jobs]
        )

    def finish(self, jobs: Sequence[Job]) -> list[FinishedUpload]:
        """Register the files, whose bytes are in the store."""
        return self._bss.finish_uploads(
            self._target.namespace,
            self._target.project,
            [job.finished_file(self._ladder, self._playback, self._csv) for job in jobs],
        )

    def index(self, jobs: Sequence[Job]) -> list[AssetRef]:
        """Put the registered files into the index. Raises IndexAway."""
        try:
            return self._index.register_batch([job.asset(self._target) for job in jobs])
        except DreamlakeError as error:
            if error.code not in (Code.UNREACHABLE, Code.OVERLOADED):
                raise
            # The records exist in BSS: only this step is missing, so it fails these files and not the run.
            raise IndexAway(
                error.code,
                f"Stored, but not in the index: {error.message}",
                hint="Run the same command again, or `dreamlake retry`: nothing is sent twice.",
            ) from error

    def tell_end(self, ids: Sequence[str]) -> None:
        """Tell the index of records that ended before it knew them: the pipeline will not touch them again."""
        if ids:
            self._index.register_batch([asset_of(record) for record in self._bss.query(ids)])
