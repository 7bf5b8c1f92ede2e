from __future__ import annotations

import os
from pathlib import Path

import psycopg
import pytest
from dagster import DagsterInstance

BACKENDS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'counted'"


@pytest.mark.xdist_group("instance")
def test_instances_share_connections_and_survive_their_loss(
    instance_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = os.environ["DAGSTER_POSTGRES_URL"] + "&application_name=counted"
    plain = url.replace("+psycopg2", "")
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", url)
    with psycopg.connect(plain.replace("application_name=counted", "application_name=counting")) as connection:
        connection.autocommit = True
        for _ in range(5):
            with DagsterInstance.from_config(str(instance_home)) as instance:
                instance.add_dynamic_partitions("batches", ["a"])
                assert instance.get_runs() == []
        [(pid,)] = connection.execute(BACKENDS).fetchall()
        connection.execute("SELECT pg_terminate_backend(%s)", [pid])
        with DagsterInstance.from_config(str(instance_home)) as instance:
            assert instance.get_dynamic_partitions("batches") == ["a"]
