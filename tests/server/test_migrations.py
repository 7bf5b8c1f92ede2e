from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import IntegrityError

from dreamlake_pipeline.database import SERVER_SCHEMA, open_engine
from dreamlake_pipeline.ids import new_id
from dreamlake_pipeline.migrations import migrate

# One namespace, one project, and the root of its files of no episode.
ROOT = """
    INSERT INTO namespaces (id, name) VALUES (:namespace, 'n');
    INSERT INTO projects (id, namespace_id, name) VALUES (:project, :namespace, 'p');
    INSERT INTO nodes (id, project_id, root_id, name, path) VALUES (:root, :project, :root, '', '/')
"""
TABLES = {
    "alembic_version",
    "assets",
    "episodes",
    "namespaces",
    "nodes",
    "projects",
    "revoked_tokens",
    "tallies",
    "time_offsets",
}


def test_an_empty_database_is_migrated_by_several_processes_at_once_and_again(database: str) -> None:
    def up(_: int) -> None:
        migrate(database, schema=SERVER_SCHEMA, package="dreamlake_pipeline.server")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(up, range(4)))
    up(5)

    engine = open_engine(database, schema=SERVER_SCHEMA)
    assert set(inspect(engine).get_table_names(schema=SERVER_SCHEMA)) == TABLES
    assert not inspect(engine).get_table_names(schema="public")
    with engine.begin() as connection:
        namespace = {"id": new_id(), "name": "kept"}
        connection.execute(text("INSERT INTO namespaces (id, name) VALUES (:id, :name)"), namespace)
    up(6)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT name FROM namespaces")).scalars().all() == ["kept"]
    engine.dispose()


@pytest.fixture(scope="module")
def tree(new_database: Callable[[], str]) -> Iterator[Engine]:
    url = new_database()
    migrate(url, schema=SERVER_SCHEMA, package="dreamlake_pipeline.server")
    engine = open_engine(url, schema=SERVER_SCHEMA)
    ids = {name: new_id() for name in ("namespace", "project", "root")}
    with engine.begin() as connection:
        for statement in ROOT.split(";"):
            connection.execute(text(statement), ids)
    yield engine
    engine.dispose()


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("INSERT INTO namespaces (id, name) VALUES ('nothex', 'a')", "namespaces_id_check"),
        ("INSERT INTO namespaces (id, name) VALUES (:id, 'Not A Slug')", "namespaces_name_check"),
        (
            "INSERT INTO nodes (id, project_id, root_id, name, path) SELECT :id, project_id, :id, '', '/'"
            " FROM nodes WHERE parent_id IS NULL AND episode_id IS NULL",
            "nodes_",
        ),
        (
            "INSERT INTO nodes (id, project_id, root_id, parent_id, name, path) SELECT :id, project_id, root_id, id,"
            " 'b', '/a' FROM nodes WHERE parent_id IS NULL",
            "nodes_path_ends_with_name",
        ),
        (
            "INSERT INTO nodes (id, project_id, root_id, parent_id, name, path) SELECT :id, project_id, root_id, :id,"
            " 'b', '/b' FROM nodes WHERE parent_id IS NULL",
            "nodes_parent_is_another",
        ),
    ],
)
def test_the_schema_refuses_what_would_break_the_tree(tree: Engine, statement: str, constraint: str) -> None:
    with pytest.raises(IntegrityError, match=constraint), tree.begin() as connection:
        connection.execute(text(statement), {"id": new_id()})
