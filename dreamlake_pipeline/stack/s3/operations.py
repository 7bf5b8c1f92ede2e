"""What a signed request may ask for: operations that nanio has, on uploads that are of the key that is named.

This comes after the verification of the signature: who has no keys learns nothing of what is there.
"""

from __future__ import annotations

import re
from pathlib import Path

from nanio.errors import InvalidArgument, NoSuchUpload, S3Error
from nanio.storage.multipart import MultipartManager
from starlette.types import ASGIApp, Receive, Scope, Send

from . import overrides
from .refusals import answer, refusal
from .storage import make_way
from .wall import REQUEST, Request

_MOST_PARTS = 10_000
_UPLOAD_ID = re.compile(r"[A-Za-z0-9_-]{32}")  # nanio's; it names a folder, so nothing else may come near one
_PART_NUMBER = re.compile(r"[1-9][0-9]{0,4}")

# What a query may say. nanio ignores what it does not know, and would store an ACL as if it were the object.
_KNOWN = {
    *("X-Amz-Algorithm", "X-Amz-Content-Sha256", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires"),
    *("X-Amz-Security-Token", "X-Amz-Signature", "X-Amz-SignedHeaders", "x-id"),
    *("uploads", "uploadId", "partNumber", "max-parts", "part-number-marker", "delete", "location"),
    *("list-type", "prefix", "delimiter", "max-keys", "start-after", "continuation-token", "encoding-type"),
    *("fetch-owner", "marker", "max-uploads", "key-marker", "upload-id-marker"),
    *overrides.NAMES,
}


class Operations:
    """ASGI, between nanio's verification and its handlers. nanio keeps its objects under `objects`."""

    def __init__(self, handlers: ASGIApp, objects: Path) -> None:
        self._handlers, self._objects = handlers, objects
        self._uploads = MultipartManager(objects)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._handlers(scope, receive, send)
            return
        request: Request = scope[REQUEST]
        try:
            _check_query(request)
            self._check_upload(request)
            if request.method in ("PUT", "POST") and request.key:
                make_way(self._objects, request.bucket, request.key)
            if request.method in ("GET", "HEAD"):
                send = overrides.overridden(send, request.query)
        except S3Error as error:
            await answer(send, error)
            return
        await self._handlers(scope, receive, send)

    def _check_upload(self, request: Request) -> None:
        """nanio takes any folder's name for an upload id, `.` too, and any upload for one of the key that is named."""
        if "uploadId" not in request.query:
            return
        upload_id = request.query["uploadId"]
        if not _UPLOAD_ID.fullmatch(upload_id):
            raise NoSuchUpload()
        upload = self._uploads.load_init(upload_id)
        if (upload.bucket, upload.key) != (request.bucket, request.key):
            raise NoSuchUpload()


def _check_query(request: Request) -> None:
    if unknown := sorted(request.query.keys() - _KNOWN):
        raise refusal(501, "NotImplemented", f"The query parameter {unknown[0]!r} is not implemented.")
    if "partNumber" in request.query:
        number = request.query["partNumber"]
        if not _PART_NUMBER.fullmatch(number) or int(number) > _MOST_PARTS:
            raise InvalidArgument(f"Part number must be an integer between 1 and {_MOST_PARTS}, inclusive")
    if request.method == "PUT" and ("partNumber" in request.query) != ("uploadId" in request.query):
        raise InvalidArgument("A part needs both partNumber and uploadId")
