"""Garbage collection beside uploads, results, deletions and restorations loses nothing and leaves nothing.

`MINUTES=10 pytest tests/bss/test_garbage_beside_work.py -k nothing -s` runs it for longer, `SEED` repeats one.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Sequence

import pytest
from sqlalchemy import Connection, Engine, text

from dreamlake_pipeline import database
from dreamlake_pipeline.api.pipeline import Chunk
from dreamlake_pipeline.bss import chunks
from dreamlake_pipeline.migrations import migrate
from dreamlake_pipeline.storage import ObjectStore

from .crowd import Crowd, SlowStore

_SECONDS = float(os.environ.get("MINUTES", 0)) * 60 or 5
_SEED = int(os.environ.get("SEED") or secrets.randbelow(10**6))
_DEADLINE = 90.0  # of what a test waits for


@pytest.fixture
def crowd(new_database: Callable[[], str], object_store: ObjectStore) -> Iterator[Crowd]:
    """On a database and a bucket of its own."""
    url = new_database()
    migrate(url, schema=database.BSS_SCHEMA, package="dreamlake_pipeline.bss")
    engine = database.open_engine(url, schema=database.BSS_SCHEMA)
    store = SlowStore(object_store.client, f"crowd-{secrets.token_hex(4)}")
    store.create_bucket()
    yield Crowd(engine, store, _SEED)
    engine.dispose()


def _rows(engine: Engine, table: str) -> int:
    with engine.connect() as connection:
        return connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()


@pytest.mark.timeout(_SECONDS + 300)
def test_nothing_is_lost_and_nothing_is_left(crowd: Crowd) -> None:
    crowd.run(_SECONDS)
    crowd.check_all()
    print(f"seed {_SEED}, {_SECONDS:.0f} s: {dict(crowd.done)}")
    assert (crowd.lost, crowd.errors) == ([], []), f"seed {_SEED}: {crowd.done}"
    assert all(crowd.done[what] for what in ("processed", "deleted", "restored", "collected")), crowd.done
    crowd.delete_everything()
    assert crowd.left() == []
    assert [_rows(crowd.database, table) for table in ("records", "chunks", "chunk_refs")] == [0, 0, 0]


def test_without_leases_something_is_lost(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writers trust what is in the pool, and nobody looks at their leases: so the crowd finds what is lost."""
    lease = chunks.lease

    def trusting(connection: Connection, wanted: Sequence[Chunk], seconds: float) -> list[str]:
        hashes = {"hashes": [one.sha256 for one in wanted]}
        query = text("SELECT sha256 FROM chunks WHERE sha256 = ANY(:hashes)")
        there = set(connection.execute(query, hashes).scalars())
        return lease(connection, [one for one in wanted if one.sha256 not in there], seconds)

    def refer(connection: Connection, played: dict[str, list[str]]) -> None:
        for record_id, hashes in played.items():
            given = {"id": record_id, "hashes": hashes}
            connection.execute(text("DELETE FROM chunk_refs WHERE record_id = :id"), given)
            query = text("INSERT INTO chunk_refs SELECT :id, sha256 FROM chunks WHERE sha256 = ANY(:hashes)")
            connection.execute(query, given)

    monkeypatch.setattr(chunks, "lease", trusting)
    monkeypatch.setattr(chunks, "mark_stored", lambda *_: None)
    monkeypatch.setattr(chunks, "refer", refer)
    crowd.run(_DEADLINE, until_lost=True)
    crowd.check_all()
    assert crowd.lost or crowd.errors, f"seed {_SEED}"
