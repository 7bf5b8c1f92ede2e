"""Both services with a bucket and databases of their own, files in them, and a hand that reaches behind all of them."""

from __future__ import annotations

import json
import secrets
import subprocess
import wave
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text

from dreamlake_pipeline.api.bss import Record, Undelete, Undeleted
from dreamlake_pipeline.api.integrity import Found
from dreamlake_pipeline.api.pipeline import ClaimBatches
from dreamlake_pipeline.auth import Scope, issue_token
from dreamlake_pipeline.bss.app import create_app as create_bss
from dreamlake_pipeline.client import DreamLake
from dreamlake_pipeline.database import with_driver
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.media.run import ffmpeg
from dreamlake_pipeline.processing.batch import BatchWork
from dreamlake_pipeline.processing.hold import Hold
from dreamlake_pipeline.processing.index import index_batch
from dreamlake_pipeline.processing.work import Workshop
from dreamlake_pipeline.remote.http import ServiceClient
from dreamlake_pipeline.remote.patience import Patience
from dreamlake_pipeline.remote.pipeline import PipelineClient
from dreamlake_pipeline.server.app import create_app as create_server
from dreamlake_pipeline.settings import Settings
from dreamlake_pipeline.storage import ObjectStore, open_client
from tests.conftest import SECRET

OWNER = "lab"

_CLIP = (
    "-f lavfi -i testsrc2=size=160x120:rate=25:duration=2 -f lavfi -i sine=440:duration=2 "
    "-c:v libx264 -preset ultrafast -g 25 -pix_fmt yuv420p -c:a aac"
)


def srt(said: str) -> bytes:
    return f"1\n00:00:00,000 --> 00:00:01,000\n{said}\n".encode()


def telemetry(seed: int) -> bytes:
    """Subtitles as a drone writes them."""
    cues = (
        f"{n + 1}\n00:00:0{n},000 --> 00:00:0{n + 1},000\n[latitude: {47 + seed + n / 1000}] [longitude: 8.5]\n"
        for n in range(5)
    )
    return "\n".join(cues).encode()


def labels(seed: int) -> bytes:
    lines = (json.dumps({"timestamp": n / 10, "grip": seed + n}) for n in range(30))
    return ("\n".join(lines) + "\n").encode()


def sound(seed: int) -> bytes:
    """A third of a second of noise that no other seed makes."""
    out = BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes((seed * 31 + n * 7) % 251 for n in range(12_000)))
    return out.getvalue()


class World:
    """Both services, the client that reads and writes everything, and what lies behind them."""

    def __init__(self, lake: DreamLake, pipeline: PipelineClient, store: ObjectStore, bss: Engine, index: Engine):
        self.lake, self.pipeline, self.store = lake, pipeline, store
        self.bss, self.index = bss, index

    def ingest(self, files: Mapping[str, bytes], folder: Path, project: str = "robot", **options: Any) -> None:
        """Upload files under their names."""
        root = folder / secrets.token_hex(4)
        for name, data in files.items():
            path = root / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        assert not self.lake.ingest(root, episode=f"{project}@{OWNER}", **options).failed

    def process(self) -> int:
        """Do what waits, as runs do; how many files."""
        limits = ClaimBatches(
            max_batches=100,
            max_files=1000,
            max_bytes=10**12,
            settle_seconds=0,
            processing_grace_seconds=0,
            lease_seconds=60,
            max_attempts=3,
        )
        count = 0
        while offers := self.pipeline.claim(limits):
            for offer in offers:
                hold = Hold(self.pipeline, offer.partition, f"run-{secrets.token_hex(4)}", lease_seconds=60)
                items = hold.begin().items
                with BatchWork(hold, Workshop(self.pipeline, self.store), items, workers=2) as work:
                    count += len(work.finish())
                index_batch(hold, self.lake.index.register_batch, took_batch=True)
        return count

    def records(self, project: str = "robot") -> dict[str, Record]:
        """The records of a project by their names."""
        return {
            record.name: record
            for kind in Kind
            for record in self.lake.bss.list_all(kind, owner=OWNER, project=project)
        }

    def undelete(self, ids: list[str]) -> None:
        """Restore deleted records, in BSS alone."""
        self.lake.bss.http.post("/records/undelete", Undelete(ids=ids), Undeleted)

    def fsck(self, target: str | None = None, *, deep: bool = True) -> list[Found]:
        return [one for one in self.lake.fsck_events(target, deep=deep) if isinstance(one, Found)]

    def sql(self, statement: str, engine: Engine | None = None, **given: Any) -> Any:
        """A statement of BSS's database (or another one), behind its back."""
        with (engine or self.bss).begin() as connection:
            result = connection.execute(text(statement), given)
            return result.all() if result.returns_rows else None


@pytest.fixture(scope="module")
def world(
    new_database: Callable[[], str], s3_server: str, serve: Callable[..., AbstractContextManager[str]]
) -> Iterator[World]:
    store = ObjectStore(open_client(), f"integrity-{secrets.token_hex(4)}")
    store.create_bucket()
    with running(new_database(), store, serve) as world:
        yield world


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A video of two seconds with sound."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    subprocess.run([ffmpeg.build().path, "-loglevel", "error", *_CLIP.split(), str(path)], check=True, timeout=60)
    return path.read_bytes()


class running:
    """Both services on this database and bucket; a context that gives the world."""

    def __init__(self, database: str, store: ObjectStore, serve: Callable[..., AbstractContextManager[str]]) -> None:
        self._database, self._store, self._serve = database, store, serve

    def __enter__(self) -> World:
        settings = Settings(
            postgres_url=self._database, auth_secret=SECRET, bucket=self._store.bucket, part_size=5 * 2**20
        )
        self._bss = self._serve(create_bss(settings))
        bss_url = self._bss.__enter__()
        self._server = self._serve(create_server(settings.model_copy(update={"bss_url": bss_url})))
        remote = self._server.__enter__()
        token = issue_token(SECRET, sub="test", namespaces=["*"], scope=Scope.WRITE, ttl=3600)
        self._lake = DreamLake(remote=remote, bss_url=bss_url, api_key=token, namespace=OWNER)
        url = with_driver(self._database, "psycopg")
        self._engines = [
            create_engine(url, connect_args={"options": f"-c search_path={schema}"}) for schema in ("bss", "dreamlake")
        ]
        # What is refused for the moment is told at once.
        pipeline = PipelineClient(ServiceClient("BSS", bss_url, token, patience=Patience(0)))
        return World(self._lake, pipeline, self._store, *self._engines)

    def __exit__(self, *_: object) -> None:
        self._lake.close()
        for engine in self._engines:
            engine.dispose()
        self._server.__exit__(None, None, None)
        self._bss.__exit__(None, None, None)
