"""Dagster's webserver as an ASGI application, guarded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from dagster._core.workspace.context import IWorkspaceProcessContext
from dagster_webserver.app import create_app_from_workspace_process_context
from starlette.applications import Starlette
from starlette.types import ASGIApp

from ...settings import Settings
from .guard import Guard
from .hosts import allowed_hosts
from .session import Sessions

_LIVE_DATA_POLL_RATE = 2000  # milliseconds; the default of dagster-webserver


def create_app(process_context: IWorkspaceProcessContext, port: int, settings: Settings) -> Guard:
    """What listens on `port`. Raises DreamlakeError(USAGE) without a login secret."""
    dagster = create_app_from_workspace_process_context(
        process_context, live_data_poll_rate=_LIVE_DATA_POLL_RATE, lifespan=_lifespan
    )
    return guarded(dagster, port, settings)


def guarded(app: ASGIApp, port: int, settings: Settings) -> Guard:
    """`app` behind a guard. Raises DreamlakeError(USAGE) without a login secret."""
    return Guard(
        app,
        hosts=allowed_hosts(port, settings.dagster_hosts),
        sessions=Sessions(settings.require("dagster_secret")),
    )


@asynccontextmanager
async def _lifespan(_: Starlette) -> AsyncIterator[None]:
    """As dagster-webserver has it: a server that is told to end cancels this."""
    with suppress(asyncio.CancelledError):
        yield
