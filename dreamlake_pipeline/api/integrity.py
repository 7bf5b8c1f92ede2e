"""Checking what is stored, and putting it right: `dreamlake fsck`."""

from __future__ import annotations

from pydantic import Field

from ..findings import FINDINGS, Finding, Severity
from ..kinds import Kind
from .common import Id, Model, Owner, Project


class Found(Model):
    """One thing that is wrong. `what` is the file of the record, the segment, the key or the batch that it concerns;
    `id`, `kind`, `owner`, `project`, `episode` and `name` are those of a record, where it concerns one."""

    code: Finding
    what: str | None = Field(None, description="A file below the record's folder, or a key of the bucket.")
    detail: str = Field(description="What was expected, and what is there.")
    id: Id | None = None
    kind: Kind | None = None
    owner: str | None = None
    project: str | None = None
    episode: str | None = None
    name: str | None = None
    sha256: str | None = Field(None, description="Of a segment of the pool.")
    records: list[Id] = Field(default_factory=list, description="Some of the records that play the segment.")
    partition: str | None = None

    @property
    def is_damage(self) -> bool:
        return FINDINGS[self.code].severity is Severity.DAMAGE


class FsckStep(Model):
    """A step of a check: of one project, of an owner's, or (with a token for every namespace) of everything.

    `deep` reads bytes and compares hashes; else only sizes are looked at.
    """

    owner: Owner | None = None
    project: Project | None = None
    deep: bool = False
    cursor: str | None = Field(
        None, max_length=2000, description="What the last step answered; absent: from the start."
    )


class LargeObject(Model):
    """An object that is too large to be hashed within a step: the caller does it, from the route `path`."""

    found: Found = Field(description="What to report when the hash is another one.")
    path: str
    size: int
    sha256: str


class FsckProgress(Model):
    """What a step found. Pass `cursor` on to the next; it is absent when everything was checked."""

    findings: list[Found]
    checked: dict[str, int] = Field(description="How many records, files, segments, batches and so on were looked at.")
    bytes: int = Field(description="That were read and hashed.")
    large: list[LargeObject] = Field(default_factory=list)
    cursor: str | None = None


class FsckRepair(Model):
    """Findings to put right. BSS looks again before it does anything."""

    findings: list[Found] = Field(max_length=1000)


class Repaired(Model):
    """`queued`: records whose results are made again. `corrected`: rows that were put right."""

    queued: list[Id]
    corrected: int


class OfOwner(Model):
    """Of an owner, or (with a token for every namespace) of everybody."""

    owner: Owner | None = None


class StoredProject(Model):
    owner: str
    project: str


class StoredProjects(Model):
    """Projects that have records, in order."""

    items: list[StoredProject]


class LookUp(Model):
    """Ids of records of which index and BSS say different things."""

    ids: list[Id] = Field(max_length=1000)


class LookedUp(Model):
    """`absent`: those that no record has. `untold`: those that were deleted or restored, and of which the pipeline is
    about to tell the index."""

    absent: list[Id]
    untold: list[Id]


class RebuildStep(Model):
    """A step of making the records again from the bucket. `merge`: also into a database that has some, where it adds
    those that are missing and changes nothing else."""

    merge: bool = False
    cursor: str | None = Field(
        None, max_length=2000, description="What the last step answered; absent: from the start."
    )


class RebuildProgress(Model):
    """What a step did. Pass `cursor` on to the next; it is absent when the records are there. Then the index is to be
    told of them."""

    phase: str
    done: dict[str, int] = Field(description="How many segments, journal lines, files and records.")
    problems: list[str] = Field(default_factory=list, description="What in the bucket could not be used, and why.")
    cursor: str | None = None
