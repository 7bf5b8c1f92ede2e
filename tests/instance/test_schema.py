"""Dagster's tables of an earlier version are upgraded when they are opened, and those of a newer one refused."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import DagsterInstance
from dagster._core.storage.sql import run_alembic_downgrade
from dagster_postgres.run_storage import run_storage
from dagster_postgres.utils import pg_alembic_config
from sqlalchemy import Engine, create_engine, text

from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.instance import storage
from dreamlake_pipeline.instance.schema import newest_revision


@pytest.fixture
def tables(instance_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """Dagster's tables, with something in them; the process has not opened them yet."""
    with DagsterInstance.from_config(str(instance_home)) as instance:
        instance.add_dynamic_partitions("batches", ["kept"])
    monkeypatch.setattr(storage, "_engines", {})
    engine = create_engine(os.environ["DAGSTER_POSTGRES_URL"], isolation_level="AUTOCOMMIT")
    yield engine
    with engine.connect() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :newest"), {"newest": newest_revision()})
    engine.dispose()


def _revision(tables: Engine) -> str:
    with tables.connect() as connection:
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()


@pytest.mark.xdist_group("instance")
def test_tables_of_an_earlier_version_are_upgraded(instance_home: Path, tables: Engine) -> None:
    with tables.connect() as connection:
        run_alembic_downgrade(pg_alembic_config(run_storage.__file__), connection, "-1")
    assert _revision(tables) != newest_revision()
    with DagsterInstance.from_config(str(instance_home)) as instance:
        assert instance.get_dynamic_partitions("batches") == ["kept"]
    assert _revision(tables) == newest_revision()


@pytest.mark.xdist_group("instance")
def test_tables_of_a_newer_version_are_refused(instance_home: Path, tables: Engine) -> None:
    with tables.connect() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'ffffffffffff'"))
    with pytest.raises(DreamlakeError, match="a newer Dagster upgraded them") as refused:
        DagsterInstance.from_config(str(instance_home))
    assert refused.value.code is Code.SCHEMA_NEWER
    assert _revision(tables) == "ffffffffffff"
