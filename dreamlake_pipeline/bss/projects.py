"""The table of projects: what their owners decided about them. A project without a row decided nothing."""

from __future__ import annotations

from sqlalchemy import Connection, text

from ..api.bss import ProjectSettings
from .values import to_jsonb


def settings(connection: Connection, owner: str, project: str) -> ProjectSettings:
    """What was decided about a project, whether or not anything is stored in it."""
    row = connection.execute(
        text("SELECT ladder, csv FROM projects WHERE owner = :owner AND project = :project"),
        {"owner": owner, "project": project},
    )
    found = row.mappings().one_or_none()
    return ProjectSettings.model_validate(dict(found)) if found else ProjectSettings()


def decide(connection: Connection, owner: str, project: str, decided: ProjectSettings) -> None:
    """Put these settings in the place of those that the project has."""
    connection.execute(
        text("""
        INSERT INTO projects (owner, project, ladder, csv) VALUES (:owner, :project, :ladder, CAST(:csv AS jsonb))
        ON CONFLICT (owner, project) DO UPDATE SET ladder = excluded.ladder, csv = excluded.csv, updated_at = now()"""),
        {
            "owner": owner,
            "project": project,
            "ladder": None if decided.ladder is None else list(decided.ladder),
            "csv": None if decided.csv is None else to_jsonb(decided.csv),
        },
    )
