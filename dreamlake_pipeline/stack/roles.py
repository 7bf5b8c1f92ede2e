"""The database's users: one for each part that has tables, which owns its schema and nothing else, and one for people.

bss        BSS: the schema `bss`
dreamlake  DreamLake Server, and the pipeline, which writes its index: the schema `dreamlake`
dagster    Dagster: the schema `dagster`
operator   whoever has the output of `dreamlake env`: what the other three may, and no more

None of them is a superuser, makes databases, users or languages, reads files or runs programs on Postgres's machine.
`deploy/roles.sql` makes the same users on one's own Postgres.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from .postgres import SUPERUSER
from .state import DATABASE, HOST, Stack

SERVICES = ("bss", "dreamlake", "dagster")  # each the name of a user and of its schema
OPERATOR = "operator"

# The superuser's name in clusters that an earlier version made: it is the server's user now.
_EARLIER_SUPERUSER = "dreamlake"

_Connection = psycopg.Connection[Any]


def make(stack: Stack, superuser_password: str) -> None:
    """Make the database, its users and their schemas, and put right what is otherwise: safe to call at every start.

    Schemas of an earlier version, with all that is in them, are given to their users.
    """

    def connect(user: str, database: str) -> _Connection:
        return psycopg.connect(
            host=HOST,
            port=stack.ports["postgres"],
            user=user,
            password=superuser_password,
            dbname=database,
            autocommit=True,
            connect_timeout=10,
        )

    try:
        cluster = connect(SUPERUSER, "postgres")
    except psycopg.OperationalError:
        _rename_superuser(connect)
        cluster = connect(SUPERUSER, "postgres")
    with cluster:
        for user in (*SERVICES, OPERATOR):
            _make_user(cluster, user, getattr(stack.credentials, f"{user}_password"))
        for service in SERVICES:
            _run(cluster, "GRANT {} TO {}", service, OPERATOR)
        if not cluster.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            _run(cluster, "CREATE DATABASE {}", DATABASE)
        for (database,) in cluster.execute("SELECT datname FROM pg_database").fetchall():
            _run(cluster, "REVOKE ALL ON DATABASE {} FROM PUBLIC", database)
        for user in (*SERVICES, OPERATOR):
            _run(cluster, "GRANT CONNECT ON DATABASE {} TO {}", DATABASE, user)
    with connect(SUPERUSER, DATABASE) as database:
        database.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        for service in SERVICES:
            _run(database, "CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}", service, service)
            _give(database, service)


def _make_user(connection: _Connection, user: str, password: str) -> None:
    if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [user]).fetchone():
        _run(connection, "CREATE ROLE {}", user)
    # The password itself is not sent, so that no log of the server's can have it.
    verifier = connection.pgconn.encrypt_password(password.encode(), user.encode(), b"scram-sha-256").decode()
    connection.execute(
        sql.SQL(
            "ALTER ROLE {} LOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD {}"
        ).format(sql.Identifier(user), sql.Literal(verifier))
    )


def _give(connection: _Connection, service: str) -> None:
    """Make the service's user the owner of its schema and of all in it that is somebody else's."""
    with connection.transaction():
        _run(connection, "ALTER SCHEMA {} OWNER TO {}", service, service)
        for kind, name in connection.execute(_FOREIGN, {"schema": service}).fetchall():
            # Kind and name come from the catalogue, which has quoted the name.
            connection.execute(sql.SQL(f"ALTER {kind} {name} OWNER TO {{}}").format(sql.Identifier(service)))


# What is in a schema and is not its user's. Indexes, and sequences and types of tables, go with their tables.
_FOREIGN = """
    SELECT CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
        WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'c' THEN 'TYPE' ELSE 'TABLE' END, c.oid::regclass::text
    FROM pg_class c
    WHERE relnamespace = %(schema)s::text::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c')
        AND relowner <> %(schema)s::text::regrole
        AND NOT (relkind = 'S' AND EXISTS (
            SELECT 1 FROM pg_depend d
            WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')
        ))
    UNION ALL
    SELECT CASE prokind WHEN 'a' THEN 'AGGREGATE' WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END,
        p.oid::regprocedure::text
    FROM pg_proc p WHERE pronamespace = %(schema)s::text::regnamespace AND proowner <> %(schema)s::text::regrole
    UNION ALL
    SELECT 'TYPE', t.oid::regtype::text
    FROM pg_type t WHERE typnamespace = %(schema)s::text::regnamespace AND typowner <> %(schema)s::text::regrole
        AND typtype IN ('e', 'd', 'r') AND typcategory <> 'A'
"""


def _rename_superuser(connect: Any) -> None:
    """Give the superuser of an earlier version's cluster the name that it has now; it keeps its password.

    No user can rename himself: a second superuser does it, who is gone afterwards.
    """
    helper = "dreamlake_rename"
    with connect(_EARLIER_SUPERUSER, "postgres") as connection:
        (verifier,) = connection.execute(
            "SELECT rolpassword FROM pg_authid WHERE rolname = %s", [_EARLIER_SUPERUSER]
        ).fetchone()
        _run(connection, "DROP ROLE IF EXISTS {}", helper)
        connection.execute(
            sql.SQL("CREATE ROLE {} SUPERUSER LOGIN PASSWORD {}").format(sql.Identifier(helper), sql.Literal(verifier))
        )
    with connect(helper, "postgres") as connection:
        _run(connection, "ALTER ROLE {} RENAME TO {}", _EARLIER_SUPERUSER, SUPERUSER)
    with connect(SUPERUSER, "postgres") as connection:
        _run(connection, "DROP ROLE {}", helper)


def _run(connection: _Connection, statement: str, *names: str) -> None:
    connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
