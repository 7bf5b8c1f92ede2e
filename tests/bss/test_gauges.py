"""What `/metrics` tells of the work; the module's database is its own."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from sqlalchemy import text

from dreamlake_pipeline.bss import gauges


@pytest.fixture
def told(service, monkeypatch: pytest.MonkeyPatch):
    """What `/metrics` says now, a number by each name with its labels."""
    monkeypatch.setattr(gauges, "_FRESH_SECONDS", -1)

    def read() -> dict[str, float]:
        lines = service.get("/metrics").text.splitlines()
        return {name: float(value) for line in lines if line[0] != "#" for name, value in [line.rsplit(" ", 1)]}

    return read


def test_metrics_tell_how_much_work_waits_and_what_became_of_it(service, files, claim, begin, pipeline, told) -> None:
    at_first = told()
    good, bad, away, _ = files.queued(4)
    queued = told()
    assert (queued['dreamlake_records{status="queued"}'], queued['dreamlake_records{status="ready"}']) == (4, 0)
    assert (queued["dreamlake_open_batches"], queued["dreamlake_database_up"]) == (0, 1)
    assert 0 < queued["dreamlake_oldest_queued_seconds"] < 60

    [offer] = claim()
    assert told()['dreamlake_batches{state="offered"}'] == 1
    begin(offer["partition"])
    working = told()
    assert working['dreamlake_batches{state="working"}'] == working["dreamlake_open_batches"] == 1
    assert working['dreamlake_records{status="processing"}'] == 4
    assert working["dreamlake_oldest_queued_seconds"] == 0

    run = {"partition": offer["partition"], "runId": "run-1"}
    results: list[dict[str, Any]] = [
        {"id": good, "sha256": "ab" * 32, "recipe": "r", "metadata": {"processing": {"seconds": 7.5}}},
        {"id": bad, "error": {"code": "text_invalid", "message": "No cue."}},
    ]
    reason = {"code": "storage_failed", "message": "S3 is away."}
    for route, body in (
        ("results", {"results": results}),
        ("postpone", {"items": [{"id": away, "reason": reason}]}),
        ("finish", {}),
    ):
        assert pipeline.post(f"/pipeline/batches/{route}", json=run | body).status_code == 200
    now = told()
    statuses = {status: now[f'dreamlake_records{{status="{status}"}}'] for status in ("queued", "ready", "failed")}
    assert statuses == {"queued": 1, "ready": 1, "failed": 1}
    assert now['dreamlake_records_waiting{code="storage_failed"}'] == 1
    assert 0 < now["dreamlake_oldest_waiting_seconds"] < 60

    def more(name: str) -> float:
        return now[name] - at_first.get(name, 0)

    kind = 'kind="text-track"'
    assert more(f'dreamlake_files_total{{code="",{kind},outcome="ready"}}') == 1
    assert more(f'dreamlake_files_total{{code="text_invalid",{kind},outcome="failed"}}') == 1
    assert more(f'dreamlake_files_postponed_total{{code="storage_failed",{kind}}}') == 1
    for stage in ("queued", "processing", "indexing", "made"):
        assert more(f'dreamlake_file_seconds_count{{{kind},stage="{stage}"}}') == 1
    assert more(f'dreamlake_file_seconds_sum{{{kind},stage="made"}}') == pytest.approx(7.5)
    assert "dreamlake_runs_died_total" in now and 'dreamlake_database_connections{state="idle"}' in now


def test_a_million_records_are_not_counted(service, told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large table no more than some rows are read, each by an index; the rest is Postgres's own estimate."""
    with service.app.state.database.begin() as connection:
        connection.execute(
            text("""
            INSERT INTO records (id, kind, owner, project, name, staging_key, status, queued_at, ready_at, error)
            SELECT lpad(to_hex(n), 24, '0'), 'audio', :owner, 'many', '/' || n, 'k' || n, status, now(),
                CASE status WHEN 'ready' THEN now() END, CASE status WHEN 'failed' THEN '{}'::jsonb END
            FROM generate_series(1, 30000) n, LATERAL (SELECT CASE WHEN n % 3 = 0 THEN 'queued' WHEN n % 3 = 1
                THEN 'failed' ELSE 'ready' END AS status) s"""),
            {"owner": f"o{secrets.token_hex(5)}"},
        )
    with service.app.state.database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE records"))
    monkeypatch.setattr(gauges, "_MOST", 1000)
    now = told()
    for status in ("queued", "failed", "ready"):
        assert now[f'dreamlake_records{{status="{status}"}}'] == pytest.approx(10_000, rel=0.02)
    with service.app.state.database.connect() as connection:
        for source in (gauges._QUEUED, gauges._PUT_OFF, gauges._REGISTERED, gauges._FAILED):
            query = gauges._COUNT.format(source=source[0]).replace(":most", "100000")
            plan = "\n".join(connection.execute(text(f"EXPLAIN {query}")).scalars())
            assert "Index" in plan and "Seq Scan" not in plan, plan


def test_what_garbage_collection_frees_is_counted_and_a_plan_is_not(service, files, api, pipeline, told) -> None:
    [gone] = files.queued(1)
    assert api.delete(f"/text-tracks/{gone}").status_code < 300
    with service.app.state.database.begin() as connection:
        connection.execute(text("UPDATE deleted_records SET deleted_at = now() - interval '8 days'"))

    def freed_after(*, dry_run: bool) -> float:
        cursor = None
        while True:
            done = pipeline.post("/gc/step", json={"cursor": cursor, "dryRun": dry_run}).json()
            if (cursor := done.get("cursor")) is None:
                return sum(count for name, count in told().items() if name.startswith("dreamlake_freed_total"))

    planned = freed_after(dry_run=True)
    assert freed_after(dry_run=False) > planned
