"""/projects/{owner}/{project}/settings: what its owner decided about a project."""

from __future__ import annotations

from ...admission import Reader, Writer, new_router
from ...api.bss import ProjectSettings
from ...api.common import Owner, Project
from ...auth import Scope
from .. import journal, projects
from ..context import SOUND, Database, Store

routes = new_router(prefix="/projects/{owner}/{project}/settings", tags=["projects"])


@routes.get("", summary="What was decided about a project")
def get(owner: Owner, project: Project, caller: Reader, database: Database) -> ProjectSettings:
    """Of a project of which nothing is stored yet, too: settings may come first. Null is the installation's."""
    caller.require(owner, Scope.READ)
    with database.connect() as connection:
        return projects.settings(connection, owner, project)


@routes.put("", summary="Decide about a project", dependencies=[SOUND])
def put(
    owner: Owner, project: Project, body: ProjectSettings, caller: Writer, database: Database, store: Store
) -> ProjectSettings:
    """In the place of all its settings. They hold for what is processed from now on; what is ready stays as it is."""
    caller.require(owner, Scope.WRITE)
    with database.begin() as connection:
        projects.decide(connection, owner, project, body)
    journal.note_settings(database, store, owner, project)
    return body
