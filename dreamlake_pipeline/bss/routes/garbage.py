"""/gc/step: garbage collection. Only a token that writes everywhere may."""

from __future__ import annotations

from fastapi import Depends

from ...admission import STEP, new_router, writes_for_pipeline
from ...api.garbage import Collected, CollectGarbage
from .. import garbage, measures
from ..context import SOUND, Config, Database, Store
from ..garbage.collector import Collector

routes = new_router(prefix="/gc", tags=["garbage"])


@routes.post(
    "/step", summary="Free some of what nobody needs", dependencies=[Depends(writes_for_pipeline), SOUND, STEP]
)
def step(body: CollectGarbage, database: Database, store: Store, config: Config) -> Collected:
    """Works for about two seconds; pass `cursor` back until it is absent. A step that fails, or is not answered, loses
    nothing: the next collection goes on. With `dryRun`, nothing changes."""
    collector = Collector(
        database, store, config.deleted_kept, config.garbage_wait, config.url_ttl, dry_run=body.dry_run
    )
    collected = garbage.step(collector, body.cursor)
    if not body.dry_run:
        measures.freed(collected.freed)
    return collected
