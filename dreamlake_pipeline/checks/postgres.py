"""Postgres: whether it answers, its version and clock, each schema, its tables' revision and this user's rights."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from sqlalchemy import Connection, Engine, create_engine, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError

from ..database import BSS_SCHEMA, SERVER_SCHEMA, with_driver
from ..migrations import revision_of
from . import clock
from .finding import Finding, first_line, ok, warning, wrong

_OLDEST = 15  # the major version that deploy/roles.sql needs
_CONNECT_SECONDS = 5
_Look = Callable[[str, Connection, URL, float], Iterator[Finding]]
_PACKAGES = {BSS_SCHEMA: "dreamlake_pipeline.bss", SERVER_SCHEMA: "dreamlake_pipeline.server"}
_ROLES = "Make users and schemas by deploy/roles.sql"

# What Postgres refuses, and does not fail at (PostgreSQL, appendix A: class 28 and insufficient_privilege).
_WRONG_PASSWORD = ("28P01", "28000")


def check(url: str, *, variable: str = "DREAMLAKE_POSTGRES_URL") -> Iterator[Finding]:
    """The database that the variable names, and those of its schemas `bss` and `dreamlake` that this user has."""
    yield from _look("postgres", url, variable, _schemas)


def check_dagster(url: str) -> Iterator[Finding]:
    """Dagster's part of the database, as DAGSTER_POSTGRES_URL names it."""
    yield from _look("dagster tables", url, "DAGSTER_POSTGRES_URL", _dagster)


def _look(part: str, url: str, variable: str, look: _Look) -> Iterator[Finding]:
    try:
        parts = make_url(url)
        engine = _engine(url)
    except (ArgumentError, ValueError):
        yield wrong(part, f"{variable} is no URL", "Write it as postgresql://user:password@host:5432/database")
        return
    try:
        asked = time.time()
        with engine.connect() as connection:
            yield from look(part, connection, parts, asked)
    except DBAPIError as fault:
        yield _of_fault(part, fault, parts, variable)
    finally:
        engine.dispose()


def _engine(url: str) -> Engine:
    options = {"connect_timeout": _CONNECT_SECONDS, "application_name": "dreamlake-doctor"}
    return create_engine(with_driver(url, "psycopg"), pool_size=1, connect_args=options, hide_parameters=True)


def _where(parts: URL) -> str:
    """Host and port, or the folder of a unix socket."""
    host = parts.host or parts.query.get("host") or "localhost"
    return str(host) if str(host).startswith("/") else f"{host}:{parts.port or 5432}"


def _of_fault(part: str, fault: DBAPIError, parts: URL, variable: str) -> Finding:
    where = _where(parts)
    said = first_line(fault.orig or fault)
    if getattr(fault.orig, "sqlstate", None) in _WRONG_PASSWORD or "authentication failed" in str(fault.orig):
        return wrong(part, f"Postgres at {where} refuses user {parts.username}: {said}", f"Correct {variable}")
    if "does not exist" in str(fault.orig):
        return wrong(part, f"Postgres at {where} says: {said}", f"Create it, or correct {variable}. {_ROLES}")
    return wrong(
        part,
        f"Postgres does not answer at {where}: {said}",
        f"See that it runs and that this machine reaches it (firewall, pg_hba.conf), or correct {variable}",
    )


def _schemas(part: str, connection: Connection, parts: URL, asked: float) -> Iterator[Finding]:
    yield from _server(part, connection, parts)
    now = connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one()
    answered = time.time()
    yield clock.judge(part, min(0.0, float(now) - asked) + max(0.0, float(now) - answered))
    user = connection.execute(text("SELECT current_user")).scalar_one()
    found = _rights(connection, list(_PACKAGES))
    usable = [schema for schema, rights in found.items() if rights]
    if not usable:
        missing = " and ".join(schema for schema in _PACKAGES if schema not in found) or "neither of them"
        yield wrong("schemas", f"user {user} may use no schema of bss and dreamlake (not there: {missing})", _ROLES)
    for schema in usable:
        if found[schema] < {"USAGE", "CREATE"}:
            yield wrong(f"schema {schema}", f"user {user} may make no tables in it", _ROLES)
            continue
        yield _revision(connection, schema)


def _server(part: str, connection: Connection, parts: URL) -> Iterator[Finding]:
    number, name, is_superuser = connection.execute(
        text("""
        SELECT current_setting('server_version_num')::int, current_setting('server_version'),
            coalesce((SELECT rolsuper FROM pg_roles WHERE rolname = current_user), false)""")
    ).one()
    what = f"PostgreSQL {name.split()[0]} at {_where(parts)}, as {parts.username}"
    if number < _OLDEST * 10_000:
        yield wrong(part, f"{what}: too old", f"Use PostgreSQL {_OLDEST} or newer")
    elif is_superuser:
        yield warning(part, f"{what}, a superuser", f"Whoever takes over this process has the cluster. {_ROLES}")
    else:
        yield ok(part, what)


def _rights(connection: Connection, schemas: list[str]) -> dict[str, set[str]]:
    """Which of USAGE and CREATE the user has on each schema that exists."""
    rows = connection.execute(
        text("""
        SELECT nspname, has_schema_privilege(oid, 'USAGE'), has_schema_privilege(oid, 'CREATE')
        FROM pg_namespace WHERE nspname = ANY(:schemas)"""),
        {"schemas": schemas},
    ).all()
    return {
        schema: {name for name, holds in (("USAGE", usage), ("CREATE", create)) if holds}
        for schema, usage, create in rows
    }


def _revision(connection: Connection, schema: str) -> Finding:
    part = f"schema {schema}"
    revision = revision_of(connection, schema=schema, package=_PACKAGES[schema])
    if revision.found is None:
        return warning(part, "it has no tables yet", "Start its service once, which makes them")
    if not revision.is_known:
        return wrong(
            part,
            f"it is at revision {revision.found}, which this version does not know ({revision.newest} is its newest)",
            "Install the version that upgraded it here, too",
        )
    if revision.found != revision.newest:
        return wrong(
            part,
            f"it is at revision {revision.found}, and this version is of {revision.newest}",
            "Start its service of this version, which upgrades it; another version may be running elsewhere",
        )
    return ok(part, f"up to date (revision {revision.found})")


def _dagster(part: str, connection: Connection, parts: URL, asked: float) -> Iterator[Finding]:
    if not str(parts.drivername).endswith("psycopg2"):
        yield wrong(
            part,
            f"DAGSTER_POSTGRES_URL begins with {parts.drivername}://: Dagster does not start with it",
            "Begin it with postgresql+psycopg2://",
        )
        return
    schema, may_create, has_tables = connection.execute(
        text("""
        SELECT current_schema(), coalesce(has_schema_privilege(current_schema(), 'CREATE'), false),
            to_regclass('runs') IS NOT NULL""")
    ).one()
    if schema is None or not may_create:
        yield wrong(part, f"user {parts.username} may make no tables in schema {schema}", _ROLES)
    elif schema in ("public", *_PACKAGES):
        yield warning(
            part, f"Dagster's tables go to schema {schema}", "Add ?options=-csearch_path%3Ddagster to the URL"
        )
    elif not has_tables:
        yield warning(part, f"schema {schema} has no tables yet", "Start Dagster's daemon or webserver once")
    else:
        yield ok(part, f"schema {schema}, as {parts.username}")
