"""What `/metrics` tells of the work; the module's database is its own."""

from __future__ import annotations


def test_metrics_tell_how_much_work_waits(service, files) -> None:
    files.queued(3)
    told = service.get("/metrics").text
    assert 'dreamlake_records{status="queued"} 3.0' in told and 'dreamlake_records{status="ready"} 0.0' in told
    assert "dreamlake_open_batches 0.0" in told
    [waited] = [line for line in told.splitlines() if line.startswith("dreamlake_oldest_queued_seconds")]
    assert 0 < float(waited.split()[1]) < 60
