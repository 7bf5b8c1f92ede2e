"""The chunk pool's rows under many writers at once."""

from __future__ import annotations

import secrets
import threading
from concurrent.futures import ThreadPoolExecutor


def _lease(pipeline, hashes):
    answer = pipeline.post("/pipeline/chunks/lease", json={"chunks": [{"sha256": h, "size": 188} for h in hashes]})
    assert answer.status_code == 200, answer.text
    return answer.json()["missing"]


def test_a_chunk_is_missing_until_it_is_stored(pipeline) -> None:
    one, two = sorted(secrets.token_hex(32) for _ in range(2))
    assert _lease(pipeline, [two, one, two]) == [one, two]
    assert _lease(pipeline, [one]) == [one], "a lease alone proves nothing"
    for _ in range(2):
        assert pipeline.post("/pipeline/chunks/stored", json={"chunks": [one]}).json() == {"success": True}
    assert _lease(pipeline, [one, two]) == [two]
    never = pipeline.post("/pipeline/chunks/stored", json={"chunks": [secrets.token_hex(32)]})
    assert never.status_code == 409
    assert pipeline.post("/pipeline/chunks/lease", json={"chunks": []}).json() == {"missing": []}


def test_writers_that_share_chunks_never_deadlock(pipeline) -> None:
    hashes = [secrets.token_hex(32) for _ in range(200)]
    start = threading.Barrier(6)

    def writer(n):
        mine = hashes[n * 10 :] + hashes[: n * 10]
        start.wait()
        for _ in range(3):
            missing = _lease(pipeline, mine if n % 2 else mine[::-1])
            assert pipeline.post("/pipeline/chunks/stored", json={"chunks": missing[::-1]}).status_code == 200

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(writer, range(6)))
    assert _lease(pipeline, hashes) == []
