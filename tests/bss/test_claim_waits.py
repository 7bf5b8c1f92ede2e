"""A claim that waits: in a database of its own, where no other test leaves batches that are offered meanwhile."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from dreamlake_pipeline.bss.routes import pipeline


def test_a_claim_waits_for_work(files, claim) -> None:
    started = time.monotonic()
    assert claim(waitSeconds=0.4) == []
    assert 0.4 <= time.monotonic() - started < 15
    threading.Timer(0.3, files.queued, [1]).start()
    started = time.monotonic()
    assert len(claim(waitSeconds=20)) == 1
    assert time.monotonic() - started < 15


@pytest.mark.parametrize("way", ["lambda", "requeue"])
def test_what_is_queued_meanwhile_is_seen_at_once(
    way: str, api: Any, files: Any, claim: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "_LOOK_AGAIN", 60)
    record = files.register("/videos", "/a.mp4")["id"]
    path, body = {
        "lambda": ("/lambdas/hls-split", {"videoId": record}),
        "requeue": ("/records/requeue", {"ids": [record]}),
    }[way]
    queues = threading.Timer(0.5, lambda: api.post(path, json=body).raise_for_status())
    queues.start()
    started = time.monotonic()
    assert len(claim(waitSeconds=40)) == 1
    assert time.monotonic() - started < 20
    queues.join()
