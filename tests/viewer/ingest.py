"""Files of an episode through both services and the pipeline, as an ingest and a run do it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from dreamlake_pipeline import layout
from dreamlake_pipeline.api.bss import Record
from dreamlake_pipeline.api.common import ErrorBody
from dreamlake_pipeline.api.pipeline import ClaimBatches, ItemResult, StagedObject
from dreamlake_pipeline.api.server import Asset
from dreamlake_pipeline.kinds import Kind, kind_of
from dreamlake_pipeline.playback import PlaybackMode
from dreamlake_pipeline.processing.batch import BatchWork
from dreamlake_pipeline.processing.hold import Hold
from dreamlake_pipeline.processing.work import Workshop
from dreamlake_pipeline.remote.bss import BssClient, Place, in_slices
from dreamlake_pipeline.remote.pipeline import PipelineClient
from dreamlake_pipeline.remote.server import asset_of
from dreamlake_pipeline.remote.services import Services as Clients
from dreamlake_pipeline.storage import ObjectStore
from dreamlake_pipeline.viewerpaths import episode_path
from tests.conftest import Services

Files = Mapping[str, bytes | str]

LIMITS = ClaimBatches(
    max_batches=100,
    max_files=1000,
    max_bytes=10**12,
    settle_seconds=0,
    processing_grace_seconds=0,
    lease_seconds=3600,
    max_attempts=3,
)


@dataclass
class Lab:
    """A namespace of a test's own, and the services as one who writes in it reaches them."""

    services: Services
    store: ObjectStore
    clients: Clients
    namespace: str = field(default_factory=lambda: f"o{secrets.token_hex(5)}")
    project: str = "cups"

    def ingest(
        self,
        files: Files,
        episode: str | None = "run-1",
        *,
        process: bool = True,
        playback: PlaybackMode = PlaybackMode.EVERYWHERE,
    ) -> str:
        """Stage files, by name, and process them as a run does, unless they are to wait; the path of the episode's
        page. Files that fail are as good as others."""
        self._stage(files, episode)
        if process:
            self.process(playback)
        return episode_path(self.namespace, self.project, episode)

    def ingest_all(self, episodes: Mapping[str, Files]) -> dict[str, str]:
        """The same of several episodes in one batch; the paths of their pages, by name."""
        for episode, files in episodes.items():
            self._stage(files, episode)
        self.process()
        return {episode: episode_path(self.namespace, self.project, episode) for episode in episodes}

    def _stage(self, files: Files, episode: str | None) -> None:
        objects = []
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            key = f"{layout.staging_prefix(self.namespace, self.project)}drop/{secrets.token_hex(6)}"
            self.store.put(key, data, content_type="application/octet-stream")
            objects.append(
                StagedObject(
                    key=key,
                    owner=self.namespace,
                    project=self.project,
                    size=len(data),
                    etag="e",
                    kind=kind_of(name),
                    name=name,
                    episode=episode,
                )
            )
        self.pipeline.adopt(objects)
        self.clients.index.register_batch([asset_of(record) for record in self.records()])

    def records(self) -> list[Record]:
        bss: BssClient = self.clients.bss
        ids = [ref.id for ref in bss.list_refs(Place(self.namespace, self.project))]
        return [record for some in in_slices(ids) for record in bss.query(some)]

    def record(self, name: str) -> Record:
        [found] = [record for record in self.records() if record.name == name]
        return found

    def asset(self, name: str) -> Asset:
        kinds = (self.clients.index.assets(kind, namespace=self.namespace, project=self.project) for kind in Kind)
        [found] = [asset for assets in kinds for asset in assets if asset.name == name]
        return found

    def page(self, episode: str | None = "run-1") -> str:
        """The path of an episode's page."""
        return episode_path(self.namespace, self.project, episode)

    @property
    def pipeline(self) -> PipelineClient:
        return PipelineClient(self.clients.bss.http)

    def fail(self, error: ErrorBody, log: list[str]) -> None:
        """Have a run tell of all that is queued that it failed, and what was logged of it."""
        pipeline = self.pipeline
        for offer in pipeline.claim(LIMITS):
            if offer.owner == self.namespace:
                hold = Hold(pipeline, offer.partition, "run-1", lease_seconds=3600)
                hold.report([ItemResult(id=item.id, error=error, log=log) for item in hold.begin().items])
                pipeline.finish(offer.partition, hold.run_id)

    def process(self, playback: PlaybackMode = PlaybackMode.EVERYWHERE) -> None:
        """Process what is queued, as a run does."""
        pipeline = self.pipeline
        for offer in pipeline.claim(LIMITS):
            if offer.owner != self.namespace:
                continue
            hold = Hold(pipeline, offer.partition, "run-1", lease_seconds=3600)
            shop = Workshop(pipeline, self.store, playback=playback)
            with BatchWork(hold, shop, hold.begin().items, workers=2, upsert=self.clients.index.register_batch) as work:
                work.finish()
            pipeline.finish(offer.partition, hold.run_id)
