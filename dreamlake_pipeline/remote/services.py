"""The two services that a client talks to, for callers of different patience."""

from __future__ import annotations

from .bss import BssClient
from .http import RequestIds, ServiceClient
from .patience import Patience
from .server import IndexClient


class Services:
    """BSS and DreamLake Server. Safe to share between threads; close it.

    `bss` and `index` wait some seconds for a service that is away, or as `patience` says. Raises DreamlakeError(USAGE)
    for a URL that is none, UNAUTHENTICATED for a token that no header can hold.
    """

    def __init__(self, *, remote: str, bss_url: str, api_key: str, patience: Patience | None = None) -> None:
        ids = RequestIds()
        self.both = (
            ServiceClient("BSS", bss_url, api_key, patience=patience, request_ids=ids),
            ServiceClient("DreamLake Server", remote, api_key, patience=patience, request_ids=ids),
        )
        self.bss = BssClient(self.both[0])
        self.index = IndexClient(self.both[1])

    def patient_bss(self, patience: Patience) -> BssClient:
        """BSS for a caller of that patience."""
        return BssClient(self.both[0].with_patience(patience))

    def patient_index(self, patience: Patience) -> IndexClient:
        """DreamLake Server for a caller of that patience."""
        return IndexClient(self.both[1].with_patience(patience))

    def close(self) -> None:
        for service in self.both:
            service.close()
