"""Uploads, results, deletions, restorations and collections side by side, on a few contents that all of them share.

Every actor is a thread that calls the functions of the service, with real Postgres and S3. A checker looks all the
while at what was acknowledged: the bytes of every record that is there, or can be restored, and the chunks that it
refers to.
"""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable

from sqlalchemy import Connection, Engine, text

from dreamlake_pipeline import layout
from dreamlake_pipeline.api.bss import FinishedFile, FinishUploads, PlanAction, PlannedFile, PlanUploads
from dreamlake_pipeline.api.pipeline import Chunk
from dreamlake_pipeline.bss import bulk, chunks, deletions, garbage, removal
from dreamlake_pipeline.bss.garbage.collector import Collector
from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.storage import ObjectInfo, ObjectStore

OWNER, PROJECT = "crowd", "lab"
_CONTENTS = [f"content {n}".encode() * 3 for n in range(6)]
_NAMES = [f"/f{n}.mp4" for n in range(3)]

# Seconds: so short that every bound passes all the time, also in the middle of somebody's work.
_KEPT, _WAIT, _LEASE, _URL_TTL = 0.3, 0.05, 0.15, 2.0


class SlowStore(ObjectStore):
    """The object store with pauses around what matters, in which the others go on."""

    def head(self, key: str) -> ObjectInfo | None:
        found = super().head(key)
        _pause(0.01)
        return found

    def delete(self, keys: Iterable[str]) -> dict[str, str]:
        _pause(0.02)
        return super().delete(keys)


def _pause(most: float) -> None:
    time.sleep(random.random() * most)


def _chunks_of(content: bytes) -> list[bytes]:
    """Two segments of its own, and one that every other content has, too."""
    return [b"1" + content, b"2" + content, b"shared %d" % (content[8] % 2)]


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Crowd:
    """`lost`: what was acknowledged and is not there; `errors`: what no actor may be answered."""

    def __init__(self, database: Engine, store: ObjectStore, seed: int) -> None:
        self.database, self.store = database, store
        self.collector = Collector(database, store, _KEPT / 86400, _WAIT, _URL_TTL, dry_run=False)
        self.done: Counter[str] = Counter()
        self.lost: list[str] = []
        self.errors: list[str] = []
        self._seed, self._stop = seed, threading.Event()

    def run(self, seconds: float, *, until_lost: bool = False) -> None:
        """All of them at once for so long, or until something was lost."""
        actors = [self.upload, self.upload, self.process, self.process, self.process, self.delete, self.restore]
        actors += [self.collect, self.collect, self.check]
        threads = [
            threading.Thread(target=self._act, args=(actor, random.Random(self._seed * 100 + n)))
            for n, actor in enumerate(actors)
        ]
        for thread in threads:
            thread.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end and not (until_lost and self.lost):
            time.sleep(0.1)
        self._stop.set()
        for thread in threads:
            thread.join()

    def _act(self, actor: Callable[[random.Random], str], rng: random.Random) -> None:
        while not self._stop.is_set():
            try:
                self.done[actor(rng)] += 1
            except Exception as fault:
                self.errors.append(f"{actor.__name__}: {type(fault).__name__}: {fault}")

    # Actors: each does one thing, and says what

    def upload(self, rng: random.Random) -> str:
        """As a client does: plan, send what is to be sent, finish."""
        content = rng.choice(_CONTENTS)
        file = {"kind": Kind.VIDEO, "name": rng.choice(_NAMES), "hash": _sha256(content), "size": len(content)}
        where = {"owner": OWNER, "project": PROJECT}
        asked = PlanUploads(**where, files=[PlannedFile(**file)])
        [plan] = bulk.plan(self.database, self.store, asked, part_size=5 << 20, expires=60)
        if plan.record_id is not None:
            return "found"
        if plan.action is PlanAction.PUT:
            _pause(0.02)
            self.store.put(plan.key, content, content_type="video/mp4")
        _pause(0.05)
        etag = {"etag": "x"} if plan.action is PlanAction.PUT and rng.random() < 0.5 else {}
        asked_to_finish = FinishUploads(**where, files=[FinishedFile(**file, **etag)])
        [finished] = bulk.finish(self.database, self.store, asked_to_finish)
        if finished.error is not None:
            raise AssertionError(f"{plan.action}, and then {finished.error.message}")
        return f"uploaded by {plan.action}"

    def process(self, rng: random.Random) -> str:
        """As a run does: lease, store, report; now and then so slowly that the lease ends before."""
        record = self._any(rng, "SELECT id, staging_key FROM records")
        if record is None:
            return "nothing to process"
        content = next(one for one in _CONTENTS if record.staging_key.endswith(_sha256(one)))
        segments = {_sha256(one): one for one in _chunks_of(content)}
        try:
            with self.database.begin() as connection:
                leased = [Chunk(sha256=sha256, size=len(data)) for sha256, data in segments.items()]
                missing = chunks.lease(connection, leased, _LEASE)
            for sha256 in missing:
                self.store.put(layout.chunk_key(sha256), segments[sha256], content_type=layout.CHUNK_TYPE)
            with self.database.begin() as connection:
                chunks.mark_stored(connection, missing)
            _pause(0.5 if rng.random() < 0.5 else 0.02)
            with self.database.begin() as connection:
                held = connection.execute(text("SELECT FROM records WHERE id = :id FOR UPDATE"), {"id": record.id})
                if held.first() is None:
                    return "passed over"
                chunks.refer(connection, {record.id: list(segments)})
        except DreamlakeError as error:
            if error.code is not Code.CONFLICT:
                raise
            return "sent back"  # its lease ended: the next attempt stores what is missing
        return "processed"

    def delete(self, rng: random.Random) -> str:
        time.sleep(rng.random() * 0.1)
        record = self._any(rng, "SELECT id FROM records")
        gone = removal.delete(self.database, self.store, [record.id], by="crowd") if record else []
        return "deleted" if gone else "nothing to delete"

    def restore(self, rng: random.Random) -> str:
        time.sleep(rng.random() * 0.2)
        record = self._any(rng, "SELECT id FROM deleted_records WHERE purged_at IS NULL")
        if record is None:
            return "nothing to restore"
        with self.database.begin() as connection:
            back = deletions.restore(connection, [record.id], replace=rng.random() < 0.5)
        return "restored" if back.restored else "not restored"

    def collect(self, _: random.Random) -> str:
        collect_all(self.collector)
        return "collected"

    def check(self, rng: random.Random) -> str:
        table = rng.choice(["records", "deleted_records"])
        self._check(rng, table)
        return f"checked {table}"

    def check_all(self) -> None:
        """Everything that is there, or can be restored."""
        for table, alive in {"records": "", "deleted_records": "WHERE purged_at IS NULL"}.items():
            with self.database.begin() as connection:
                query = text(f"SELECT id, staging_key FROM {table} {alive}")
                for record in connection.execute(query).all():
                    self._look_at(connection, table, record.id, record.staging_key)

    def _check(self, rng: random.Random, table: str) -> None:
        """One record, while nobody can delete, restore or purge it, or replace its result."""
        alive = "" if table == "records" else "WHERE purged_at IS NULL"
        record = self._any(rng, f"SELECT id FROM {table} {alive}")
        if record is None:
            return
        with self.database.begin() as connection:
            held = connection.execute(
                text(f"SELECT staging_key FROM {table} WHERE id = :id FOR UPDATE"),
                {"id": record.id},
            ).scalar()
            if held is not None and (table == "records" or self._is_kept(connection, record.id)):
                self._look_at(connection, table, record.id, held)

    def _is_kept(self, connection: Connection, record_id: str) -> bool:
        kept = text("SELECT FROM deleted_records WHERE id = :id AND purged_at IS NULL")
        return connection.execute(kept, {"id": record_id}).first() is not None

    def _look_at(self, connection: Connection, table: str, record_id: str, staging_key: str) -> None:
        if self.store.head(staging_key) is None:
            self.lost.append(f"the bytes of {record_id} of {table}")
        rows = connection.execute(
            text(
                "SELECT f.sha256, c.stored_at FROM chunk_refs f LEFT JOIN chunks c USING (sha256) WHERE record_id = :id"
            ),
            {"id": record_id},
        )
        for sha256, stored_at in rows.all():
            if stored_at is None:
                self.lost.append(f"chunk {sha256[:8]} of {record_id} of {table}: its row")
            elif self.store.head(layout.chunk_key(sha256)) is None:
                self.lost.append(f"chunk {sha256[:8]} of {record_id} of {table}: its object")

    def _any(self, rng: random.Random, query: str):
        with self.database.connect() as connection:
            rows = connection.execute(text(query)).all()
        return rng.choice(rows) if rows else None

    def delete_everything(self) -> None:
        """All records, and whatever they had."""
        with self.database.connect() as connection:
            ids = list(connection.execute(text("SELECT id FROM records")).scalars())
        removal.delete(self.database, self.store, ids, by="crowd")
        end = time.monotonic() + 60
        while self.left() and time.monotonic() < end:
            collect_all(self.collector)

    def left(self) -> list[str]:
        """What is in the bucket, without the journal, which tells a rebuild of it."""
        return [
            info.key
            for info in self.store.list_all("")
            if not info.key.startswith(layout.journal_prefix(OWNER, PROJECT))
        ]


def collect_all(collector: Collector) -> None:
    cursor = None
    while (cursor := garbage.step(collector, cursor).cursor) is not None:
        pass
