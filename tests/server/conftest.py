"""DreamLake Server on a real Postgres: one migrated database for the run, namespaces of each test's own (`owner`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from dreamlake_pipeline.api.server import BatchAsset
from dreamlake_pipeline.auth import issue_token
from dreamlake_pipeline.database import SERVER_SCHEMA, open_engine
from dreamlake_pipeline.ids import new_id
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.server.app import create_app
from dreamlake_pipeline.settings import Settings

SECRET = "a secret for the tests of the server only, of 32 bytes"


@pytest.fixture(scope="session")
def server_database(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture(scope="session")
def service(server_database: str) -> Iterator[TestClient]:
    """The running service, without a token."""
    settings = Settings(auth_secret=SECRET, postgres_url=server_database, bss_url="http://127.0.0.1:1/")
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="session")
def engine(service: TestClient, server_database: str) -> Iterator[Engine]:
    """The service's database."""
    engine = open_engine(server_database, schema=SERVER_SCHEMA, pool_size=16)
    yield engine
    engine.dispose()


@pytest.fixture
def token() -> Callable[..., dict[str, str]]:
    """Makes the header of a token."""

    def make(*namespaces: str, scope: str = "write", ttl: float | None = 60) -> dict[str, str]:
        asset = new_id() if scope == "play" else None
        issued = issue_token(SECRET, sub="tester", namespaces=list(namespaces), scope=scope, ttl=ttl, asset=asset)  # type: ignore[arg-type]
        return {"Authorization": f"Bearer {issued}"}

    return make


@pytest.fixture
def call(service: TestClient, owner: str, token: Callable[..., dict[str, str]]) -> Callable[..., Any]:
    """Calls the service as the writer of this test's namespace; the JSON body. `status` None: any 4xx."""

    def request(method: str, path: str, *, status: int | None = 200, **options: Any) -> Any:
        options.setdefault("headers", token(owner))
        response = service.request(method, path, **options)
        assert response.status_code == status or (status is None and response.is_client_error), response.text
        return response.json()

    return request


@pytest.fixture
def asset(owner: str) -> Callable[..., BatchAsset]:
    """Makes the registration of a video (or another kind) in this test's namespace."""

    def make(name: str, *, bss: str | None = None, kind: Kind = Kind.VIDEO, **fields: Any) -> BatchAsset:
        given = {"namespace": owner, "project": "robots", "name": name, "kind": kind, **fields}
        return BatchAsset.model_validate({kind.spec.bss_id_field: bss or new_id(), **given})

    return make


@pytest.fixture
def every_page(call: Callable[..., Any]) -> Callable[..., list[Any]]:
    """All items of a list, by its cursors."""

    def collect(path: str, /, **params: Any) -> list[Any]:
        items: list[Any] = []
        cursor = None
        while True:
            page = call("GET", path, params={**params, **({"cursor": cursor} if cursor else {})})
            assert len(page["items"]) <= params.get("limit", 100)
            items += page["items"]
            cursor = page["cursor"]
            if not cursor:
                return items

    return collect
