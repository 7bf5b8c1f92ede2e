"""Postgres: what keeps a service from its tables is said in one line."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import psycopg
import pytest
from sqlalchemy import make_url

from dreamlake_pipeline.checks import Finding, Level, postgres
from dreamlake_pipeline.database import BSS_SCHEMA
from dreamlake_pipeline.migrations import migrate


def found(url: str) -> dict[str, Finding]:
    return {finding.part: finding for finding in postgres.check(url)}


def as_user(database: str) -> str:
    """The same database as a new user who may connect and no more."""
    user = f"u{secrets.token_hex(5)}"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {user} LOGIN PASSWORD '{user}'")
    return make_url(database).set(username=user, password=user).render_as_string(hide_password=False)


@pytest.fixture(scope="module")
def migrated(new_database: Callable[[], str]) -> str:
    url = new_database()
    migrate(url, schema=BSS_SCHEMA, package="dreamlake_pipeline.bss")
    return url


def test_a_schema_that_is_up_to_date(migrated: str) -> None:
    findings = found(migrated)
    assert findings["schema bss"].level is Level.OK
    assert findings["postgres clock"].level is Level.OK
    assert findings["postgres"].level is Level.WARNING and "superuser" in findings["postgres"].what


@pytest.mark.parametrize(("revision", "says"), [("0020", "this version is of"), ("9999", "does not know")])
def test_tables_of_another_revision(revision: str, says: str, migrated: str) -> None:
    with psycopg.connect(migrated, autocommit=True) as connection:
        [newest] = connection.execute("SELECT version_num FROM bss.alembic_version").fetchone() or [None]
        connection.execute("UPDATE bss.alembic_version SET version_num = %s", [revision])
        try:
            fault = found(migrated)["schema bss"]
        finally:
            connection.execute("UPDATE bss.alembic_version SET version_num = %s", [newest])
    assert fault.level is Level.WRONG and says in fault.what and revision in fault.what


def test_a_user_without_rights(database: str) -> None:
    fault = found(as_user(database))["schemas"]
    assert fault.level is Level.WRONG and "roles.sql" in fault.hint


def test_a_user_who_may_read_and_make_no_tables(database: str) -> None:
    url = as_user(database)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA bss")
        connection.execute(f"GRANT USAGE ON SCHEMA bss TO {make_url(url).username}")
    fault = found(url)["schema bss"]
    assert fault.level is Level.WRONG and "may make no tables" in fault.what


def test_a_schema_without_tables(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA bss")
    assert found(database)["schema bss"].level is Level.WARNING


def test_a_postgres_that_does_not_answer() -> None:
    [fault] = postgres.check("postgresql://bss:a-very-secret-word@127.0.0.1:9/dreamlake")
    assert fault.level is Level.WRONG and "127.0.0.1:9" in fault.what and "a-very-secret-word" not in str(fault)


def test_a_database_that_is_not_there(database: str) -> None:
    url = make_url(database).set(database="nowhere").render_as_string(hide_password=False)
    [fault] = postgres.check(url)
    assert fault.level is Level.WRONG and "does not exist" in fault.what


def test_what_is_no_url() -> None:
    [fault] = postgres.check("not a url")
    assert fault.level is Level.WRONG and "DREAMLAKE_POSTGRES_URL" in fault.what


def test_dagsters_schema(database: str) -> None:
    url = (
        make_url(database).set(drivername="postgresql+psycopg2").update_query_dict({"options": "-csearch_path=dagster"})
    )
    text = url.render_as_string(hide_password=False)
    [missing] = postgres.check_dagster(text)
    assert missing.level is Level.WRONG and "may make no tables" in missing.what
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA dagster")
    [empty] = postgres.check_dagster(text)
    assert empty.level is Level.WARNING and "no tables yet" in empty.what
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE dagster.runs ()")
    assert [finding.level for finding in postgres.check_dagster(text)] == [Level.OK]
    [driver] = postgres.check_dagster(text.replace("+psycopg2", ""))
    assert driver.level is Level.WRONG and "postgresql+psycopg2" in driver.hint
