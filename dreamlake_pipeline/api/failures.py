"""What failed over all batches, and what became of files that a batch no longer has: for the pipeline's own tables."""

from __future__ import annotations

from ..kinds import Kind
from .bss import Status
from .common import ErrorBody, Model, Timestamp


class BatchFile(Model):
    """A file as a row of a table: what it is, how far it is, and which batch has it. `run_id`: the run that began that
    batch last."""

    id: str
    kind: Kind
    owner: str
    project: str
    episode: str | None
    name: str
    size: int | None
    status: Status
    error: ErrorBody | None = None
    attempts: int
    partition: str | None = None
    run_id: str | None = None
    updated_at: Timestamp


class Failures(Model):
    """The files whose last processing failed, the latest first. `count` is of all of them and `by_code` counts their
    reasons, both up to `counted_to`."""

    count: int
    counted_to: int
    by_code: dict[str, int]
    items: list[BatchFile]


class MovedFiles(Model):
    """Files that a batch has had, and that are in another one by now, or wait for one. `count` is of all of them."""

    count: int
    items: list[BatchFile]
