"""The database's users on the embedded Postgres, and the same by `deploy/roles.sql`."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors
from sqlalchemy import make_url

from dreamlake_pipeline.database import BSS_SCHEMA, SERVER_SCHEMA
from dreamlake_pipeline.migrations import migrate
from dreamlake_pipeline.stack import postgres, processes, state
from dreamlake_pipeline.stack.roles import OPERATOR, SERVICES
from dreamlake_pipeline.stack.state import Stack

ROOT = Path(__file__).parents[2]


@contextmanager
def running(stack: Stack) -> Iterator[None]:
    process = subprocess.Popen(
        processes.become_command(stack, "postgres"),
        env=processes.common_environment(stack, os.environ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 60
        while not postgres.accepts(stack):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def connect(url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(url, autocommit=True)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Postgres with its users, and a table of each service's with a secret in it."""
    made = state.create(state.make_home(tmp_path_factory.mktemp("roles") / "home"))
    postgres.prepare(made, print)
    with running(made):
        postgres.make_roles(made)
        for user in SERVICES:
            with connect(made.postgres_url(user)) as connection:
                connection.execute(f"CREATE TABLE {user}.kept AS SELECT 'secret of {user}' AS text")
        yield made


PLAIN = (*SERVICES, OPERATOR)

FORBIDDEN = {
    "run a program": "COPY (SELECT 1) TO PROGRAM 'id > /tmp/dreamlake-roles'",
    "read a program": "CREATE TEMP TABLE t (a text); COPY t FROM PROGRAM 'id'",
    "write a file": "COPY (SELECT 1) TO '/tmp/dreamlake-roles'",
    "read a file by COPY": "COPY kept FROM '/etc/passwd'",
    "read a file": "SELECT pg_read_file('/etc/passwd')",
    "read a binary file": "SELECT pg_read_binary_file('/etc/passwd')",
    "list a folder": "SELECT pg_ls_dir('/')",
    "look at a file": "SELECT pg_stat_file('/etc/passwd')",
    "import a file": "SELECT lo_import('/etc/passwd')",
    "export a file": "SELECT lo_export(1, '/tmp/dreamlake-roles')",
    "an untrusted language": "CREATE LANGUAGE c2 HANDLER plpgsql_call_handler",
    "a function in C": "CREATE FUNCTION f() RETURNS int AS '/lib/x86_64-linux-gnu/libc.so.6', 'getpid' LANGUAGE c",
    "an extension": "CREATE EXTENSION dict_int",
    "load a library": "LOAD '/tmp/evil.so'",
    "a database": "CREATE DATABASE mine",
    "a user": "CREATE ROLE mine",
    "superuser": "ALTER ROLE current_user SUPERUSER",
    "become superuser": "SET ROLE postgres",
    "session of the superuser": "SET SESSION AUTHORIZATION postgres",
    "read hashes of passwords": "SELECT rolpassword FROM pg_authid",
    "settings of the server": "ALTER SYSTEM SET log_statement = 'all'",
    "read the server's settings files": "SELECT * FROM pg_hba_file_rules",
    "stop the server's processes": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename IS NULL",
    "a schema": "CREATE SCHEMA mine",
    "a table in public": "CREATE TABLE public.mine (a int)",
    "a temporary table": "CREATE TEMP TABLE mine (a int)",
    "a publication of everything": "CREATE PUBLICATION mine FOR ALL TABLES",
    "a subscription": "CREATE SUBSCRIPTION mine CONNECTION 'host=attacker' PUBLICATION p",
    "replication": "SELECT pg_create_physical_replication_slot('mine')",
}


@pytest.mark.parametrize("what", FORBIDDEN)
@pytest.mark.parametrize("user", PLAIN)
def test_no_user_can_do_more_than_own_tables(stack: Stack, user: str, what: str) -> None:
    with connect(stack.postgres_url(user)) as connection:
        connection.execute(f"SET search_path = {SERVICES[0] if user == OPERATOR else user}")
        with pytest.raises((errors.InsufficientPrivilege, errors.UndefinedFile, errors.FeatureNotSupported)) as caught:
            connection.execute(FORBIDDEN[what])
    if not isinstance(caught.value, errors.InsufficientPrivilege):
        assert what in ("an extension", "a publication of everything"), caught.value
    assert not Path("/tmp/dreamlake-roles").exists()


@pytest.mark.parametrize("user", SERVICES)
def test_a_service_sees_no_other_ones_tables(stack: Stack, user: str) -> None:
    with connect(stack.postgres_url(user)) as connection:
        assert connection.execute(f"SELECT text FROM {user}.kept").fetchone() == (f"secret of {user}",)
        for other in set(SERVICES) - {user}:
            for statement in ("SELECT * FROM {}.kept", "DELETE FROM {}.kept", "CREATE TABLE {}.mine (a int)"):
                with pytest.raises(errors.InsufficientPrivilege):
                    connection.execute(statement.format(other))
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(f"SET ROLE {other}")


@pytest.mark.parametrize("database", ["postgres", "template1"])
@pytest.mark.parametrize("user", PLAIN)
def test_no_user_reaches_another_database(stack: Stack, user: str, database: str) -> None:
    url = make_url(stack.postgres_url(user)).set(database=database).render_as_string(hide_password=False)
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        connect(url)


def test_the_operator_may_what_the_services_may(stack: Stack) -> None:
    with connect(stack.environment()["DREAMLAKE_POSTGRES_URL"]) as connection:
        for user in SERVICES:
            assert connection.execute(f"SELECT text FROM {user}.kept").fetchone() == (f"secret of {user}",)


def test_the_attributes_of_the_users(stack: Stack) -> None:
    with connect(postgres.superuser_url(stack, "postgres")) as connection:
        rows = connection.execute(
            "SELECT rolname, rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls "
            "FROM pg_roles WHERE rolcanlogin"
        ).fetchall()
    assert dict(rows) == {"postgres": True} | dict.fromkeys(PLAIN, False)


def test_the_superusers_password_is_known_to_up_alone(stack: Stack) -> None:
    password = json.loads(stack.superuser_file.read_text())["password"]
    for process in processes.PROCESSES:
        assert password not in " ".join(processes.environment(stack, process.name, {}).values())
    assert password not in " ".join(stack.environment().values())
    assert password not in (stack.home / "credentials.json").read_text()
    with pytest.raises(psycopg.OperationalError):
        connect(stack.postgres_url(OPERATOR).replace("operator:", "postgres:"))


def test_the_log_has_no_password(stack: Stack) -> None:
    postgres.make_roles(stack)
    log = stack.log_of("postgres").read_text() if stack.log_of("postgres").exists() else ""
    assert not [user for user in PLAIN if getattr(stack.credentials, f"{user}_password") in log]


def test_services_migrate_by_their_own_user(stack: Stack) -> None:
    for schema, package in ((BSS_SCHEMA, "dreamlake_pipeline.bss"), (SERVER_SCHEMA, "dreamlake_pipeline.server")):
        migrate(stack.postgres_url(schema), schema=schema, package=package)
    assert owners(postgres.superuser_url(stack, "dreamlake")) == {(user, user) for user in SERVICES}


def owners(url: str) -> set[tuple[str, str]]:
    """Schema and owner of every relation, function and type of the services."""
    with connect(url) as connection:
        return set(
            connection.execute("""
                SELECT nspname, rolname FROM pg_namespace n JOIN (
                    SELECT relnamespace AS place, relowner AS owner FROM pg_class
                    UNION SELECT pronamespace, proowner FROM pg_proc
                    UNION SELECT typnamespace, typowner FROM pg_type
                    UNION SELECT oid, nspowner FROM pg_namespace
                ) AS found ON n.oid = place JOIN pg_roles r ON r.oid = owner
                WHERE nspname IN ('bss', 'dreamlake', 'dagster')""").fetchall()
        )


def test_a_cluster_of_an_earlier_version_is_put_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = state.create(state.make_home(tmp_path / "home"))
    with monkeypatch.context() as earlier:
        earlier.setattr(postgres, "SUPERUSER", "dreamlake")
        postgres.prepare(stack, print)
        url = postgres.superuser_url(stack, "postgres")
    with running(stack):
        with connect(url) as connection:
            connection.execute("CREATE DATABASE dreamlake")
        url = make_url(url).set(database="dreamlake").render_as_string(hide_password=False)
        for schema, package in ((BSS_SCHEMA, "dreamlake_pipeline.bss"), (SERVER_SCHEMA, "dreamlake_pipeline.server")):
            migrate(url, schema=schema, package=package)
        with connect(url) as connection:
            connection.execute("""
                CREATE SCHEMA dagster;
                CREATE TABLE dagster.runs (id serial PRIMARY KEY, at int GENERATED ALWAYS AS IDENTITY, note text);
                CREATE SEQUENCE dagster.free;
                CREATE VIEW dagster.seen AS SELECT id FROM dagster.runs;
                CREATE MATERIALIZED VIEW dagster.kept AS SELECT id FROM dagster.runs;
                CREATE TYPE dagster.mood AS ENUM ('glad');
                CREATE DOMAIN dagster.positive AS int CHECK (VALUE > 0);
                CREATE TYPE dagster.pair AS (a int, b int);
                CREATE FUNCTION dagster.one() RETURNS int LANGUAGE sql AS 'SELECT 1';
                CREATE PROCEDURE dagster.none() LANGUAGE sql AS 'SELECT 1';
                CREATE TABLE dagster."odd ""name" (a dagster.mood);
                INSERT INTO dagster.runs (note) VALUES ('kept')""")
        for _ in range(2):  # at every start
            postgres.make_roles(stack)
        assert owners(postgres.superuser_url(stack, "dreamlake")) == {(user, user) for user in SERVICES}
        for user in SERVICES:
            with connect(stack.postgres_url(user)) as connection:
                assert connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = user").fetchone() == (False,)
        with connect(stack.postgres_url("dagster")) as connection:
            assert connection.execute("INSERT INTO dagster.runs (note) VALUES ('new') RETURNING id").fetchone() == (2,)
        migrate(stack.postgres_url("bss"), schema=BSS_SCHEMA, package="dreamlake_pipeline.bss")
        with pytest.raises(psycopg.OperationalError):
            connect(url)  # by the earlier superuser's name


def test_the_users_of_ones_own_postgres(new_database: Callable[[], str]) -> None:
    url = new_database()
    psql = postgres.binaries() / "psql"
    suffix = secrets.token_hex(4)
    # Users are the whole server's, which other tests share: these get names of their own.
    script = (ROOT / "deploy" / "roles.sql").read_text()
    for user in SERVICES:
        script = re.sub(rf"\b(ROLE|TO|AUTHORIZATION|,) {user}\b", rf"\1 {user}_{suffix}", script)
    done = subprocess.run(
        [psql, "--no-psqlrc", "--set=ON_ERROR_STOP=1", *(f"--set={user}=p'w-{user}" for user in SERVICES), url],
        input=script,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with connect(url) as admin:
        for schema, package in ((BSS_SCHEMA, "dreamlake_pipeline.bss"), (SERVER_SCHEMA, "dreamlake_pipeline.server")):
            user = f"{schema}_{suffix}"
            mine = make_url(url).set(username=user, password=f"p'w-{schema}").render_as_string(hide_password=False)
            migrate(mine, schema=schema, package=package)
            with connect(mine) as connection, pytest.raises(errors.InsufficientPrivilege):
                connection.execute("COPY (SELECT 1) TO PROGRAM 'id'")
            admin.execute(f"DROP SCHEMA {schema} CASCADE")
