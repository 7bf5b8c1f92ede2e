"""What the pipeline makes results with, as its code location says when it claims batches."""

from __future__ import annotations

from sqlalchemy import Connection, text

from ..api.pipeline import Build, KnownBuild
from .values import to_jsonb


def tell(connection: Connection, build: Build) -> None:
    """Remember the build; one that is known already is only read."""
    connection.execute(
        text("""
        INSERT INTO pipeline_build (build) SELECT CAST(:build AS jsonb)
        WHERE NOT EXISTS (SELECT FROM pipeline_build WHERE build = CAST(:build AS jsonb))
        ON CONFLICT (one) DO UPDATE SET build = excluded.build, told_at = now()"""),
        {"build": to_jsonb(build.wire())},
    )


def known(connection: Connection) -> KnownBuild:
    row = connection.execute(text("SELECT build, told_at FROM pipeline_build")).one_or_none()
    return KnownBuild() if row is None else KnownBuild(build=Build.model_validate(row.build), told_at=row.told_at)
