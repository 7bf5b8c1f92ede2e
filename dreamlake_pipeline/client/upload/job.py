"""One file on its way through the stages of an upload."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...api.bss import FinishedFile, Plan, PlannedFile, Status
from ...api.server import BSS_ID_FIELDS, BatchAsset
from ...kinds import Kind, content_type_of
from ...playback import PlaybackMode
from ..digest import Digest
from ..events import FileEvent, FileStatus
from ..selection import LocalFile
from ..target import Target


@dataclass(slots=True)
class Job:
    """A file on its way; each stage fills in what it found out.

    `is_remembered`: the digest is from the cache, nothing was read. `etag` is what the store acknowledged the one PUT
    with. `bytes_counted` of the file's bytes are in the run's totals.
    """

    file: LocalFile
    digest: Digest
    plan: Plan | None = None
    is_remembered: bool = False
    is_sent: bool = False
    etag: str | None = None
    bytes_counted: int = 0
    id: str = ""
    status: Status = Status.REGISTERED
    uploaded_at: datetime | None = None  # as BSS says

    def event(self, status: FileStatus, **more: str | None) -> FileEvent:
        return self.file.event(status, bss_id=self.id or None, sha256=self.digest.sha256, **more)

    def planned_file(self) -> PlannedFile:
        """What BSS is asked about the file before it is sent."""
        return PlannedFile(**self._description())

    def finished_file(
        self, ladder: tuple[int, ...] | None, playback: PlaybackMode | None, csv: dict[str, str] | None
    ) -> FinishedFile:
        """What BSS is told of the file when it is sent; `ladder` and `playback` are those of videos, `csv` that of
        label tracks."""
        return FinishedFile(
            **self._description(),
            etag=self.etag or None,
            ladder=ladder if self.file.kind is Kind.VIDEO else None,
            playback=playback if self.file.kind is Kind.VIDEO else None,
            csv=csv if self.file.kind is Kind.LABEL_TRACK else None,
        )

    def asset(self, target: Target) -> BatchAsset:
        """What the index is told of the file."""
        # No status: the pipeline may have finished the file meanwhile, and knows better.
        its_id: dict[str, Any] = {BSS_ID_FIELDS[self.file.kind]: self.id}
        return BatchAsset(
            namespace=target.namespace,
            project=target.project,
            episode_name=self.file.episode,
            name=self.file.name,
            kind=self.file.kind,
            size=self.digest.version.size,
            sha256=self.digest.sha256,
            # Whoever uploads earlier content again under its old name means it to be there: BSS says when that was.
            uploaded_at=self.uploaded_at,
            restore=True,
            **its_id,
        )

    def _description(self) -> dict[str, Any]:
        return {
            "kind": self.file.kind,
            "name": self.file.name,
            "episode": self.file.episode,
            "hash": self.digest.sha256,
            "size": self.digest.version.size,
            "content_type": content_type_of(self.file.path),
        }
