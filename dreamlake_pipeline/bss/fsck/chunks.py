"""The pool's rows: is the object of each there, and is it what its name says?"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from sqlalchemy import Connection, text

from ... import layout
from ...api.integrity import Found
from ...errors import Code, DreamlakeError
from ...findings import Finding
from ..damaged import is_refused, sha256_of
from ..side_by_side import side_by_side
from . import listing
from .world import CUT, Progress, World, size_fault

_PAGE = 1000
_DEEP_PAGE = 64
_DEEP_BYTES = 64 * 2**20  # that one page reads
_MOST_RECORDS = 20  # that a finding names


@dataclass(frozen=True, slots=True)
class Chunk:
    """A row of the pool. `records` are some of those in scope that refer to it."""

    sha256: str
    form: str
    size: int
    is_stored: bool
    is_leased: bool
    records: list[str]

    @property
    def key(self) -> str:
        return layout.chunk_key(self.sha256, layout.ChunkForm(self.form))

    def found(self, code: Finding, detail: str) -> Found:
        return Found(code=code, what=self.key, detail=detail, sha256=self.sha256, records=self.records)


def check(world: World, after: str) -> Progress:
    """A page of the pool, in the order of hashes; of an owner or a project, what its records refer to."""
    size = _DEEP_PAGE if world.deep else _PAGE
    with world.database.connect() as connection:
        hashes = _next(connection, world, after, size)
        chunks = rows(connection, world, hashes)
    done = Progress(after=hashes[-1] if len(hashes) == size else None)
    few = max(1, bisect_right(list(accumulate(chunk.size for chunk in chunks)), _DEEP_BYTES))
    if world.deep and few < len(chunks):
        chunks = chunks[:few]
        done.after = chunks[-1].sha256
    listed = listing.in_pool(world, after, size) if world.is_whole and not world.deep else {}
    doubtful = [chunk for chunk in chunks if not chunk.is_stored or listed.get(chunk.key) != chunk.size]
    looks = side_by_side(lambda chunk: look(world, chunk), doubtful)
    done.bytes = sum(count for _, count in looks)
    faults = dict(
        zip(
            (chunk.sha256 for chunk in doubtful),
            (found for found, _ in looks),
            strict=True,
        )
    )
    suspected = [sha256 for sha256, found in faults.items() if found is not None]
    if suspected:
        # A row that somebody holds is being written or freed: it is not looked at now.
        with world.database.begin() as connection:
            again = {chunk.sha256: chunk for chunk in rows(connection, world, suspected, skip_locked=True)}
        before = {chunk.sha256: chunk for chunk in chunks}
        for sha256 in suspected:
            found = faults[sha256]
            if found is not None and again.get(sha256) == before[sha256]:
                done.findings.append(found)
    done.checked["segments"] += len(chunks)
    return done


def look(world: World, chunk: Chunk) -> tuple[Found | None, int]:
    """What is wrong with a segment, None when nothing is; and how many bytes were read."""
    is_played = bool(chunk.records)
    if not chunk.is_stored:
        # Nobody trusts it. One that is leased is being stored.
        return (chunk.found(Finding.CHUNK_NOT_STORED, "no writer said so") if is_played else None), 0
    try:
        return _look_at_object(world, chunk, is_played)
    except DreamlakeError as error:
        if not is_refused(world.store, chunk.key, error):
            raise
        return chunk.found(Finding.UNREADABLE, str(error)), 0


def _look_at_object(world: World, chunk: Chunk, is_played: bool) -> tuple[Found | None, int]:
    stored = world.store.head(chunk.key)
    if stored is None:
        code = Finding.CHUNK_MISSING if is_played or chunk.is_leased else Finding.CHUNK_ROW_WITHOUT_OBJECT
        return chunk.found(code, "nothing is stored under its key"), 0
    if fault := size_fault(stored, chunk.size):
        return chunk.found(Finding.CHUNK_WRONG_SIZE, fault), 0
    if not world.deep:
        return None, 0
    try:
        sha256 = sha256_of(world.store, chunk.key)
    except DreamlakeError as error:
        if error.code is not Code.NOT_FOUND:
            raise
        sha256 = ""
    if sha256 == chunk.sha256:
        return None, stored.size
    return chunk.found(Finding.CHUNK_ALTERED, CUT if sha256 is None else "its SHA-256 is not its name"), stored.size


def _next(connection: Connection, world: World, after: str, limit: int) -> list[str]:
    if world.is_whole:
        statement = "SELECT sha256 FROM chunks WHERE sha256 > :after ORDER BY sha256 LIMIT :limit"
    else:
        statement = f"""
            SELECT DISTINCT c.sha256 FROM records r JOIN chunk_refs c ON c.record_id = r.id
            WHERE {world.where("r")} AND c.sha256 > :after ORDER BY c.sha256 LIMIT :limit"""  # noqa: S608
    given = world.bounds() | {"after": after, "limit": limit}
    return list(connection.execute(text(statement), given).scalars())


def rows(connection: Connection, world: World, hashes: Sequence[str], *, skip_locked: bool = False) -> list[Chunk]:
    """These rows of the pool as they are now; with `skip_locked`, without those that somebody holds."""
    found = connection.execute(
        text(f"""
        SELECT c.sha256, c.form, c.size, c.stored_at IS NOT NULL AS is_stored, c.lease_until > now() AS is_leased,
            ARRAY(SELECT f.record_id FROM chunk_refs f JOIN records r ON r.id = f.record_id
                WHERE f.sha256 = c.sha256 AND {world.where("r")} ORDER BY 1 LIMIT :most) AS records
        FROM chunks c WHERE c.sha256 = ANY(:hashes) ORDER BY c.sha256
        {"FOR KEY SHARE OF c SKIP LOCKED" if skip_locked else ""}"""),  # noqa: S608
        world.bounds() | {"hashes": list(hashes), "most": _MOST_RECORDS},
    )
    return [Chunk(**dict(row)) for row in found.mappings()]
