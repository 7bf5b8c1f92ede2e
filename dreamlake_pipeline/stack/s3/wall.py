"""What is refused before nanio sees it, by the rules of AWS where AWS has one.

nanio verifies the signature of what is signed. The wall makes that mean something: nothing that has an effect is
outside of the signature, and there is one way to read a request, so that nanio's verifier and its handlers, which read
headers, queries and paths each in their own way, cannot be told different things.

The rules are in the Amazon S3 API reference, "Authenticating Requests (AWS Signature Version 4)".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, unquote, unquote_to_bytes

from nanio.auth.sigv4 import parse_authorization_header
from nanio.errors import (
    EntityTooLarge,
    InvalidArgument,
    InvalidObjectName,
    InvalidRequest,
    S3Error,
    SignatureDoesNotMatch,
)
from nanio.keys import validate_bucket_name, validate_object_key
from starlette.types import ASGIApp, Receive, Scope, Send

from .integrity import checked
from .refusals import HeadersNotSigned, answer, refusal

_ALGORITHM = "X-Amz-Algorithm"
_LONGEST_VALIDITY = 7 * 24 * 3600  # seconds; "X-Amz-Expires must be less than a week"
_LARGEST_PUT = 5 * 2**30  # bytes; of one request, as AWS allows

# Headers that are stored with an object or change what its readers get.
_STORED = {"cache-control", "content-disposition", "content-encoding", "content-language", "expires"}

REQUEST = "dreamlake.s3.request"

_QUERY = re.compile(rb"[!-~]*")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,12}")


class Request(NamedTuple):
    """A request as everybody is to read it. Names of headers are in lower case; `signed` are names of headers."""

    method: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    presigned: bool
    signed: frozenset[str]


class Wall:
    """ASGI: refuses what AWS would refuse whoever asks, and hands the rest to nanio's application, which verifies the
    signature and finds the request as it was read here in its scope, under `REQUEST`."""

    def __init__(self, nanio: ASGIApp) -> None:
        self._nanio = nanio

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._nanio(scope, receive, send)
            return
        try:
            request = _read(scope)
            _check_signed(request)
            _check_length(request)
            receive = checked(receive, request.headers, presigned=request.presigned)
        except S3Error as error:
            await answer(send, error)
            return
        await self._nanio({**scope, REQUEST: request}, receive, send)


def _read(scope: Scope) -> Request:
    bucket, key = _read_path(scope)
    headers = _read_headers(scope)
    if not _QUERY.fullmatch(scope["query_string"]):
        raise refusal(400, "InvalidURI", "Couldn't parse the specified URI.")
    text = scope["query_string"].decode()
    pairs = parse_qsl(text, keep_blank_values=True)
    presigned = any(name == _ALGORITHM for name, _ in pairs)
    if presigned:
        signed = _read_presigned(text, headers)
    elif "authorization" in headers:
        signed = frozenset(parse_authorization_header(headers["authorization"]).signed_headers)
    else:
        raise refusal(403, "AccessDenied", "Access Denied")
    return Request(scope["method"], bucket, key, dict(pairs), headers, presigned, signed)


def _read_path(scope: Scope) -> tuple[str, str]:
    """Bucket and key; each empty when the path has none."""
    path = scope["path"]
    try:
        is_plain = unquote_to_bytes(scope["raw_path"]).decode() == path
    except UnicodeDecodeError:
        is_plain = False
    if not is_plain or not path.startswith("/"):
        raise refusal(400, "InvalidURI", "Couldn't parse the specified URI.")
    bucket, _, key = path[1:].partition("/")
    if bucket:
        validate_bucket_name(bucket)
    if key:
        validate_object_key(key)
        if unquote(key) != key:
            # nanio decodes once more when it verifies: the signature of `a b` would also be one of `a%20b`.
            raise InvalidObjectName("A key may not contain a percent sign and two hexadecimal digits.")
    return bucket, key


def _read_headers(scope: Scope) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        text = name.decode("latin-1")
        if text in headers:
            # nanio verifies the last one, and its handlers use the first.
            raise InvalidRequest(f"The header {text} is there more than once.")
        headers[text] = value.decode("latin-1")
    return headers


def _read_presigned(query: str, headers: Mapping[str, str]) -> frozenset[str]:
    """The headers that the signature in the query covers."""
    if "authorization" in headers:
        raise InvalidArgument(
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string "
            "parameter or the Authorization header should be specified"
        )
    asked: dict[str, str] = {}
    for pair in query.split("&"):
        name, equals, value = pair.partition("=")
        # nanio leaves out a name without a value when it verifies, and so an unsigned `&uploadId` would have an effect.
        # Anything that is not encoded as the signature has it, it and its handlers read in two ways.
        if not equals or name in asked or not _is_canonical(name) or not _is_canonical(value):
            raise SignatureDoesNotMatch()
        asked[name] = unquote(value)
    expires = asked.get("X-Amz-Expires", "")
    if not _NUMBER.fullmatch(expires) or not 1 <= int(expires) <= _LONGEST_VALIDITY:
        raise refusal(
            400, "AuthorizationQueryParametersError", f"X-Amz-Expires must be between 1 and {_LONGEST_VALIDITY} seconds"
        )
    return frozenset(asked.get("X-Amz-SignedHeaders", "").split(";"))


def _is_canonical(text: str) -> bool:
    return quote(unquote(text), safe="-_.~") == text


def _check_signed(request: Request) -> None:
    """AWS wants the host and every `x-amz-*` signed. Of the other headers it stores what comes along; with a presigned
    URL, which is given to somebody else, those that are stored must be signed here."""
    must = {"host"} | {name for name in request.headers if name.startswith("x-amz-")}
    if request.presigned and request.method in ("PUT", "POST"):
        must |= _STORED & request.headers.keys()
        if "uploadId" not in request.query:  # a part has no type of its own
            must |= {"content-type"} & request.headers.keys()
    if missing := must - request.signed:
        raise HeadersNotSigned(missing)


def _check_length(request: Request) -> None:
    if request.method != "PUT" or not request.key:
        return
    length = request.headers.get("content-length")
    if length is None or not _NUMBER.fullmatch(length):
        raise refusal(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
    if int(length) > _LARGEST_PUT:
        raise EntityTooLarge()
