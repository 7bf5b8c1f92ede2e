"""The database of the folder tree, when it is not well: one sentence, and no fault of any file."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import make_url

from dreamlake_pipeline.api.bss import Status
from dreamlake_pipeline.api.server import BatchAsset
from dreamlake_pipeline.database import SERVER_SCHEMA
from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.ids import new_id
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.migrations import migrate
from dreamlake_pipeline.resources import FolderTreeResource

ASSET = BatchAsset(
    kind=Kind.AUDIO,
    namespace="o",
    project="lab",
    name="/a.wav",
    bss_audio_id=new_id(),
    status=Status.READY,
    metadata={"durationSec": 1},
)


@pytest.fixture
def tree(database: str) -> Iterator[FolderTreeResource]:
    migrate(database, schema=SERVER_SCHEMA, package="dreamlake_pipeline.server")
    tree = FolderTreeResource(postgres_url=database)
    yield tree
    tree.teardown_after_execution(None)  # type: ignore[arg-type]


def _end_connections(admin: psycopg.Connection, name: str | None) -> None:
    admin.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [name])


@pytest.mark.parametrize(
    ("what", "undone"),
    [
        ("ALTER DATABASE {} ALLOW_CONNECTIONS false", "ALTER DATABASE {} ALLOW_CONNECTIONS true"),
        ("ALTER DATABASE {} SET default_transaction_read_only = on", "ALTER DATABASE {} RESET ALL"),
        ("ALTER DATABASE {} RENAME TO away_{}", "ALTER DATABASE away_{} RENAME TO {}"),
    ],
)
def test_a_database_that_is_not_well_is_unreachable(
    what: str, undone: str, tree: FolderTreeResource, database: str, postgres: str
) -> None:
    assert len(tree.upsert([ASSET])) == 1
    name = make_url(database).database
    with psycopg.connect(postgres, autocommit=True) as admin:
        # Connections that are open are ended before and after, as a restart ends them.
        _end_connections(admin, name)
        admin.execute(what.format(name, name))  # type: ignore[arg-type]
        _end_connections(admin, name)
        try:
            with pytest.raises(DreamlakeError) as caught:
                tree.upsert([ASSET.model_copy(update={"metadata": {"durationSec": 2}})])
            assert caught.value.code is Code.UNREACHABLE and "\n" not in caught.value.message
        finally:
            admin.execute(undone.format(name, name))  # type: ignore[arg-type]
            _end_connections(admin, name)
    [ref] = tree.upsert([ASSET])
    assert tree.statuses([ref.id])[ref.id][1] == "ready"
