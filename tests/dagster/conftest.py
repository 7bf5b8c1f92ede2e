"""A small real world: BSS on HTTP, both schemas in Postgres, a bucket, a Dagster instance, and files of every kind."""

from __future__ import annotations

import hashlib
import secrets
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest
from dagster import (
    AssetKey,
    ConfigurableResource,
    DagsterEvent,
    DagsterInstance,
    DagsterRun,
    Definitions,
    ExecuteInProcessResult,
    JobDefinition,
    SkipReason,
    build_run_status_sensor_context,
)
from fastapi import FastAPI

from dreamlake_pipeline import layout
from dreamlake_pipeline.api.bss import (
    Finished,
    FinishedFile,
    FinishedUploads,
    FinishUploads,
    Ids,
    Record,
    Records,
    Requeue,
)
from dreamlake_pipeline.api.pipeline import BatchOffer, ClaimBatches
from dreamlake_pipeline.assets.partitions import BATCHES
from dreamlake_pipeline.auth import Scope, issue_token
from dreamlake_pipeline.bss.app import create_app
from dreamlake_pipeline.database import SERVER_SCHEMA
from dreamlake_pipeline.definitions import defs
from dreamlake_pipeline.kinds import kind_of
from dreamlake_pipeline.migrations import migrate
from dreamlake_pipeline.remote.http import ServiceClient
from dreamlake_pipeline.remote.pipeline import PipelineClient
from dreamlake_pipeline.resources import (
    BatchPolicy,
    BatchTools,
    BssResource,
    FolderTreeResource,
    MediaToolsResource,
    ObjectStoreResource,
    Redo,
    closed,
)
from dreamlake_pipeline.settings import Settings
from dreamlake_pipeline.storage import ObjectStore, open_client

SECRET = "a secret for tests only, 32 bytes or more"
PROJECT = "lab"


def _encode(folder: Path, name: str, *arguments: str) -> bytes:
    """A file that ffmpeg made."""
    path = folder / name
    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *arguments, str(path)],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return path.read_bytes()


SRT = "1\n00:00:00,500 --> 00:00:01,500\nHello there.\n\n2\n00:00:02,000 --> 00:00:02,900\nGrüße.\n\n"
JSONL = '{"t": 0.0, "label": "cup"}\n{"t": 0.5, "label": "hand"}\nnot json\n{"t": 1.0, "label": "cup"}\n'


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Contents by filename: one of each kind, and one video that breaks off within its index."""
    folder = tmp_path_factory.mktemp("samples")
    picture = ("-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=3")
    sound = ("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=3")
    h264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "50", "-flags", "+cgop")
    good = _encode(folder, "good.mp4", *picture, *sound, *h264, "-c:a", "aac", "-ac", "2", "-movflags", "+faststart")
    return {
        "good.mp4": good,
        "broken.mp4": good[:400],  # of its index, only the beginning
        "tone.wav": _encode(folder, "tone.wav", *sound),
        "memo.mp4": _encode(folder, "memo.mp4", *sound, "-c:a", "aac"),
        "speech.srt": SRT.encode(),
        "marks.jsonl": JSONL.encode(),
    }


@dataclass
class World:
    """What a test acts on, and what it looks at afterwards."""

    bss_url: str
    pipeline: PipelineClient
    http: ServiceClient
    store: ObjectStore
    postgres_url: str
    token: str
    instance: DagsterInstance
    owner: str
    policy: dict[str, Any] = field(default_factory=dict)
    replaced: dict[str, Any] = field(default_factory=dict)

    def resources(self, **redo: Any) -> dict[str, Any]:
        """The code location's resources, pointed at this world, but for those that are `replaced`."""
        settings = Settings(
            staging_grace=0,
            processing_grace=3600,
            batch_settle=0,
            batch_lease=3600,  # none ends while the tests run
            batch_attempts=3,
            batch_open=100_000,  # the worlds share BSS, and what one of them left open stays so
            batch_open_per_owner=100_000,
            sensor_wait=0,
        )
        resources = {
            "object_store": ObjectStoreResource(bucket=self.store.bucket),
            "bss": BssResource(url=self.bss_url, token=self.token),
            "folder_tree": FolderTreeResource(postgres_url=self.postgres_url),
            "media_tools": MediaToolsResource(workers=2),
            "batch_policy": BatchPolicy.of(settings.model_copy(update=self.policy)),
            "redo": Redo(force=redo.get("force", False), only=tuple(redo.get("only", ()))),
        } | self.replaced
        carried = {name: resources[name] for name in BatchTools.model_fields}
        return resources | {"batch_tools": BatchTools(**carried)}

    def stage(self, name: str, data: bytes, *, promised: str | None = None) -> FinishedFile:
        """Put a file's bytes where an uploader puts them; `promised` is another hash than theirs."""
        content_hash = promised or hashlib.sha256(data).hexdigest()
        kind = kind_of(name)
        assert kind is not None
        self.store.put(
            layout.staging_key(self.owner, PROJECT, content_hash),
            data,
            content_type="application/octet-stream",
            metadata=layout.staging_metadata(kind=kind, name=name, episode="run-1", content_hash=content_hash),
        )
        return FinishedFile(kind=kind, name=name, episode="run-1", hash=content_hash, size=len(data))

    def upload(self, files: dict[str, bytes]) -> dict[str, str]:
        """Stage, register and queue files; their ids by name."""
        return self.register([self.stage(name, data) for name, data in files.items()])

    def register(self, files: list[FinishedFile]) -> dict[str, str]:
        finished = self.finish(FinishUploads(owner=self.owner, project=PROJECT, files=files))
        return {file.name: str(done.id) for file, done in zip(files, finished, strict=True)}

    def finish(self, asked: FinishUploads) -> list[Finished]:
        answer = self.http.post("/uploads/finish", asked, FinishedUploads)
        assert all(file.id for file in answer.files), answer
        return answer.files

    def requeue(self, ids: list[str], *, force: bool = False) -> list[Record]:
        """What `dreamlake retry` asks for; with `force`, `dreamlake retry --all`."""
        return self.http.post("/records/requeue", Requeue(ids=ids, force=force), Records).items

    def claim(self) -> list[BatchOffer]:
        """The batches of this test's owner that are due."""
        return [offer for offer in self.pipeline.claim(EVERYTHING) if offer.owner == self.owner]

    def form_batch(self) -> str:
        """The partition of the one batch that everything queued makes up."""
        [offer] = self.claim()
        self.instance.add_dynamic_partitions(BATCHES, [offer.partition])
        return offer.partition

    def run(self, partition: str, *assets: str, raise_on_error: bool = True, **redo: Any) -> ExecuteInProcessResult:
        """One run over the batch, of all its assets or of those named."""
        return self.job("process_batch", **redo).execute_in_process(
            instance=self.instance,
            partition_key=partition,
            asset_selection=[AssetKey(name) for name in assets] or None,
            raise_on_error=raise_on_error,
        )

    def write_catalog(self) -> ExecuteInProcessResult:
        return self.job("write_catalog").execute_in_process(instance=self.instance)

    def job(self, name: str, **redo: Any) -> JobDefinition:
        resources = {
            name: closed(one) if isinstance(one, ConfigurableResource) else one
            for name, one in self.resources(**redo).items()
        }
        here = Definitions(assets=defs.assets, jobs=defs.jobs, resources=resources)
        return here.resolve_job_def(name)

    def what_is_said_of(self, run: DagsterRun, failure: DagsterEvent) -> str:
        """What the sensor of failed runs says of one."""
        with build_run_status_sensor_context(
            sensor_name="failed_runs",
            dagster_instance=self.instance,
            dagster_run=run,
            dagster_event=failure,
        ) as context:
            said = defs.resolve_sensor_def("failed_runs")(context.for_run_failure())
        assert isinstance(said, SkipReason) and said.skip_message is not None
        return said.skip_message

    def records(self, ids: dict[str, str]) -> dict[str, Record]:
        """What BSS says of records, by name."""
        answer = self.http.post("/records/query", Ids(ids=list(ids.values())), Records)
        return {record.name: record for record in answer.items}

    def keys(self, prefix: str) -> list[str]:
        return [item.key for item in self.store.list_all(prefix)]


# No lease ends while the tests run.
EVERYTHING = ClaimBatches(
    max_batches=100,
    max_files=1000,
    max_bytes=10**12,
    settle_seconds=0,
    processing_grace_seconds=3600,
    lease_seconds=3600,
    max_attempts=3,
)


@pytest.fixture(scope="session")
def new_worlds(
    new_database: Callable[[], str],
    s3_server: str,
    serve: Callable[[FastAPI], AbstractContextManager[str]],
) -> Callable[[], AbstractContextManager[Callable[[], World]]]:
    """Starts a BSS with a bucket and a database of its own, and gives what makes worlds there, each with an owner of
    its own. They share all else with each other, and with nobody else."""

    @contextmanager
    def start() -> Iterator[Callable[[], World]]:
        store = ObjectStore(open_client(), f"dagster-{secrets.token_hex(4)}")
        store.create_bucket()
        postgres_url = new_database()
        migrate(postgres_url, schema=SERVER_SCHEMA, package="dreamlake_pipeline.server")
        token = issue_token(SECRET, sub="pipeline", namespaces=["*"], scope=Scope.WRITE, ttl=3600)
        app = create_app(Settings(postgres_url=postgres_url, auth_secret=SECRET, bucket=store.bucket))
        with serve(app) as url, ServiceClient("BSS", url, token) as http, DagsterInstance.ephemeral() as instance:

            def create() -> World:
                # What other worlds left queued is offered now: it is not to stand before what this one queues.
                pipeline = PipelineClient(http)
                while pipeline.claim(EVERYTHING):
                    pass
                owner = f"o{secrets.token_hex(5)}"
                return World(url, pipeline, http, store, postgres_url, token, instance, owner)

            yield create

    return start


@pytest.fixture(scope="session")
def new_world(
    new_worlds: Callable[[], AbstractContextManager[Callable[[], World]]],
) -> Iterator[Callable[[], World]]:
    """Makes worlds that look at what is their own owner's, and share a BSS with each other."""
    with new_worlds() as create:
        yield create


@pytest.fixture
def world(new_world: Callable[[], World]) -> World:
    return new_world()
