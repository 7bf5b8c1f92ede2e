"""The object store: one bucket of an S3 server, and requests to it that others may send."""

from .connecting import COMPLETE_SECONDS, client_config, default_region, open_client
from .failures import was_answered
from .objects import ObjectInfo, Page, UploadedPart, UploadInfo, UploadPage
from .objectstore import ObjectStore
from .presigning import SignedRequest

__all__ = [
    "COMPLETE_SECONDS",
    "ObjectInfo",
    "ObjectStore",
    "Page",
    "SignedRequest",
    "UploadInfo",
    "UploadPage",
    "UploadedPart",
    "client_config",
    "default_region",
    "open_client",
    "was_answered",
]
