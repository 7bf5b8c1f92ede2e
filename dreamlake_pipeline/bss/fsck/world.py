"""What a check looks at, and what one of its phases came to."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sqlalchemy import Engine

from ...api.integrity import Found, LargeObject
from ...storage import ObjectInfo, ObjectStore
from ..places_of_bucket import projects

# An object of more bytes is hashed by the caller: a step of this service must end long before a proxy's patience does,
# and the state of a hash can't be handed from one step to the next.
LARGE = 8 * 2**20

CUT = "its bytes break off before the end that the object store announces"


@dataclass(frozen=True)
class World:
    """The services' two stores, and which part of them is to be checked: one project, an owner, or everything."""

    database: Engine
    store: ObjectStore
    owner: str | None
    project: str | None
    deep: bool
    until: float

    @property
    def is_over(self) -> bool:
        """Whether the time of this step is used up."""
        return time.monotonic() >= self.until

    @cached_property
    def projects(self) -> list[tuple[str, str]]:
        """The owners and projects in scope of which something is in the bucket, in order."""
        return list(projects(self.store, self.owner, self.project))

    @property
    def is_whole(self) -> bool:
        return self.owner is None

    def where(self, alias: str) -> str:
        """SQL: the condition that a row of `alias` is in scope. `bounds` has its parameters."""
        given = [name for name, value in self.bounds().items() if value is not None]
        return " AND ".join([f"{alias}.{name} = :{name}" for name in given]) or "true"

    def bounds(self) -> dict[str, Any]:
        return {"owner": self.owner, "project": self.project}


@dataclass(slots=True)
class Progress:
    """What a phase came to: `after` is where it goes on, None when it is done."""

    findings: list[Found] = field(default_factory=list)
    checked: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    large: list[LargeObject] = field(default_factory=list)
    after: str | None = None

    def add(self, other: Progress) -> None:
        self.findings += other.findings
        self.checked += other.checked
        self.bytes += other.bytes
        self.large += other.large


def size_fault(stored: ObjectInfo, expected: int) -> str | None:
    """What is wrong with the size of a stored object; None when it is right."""
    return None if stored.size == expected else f"{stored.size} bytes in the place of {expected}"
