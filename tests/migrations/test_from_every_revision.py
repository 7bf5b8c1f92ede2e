"""From every revision, with rows in all tables, up to today's: nothing is lost, and the schema is as a new one."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from sqlalchemy import Connection, text

from dreamlake_pipeline.database import BSS_SCHEMA, SERVER_SCHEMA, open_engine
from dreamlake_pipeline.migrations import migrate

from .conftest import PACKAGES, revisions, structure, tables, upgrade_to
from .rows import ROWS

# Columns that Postgres computes from the others, and that a later revision computes in another way.
_COMPUTED = {"place", "tree_key"}


@pytest.mark.parametrize(
    ("schema", "revision"), [(schema, revision) for schema in PACKAGES for revision in revisions(schema)]
)
def test_rows_of_every_revision_survive_and_the_schema_is_a_new_ones(
    new_database: Callable[[], str], fresh: dict[str, dict], schema: str, revision: str
) -> None:
    url = new_database()
    engine = open_engine(url, schema=schema, pool_size=1)
    for step in revisions(schema):
        if step <= revision:
            upgrade_to(engine, schema, step)
            with engine.begin() as connection:
                connection.exec_driver_sql(ROWS[schema].get(step, "SELECT"))
    with engine.connect() as connection:
        before = _rows(connection, schema)
    assert [table for table, rows in before.items() if not rows] == [], "write rows for these tables in rows.py"

    migrate(url, schema=schema, package=PACKAGES[schema])

    with engine.connect() as connection:
        after = _rows(connection, schema)
        assert structure(connection, schema) == fresh[schema]
    engine.dispose()
    for table, rows in before.items():
        columns = (rows[0].keys() & after[table][0].keys()) - _COMPUTED
        assert _of(after[table], columns) == _of(rows, columns), table


@pytest.fixture(scope="module")
def fresh(new_database: Callable[[], str]) -> dict[str, dict]:
    """The structure of each service's schema in a database that was empty."""
    url = new_database()
    found = {}
    for schema, package in PACKAGES.items():
        migrate(url, schema=schema, package=package)
        engine = open_engine(url, schema=schema, pool_size=1)
        with engine.connect() as connection:
            found[schema] = structure(connection, schema)
        engine.dispose()
    return found


def test_rows_are_written_for_revisions_that_exist() -> None:
    for schema in (BSS_SCHEMA, SERVER_SCHEMA):
        assert ROWS[schema].keys() <= set(revisions(schema))


def test_a_new_schema_has_no_constraint_unchecked_and_no_index_unused(fresh: dict[str, dict]) -> None:
    for schema, parts in fresh.items():
        assert all(validated for *_, validated in parts["constraints"]), schema
        assert all(valid and ready for _, valid, ready in parts["indexes"]), schema


def _rows(connection: Connection, schema: str) -> dict[str, list[dict]]:
    return {
        table: list(connection.execute(text(f"SELECT to_jsonb(t) FROM {table} t")).scalars())
        for table in tables(connection, schema)
    }


def _of(rows: list[dict], columns: set[str]) -> list[str]:
    return sorted(json.dumps({column: row[column] for column in columns}, sort_keys=True) for row in rows)
