"""How batches are formed and held, and what of a batch is to be done again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster import ConfigurableResource
from pydantic import Field

from ..settings import Settings

if TYPE_CHECKING:
    from ..api.pipeline import ClaimBatches


class BatchPolicy(ConfigurableResource):
    """The settings of the same names (see settings.py)."""

    staging_grace: int
    processing_grace: int
    batch_files: int
    batch_bytes: int
    batch_settle: int
    batch_lease: int
    batch_turn: int
    batch_open: int
    batch_open_per_owner: int
    batch_attempts: int
    sensor_wait: float

    @classmethod
    def of(cls, settings: Settings) -> BatchPolicy:
        return cls(**{field: getattr(settings, field) for field in cls.model_fields})

    def claim(self) -> ClaimBatches:
        """The limits of one claim, as BSS takes them."""
        from ..api.pipeline import ClaimBatches

        return ClaimBatches(
            max_open=self.batch_open,
            max_open_per_owner=self.batch_open_per_owner,
            wait_seconds=self.sensor_wait,
            max_files=self.batch_files,
            max_bytes=self.batch_bytes,
            settle_seconds=self.batch_settle,
            processing_grace_seconds=self.processing_grace,
            lease_seconds=self.batch_lease,
            max_attempts=self.batch_attempts,
        )


class Redo(ConfigurableResource):
    """What of a batch is to be done again: the run config of a run that somebody starts by hand.

    Without it, a run does what is not done yet.
    """

    force: bool = Field(False, description="Also process what is ready, and share no earlier result.")
    only: list[str] = Field(default_factory=list, description="Ids of BSS records; every item of the batch by default.")
