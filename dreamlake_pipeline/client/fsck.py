"""Is everything that is stored there, and what it should be? Records and bucket by BSS, records and index from here.

BSS and DreamLake Server do not know each other: whoever may read both compares them. Objects that are too large for a
step of BSS's are hashed here: the state of a hash lives as long as this process, so that a broken connection costs
nothing but the rest of the object.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from ..api.bss import Record, Status
from ..api.integrity import Found, FsckStep, LargeObject, StoredProject
from ..api.server import Asset
from ..errors import Code, DreamlakeError
from ..findings import FINDINGS, Finding, Repair
from ..kinds import Kind
from ..remote.bss import BssClient, in_slices
from ..remote.patience import Patience
from ..remote.refusal import BytesWithheld, StoreAway
from ..remote.server import IndexClient, asset_of
from .transfer import STORE, Transfer

_PIECE = 64 * 2**20  # bytes of a large object that one request reads
_SMALL_PIECE = 2**16  # at the least: a way that is cut after so many bytes carries more requests
# A store that can be reached has so many seconds, and attempts, to give one more byte of an object, twice. (One that
# can't is waited for as any service is.)
_WITHHELD_SECONDS, _WITHHELD_ATTEMPTS = 60.0, 5
_SECOND_LOOK_SECONDS = 3.0
# Who uploads tells the index within seconds, and a batch tells it of its failed files within its next group.
_SETTLED_SECONDS = 120.0


@dataclass(slots=True)
class Checked:
    """What was looked at so far, by what it is, and how many bytes were hashed."""

    counts: Counter[str] = field(default_factory=Counter)
    bytes: int = 0

    def so_far(self) -> Checked:
        """The same, as it is now."""
        return Checked(Counter(self.counts), self.bytes)


@dataclass(slots=True)
class RepairSummary:
    """What `repair` did: `queued` records are made again, `corrected` rows and `indexed` files were put right.
    `left` are findings that nothing but a person can put right."""

    queued: list[str] = field(default_factory=list)
    corrected: int = 0
    indexed: int = 0
    left: list[Found] = field(default_factory=list)


def check(
    bss: BssClient,
    index: IndexClient,
    patience: Patience,
    *,
    owner: str | None,
    project: str | None,
    deep: bool,
) -> Iterator[Found | Checked]:
    """Findings as they come, and now and then what was looked at so far; of one project, an owner, or everything.

    Nothing is changed. Raises DreamlakeError.
    """
    checked = Checked()
    withheld: list[LargeObject] = []
    cursor: str | None = None
    while True:
        step = bss.fsck_step(FsckStep(owner=owner, project=project, deep=deep, cursor=cursor))
        yield from step.findings
        checked.counts.update(step.checked)
        checked.bytes += step.bytes
        yield checked.so_far()
        for large in step.large:
            for one in _hash(bss, patience, large, checked):
                if isinstance(one, Found) and one.code is Finding.UNREADABLE:
                    withheld.append(large)
                else:
                    yield one
        if (cursor := step.cursor) is None:
            break
    # The rest of the check went by: what kept their bytes back for a moment is over, and the store is there.
    for large in withheld:
        yield from _hash(bss, patience, large, checked)
    for place in bss.stored_projects(owner):
        if project is None or place.project == project:
            yield from _check_index(bss, index, place, checked)


def repair(bss: BssClient, index: IndexClient, findings: Sequence[Found]) -> RepairSummary:
    """Put right what can be: make again what raw bytes are there for, correct rows, tell the index. Raises
    DreamlakeError."""
    done = RepairSummary()
    lost = {found.id for found in findings if FINDINGS[found.code].repair is Repair.NOTED}
    for_bss: list[Found] = []
    for_index: list[Found] = []
    for found in findings:
        how = FINDINGS[found.code].repair
        if how in (Repair.NONE, Repair.NOTED) or (how is Repair.AGAIN and found.id in lost):
            done.left.append(found)
        if how is Repair.NONE:
            continue
        if how is Repair.INDEX:
            for_index.append(found)
        else:
            told = ("code", "id", "sha256", "partition")
            for_bss.append(Found(detail="", **{name: getattr(found, name) for name in told}))
    # All at once: a result is shared only by what is ready, and so never by what is damaged too.
    for some in in_slices(for_bss):
        answer = bss.fsck_repair(some)
        done.queued += answer.queued
        done.corrected += answer.corrected
    done.indexed = _repair_index(bss, index, for_index)
    return done


class _Unreadable(Exception):
    """The store can be reached, and does not give an object's bytes. The text is its reason."""


class _Hashing:
    """A large object that is read from the object store, past connections that break, and hashed."""

    def __init__(self, bss: BssClient, large: LargeObject) -> None:
        self.done = 0  # bytes
        self._digest = hashlib.sha256()
        self._bss, self._large = bss, large
        self._transfer = Transfer(1)
        self._piece = _PIECE
        self._withheld_since: float | None = None
        self._attempts = 0  # since then

    @property
    def is_right(self) -> bool:
        return self._digest.hexdigest().startswith(self._large.sha256)

    def read_on(self) -> int:
        """Hash the next piece; how many bytes of it came, 0 at the object's end. Raises StoreAway, _Unreadable."""
        count = 0
        try:
            url = self._bss.http.location(self._large.path)
            for block in self._transfer.get(url, start=self.done, end=min(self.done + self._piece, self._large.size)):
                self._digest.update(block)
                self.done += len(block)
                count += len(block)
        except StoreAway as away:
            if not count:
                self._note(away)
                raise
        self._withheld_since, self._attempts = None, 0
        return count

    def close(self) -> None:
        self._transfer.close()

    def _note(self, away: StoreAway) -> None:
        """Count an attempt by which no byte came. Raises _Unreadable when it was the last one."""
        if not isinstance(away, BytesWithheld):
            self._withheld_since, self._attempts = None, 0
            return
        now = time.monotonic()
        self._withheld_since = self._withheld_since or now
        self._attempts += 1
        self._piece = max(self._piece // 4, min(self._piece, _SMALL_PIECE))
        if self._attempts >= _WITHHELD_ATTEMPTS and now - self._withheld_since >= _WITHHELD_SECONDS:
            raise _Unreadable(away.reason)


def _hash(bss: BssClient, patience: Patience, large: LargeObject, checked: Checked) -> Iterator[Found | Checked]:
    """Hash an object that is read from the object store, and count its bytes; at the end what is wrong with it."""
    hashing = _Hashing(bss, large)
    try:
        while hashing.done < large.size and (count := patience.call(STORE, hashing.read_on)):
            checked.bytes += count
            yield checked.so_far()
    except _Unreadable as fault:
        detail = f"{hashing.done:,} of its {large.size:,} bytes came, and no more in many attempts: {fault}"
        yield large.found.model_copy(update={"code": Finding.UNREADABLE, "detail": detail})
        return
    except DreamlakeError as error:
        if error.code is not Code.NOT_FOUND:
            raise
    finally:
        hashing.close()
    if not hashing.is_right:
        yield large.found


# Records and index


class _Known(NamedTuple):
    """Of a record or of a file of the index, what both say of it. `said`: a digest of its metadata."""

    id: str
    kind: Kind
    status: Status
    size: int | None
    sha256: str | None
    said: bytes
    at: datetime  # of a record: when it was uploaded
    changed_at: datetime


_Place = tuple[str | None, str]  # episode and name
_Findings = dict[tuple[Finding, str | None, str], Found]


def _check_index(
    bss: BssClient, index: IndexClient, place: StoredProject, checked: Checked
) -> Iterator[Found | Checked]:
    """What is wrong in a project's index, both times that one looks."""
    suspected = _compare(bss, index, place, checked)
    yield checked.so_far()
    if suspected:
        time.sleep(_SECOND_LOOK_SECONDS)
        again = _compare(bss, index, place, Checked())
        yield from (found for key, found in suspected.items() if key in again)


def _compare(bss: BssClient, index: IndexClient, place: StoredProject, checked: Checked) -> _Findings:
    """What is wrong in a project's index at first sight, by what tells one finding from another."""
    holders, ids = _holders(bss, place)
    assets = {
        (asset.episode, asset.name): _known_asset(asset) for kind in Kind for asset in _assets(index, kind, place)
    }
    checked.counts["files of the index"] += len(assets)
    found: _Findings = {}

    def tell(code: Finding, where: _Place, one: _Known, detail: str, what: str | None = None) -> None:
        found[code, where[0], where[1]] = Found(
            code=code,
            what=what,
            detail=detail,
            id=one.id,
            kind=one.kind,
            owner=place.owner,
            project=place.project,
            episode=where[0],
            name=where[1],
        )

    for where in assets.keys() | holders.keys():
        asset, record = assets.get(where), holders.get(where)
        if asset is not None and asset.id not in ids:
            tell(Finding.INDEX_WITHOUT_RECORD, where, asset, "BSS has no record of this id")
        elif record is None or not _is_settled(record):
            continue
        elif asset is None:
            tell(Finding.NOT_INDEXED, where, record, f"the record is {record.status}")
        elif asset.id != record.id:
            tell(Finding.INDEX_OF_OTHER_RECORD, where, record, f"it stands for {asset.id}", asset.id)
        elif difference := _difference(record, asset):
            tell(Finding.INDEX_DIFFERS, where, record, difference)
    return _without_news(bss, found)


def _without_news(bss: BssClient, found: _Findings) -> _Findings:
    """The findings without those of records that came or went, or were deleted or restored, a moment ago."""
    absent: set[str] = set()
    untold: set[str] = set()
    for some in in_slices(sorted({one.id for one in found.values() if one.id})):
        looked_up = bss.look_up(some)
        absent.update(looked_up.absent)
        untold.update(looked_up.untold)
    return {
        key: one
        for key, one in found.items()
        if one.id not in untold and (one.id in absent) is (one.code is Finding.INDEX_WITHOUT_RECORD)
    }


def _holders(bss: BssClient, place: StoredProject) -> tuple[dict[_Place, _Known], set[str]]:
    """The records that names stand for, the last uploaded of each; and the ids of all records of a project."""
    holders: dict[_Place, _Known] = {}
    ids: set[str] = set()
    for kind in Kind:
        for record in bss.list_all(kind, owner=place.owner, project=place.project):
            ids.add(record.id)
            known = _known_record(record)
            held = holders.get((record.episode, record.name))
            if held is None or (held.at, held.id) < (known.at, known.id):
                holders[record.episode, record.name] = known
    return holders, ids


def _is_settled(record: _Known) -> bool:
    """Whether the index has to have heard of the record as it is. It is told before BSS calls a record ready."""
    return record.status is Status.READY or (datetime.now(UTC) - record.changed_at).total_seconds() > _SETTLED_SECONDS


def _difference(record: _Known, asset: _Known) -> str | None:
    if not record.status.is_final:
        return None
    if asset.kind is not record.kind:
        return f"the index calls it a {asset.kind}"
    if asset.status is not record.status:
        return f"it is {record.status}, and {asset.status} in the index"
    if record.status is Status.READY:
        for what in ("size", "sha256", "said"):
            if getattr(asset, what) != getattr(record, what):
                return f"its {'metadata' if what == 'said' else what} is another one in the index"
    return None


def _known_record(record: Record) -> _Known:
    return _Known(
        record.id,
        record.kind,
        record.status,
        record.size,
        record.sha256,
        _digest(record.metadata),
        record.uploaded_at or record.created_at,
        record.updated_at,
    )


def _known_asset(asset: Asset) -> _Known:
    return _Known(
        asset.bss_id,
        asset.kind,
        asset.status,
        asset.size,
        asset.sha256,
        _digest(asset.metadata),
        asset.created_at,
        asset.updated_at,
    )


def _digest(value: object) -> bytes:
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=16).digest()


def _assets(index: IndexClient, kind: Kind, place: StoredProject) -> Iterator[Asset]:
    try:
        yield from index.assets(kind, namespace=place.owner, project=place.project)
    except DreamlakeError as error:
        if error.code is not Code.NOT_FOUND:  # a namespace or project of which nothing is in the index
            raise


def _repair_index(bss: BssClient, index: IndexClient, findings: Sequence[Found]) -> int:
    removed = 0
    for found in findings:
        if found.code not in (Finding.INDEX_WITHOUT_RECORD, Finding.INDEX_OF_OTHER_RECORD):
            continue
        if found.kind and found.owner and found.project and found.name:
            other = found.id if found.code is Finding.INDEX_WITHOUT_RECORD else found.what
            for kind in Kind if found.code is Finding.INDEX_OF_OTHER_RECORD else [found.kind]:
                index.delete_name(
                    kind,
                    namespace=found.owner,
                    project=found.project,
                    episode=found.episode,
                    path=found.name,
                    bss_id=other,
                )
            removed += found.code is Finding.INDEX_WITHOUT_RECORD
    wanted = [found.id for found in findings if found.code is not Finding.INDEX_WITHOUT_RECORD and found.id]
    told = 0
    for some in in_slices(wanted):
        if records := bss.query(some):
            told += len(index.register_batch([asset_of(record) for record in records]))
    return removed + told
