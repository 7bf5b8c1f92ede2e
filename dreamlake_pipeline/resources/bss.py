"""BSS, through its HTTP routes for the pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dagster import ConfigurableResource, InitResourceContext
from pydantic import Field, PrivateAttr

if TYPE_CHECKING:
    from ..remote.http import ServiceClient
    from ..remote.pipeline import PipelineClient


# Seconds for which a run waits for BSS. While BSS is away, nobody else can take its batch, and what a run reports after
# it lost its batch is refused; a run that gives up loses what it has made and not reported, and its batch is offered
# again. Where nobody has ever answered, the URL may be wrong.
_RUN_SECONDS, _RUN_FIRST_SECONDS = 900.0, 20.0


class BssResource(ConfigurableResource):
    """BSS owns the records and the batches; the pipeline asks it what to do and reports what was done.

    A run waits for a BSS that is away, a sensor only for some seconds: its next tick asks again.
    """

    url: str = Field(description="URL of BSS.")
    token: str = Field(description="A bearer token that writes in every namespace.")

    _http: Any = PrivateAttr(default=None)
    _run_id: str | None = PrivateAttr(default=None)

    def setup_for_execution(self, context: InitResourceContext) -> None:
        self._run_id = context.run.run_id if context.run is not None else None

    @property
    def pipeline(self) -> PipelineClient:
        """BSS's pipeline routes, through one connection pool for as long as the resource lives."""
        from ..remote.pipeline import PipelineClient

        return PipelineClient(self.http)

    @property
    def http(self) -> ServiceClient:
        """BSS over the same connections, for its other routes."""
        from ..remote.http import RequestIds, ServiceClient
        from ..remote.patience import Patience

        if self._http is None:
            patience = Patience(_RUN_SECONDS, unheard=_RUN_FIRST_SECONDS) if self._run_id else None
            ids = RequestIds(self._run_id)  # BSS's logs then tell which run asked
            self._http = ServiceClient("BSS", self.url, self.token, patience=patience, request_ids=ids)
        http: ServiceClient = self._http
        return http

    def teardown_after_execution(self, context: InitResourceContext) -> None:
        if self._http is not None:
            self._http.close()
            self._http = None
