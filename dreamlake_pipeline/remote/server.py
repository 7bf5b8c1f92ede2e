"""DreamLake Server (the index), as a client sees it: one method per route."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TypeVar
from urllib.parse import quote

from ..api.bss import Record, Status
from ..api.common import Listing, Model
from ..api.server import (
    Asset,
    AssetBatch,
    AssetChange,
    AssetIn,
    AssetName,
    AssetRef,
    AssetRefs,
    BatchAsset,
    Download,
    EpisodeChange,
    EpisodeDetails,
    EpisodeInfo,
    EpisodeSummary,
    FormerName,
    Me,
    NamespaceInfo,
    Node,
    ProjectInfo,
    ProjectTotals,
    RemoveAssets,
    RemovedAssets,
)
from ..checked import checked_requests
from ..errors import Code, DreamlakeError
from ..flags import FlagFilter
from ..kinds import Kind
from .bss import Place
from .http import ServiceClient

_PAGE = 1000

Item = TypeVar("Item", bound=Model)


@checked_requests
class IndexClient:
    """DreamLake Server over HTTP. Safe to share between threads. Every method raises DreamlakeError."""

    def __init__(self, http: ServiceClient) -> None:
        self.http = http

    def register(self, kind: Kind, asset: AssetIn) -> AssetRef:
        """Upsert one file into the index."""
        return self.http.post(f"/assets/{kind}", asset, AssetRef)

    def register_batch(self, assets: Sequence[BatchAsset]) -> list[AssetRef]:
        """Upsert many files in one transaction; the references come in their order."""
        return self.http.post("/assets/batch", AssetBatch(assets=list(assets)), AssetRefs).items

    def assets(
        self, kind: Kind, *, namespace: str, project: str, episode: str | None = None, prefix: str | None = None
    ) -> Iterator[Asset]:
        """A project's files of one kind, page by page; `prefix` is how their name starts."""
        return self._pages(
            lambda cursor: self.http.get(
                f"/assets/{kind}",
                Listing[Asset],
                namespace=namespace,
                project=project,
                episode=episode,
                prefix=prefix,
                cursor=cursor,
                limit=_PAGE,
            )
        )

    def asset(self, kind: Kind, asset_id: str) -> Asset:
        """One file of the index. Raises NOT_FOUND."""
        return self.http.get(f"/assets/{kind}/{asset_id}", Asset)

    def asset_of_any_kind(self, asset_id: str) -> Asset | None:
        """One file of the index; None where there is none of this id, or the caller does not reach it."""
        for kind in Kind:
            try:
                return self.asset(kind, asset_id)
            except DreamlakeError as error:
                if error.code is not Code.NOT_FOUND:
                    raise
        return None

    def entry_of(self, record: Record) -> Asset | None:
        """The record's file in the index; None where its name is not there, or stands for another record."""
        try:
            nodes = self.nodes(record.owner, record.project, episode=record.episode, path=record.name)
            asset = next((node.asset for node in nodes), None)
        except DreamlakeError as error:
            if error.code is not Code.NOT_FOUND:
                raise
            return None
        return asset if asset and asset.bss_id == record.id else None

    def change_asset(self, kind: Kind, asset_id: str, change: AssetChange) -> Asset:
        """Say of a file by how much it is later than its own times. Raises NOT_FOUND."""
        return self.http.patch(f"/assets/{kind}/{asset_id}", change, Asset)

    def delete(self, kind: Kind, asset_id: str, *, bss_id: str | None = None) -> None:
        """Remove a file from the index; with `bss_id`, only as long as its name stands for that record. Twice is a
        success."""
        self.http.delete(f"/assets/{kind}/{asset_id}", bssId=bss_id)

    def delete_name(
        self,
        kind: Kind,
        *,
        namespace: str,
        project: str,
        episode: str | None,
        path: str,
        bss_id: str | None = None,
    ) -> None:
        """The same by the file's name, which need not be there."""
        self.http.delete(
            f"/assets/{kind}", namespace=namespace, project=project, episode=episode, path=path, bssId=bss_id
        )

    def delete_names(self, assets: Sequence[AssetName]) -> int:
        """Remove many files by their names; how many were there."""
        return self.http.post("/assets/delete", RemoveAssets(assets=list(assets)), RemovedAssets).removed

    def download(self, kind: Kind, *, namespace: str, project: str, episode: str | None, path: str) -> str:
        """BSS's URL of a file's raw bytes, which takes the same bearer token. Raises NOT_FOUND."""
        return self.http.get(
            f"/assets/{kind}/download",
            Download,
            namespace=namespace,
            project=project,
            episode=episode,
            path=path,
        ).url

    def namespaces(self) -> Iterator[NamespaceInfo]:
        """The namespaces that the caller reaches."""
        return self._pages(
            lambda cursor: self.http.get("/namespaces", Listing[NamespaceInfo], cursor=cursor, limit=_PAGE)
        )

    def projects(self, namespace: str) -> Iterator[ProjectInfo]:
        return self._pages(
            lambda cursor: self.http.get(
                f"/namespaces/{quote(namespace, safe='')}/projects", Listing[ProjectInfo], cursor=cursor, limit=_PAGE
            )
        )

    def episodes(self, namespace: str, project: str) -> Iterator[EpisodeInfo]:
        return self._pages(
            lambda cursor: self.http.get(
                f"{_project(namespace, project)}/episodes", Listing[EpisodeInfo], cursor=cursor, limit=_PAGE
            )
        )

    def summaries(
        self,
        namespace: str,
        project: str,
        *,
        status: Sequence[Status] = (),
        kind: Sequence[Kind] = (),
        min_length_sec: float | None = None,
        max_length_sec: float | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        q: str | None = None,
        flag: FlagFilter | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Listing[EpisodeSummary]:
        """A page of a project's episodes in short, the newest first. Where few match, it may have fewer than `limit`,
        or none, and a cursor all the same.

        Episodes that have a file of one of the statuses, and one of one of the kinds; whose longest file has so many
        seconds; that were made at `since` or later, and before `until`; whose name or note holds `q`. Raises NOT_FOUND.
        """
        return self.http.get(
            f"{_project(namespace, project)}/episodes/summaries",
            Listing[EpisodeSummary],
            status=list(status) or None,
            kind=list(kind) or None,
            minLengthSec=min_length_sec,
            maxLengthSec=max_length_sec,
            since=since and since.isoformat(),
            until=until and until.isoformat(),
            q=q or None,
            flag=flag,
            cursor=cursor,
            limit=limit,
        )

    def episode(self, namespace: str, project: str, episode: str | None) -> EpisodeDetails:
        """An episode in short, and the names beside it; None: the files that belong to none. Raises NOT_FOUND."""
        return self.http.get(f"{_project(namespace, project)}/episode", EpisodeDetails, episode=episode or None)

    def change_episode(self, namespace: str, project: str, episode: str, change: EpisodeChange) -> EpisodeDetails:
        """Say of an episode what its flag and its note are; what the change does not name stays. Raises NOT_FOUND."""
        return self.http.patch(f"{_project(namespace, project)}/episode", change, EpisodeDetails, episode=episode)

    def totals(self, namespace: str | None = None) -> Iterator[ProjectTotals]:
        """The figures of all projects that the caller reaches, or of a namespace's, by name."""
        return self._pages(
            lambda cursor: self.http.get(
                "/projects/totals", Listing[ProjectTotals], namespace=namespace, cursor=cursor, limit=_PAGE
            )
        )

    def nodes(
        self,
        namespace: str,
        project: str,
        *,
        episode: str | None = None,
        path: str = "/",
        recursive: bool = False,
    ) -> Iterator[Node]:
        """What lies in a folder, or with `recursive` below it, in path order. Raises NOT_FOUND."""
        return self._pages(
            lambda cursor: self.http.get(
                f"{_project(namespace, project)}/nodes",
                Listing[Node],
                episode=episode,
                path=path,
                recursive=recursive or None,
                cursor=cursor,
                limit=_PAGE,
            )
        )

    def files(self, place: Place) -> Iterator[Asset]:
        """The files of a place (see `Place` in bss.py), at any depth: episode by episode, in path order. Raises
        NOT_FOUND."""
        assert place.project is not None, "the index is read project by project"
        episodes = [place.episode or None]
        if place.episode is None and place.path is None:
            episodes = [one.name for one in self.episodes(place.owner, place.project)]
        for episode in episodes:
            nodes = self.nodes(place.owner, place.project, episode=episode, path=place.path or "/", recursive=True)
            yield from (node.asset for node in nodes if node.asset is not None)

    def holds(self, namespace: str, project: str, *, episode: str | None, path: str | None) -> bool:
        """Whether a file lies in a place (see `Place` in bss.py), or is one."""
        where = _project(namespace, project)
        found: Listing[EpisodeInfo] | Listing[Node]
        try:
            if episode is None and path is None:
                found = self.http.get(f"{where}/episodes", Listing[EpisodeInfo], limit=1)
            else:
                found = self.http.get(
                    f"{where}/nodes", Listing[Node], episode=episode or None, path=path or "/", limit=1
                )
        except DreamlakeError as error:
            if error.code is not Code.NOT_FOUND:
                raise
            return False
        return bool(found.items)

    def me(self) -> Me:
        """Who the token speaks for."""
        return self.http.get("/auth/me", Me)

    def _pages(self, page: Callable[[str | None], Listing[Item]]) -> Iterator[Item]:
        cursor: str | None = None
        while True:
            listing = page(cursor)
            yield from listing.items
            if not (cursor := listing.cursor):
                return


def asset_of(record: Record, moved_from: FormerName | None = None) -> BatchAsset:
    """What the index is told of a record when everything about it is known; of a failed one, why. With the name that it
    had before, if it was moved."""
    return BatchAsset.model_validate(
        {
            "namespace": record.owner,
            "project": record.project,
            "episode_name": record.episode,
            "name": record.name,
            "kind": record.kind,
            record.kind.spec.bss_id_field: record.id,
            "status": record.status,
            "size": record.size,
            "sha256": record.sha256 or record.staging_hash,
            "metadata": {"error": record.error.wire()} if record.error else record.metadata,
            "uploaded_at": record.uploaded_at,
            "moved_from": moved_from,
        }
    )


def _project(namespace: str, project: str) -> str:
    return f"/namespaces/{quote(namespace, safe='')}/projects/{quote(project, safe='')}"
