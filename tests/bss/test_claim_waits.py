"""A claim that waits: in a database of its own, where no other test leaves batches that are offered meanwhile."""

from __future__ import annotations

import threading
import time


def test_a_claim_waits_for_work(files, claim) -> None:
    started = time.monotonic()
    assert claim(waitSeconds=0.4) == []
    assert 0.4 <= time.monotonic() - started < 15
    threading.Timer(0.3, files.queued, [1]).start()
    started = time.monotonic()
    assert len(claim(waitSeconds=20)) == 1
    assert time.monotonic() - started < 15
