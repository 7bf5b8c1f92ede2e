"""The run's log: a line for every file of which the run has told what became of it.

It names the record, the run, its batch, and the request that registered the file, by which the file is followed from
its client through the logs of both services to here.
"""

from __future__ import annotations

from ..logs import files as log
from .work import Outcome


def tell(run_id: str, partition: str, outcome: Outcome) -> None:
    """Log what became of an item, once BSS knows it."""
    record, error = outcome.record, outcome.error
    became = "made" if error is None else "failed" if outcome.result is not None else "put off"
    metadata = outcome.result.metadata if outcome.result else None
    fields = {
        "record": record.id,
        "kind": str(record.kind),
        "code": error.code if error else None,
        "seconds": (metadata or {}).get("processing", {}).get("seconds"),
        "attempt": record.attempts,
        "run": run_id,
        "partition": partition,
        "requestId": record.request_id,
    }
    log.info("%s %s", record.name, became, extra={"fields": fields})
