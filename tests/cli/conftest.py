"""The command line in this process, against both services as they run."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dreamlake_pipeline import logs
from dreamlake_pipeline.api.bss import Record
from dreamlake_pipeline.api.common import ErrorBody
from dreamlake_pipeline.api.pipeline import ClaimBatches, ItemResult, Postponement
from dreamlake_pipeline.api.server import BatchAsset
from dreamlake_pipeline.cli.main import main
from dreamlake_pipeline.remote.http import ServiceClient
from dreamlake_pipeline.remote.pipeline import PipelineClient
from dreamlake_pipeline.remote.server import IndexClient


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def files(self) -> dict[str, dict[str, Any]]:
        """The last file event of each file, by the last part of its path or name."""
        return {Path(event["path"] or event["name"]).name: event for event in self.events if event["event"] == "file"}

    @property
    def summary(self) -> dict[str, Any]:
        assert self.events[-1]["event"] == "summary"
        return self.events[-1]


@pytest.fixture(autouse=True)
def quiet_services(monkeypatch: pytest.MonkeyPatch) -> None:
    """The services are in this process, whose standard error is the command's: they log nothing there."""
    monkeypatch.setattr(logs.StandardError, "emit", lambda self, record: None)


@pytest.fixture
def environment(services: Any, owner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What a shell exports to reach the services; the namespace is this test's own."""
    variables = {
        "DREAMLAKE_REMOTE": services.remote,
        "DREAMLAKE_BSS_URL": services.bss_url,
        "DREAMLAKE_API_KEY": services.token(owner),
        "DREAMLAKE_NAMESPACE": owner,
        "DREAMLAKE_HOME": str(tmp_path / "no-stack-here"),
        "DREAMLAKE_CACHE": str(tmp_path / "no-cache-yet"),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DREAMLAKE_DEBUG", raising=False)
    monkeypatch.delenv("DREAMLAKE_AUTH_SECRET", raising=False)
    return variables


@pytest.fixture
def dreamlake(
    environment: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Done]:
    """Runs the console script with these words."""

    def run(*words: str | Path) -> Done:
        monkeypatch.setattr(sys, "argv", ["dreamlake", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        return Done(int(ended.value.code or 0), told.out, told.err)

    return run


_LIMITS = ClaimBatches(
    max_files=1000,
    max_bytes=10**12,
    settle_seconds=0,
    processing_grace_seconds=0,
    lease_seconds=3600,
    max_attempts=3,
)


class Pipeline:
    """The pipeline's side of the protocol: claims what is queued and says what became of it."""

    def __init__(self, http: ServiceClient, index: IndexClient) -> None:
        self.client, self.index = PipelineClient(http), index
        self.metadata: dict[str, Any] = {"durationSec": 1.5}  # of what is ready

    def work(self, owner: str, judge: Callable[[Record], str | None]) -> int:
        """Process everything that `owner` has queued: `judge` gives the reason why a record fails, or None."""
        worked = 0
        # Other tests left queued records as well: what is claimed is not offered again for a while.
        for offer in itertools.chain.from_iterable(iter(lambda: self.client.claim(_LIMITS), [])):
            if offer.owner != owner:
                continue
            items = self.client.begin(offer.partition, "test-run", lease_seconds=3600).items
            reasons = {record.id: judge(record) for record in items}
            self.client.report(
                offer.partition, "test-run", [self._result(record, reasons[record.id]) for record in items]
            )
            self.index.register_batch([self._asset(record, reasons[record.id]) for record in items])
            self.client.finish(offer.partition, "test-run")
            worked += len(items)
        return worked

    def put_off(self, owner: str, reason: ErrorBody) -> None:
        """Everything that `owner` has queued is put off by a fault of the machinery."""
        for offer in itertools.chain.from_iterable(iter(lambda: self.client.claim(_LIMITS), [])):
            if offer.owner == owner:
                items = self.client.begin(offer.partition, "test-run", lease_seconds=3600).items
                put_off = [Postponement(id=record.id, reason=reason) for record in items]
                self.client.postpone(offer.partition, "test-run", put_off)

    def _result(self, record: Record, reason: str | None) -> ItemResult:
        if reason:
            return ItemResult(id=record.id, error=ErrorBody(code="media_corrupt", message=reason))
        return ItemResult(id=record.id, sha256=record.staging_hash, metadata=self.metadata)

    def _asset(self, record: Record, reason: str | None) -> BatchAsset:
        return BatchAsset.model_validate(
            {
                "namespace": record.owner,
                "project": record.project,
                "episode_name": record.episode,
                "name": record.name,
                "kind": record.kind,
                record.kind.spec.bss_id_field: record.id,
                "status": "failed" if reason else "ready",
                "metadata": {"error": {"code": "media_corrupt", "message": reason}} if reason else self.metadata,
            }
        )


@pytest.fixture
def pipeline(services: Any) -> Iterator[Pipeline]:
    key = services.token("*")
    with ServiceClient("BSS", services.bss_url, key) as bss, ServiceClient("server", services.remote, key) as server:
        yield Pipeline(bss, IndexClient(server))


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Two episodes with a file of every kind, and one of none."""
    root = tmp_path / "recordings"
    for name in (
        "run-001/camera/front.mp4",
        "run-001/mic/left.wav",
        "run-002/words.srt",
        "run-002/joints.csv",
        "README.md",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root
