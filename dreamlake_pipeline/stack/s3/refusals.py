"""What the wall answers: S3's error codes, each with the status that AWS gives it.

The codes are in the Amazon S3 API reference, "Error responses". nanio's own classes serve where it has one.
"""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import escape

from nanio.errors import AccessDenied, S3Error
from starlette.types import Send


def refusal(status: int, code: str, message: str) -> S3Error:
    """An error of S3's, of which nanio has no class."""
    error = S3Error(message)
    error.code, error.http_status = code, status
    return error


class HeadersNotSigned(AccessDenied):
    """A header has an effect and is not among those that the signature covers."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__("There were headers present in the request which were not signed")
        self._names = ", ".join(sorted(names))

    def to_xml(self) -> bytes:
        names = f"<HeadersNotSigned>{escape(self._names)}</HeadersNotSigned></Error>"
        return bytes(super().to_xml()).replace(b"</Error>", names.encode())


async def answer(send: Send, error: S3Error) -> None:
    """Answer a request with the error, as XML."""
    body = error.to_xml()
    headers = [(b"content-type", b"application/xml"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": error.http_status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
