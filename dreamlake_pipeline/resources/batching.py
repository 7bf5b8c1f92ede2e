"""How batches are formed and held, and what of a batch is to be done again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dagster import ConfigurableResource, Field, InitResourceContext, resource

from ..settings import Settings

if TYPE_CHECKING:
    from ..api.pipeline import Build, ClaimBatches


# How long an offer is kept for a run that waits in Dagster's queue. The sensor that claims knows which offers have no
# run any more, and gives them back (sensors/attempts.py); a run that begins has a lease of its own.
_OFFERED_SECONDS = 7 * 86400


class BatchPolicy(ConfigurableResource):
    """The settings of the same names (see settings.py)."""

    staging_grace: int
    processing_grace: int
    batch_files: int
    batch_bytes: int
    batch_settle: int
    batch_lease: int
    batch_turn: int
    slots: int
    batch_open: int
    batch_open_per_owner: int
    batch_attempts: int
    sensor_wait: float

    @classmethod
    def of(cls, settings: Settings) -> BatchPolicy:
        return cls(**{field: getattr(settings, field) for field in cls.model_fields})

    def claim(self, *, wait_seconds: float, store_answers: bool = False, build: Build | None = None) -> ClaimBatches:
        """The limits of one claim that waits for a batch so long, as BSS takes them. `store_answers`: the object store
        has just answered. `build`: what this code location makes results with."""
        from ..api.pipeline import ClaimBatches

        return ClaimBatches(
            max_open=self.batch_open,
            max_open_per_owner=self.batch_open_per_owner,
            wait_seconds=wait_seconds,
            max_files=self.batch_files,
            max_bytes=self.batch_bytes,
            settle_seconds=self.batch_settle,
            processing_grace_seconds=self.processing_grace,
            lease_seconds=_OFFERED_SECONDS,
            max_attempts=self.batch_attempts,
            store_answers=store_answers,
            slots=self.slots,
            build=build,
        )


@dataclass(frozen=True, slots=True)
class Redo:
    """What of a batch is to be done again: `force` also processes what is ready and shares no earlier result; `only`
    are ids of BSS records, every item of the batch when there are none. By default, what is not done yet is done."""

    force: bool = False
    only: tuple[str, ...] = ()


# The fields of a ConfigurableResource would take `{env: NAME}` too, and an id that is unknown is named in a run's log.
@resource(
    config_schema={
        "force": Field(
            bool, default_value=False, description="Also process what is ready, and share no earlier result."
        ),
        "only": Field([str], default_value=[], description="Ids of BSS records; every item of the batch by default."),
    }
)
def redo(context: InitResourceContext) -> Redo:
    """What of a batch is to be done again: the one thing that the config of a run can say."""
    config = context.resource_config
    return Redo(force=config["force"], only=tuple(config["only"]))
