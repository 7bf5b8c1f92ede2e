"""How many batches may still be offered: in one claim, at a time in all, and at a time for one owner."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import Connection, text

from ...api.pipeline import ClaimBatches
from .rows import NOBODYS


class Places:
    """The places that the limits of a claim leave, and who has the others. `leased`: batches that are offered or worked
    on, by owner; `apart`: owners of such a batch of slow or suspect files."""

    def __init__(self, connection: Connection, limits: ClaimBatches) -> None:
        rows = connection.execute(
            text(f"""
            SELECT owner, count(*) AS leased, bool_or(slow) AS apart FROM batches
            WHERE state = 'open' AND NOT {NOBODYS} GROUP BY owner""")  # noqa: S608 (spelled there)
        ).all()
        self.leased = Counter({row.owner: row.leased for row in rows})
        self.apart = {row.owner for row in rows if row.apart}
        self._limits = limits
        self._offered = 0

    def room(self) -> int:
        return min(self._limits.max_batches - self._offered, self._limits.max_open - self.leased.total())

    def room_of(self, owner: str) -> int:
        return min(self.room(), self._limits.max_open_per_owner - self.leased[owner])

    def take(self, owner: str, *, apart: bool = False) -> None:
        self.leased[owner] += 1
        self._offered += 1
        if apart:
            self.apart.add(owner)

    def full_owners(self) -> list[str]:
        """Owners who have as many batches as one may have."""
        return [owner for owner, count in self.leased.items() if count >= self._limits.max_open_per_owner]
