"""The table of projects: what their owners decided about them.

A project without a row has the settings of the installation.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

from ..api.bss import ProjectSettings
from ..api.integrity import StoredProject
from .values import to_jsonb


def settings(connection: Connection, owner: str, project: str) -> ProjectSettings:
    """What was decided about a project, whether or not anything is stored in it."""
    row = connection.execute(
        text("SELECT ladder, playback, csv, types FROM projects WHERE owner = :owner AND project = :project"),
        {"owner": owner, "project": project},
    )
    found = row.mappings().one_or_none()
    return ProjectSettings.model_validate(dict(found)) if found else ProjectSettings()


def decide(connection: Connection, owner: str, project: str, decided: ProjectSettings) -> None:
    """Put these settings in the place of those that the project has."""
    connection.execute(
        text("""
        INSERT INTO projects (owner, project, ladder, playback, csv, types)
        VALUES (:owner, :project, :ladder, :playback, CAST(:csv AS jsonb), CAST(:types AS jsonb))
        ON CONFLICT (owner, project) DO UPDATE SET
            ladder = excluded.ladder, playback = excluded.playback, csv = excluded.csv, types = excluded.types,
            updated_at = now()"""),
        {
            "owner": owner,
            "project": project,
            "ladder": None if decided.ladder is None else list(decided.ladder),
            "playback": decided.playback,
            "csv": None if decided.csv is None else to_jsonb(decided.csv),
            "types": None if decided.types is None else to_jsonb(decided.types),
        },
    )


def with_records(connection: Connection, owner: str | None) -> list[StoredProject]:
    """The projects that have records, of one owner or of all."""
    # From the first row of one project in the index to that of the next: not through all records.
    rows = connection.execute(
        text("""
        WITH RECURSIVE found AS (
            (SELECT owner, project FROM records WHERE CAST(:owner AS text) IS NULL OR owner = :owner
             ORDER BY owner, project LIMIT 1)
            UNION ALL
            SELECT following.* FROM found f CROSS JOIN LATERAL (
                SELECT owner, project FROM records r WHERE (r.owner, r.project) > (f.owner, f.project)
                    AND (CAST(:owner AS text) IS NULL OR r.owner = :owner)
                ORDER BY owner, project LIMIT 1) following)
        SELECT owner, project FROM found"""),
        {"owner": owner},
    )
    return [StoredProject(owner=row.owner, project=row.project) for row in rows]
