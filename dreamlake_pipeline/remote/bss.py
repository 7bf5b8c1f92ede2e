"""BSS, as a client sees it: one method per route."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from ..api.bss import (
    AudioProcess,
    ChangedRecords,
    ComparedFile,
    CompareFiles,
    CompletedPart,
    Deleted,
    DeletedRecord,
    Difference,
    Differences,
    DonePart,
    FileLogs,
    FileUrl,
    FileUrls,
    FinishedFile,
    FinishedUploads,
    FinishUploads,
    FoundUrls,
    HlsSplit,
    Ids,
    KnownRecord,
    KnownRecords,
    LogsOf,
    Move,
    Moved,
    Moves,
    PartPlan,
    PartsDone,
    PartUrl,
    PartUrls,
    Plan,
    PlannedFile,
    PlannedUploads,
    PlanUploads,
    Playback,
    ProjectSettings,
    Queued,
    Record,
    RecordRef,
    Records,
    Register,
    Registered,
    Requeue,
    Rows,
    Series,
    Status,
    Success,
    Undelete,
    Undeleted,
    Underway,
    UploadComplete,
    UploadParts,
    UploadRef,
)
from ..api.bss import Finished as FinishedUpload
from ..api.common import Listing
from ..api.garbage import Collected, CollectGarbage
from ..api.integrity import (
    Found,
    FsckProgress,
    FsckRepair,
    FsckStep,
    LookedUp,
    LookUp,
    OfOwner,
    RebuildProgress,
    RebuildStep,
    Repaired,
    StoredProject,
    StoredProjects,
)
from ..api.staging import StagedFile
from ..checked import checked_requests
from ..errors import Code, DreamlakeError
from ..kinds import Kind
from ..playback import PlaybackMode
from .http import ServiceClient

# How many ids, files or part numbers the bulk routes take in one call (api/bss.py).
MOST_PER_CALL = 1000

MOST_STAGED = 200  # objects of a page of `GET /staging`, each of which is looked at in the bucket

_COMPLETE_SECONDS = 330.0  # a store may take minutes to join the parts of a large file

Item = TypeVar("Item")
Listed = TypeVar("Listed", RecordRef, DeletedRecord)


class Place(NamedTuple):
    """Which records are meant: `project` None: all of the owner's; `episode` None: all, empty: those that belong to
    none; `path`: a file, or a folder with all that is below it, None: everything."""

    owner: str
    project: str | None = None
    episode: str | None = None
    path: str | None = None


def in_slices(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """The items, as many at a time as a bulk route takes."""
    return (items[start : start + MOST_PER_CALL] for start in range(0, len(items), MOST_PER_CALL))


@checked_requests
class BssClient:
    """BSS over HTTP. Safe to share between threads. Every method raises DreamlakeError."""

    def __init__(self, http: ServiceClient) -> None:
        self.http = http

    # One upload, step by step

    def sign_parts(self, kind: Kind, upload: UploadRef, parts: Sequence[PartPlan]) -> list[PartUrl]:
        """URLs to PUT parts to, signed over length and checksum; at most MOST_PER_CALL of them."""
        body = UploadParts(upload_id=upload.upload_id, key=upload.key, parts=list(parts))
        return self.http.post(f"/{kind.spec.route}/upload/multipart/parts", body, PartUrls).parts

    def parts_done(self, kind: Kind, upload: UploadRef) -> list[DonePart]:
        """The parts that have arrived. Raises UPLOAD_EXPIRED when the upload is gone."""
        route = f"/{kind.spec.route}/upload/multipart/parts-done"
        done = self.http.get(route, PartsDone, uploadId=upload.upload_id, key=upload.key)
        if done.expired:
            raise DreamlakeError(Code.UPLOAD_EXPIRED, f"The upload of {upload.key} is gone.")
        return done.parts

    def complete_upload(self, kind: Kind, upload: UploadRef, parts: Sequence[CompletedPart]) -> None:
        """Join the parts into the staged object."""
        body = UploadComplete(upload_id=upload.upload_id, key=upload.key, parts=list(parts))
        self.http.post(f"/{kind.spec.route}/upload/multipart/complete", body, Success, silence=_COMPLETE_SECONDS)

    def abort_upload(self, kind: Kind, upload: UploadRef) -> None:
        """Give an upload up and free its parts."""
        self.http.post(f"/{kind.spec.route}/upload/multipart/abort", upload, Success)

    def register(self, kind: Kind, file: Register) -> Registered:
        """Register a staged file; the same file under the same name again is the same record."""
        return self.http.post(f"/{kind.spec.route}", file, Registered)

    def process(self, kind: Kind, record_id: str) -> Status:
        """Queue a video or audio (again) for processing."""
        if kind is Kind.VIDEO:
            return self.http.post("/lambdas/hls-split", HlsSplit(video_id=record_id), Queued).status
        if kind is Kind.AUDIO:
            return self.http.post("/lambdas/audio-process", AudioProcess(audio_id=record_id), Queued).status
        raise ValueError(f"a {kind} is queued when it is registered")

    # Records

    def list_page(
        self,
        kind: Kind,
        *,
        owner: str,
        project: str | None = None,
        status: Status | None = None,
        episode: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> Listing[Record]:
        """One page of a kind's records."""
        return self.http.get(
            f"/{kind.spec.route}",
            Listing[Record],
            owner=owner,
            project=project,
            status=status and str(status),
            episode=episode,
            cursor=cursor,
            limit=limit,
        )

    def list_all(
        self,
        kind: Kind,
        *,
        owner: str,
        project: str | None = None,
        status: Status | None = None,
        episode: str | None = None,
    ) -> Iterator[Record]:
        """All of a kind's records, page by page."""
        cursor: str | None = None
        while True:
            page = self.list_page(
                kind, owner=owner, project=project, status=status, episode=episode, cursor=cursor, limit=MOST_PER_CALL
            )
            yield from page.items
            if not (cursor := page.cursor):
                return

    def get(self, kind: Kind, record_id: str) -> Record:
        """One record. Raises NOT_FOUND."""
        return self.http.get(f"/{kind.spec.route}/{record_id}", Record)

    def metadata(self, kind: Kind, record_id: str) -> dict[str, Any]:
        """What is known of a processed file's content (api/metadata.py). Raises NOT_READY."""
        found: dict[str, Any] = self.http.call("GET", f"/{kind.spec.route}/{record_id}/metadata")
        return found

    def raw_url(self, kind: Kind, record_id: str) -> str:
        """A presigned URL of the raw file; it needs no header."""
        return self.http.location(f"/{kind.spec.route}/{record_id}/raw")

    def playback(self, kind: Kind, record_id: str) -> Playback:
        """A URL that a browser can play. Raises NOT_READY."""
        return self.http.get(f"/{kind.spec.route}/{record_id}/playback", Playback)

    def media_playlist(self, kind: Kind, record_id: str, stream: str) -> str:
        """The playlist of one stream of a video or sound, by its hash; its segments are presigned URLs."""
        return self.http.text(f"/{kind.spec.route}/{record_id}/stream/{stream}.m3u8")

    def result_url(self, kind: Kind, record_id: str, filename: str) -> str:
        """A presigned URL of a file that was made from a record, such as `poster.jpg` (layout.RESULT_FILES).

        Raises NOT_FOUND, NOT_READY.
        """
        return self.http.location(f"/{kind.spec.route}/{record_id}/{filename}")

    def series(
        self,
        kind: Kind,
        record_id: str,
        fields: Sequence[str] = (),
        *,
        start: float = 0.0,
        end: float | None = None,
        width: int = 1000,
    ) -> Series:
        """The curves and marks of a label track, or of a text track's telemetry, in a span of seconds since its first
        time. Raises INVALID_REQUEST for a track without times, NOT_READY."""
        return self.http.get(
            f"/{kind.spec.route}/{record_id}/series",
            Series,
            **{"fields": list(fields), "from": start, "to": end, "width": width},
        )

    def rows(
        self,
        kind: Kind,
        record_id: str,
        fields: Sequence[str] = (),
        *,
        at: float | None = None,
        first: int | None = None,
        limit: int = 50,
    ) -> Rows:
        """Some rows of a label track's table: around a time, or from the row of this number on."""
        params = {"fields": list(fields), "at": at, "first": first, "limit": limit}
        return self.http.get(f"/{kind.spec.route}/{record_id}/rows", Rows, **params)

    def delete(self, kind: Kind, record_id: str) -> None:
        """Delete a record."""
        self.http.delete(f"/{kind.spec.route}/{record_id}")

    # Projects

    def project_settings(self, owner: str, project: str) -> ProjectSettings:
        """What was decided about a project, whether or not anything is stored in it."""
        return self.http.get(f"/projects/{owner}/{project}/settings", ProjectSettings)

    def change_project(self, owner: str, project: str, settings: ProjectSettings) -> ProjectSettings:
        """Put these settings in the place of all that the project has."""
        return self.http.put(f"/projects/{owner}/{project}/settings", settings, ProjectSettings)

    # Bulk; each takes at most MOST_PER_CALL

    def compare_files(self, owner: str, project: str, files: Sequence[ComparedFile]) -> list[Difference]:
        """How each file differs from what is registered, in order, or that it failed before; has no effect."""
        body = CompareFiles(owner=owner, project=project, files=list(files))
        told = self.http.post("/uploads/compare", body, Differences)
        failed = set(told.failed)
        return [Difference.FAILED_BEFORE if n in failed else one for n, one in enumerate(told.files)]

    def plan_uploads(self, owner: str, project: str, files: Sequence[PlannedFile]) -> list[Plan]:
        """How to send each file, in order: not at all, by one PUT, or in parts."""
        body = PlanUploads(owner=owner, project=project, files=list(files))
        return self.http.post("/uploads/plan", body, PlannedUploads).files

    def finish_uploads(self, owner: str, project: str, files: Sequence[FinishedFile]) -> list[FinishedUpload]:
        """Register staged files, in order; one that is refused carries its error."""
        body = FinishUploads(owner=owner, project=project, files=list(files))
        return self.http.post("/uploads/finish", body, FinishedUploads).files

    def query(self, ids: Sequence[str]) -> list[Record]:
        """Those of the records that exist and that the caller may read."""
        return self.http.post("/records/query", Ids(ids=list(ids)), Records).items

    def changed(self, known: Mapping[str, datetime | None]) -> ChangedRecords:
        """Which of these records, by id, were updated at another time than the known one, and which are gone."""
        body = KnownRecords(known=[KnownRecord(id=id, updated_at=at) for id, at in known.items()])
        return self.http.post("/records/changed", body, ChangedRecords)

    def logs(self, ids: Sequence[str]) -> dict[str, list[str]]:
        """A few lines that were logged of each of these files that failed, at most 100, by id; of some there are
        none."""
        found = self.http.post("/records/logs", LogsOf(ids=list(ids)), FileLogs).items
        return {one.id: one.lines for one in found}

    def file_urls(self, ids: Sequence[str], file: str = "raw") -> list[FileUrl]:
        """Presigned URLs of raw files, or of one result of each; ids of no record are left out. See `FileUrl`."""
        return self.http.post("/records/urls", FileUrls(ids=list(ids), file=file), FoundUrls).items

    def requeue(self, ids: Sequence[str], *, force: bool = False, playback: PlaybackMode | None = None) -> list[Record]:
        """Queue again what failed or was never processed; with `force`, also what is ready. With `playback`, videos are
        made for these browsers as well."""
        body = Requeue(ids=list(ids), force=force, playback=playback)
        return self.http.post("/records/requeue", body, Records).items

    # Deletion

    def list_refs(self, place: Place) -> Iterator[RecordRef]:
        """The records of a place, of all kinds, without what was found in their files."""
        return self._pages("/records", Listing[RecordRef], place)

    def failed(self, place: Place) -> Iterator[Record]:
        """The records of a place whose last processing failed, also where an earlier result stands; not those of
        earlier content under a name. Oldest first."""
        refs = self._pages("/records", Listing[RecordRef], place, failed=True)
        while some := [ref.id for ref in islice(refs, MOST_PER_CALL)]:
            yield from sorted(self.query(some), key=lambda record: record.id)

    def troubled_page(
        self,
        place: Place,
        *,
        failed: bool = False,
        warned: bool = False,
        partial: bool = False,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Listing[RecordRef]:
        """One page of the records of a place that failed, have warnings, or are of a part of their file. Oldest
        first; see `failed`."""
        return self.http.get(
            "/records",
            Listing[RecordRef],
            **place._asdict(),
            failed=failed or None,
            warned=warned or None,
            partial=partial or None,
            cursor=cursor,
            limit=limit,
        )

    def underway(self, owner: str | None = None) -> Underway:
        """What is under way in the projects that the caller reaches, or in those of one owner."""
        return self.http.get("/records/underway", Underway, owner=owner)

    def list_deleted(self, place: Place) -> Iterator[DeletedRecord]:
        """The records of a place that can be restored."""
        return self._pages("/records/deleted", Listing[DeletedRecord], place)

    def holds(self, place: Place, *, deleted: bool = False) -> bool:
        """Whether a place has records; with `deleted`, whether it has some that can be restored."""
        path = "/records/deleted" if deleted else "/records"
        return bool(self.http.get(path, Listing[RecordRef], **place._asdict(), limit=1).items)

    def delete_many(self, ids: Sequence[str]) -> list[str]:
        """Delete records, MOST_PER_CALL at the most; the ids of those that were there."""
        return self.http.post("/records/delete", Ids(ids=list(ids)), Deleted).ids

    def undelete(self, ids: Sequence[str], *, replace: bool = False) -> Undeleted:
        """Restore records; with `replace`, also where a later upload has their name by now."""
        return self.http.post("/records/undelete", Undelete(ids=list(ids), replace=replace), Undeleted)

    def move(self, moves: Sequence[Move], *, replace: bool = False) -> Moved:
        """Give records other names; with `replace`, also names that are taken."""
        return self.http.post("/records/move", Moves(moves=list(moves), replace=replace), Moved)

    def list_staged(self, owner: str, project: str | None = None, *, everything: bool = False) -> Iterator[StagedFile]:
        """What became of objects that were laid under a staging prefix: those that are ignored, or of a project,
        `everything`."""
        cursor: str | None = None
        while True:
            page = self.http.get(
                "/staging",
                Listing[StagedFile],
                owner=owner,
                project=project,
                all=everything or None,
                cursor=cursor,
                limit=MOST_STAGED,
            )
            yield from page.items
            if not (cursor := page.cursor):
                return

    def gc_step(self, asked: CollectGarbage) -> Collected:
        """Free some of what nobody needs; needs a token that writes everywhere."""
        return self.http.post("/gc/step", asked, Collected)

    def _pages(
        self, path: str, form: type[Listing[Listed]], place: Place, *, failed: bool | None = None
    ) -> Iterator[Listed]:
        cursor: str | None = None
        while True:
            page = self.http.get(path, form, **place._asdict(), failed=failed, cursor=cursor, limit=MOST_PER_CALL)
            yield from page.items
            if not (cursor := page.cursor):
                return

    # What is stored, and what should be

    def fsck_step(self, asked: FsckStep) -> FsckProgress:
        """Check on from where the last step ended (see fsck.py)."""
        return self.http.post("/fsck/step", asked, FsckProgress)

    def fsck_repair(self, findings: Sequence[Found]) -> Repaired:
        """Put right what a check found."""
        return self.http.post("/fsck/repair", FsckRepair(findings=list(findings)), Repaired)

    def stored_projects(self, owner: str | None = None) -> list[StoredProject]:
        """The projects that have records; without an owner, for tokens that read in every namespace."""
        return self.http.post("/fsck/projects", OfOwner(owner=owner), StoredProjects).items

    def look_up(self, ids: Sequence[str]) -> LookedUp:
        """Which of the ids no record has, and of which the index will be told by itself."""
        return self.http.post("/fsck/lookup", LookUp(ids=list(ids)), LookedUp)

    def rebuild_step(self, asked: RebuildStep) -> RebuildProgress:
        """Make some records again from the bucket; needs a token that writes everywhere."""
        return self.http.post("/rebuild/step", asked, RebuildProgress)
