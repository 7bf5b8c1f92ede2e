"""Each lock between the collector and those whom it might rob: an interleaving that it makes harmless, and that loses
something as soon as the lock is taken out."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from dreamlake_pipeline import database, layout
from dreamlake_pipeline.api.bss import FinishedFile, FinishUploads, PlannedFile, PlanUploads
from dreamlake_pipeline.api.pipeline import Chunk
from dreamlake_pipeline.bss import bulk, chunks, condemned, records, removal
from dreamlake_pipeline.bss.garbage import pool, purging, staging
from dreamlake_pipeline.bss.garbage.collector import Collector, Work
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.migrations import migrate
from dreamlake_pipeline.storage import ObjectStore

BYTES = b"bytes of a file"
SHA256 = hashlib.sha256(BYTES).hexdigest()
KEY = f"lab/lab/staging/{SHA256}"
FILE = {"kind": Kind.VIDEO, "hash": SHA256, "size": len(BYTES)}
WHERE = {"owner": "lab", "project": "lab"}


class World:
    """A database and a bucket of its own, and what people do with them, one thing at a time."""

    def __init__(self, engine: Engine, store: ObjectStore) -> None:
        self.engine, self.store = engine, store
        self.collector = Collector(engine, store, kept_days=0, wait=0, url_ttl=60, dry_run=False)

    def sql(self, statement: str) -> Any:
        with self.engine.begin() as connection:
            found = connection.execute(text(statement))
            return found.all() if found.returns_rows else None

    def register(self, name: str = "/a.mp4") -> str:
        """Bytes that are sent, and registered under this name."""
        self.store.put(KEY, BYTES, content_type="video/mp4")
        [finished] = self.finish(name)
        assert finished.id is not None, finished.error
        return finished.id

    def plan(self, name: str) -> Any:
        asked = PlanUploads(**WHERE, files=[PlannedFile(**FILE, name=name)])
        return bulk.plan(self.engine, self.store, asked, part_size=5 << 20, expires=60)

    def finish(self, name: str) -> Any:
        return bulk.finish(self.engine, self.store, FinishUploads(**WHERE, files=[FinishedFile(**FILE, name=name)]))

    def insert(self, connection: Connection, name: str) -> None:
        """What the registration of a file does in its transaction."""
        new = records.NewRecord(Kind.VIDEO, "lab", "lab", None, name, KEY, SHA256, len(BYTES), "video/mp4", False)
        assert condemned.hold(connection, self.store, [KEY]) == set()
        records.insert(connection, [new])

    def delete(self, *ids: str) -> None:
        removal.delete(self.engine, self.store, ids, by="test")

    def purge(self) -> None:
        purging.purge(self.collector, "")

    def free_staged(self) -> None:
        self._whole(staging.free)

    def somebody_waits(self) -> bool:
        """Whether a transaction waits for a lock that says whose turn it is."""
        return bool(
            self.sql("""
                SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())""")
        )

    def start_to_free_staged(self) -> threading.Thread:
        """A collection that goes on until it is done, or waits for somebody's transaction."""
        collecting = threading.Thread(target=self.free_staged)
        collecting.start()
        end = time.monotonic() + 60
        while collecting.is_alive() and time.monotonic() < end:
            if self.somebody_waits():
                break
            time.sleep(0.02)
        return collecting

    def condemn(self) -> None:
        self._whole(pool.condemn)

    def free_chunks(self) -> None:
        self._whole(pool.unstore)
        self._whole(pool.free)

    def _whole(self, part: Callable[[Collector, str], Work]) -> None:
        position: str | None = ""
        while position is not None:
            position = part(self.collector, position).position

    def store_chunk(self) -> None:
        """A chunk that nobody refers to, and whose lease is over."""
        self.lease()
        self.store.put(layout.chunk_key(SHA256), BYTES, content_type=layout.CHUNK_TYPE)
        with self.engine.begin() as connection:
            chunks.mark_stored(connection, [SHA256])
        self.sql("UPDATE chunks SET lease_until = now() - interval '1 second'")

    def lease(self) -> list[str]:
        with self.engine.begin() as connection:
            return chunks.lease(connection, [Chunk(sha256=SHA256, size=len(BYTES))], 60)

    def has_bytes(self) -> bool:
        return self.store.head(KEY) is not None

    def has_chunk(self) -> bool:
        return self.store.head(layout.chunk_key(SHA256)) is not None


@pytest.fixture
def world(new_database: Callable[[], str], object_store: ObjectStore) -> Iterator[World]:
    url = new_database()
    migrate(url, schema=database.BSS_SCHEMA, package="dreamlake_pipeline.bss")
    engine = database.open_engine(url, schema=database.BSS_SCHEMA)
    store = ObjectStore(object_store.client, f"locks-{secrets.token_hex(4)}")
    store.create_bucket()
    yield World(engine, store)
    engine.dispose()


# What may happen; each says whether nothing was lost


def a_reference_comes_after_the_sentence(world: World) -> bool:
    record = world.register()
    world.store_chunk()
    world.condemn()
    with world.engine.begin() as connection:
        chunks.refer(connection, {record: [SHA256]})
    with suppress(IntegrityError):  # the foreign key keeps the row, not the object
        world.free_chunks()
    return world.has_chunk()


def a_reference_is_not_committed_yet(world: World) -> bool:
    record = world.register()
    world.store_chunk()
    world.condemn()
    with world.engine.begin() as connection:
        chunks.refer(connection, {record: [SHA256]})
        world.free_chunks()
    return world.has_chunk()


def a_lease_comes_after_the_sentence(world: World) -> bool:
    world.store_chunk()
    world.condemn()
    was_missing = world.lease()
    world.free_chunks()
    return bool(was_missing) or world.has_chunk()


def a_collector_dies_between_object_and_row(world: World) -> bool:
    """What it leaves must not be taken for stored."""
    world.store_chunk()
    world.condemn()
    world._whole(pool.unstore)
    world.store.delete([layout.chunk_key(SHA256)])
    return world.lease() == [SHA256]


def a_registration_is_not_committed_yet(world: World) -> bool:
    world.delete(world.register())
    world.purge()
    with world.engine.begin() as connection:
        world.insert(connection, "/b.mp4")
        collecting = world.start_to_free_staged()
    collecting.join()
    return world.has_bytes()


def a_registration_began_before_the_sentence(world: World) -> bool:
    old = world.register()
    world.delete(old)
    with world.engine.begin() as connection:
        world.insert(connection, "/b.mp4")
        world.purge()
        collecting = world.start_to_free_staged()
    collecting.join()
    return world.has_bytes()


def a_registration_comes_after_the_bytes_are_gone(world: World) -> bool:
    """It is refused, and no record stands for what is not there."""
    world.delete(world.register())
    world.plan("/b.mp4")
    world.sql("DELETE FROM signed_puts")  # its time is over
    world.purge()
    head = world.store.head

    def freed_right_after(key: str) -> Any:
        found = head(key)
        world.store.head = head  # type: ignore[method-assign]
        world.free_staged()
        return found

    world.store.head = freed_right_after  # type: ignore[method-assign]
    [finished] = world.finish("/b.mp4")
    return world.has_bytes() or finished.error is not None


def somebody_was_told_that_the_bytes_are_there(world: World) -> bool:
    world.delete(world.register())
    world.purge()
    [plan] = world.plan("/b.mp4")
    world.free_staged()
    [finished] = world.finish("/b.mp4")
    return plan.action != "staged" or finished.error is None


def two_purges_at_once_of_records_with_the_same_bytes(world: World) -> bool:
    """Neither may take the other's record for one that still has them: nobody would ever free them."""
    world.delete(world.register("/a.mp4"), world.register("/b.mp4"))
    condemn = purging._condemn_staged
    begun: list[int] = []
    done: list[int] = []

    def wait_for_both(here: list[int]) -> None:
        """Go on once both are here, or one waits until the other is over."""
        here.append(threading.get_ident())
        end = time.monotonic() + 60
        while len(here) < 2 and not world.somebody_waits() and time.monotonic() < end:
            time.sleep(0.02)

    def at_once_with_the_other(connection: Connection, ids: Sequence[str]) -> None:
        wait_for_both(begun)
        condemn(connection, ids)
        wait_for_both(done)  # and only then commit

    at_once = purging._AT_ONCE
    purging._condemn_staged, purging._AT_ONCE = at_once_with_the_other, 1
    try:
        purges = [threading.Thread(target=world.purge) for _ in range(2)]
        for purge in purges:
            purge.start()
        for purge in purges:
            purge.join()
    finally:
        purging._condemn_staged, purging._AT_ONCE = condemn, at_once
    world.free_staged()
    return not world.has_bytes()


# What takes a lock out


def no_look_for_references(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "referred_to", lambda *_: set())


def _with_other_words(monkeypatch: pytest.MonkeyPatch, words: dict[str, str]) -> None:
    """Statements as they are, with other words in the place of some."""
    execute = Connection.execute

    def weaker(self: Connection, statement: Any, *given: Any, **more: Any) -> Any:
        said = str(getattr(statement, "text", ""))
        for word, other in words.items():
            said = said.replace(word, other)
        return execute(self, text(said) if hasattr(statement, "text") else statement, *given, **more)

    monkeypatch.setattr(Connection, "execute", weaker)


def no_row_lock_of_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    _with_other_words(monkeypatch, {"FOR UPDATE SKIP LOCKED": ""})
    monkeypatch.setattr(chunks, "refer", _refer_without_lock)


def _refer_without_lock(connection: Connection, played: dict[str, list[str]]) -> None:
    """The foreign key locks the row, too: it is taken out with the lock."""
    connection.execute(text("SET LOCAL session_replication_role = replica"))
    for record_id, hashes in played.items():
        query = text("INSERT INTO chunk_refs SELECT :id, unnest(CAST(:hashes AS text[]))")
        connection.execute(query, {"id": record_id, "hashes": hashes})


def no_pardon_by_a_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    words = {"DO UPDATE SET condemned_at = NULL,": "DO UPDATE SET", "WHERE lease_until < now() AND": "WHERE"}
    _with_other_words(monkeypatch, words)


def no_word_that_it_is_not_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    _with_other_words(monkeypatch, {"UPDATE chunks SET stored_at = NULL": "UPDATE chunks SET stored_at = stored_at"})


def no_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(condemned, "hold", lambda *_: set())


def no_waiting_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(condemned, "wait_for_others", lambda *_: None)


def no_look_for_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "still_used", lambda *_: set())


def no_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "promised", lambda *_: set())


def no_lock_of_purges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purging, "_lock", lambda *_: None)


LOCKS = [
    (a_reference_comes_after_the_sentence, no_look_for_references),
    (a_reference_is_not_committed_yet, no_row_lock_of_chunks),
    (a_lease_comes_after_the_sentence, no_pardon_by_a_lease),
    (a_collector_dies_between_object_and_row, no_word_that_it_is_not_stored),
    (a_registration_is_not_committed_yet, no_hold),
    (a_registration_began_before_the_sentence, no_waiting_for_others),
    (a_registration_began_before_the_sentence, no_look_for_records),
    (a_registration_comes_after_the_bytes_are_gone, no_hold),
    (somebody_was_told_that_the_bytes_are_there, no_promise),
    (two_purges_at_once_of_records_with_the_same_bytes, no_lock_of_purges),
]


@pytest.mark.parametrize("scene", dict.fromkeys(scene for scene, _ in LOCKS), ids=lambda one: one.__name__)
def test_nothing_is_lost_when(world: World, scene: Callable[[World], bool]) -> None:
    assert scene(world)


@pytest.mark.parametrize(("scene", "take_out"), LOCKS, ids=lambda one: one.__name__ if callable(one) else None)
def test_something_is_lost_without_the_lock(
    world: World,
    scene: Callable[[World], bool],
    take_out: Callable[[pytest.MonkeyPatch], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    take_out(monkeypatch)
    assert not scene(world), "the lock makes no difference"
