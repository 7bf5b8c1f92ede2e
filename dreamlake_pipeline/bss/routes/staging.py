"""/staging: what became of the objects that were laid under a staging prefix, for whoever laid them there."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from ...admission import Reader, new_router
from ...api.common import Listing, Owner, Text
from ...api.staging import StagedFile
from ...auth import Scope
from ...errors import Code, DreamlakeError
from .. import drops
from ..context import Database, Store

routes = new_router(prefix="/staging", tags=["staging"])

Limit = Annotated[int, Query(ge=1, le=200)]


@routes.get("", summary="What became of staged objects")
def list_staged(
    caller: Reader,
    database: Database,
    store: Store,
    owner: Owner,
    project: Annotated[
        Text | None, Query(max_length=1024, description="Any folder of the namespace: also one that can be no project.")
    ] = None,
    everything: Annotated[bool, Query(alias="all", description="Also what became files, or waits.")] = False,
    cursor: Annotated[str | None, Query(max_length=1500)] = None,
    limit: Limit = 100,
) -> Listing[StagedFile]:
    """Those that are ignored, with the reason; with `all`, which needs a project, all of them. In the order of their
    keys; pass `cursor` back for the next page, which may be empty and have another one after it."""
    caller.require(owner, Scope.READ)
    if not everything:
        return drops.ignored(database, store, owner, project, cursor=cursor, limit=limit)
    if project is None:
        raise DreamlakeError(Code.INVALID_REQUEST, "project: with `all`, a project is needed.")
    return drops.everything(database, store, owner, project, cursor=cursor, limit=limit)
