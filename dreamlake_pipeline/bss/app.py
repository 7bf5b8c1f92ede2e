"""The application: `uvicorn --loop asyncio --http dreamlake_pipeline.connections:Connection --factory
dreamlake_pipeline.bss.app:create_app`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi.middleware.cors import CORSMiddleware
from sqlalchemy import text

from .. import database
from ..api.common import ErrorResponse
from ..kinds import KINDS
from ..logs import REQUEST_ID
from ..migrations import migrate
from ..revocation import Revocations
from ..settings import Settings
from ..storage import COMPLETE_SECONDS, ObjectStore, open_client
from ..web import create_service
from . import measures
from .gauges import WorkGauges
from .presence import Presence
from .rebuild import Origin
from .routes import (
    bulk,
    deletion,
    downloads,
    fsck,
    garbage,
    pipeline,
    playback,
    processing,
    projects,
    rebuild,
    records,
    series,
    staging,
    uploads,
)
from .series.tables import Footers
from .timelines import TimelineCache
from .waking import Wake

# Seconds for which the object store may be silent, twice for most calls: a client waits 60 s for an answer.
_STORE_SILENCE = 20.0
_HEALTH_SILENCE = 5.0

_DESCRIPTION = """
Binary storage of dreamlake-pipeline: files are uploaded straight to S3, registered here, processed by the pipeline,
and played from here.

Send `Authorization: Bearer <token>`. Lists are `{items, cursor}`; errors are `{error: {code, message, hint}}`.
Every route may be called twice with the same effect as once.
"""


def create_app(settings: Settings | None = None) -> FastAPI:
    """BSS, as `settings` (by default the environment) configure it. Its schema is upgraded when it starts.

    Raises DreamlakeError(USAGE) when a setting is missing.
    """
    settings = settings or Settings()
    postgres_url = settings.require("postgres_url")
    engine = database.open_engine(postgres_url, schema=database.BSS_SCHEMA, pool_size=settings.database_connections)
    health_engine = database.open_engine(postgres_url, schema=database.BSS_SCHEMA, pool_size=1)
    service: FastAPI

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(migrate, postgres_url, schema=database.BSS_SCHEMA, package="dreamlake_pipeline.bss")
        gauges = WorkGauges(engine)
        app.state.metrics.register(gauges)
        measures.register(app.state.metrics)
        app.state.store = ObjectStore(
            open_client(silence=_STORE_SILENCE, tries=2),
            settings.bucket,
            completing=open_client(silence=COMPLETE_SECONDS, tries=1),
        )
        app.state.health_store = ObjectStore(open_client(silence=_HEALTH_SILENCE, tries=1), settings.bucket)
        try:
            yield
        finally:
            app.state.metrics.unregister(gauges)
            engine.dispose()
            health_engine.dispose()

    def check_health() -> None:
        with health_engine.connect() as connection:
            connection.execute(text("SELECT 1"))
        service.state.health_store.check()

    service = create_service(
        title="BSS",
        description=_DESCRIPTION,
        keys=settings.token_keys(),
        is_healthy=check_health,
        lifespan=lifespan,
        revocations=Revocations(engine),
        metrics_token=settings.optional("metrics_token"),
    )
    service.state.database = engine
    service.state.origin = Origin(engine)
    service.state.presence = Presence()
    service.state.wake = Wake()
    service.state.timelines = TimelineCache()
    service.state.footers = Footers()
    service.state.settings = settings
    # Players in a browser load playlists from pages of other origins. Tokens are sent explicitly, never as cookies.
    service.add_middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["GET"],
        allow_headers=["Authorization", "Range", REQUEST_ID],
        expose_headers=[REQUEST_ID],
    )

    errors = {status: {"model": ErrorResponse} for status in (401, 403, 404, 409, 413, 422)}
    kinds = list(KINDS.values())
    # Routes are looked through in this order for each request: what the pipeline and clients ask for all the time is
    # found first.
    for routes in (
        pipeline.routes,
        bulk.routes,
        *(uploads.router(spec) for spec in kinds),
        playback.routes,
        series.routes,
        *(records.router(spec) for spec in kinds),
        processing.routes,
        projects.routes,
        deletion.routes,
        downloads.routes,
        staging.routes,
        garbage.routes,
        fsck.routes,
        rebuild.routes,
    ):
        service.include_router(routes, responses=errors)  # type: ignore[arg-type]
    return service
