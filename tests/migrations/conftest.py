"""Schemas at each of their revisions, and services of a test's own with scripts of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from dreamlake_pipeline.database import BSS_SCHEMA, SERVER_SCHEMA, open_engine

PACKAGES = {BSS_SCHEMA: "dreamlake_pipeline.bss", SERVER_SCHEMA: "dreamlake_pipeline.server"}


def revisions(schema: str) -> list[str]:
    """All revisions of a service's schema, the first one first."""
    scripts = ScriptDirectory.from_config(_config(schema))
    return [script.revision for script in reversed(list(scripts.walk_revisions()))]


def _config(schema: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files(PACKAGES[schema]) / "migrations"))
    return config


def upgrade_to(engine: Engine, schema: str, revision: str) -> None:
    """Create a service's schema as it was at a revision, or upgrade it to that."""
    config = _config(schema)
    with engine.connect() as connection:
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {schema}"))
        connection.commit()
        config.attributes.update(connection=connection, schema=schema)
        command.upgrade(config, revision)
        connection.commit()


def tables(connection: Connection, schema: str) -> list[str]:
    found = connection.execute(
        text("SELECT tablename FROM pg_tables WHERE schemaname = :schema AND tablename <> 'alembic_version'"),
        {"schema": schema},
    )
    return sorted(found.scalars())


def structure(connection: Connection, schema: str) -> dict[str, list[Any]]:
    """What a schema consists of, as Postgres spells it, without any row."""
    parts = {
        "columns": """
            SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attgenerated,
                a.attcollation::regcollation::text, pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum)
            FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
            WHERE c.relkind IN ('r', 'v') AND c.relnamespace = to_regnamespace(:schema) ORDER BY 1, 2""",
        "constraints": """
            SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated
            FROM pg_constraint WHERE connamespace = to_regnamespace(:schema) AND contype <> 'n' ORDER BY 1, 2""",
        "indexes": """
            SELECT pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisready
            FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
            WHERE c.relnamespace = to_regnamespace(:schema) ORDER BY 1""",
        "comments": """
            SELECT c.relname, obj_description(c.oid) FROM pg_class c
            WHERE c.relkind IN ('r', 'v') AND c.relnamespace = to_regnamespace(:schema) ORDER BY 1""",
        "views": "SELECT viewname, definition FROM pg_views WHERE schemaname = :schema ORDER BY 1",
    }
    return {
        name: [tuple(row) for row in connection.execute(text(query), {"schema": schema})]
        for name, query in parts.items()
    }


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    """The test's database, whatever is asked of it in the schema `trial`."""
    engine = open_engine(database, schema="trial")
    yield engine
    engine.dispose()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[str, str]], str]:
    """Makes a package with migrations: the body of `upgrade` by revision. Called again, it has these in their place."""
    name = f"trial_{tmp_path.name}".replace("-", "_")
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(scripts: Mapping[str, str]) -> str:
        folder = tmp_path / name / "migrations"
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "versions").mkdir(parents=True)
        (folder.parent / "__init__.py").touch()
        (folder / "env.py").write_text((files(PACKAGES[BSS_SCHEMA]) / "migrations" / "env.py").read_text())
        before = None
        for revision, body in scripts.items():
            (folder / "versions" / f"{revision}.py").write_text(
                "from alembic import op\nfrom dreamlake_pipeline.migrations import create_index\n"
                f"revision, down_revision = {revision!r}, {before!r}\n"
                f"def upgrade():\n    {body}\n"
            )
            before = revision
        return name

    return make
