"""What every part of a collection works with, and what it says."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Engine

from ...api.garbage import Amount, Garbage, Tally
from ...storage import ObjectStore
from ...visible import visible

log = logging.getLogger(__name__)


class Collector(NamedTuple):
    """`kept_days`: for so long a deleted record can be restored; `wait`: for so many seconds what is not referred to
    any more is left; `url_ttl`: for so many seconds a URL may be used. With `dry_run`, nothing is changed."""

    database: Engine
    store: ObjectStore
    kept_days: float
    wait: float
    url_ttl: float
    dry_run: bool

    @property
    def ages(self) -> dict[str, float]:
        """The bounds as parameters of statements."""
        return {"kept": self.kept_days, "wait": self.wait, "ttl": self.url_ttl}


class Work(NamedTuple):
    """What one piece of work did. `position` is where the next piece of its part goes on; None: its part is done."""

    position: str | None
    tally: Tally


def freed(kind: Garbage, count: int, size: int = 0) -> Tally:
    """So many things of a kind are freed, or with a dry run would be."""
    return Tally(freed={kind: Amount(count=count, bytes=size)} if count else {})


def later(kind: Garbage, count: int, size: int = 0) -> Tally:
    """So many things of a kind are not needed any more, and left for now."""
    return Tally(later={kind: Amount(count=count, bytes=size)} if count else {})


def refused(reasons: Mapping[str, str]) -> Tally:
    """The store does not show these objects, or does not delete them: by key, why. They must not keep the others."""
    for key, reason in sorted(reasons.items()):
        log.warning("the store refuses %s: %s", visible(key), reason)
    return Tally(refused=len(reasons))


# SQL: a deleted record `d` that is to be purged: by :kept.
EXPIRED = "d.deleted_at <= now() - make_interval(secs => :kept * 86400)"
