"""Row 7: the folder tree, written in bulk as a batch's run writes it, against COPY of the same rows."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

import psutil
import psycopg
from psycopg import sql
from sqlalchemy import make_url

from dreamlake_pipeline.api.bss import Status
from dreamlake_pipeline.api.server import BatchAsset
from dreamlake_pipeline.database import SERVER_SCHEMA
from dreamlake_pipeline.ids import new_id
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.migrations import migrate
from dreamlake_pipeline.resources import FolderTreeResource

from .measure import Pairs, Sample, by_turns, sampling

# In the order of their foreign keys.
_TABLES = ("namespaces", "projects", "episodes", "nodes", "assets")
_METADATA = {
    "durationSec": 0.2,
    "sampleRate": 16000,
    "channels": 1,
    "codec": "pcm_s16le",
    "streams": ["0" * 32],
    "loudness": {"integrated": -21.5, "range": 0.0, "truePeak": -11.2},
    "peakDb": -11.3,
    "rmsDb": -14.4,
}


def register(url: str, *, assets: int, folders: int, repeats: int, server: psutil.Process | None = None) -> Pairs:
    """Registers `assets` over `folders` in a database that is new each time, on the Postgres at `url`.

    COPY is given the rows that ours wrote, as they stand in the tables. `server`'s CPU is counted with ours.
    """
    batch = _assets(assets, folders)
    roots = [server] if server else []
    rows: dict[str, BytesIO] = {}

    with _empty_databases(url) as new_database:

        def ours(_: int) -> Sample:
            database = next(new_database)
            tree = FolderTreeResource(postgres_url=database)
            with sampling(*roots, itself=True) as passed:
                tree.upsert(batch)
                sample = passed()
            tree.teardown_after_execution(None)  # type: ignore[arg-type]
            if not rows:
                rows.update(_read(database))
            return sample

        def yardstick(_: int) -> Sample:
            database = next(new_database)
            with sampling(*roots, itself=True) as passed:
                _copy(database, rows)
                return passed()

        return by_turns(repeats, ours, yardstick)


def _assets(count: int, folders: int) -> list[BatchAsset]:
    """As a batch of small sound files reports them, in folders two deep."""
    return [
        BatchAsset(
            namespace="bench",
            project="bench",
            episode_name="all",
            kind=Kind.AUDIO,
            name=f"/run-{n % folders // 100:04}/part-{n % folders:05}/mic-{n:06}.wav",
            bss_audio_id=new_id(),
            status=Status.READY,
            size=7000,
            sha256=f"{n:064x}",
            metadata=_METADATA,
        )
        for n in range(count)
    ]


@contextmanager
def _empty_databases(url: str) -> Iterator[Iterator[str]]:
    """URLs of databases with the server's schema and nothing in it; they go at the end."""
    name = f"bench_{secrets.token_hex(4)}"
    made = [name]

    def create(admin: psycopg.Connection) -> Iterator[str]:
        while True:
            made.append(f"{name}_{len(made)}")
            _execute(admin, "CREATE DATABASE {} TEMPLATE {}", made[-1], name)
            yield _at(url, made[-1])

    with psycopg.connect(url, autocommit=True) as admin:
        _execute(admin, "CREATE DATABASE {}", name)
        try:
            migrate(_at(url, name), schema=SERVER_SCHEMA, package="dreamlake_pipeline.server")
            yield create(admin)
        finally:
            for database in reversed(made):
                _execute(admin, "DROP DATABASE IF EXISTS {} WITH (FORCE)", database)


def _execute(connection: psycopg.Connection, statement: str, *names: str) -> None:
    connection.execute(sql.SQL(statement).format(*(sql.Identifier(name) for name in names)))


def _at(url: str, database: str) -> str:
    return make_url(url).set(database=database).render_as_string(hide_password=False)


def _read(database: str) -> dict[str, BytesIO]:
    rows = {}
    with psycopg.connect(database, options=f"-csearch_path={SERVER_SCHEMA}") as connection:
        for table in _TABLES:
            rows[table] = BytesIO()
            with connection.cursor().copy(_statement(connection, table, "TO STDOUT")) as copy:
                for block in copy:
                    rows[table].write(block)
    return rows


def _copy(database: str, rows: dict[str, BytesIO]) -> None:
    """All tables in one transaction."""
    with psycopg.connect(database, options=f"-csearch_path={SERVER_SCHEMA}") as connection:
        for table in _TABLES:
            with connection.cursor().copy(_statement(connection, table, "FROM STDIN")) as copy:
                copy.write(rows[table].getbuffer())


def _statement(connection: psycopg.Connection, table: str, way: str) -> sql.Composed:
    """COPY of the columns that are not generated."""
    columns = connection.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s"
        " AND is_generated = 'NEVER' ORDER BY ordinal_position",
        [SERVER_SCHEMA, table],
    ).fetchall()
    names = sql.SQL(", ").join(sql.Identifier(name) for (name,) in columns)
    return sql.SQL("COPY {} ({}) {}").format(sql.Identifier(table), names, sql.SQL(way))
