"""/rebuild/…: the records, made again from the bucket."""

from __future__ import annotations

from fastapi import Depends

from ...admission import STEP, new_router, writes_for_pipeline
from ...api.integrity import RebuildProgress, RebuildStep
from .. import rebuild
from ..context import Database, Store

routes = new_router(prefix="/rebuild", tags=["rebuild"])


@routes.post(
    "/step",
    summary="Make some records again from the bucket",
    dependencies=[Depends(writes_for_pipeline), STEP],
    response_model_exclude_none=True,
)
def step(body: RebuildStep, database: Database, store: Store) -> RebuildProgress:
    """Two seconds' worth. For a token that writes everywhere, and a database that has lost its records."""
    return rebuild.step(database, store, body)
