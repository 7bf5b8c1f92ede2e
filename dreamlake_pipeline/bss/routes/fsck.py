"""/fsck/…: is what is stored what it should be, and putting it right."""

from __future__ import annotations

from ...admission import MIB, STEP, Reader, Writer, most_bytes, new_router
from ...api.integrity import (
    FsckProgress,
    FsckRepair,
    FsckStep,
    LookedUp,
    LookUp,
    OfOwner,
    Repaired,
    StoredProjects,
)
from ...auth import Scope
from ...errors import Code, DreamlakeError
from ...names import EVERY_NAMESPACE
from .. import fsck, projects
from ..context import Database, Store

routes = new_router(prefix="/fsck", tags=["fsck"])


@routes.post("/step", summary="Check some of what is stored", response_model_exclude_none=True, dependencies=[STEP])
def step(body: FsckStep, caller: Reader, database: Database, store: Store) -> FsckProgress:
    """Two seconds' worth of a project, of an owner's projects, or of everything. It changes nothing; pass `cursor` back
    for the next step. Without an owner, for tokens that read in every namespace."""
    if body.owner is None and body.project is not None:
        raise DreamlakeError(Code.INVALID_REQUEST, "project: name its owner, too.")
    caller.require(body.owner or EVERY_NAMESPACE, Scope.READ)
    return fsck.step(database, store, body)


@routes.post(
    "/repair",
    summary="Put right what a check found",
    openapi_extra=most_bytes(4 * MIB),
    response_model=Repaired,
    dependencies=[STEP],
)
def repair(body: FsckRepair, caller: Writer, database: Database, store: Store) -> Repaired:
    """Results are made again from the raw bytes, rows are corrected. What the token does not reach is passed over."""
    return fsck.repair(database, store, body.findings, caller)


@routes.post("/projects", summary="Projects that have records")
def stored_projects(body: OfOwner, caller: Reader, database: Database) -> StoredProjects:
    """Of one owner; without, for tokens that read in every namespace."""
    caller.require(body.owner or EVERY_NAMESPACE, Scope.READ)
    with database.connect() as connection:
        return StoredProjects(items=projects.with_records(connection, body.owner))


@routes.post("/lookup", summary="Which records are gone", openapi_extra=most_bytes(MIB))
def look_up(body: LookUp, caller: Reader, database: Database) -> LookedUp:
    """Which of the ids no record has that the token reaches, and of which the index will be told by itself."""
    with database.connect() as connection:
        return fsck.look_up(connection, body.ids, caller)
