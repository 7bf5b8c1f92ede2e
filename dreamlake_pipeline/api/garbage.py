"""BSS's garbage collection, step by step."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from .common import Model


class Garbage(StrEnum):
    """What is freed."""

    RECORDS = "records"  # deleted ones that can't be restored any more
    FILES = "files"  # playlists, pictures, data
    STAGED = "staged"  # bytes as they were uploaded
    CHUNKS = "chunks"  # segments of the pool
    UPLOADS = "uploads"  # multipart uploads that nobody goes on with
    ROWS = "rows"  # what BSS remembered for a while


class Amount(Model):
    count: int = 0
    bytes: int = 0


class Tally(Model):
    """`later`: what nothing refers to, but is left until it was so for a while. `unknown`: folders of records that BSS
    does not know, and which may be all that is left of them: they are not touched (`dreamlake rebuild`). `refused`:
    objects that the store does not show, or does not delete, which BSS's log names: they are left."""

    freed: dict[Garbage, Amount] = Field(default_factory=dict)
    later: dict[Garbage, Amount] = Field(default_factory=dict)
    unknown: int = 0
    refused: int = 0

    def add(self, other: Tally) -> None:
        for mine, theirs in ((self.freed, other.freed), (self.later, other.later)):
            for kind, amount in theirs.items():
                so_far = mine.get(kind, Amount())
                mine[kind] = Amount(count=so_far.count + amount.count, bytes=so_far.bytes + amount.bytes)
        self.unknown += other.unknown
        self.refused += other.refused


class CollectGarbage(Model):
    """One step: from the start, or from where the last one ended."""

    cursor: Annotated[str, Field(max_length=4096, pattern=r"^[\x21-\x7e]+$")] | None = None
    dry_run: bool = Field(False, description="Only say what would be freed.")


class Collected(Tally):
    """What this step freed; pass `cursor` back for the next one, until it is absent."""

    cursor: str | None = None
