"""DreamLake Server as an ASGI application: `uvicorn --loop asyncio --http dreamlake_pipeline.connections:Connection
--factory dreamlake_pipeline.server.app:create_app`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import text

from ..database import SERVER_SCHEMA, open_engine
from ..migrations import migrate
from ..revocation import Revocations
from ..settings import Settings
from ..web import create_service
from .routes import assets, auth, episodes, tree

_DESCRIPTION = """
The index of what was uploaded: namespaces, projects, episodes, and the folder tree of each episode. The bytes and
what was made from them are in BSS; `bssId` is a file's record there.

Lists come in pages, `{items, cursor}`: pass `cursor` back for the next page. Errors are `{error: {code, message}}`.
"""

_TAGS = [
    {"name": "assets", "description": "Files: registration (always an upsert), lookup and removal."},
    {"name": "tree", "description": "Namespaces, projects, episodes, folders."},
    {"name": "episodes", "description": "Projects and episodes in short; flags and notes."},
    {"name": "auth", "description": "The caller."},
    {"name": "operations", "description": "Health and metrics; no token needed."},
]


def create_app(settings: Settings | None = None) -> FastAPI:
    """The service; it creates or upgrades its schema when it starts.

    Raises DreamlakeError(USAGE) when DREAMLAKE_AUTH_SECRET, DREAMLAKE_POSTGRES_URL or DREAMLAKE_BSS_URL is not set.
    """
    settings = settings or Settings()
    keys, bss_url = settings.token_keys(), settings.require("bss_url")
    postgres_url = settings.require("postgres_url")
    engine = open_engine(postgres_url, schema=SERVER_SCHEMA, pool_size=settings.database_connections)
    health_engine = open_engine(postgres_url, schema=SERVER_SCHEMA, pool_size=1)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(migrate, postgres_url, schema=SERVER_SCHEMA, package="dreamlake_pipeline.server")
        yield
        engine.dispose()
        health_engine.dispose()

    def is_healthy() -> None:
        with health_engine.connect() as connection:
            connection.execute(text("SELECT 1 FROM assets LIMIT 1"))

    service = create_service(
        title="DreamLake Server",
        description=_DESCRIPTION,
        keys=keys,
        is_healthy=is_healthy,
        lifespan=lifespan,
        revocations=Revocations(engine),
        metrics_token=settings.optional("metrics_token"),
    )
    service.openapi_tags = _TAGS
    service.state.engine = engine
    service.state.bss_url = bss_url.rstrip("/")
    for routes in (assets, tree, episodes, auth):
        service.include_router(routes.router)
    return service
