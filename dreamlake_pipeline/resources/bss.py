"""BSS, through its HTTP routes for the pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dagster import ConfigurableResource, InitResourceContext
from pydantic import Field, PrivateAttr

if TYPE_CHECKING:
    from ..client.pipeline import PipelineClient


class BssResource(ConfigurableResource):
    """BSS owns the records and the batches; the pipeline asks it what to do and reports what was done."""

    url: str = Field(description="URL of BSS.")
    token: str = Field(description="A bearer token that writes in every namespace.")

    _http: Any = PrivateAttr(default=None)

    @property
    def pipeline(self) -> PipelineClient:
        """BSS's pipeline routes, through one connection pool for as long as the resource lives."""
        from ..client.http import ServiceClient
        from ..client.pipeline import PipelineClient

        if self._http is None:
            self._http = ServiceClient("BSS", self.url, self.token)
        return PipelineClient(self._http)

    def teardown_after_execution(self, context: InitResourceContext) -> None:
        if self._http is not None:
            self._http.close()
            self._http = None
