"""What a caller sees when the database goes away."""

from __future__ import annotations

from fastapi.testclient import TestClient
from sqlalchemy import create_engine, make_url, text

from dreamlake_pipeline.bss.app import create_app
from dreamlake_pipeline.database import with_driver


def test_a_database_that_is_gone_is_a_503(database, postgres, settings_for, as_caller) -> None:
    with TestClient(create_app(settings_for(database)), raise_server_exceptions=False) as client:
        headers = dict(as_caller("*").headers)
        assert client.get("/videos", headers=headers).json() == {"items": [], "cursor": None}
        admin = create_engine(with_driver(postgres, "psycopg"), isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(text(f'DROP DATABASE "{make_url(database).database}" WITH (FORCE)'))
        admin.dispose()
        answer = client.get("/videos", headers=headers)
        assert answer.status_code == 503 and answer.json()["error"]["message"]
        assert client.get("/healthz").status_code == 503


def test_starting_again_finds_the_schema(database, settings_for, as_caller) -> None:
    for _ in range(2):
        with TestClient(create_app(settings_for(database))) as client:
            assert client.get("/healthz").status_code == 200
