"""A request's body held to the checksums that the request names, as AWS does; nanio takes their word.

They are what makes a presigned PUT a PUT of one file: who has the URL could else store other bytes of the same length
under the file's hash, and again when the file has been verified.
"""

from __future__ import annotations

import base64
import hashlib
import re
from binascii import Error as NotBase64
from collections.abc import Mapping

from nanio.errors import BadDigest, InvalidRequest
from starlette.types import Message, Receive

from .refusals import refusal

_CONTENT = "x-amz-content-sha256"
_CHECKSUM = "x-amz-checksum-sha256"
_HEX = re.compile(r"[0-9a-f]{64}")

# nanio takes these apart; the frames carry a signature each.
_SIGNED_FRAMES = ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER")


def checked(receive: Receive, headers: Mapping[str, str], *, presigned: bool) -> Receive:
    """`receive`, which raises an S3Error at the body's end when the body is another one than its headers say.

    `headers` have names in lower case. Raises S3Error at once for headers that cannot be followed.
    """
    content = headers.get(_CONTENT)
    if content is None and not presigned:
        raise InvalidRequest(f"Missing required header for this request: {_CONTENT}")
    expected = []
    if content is not None and _HEX.fullmatch(content):
        mismatch = "The provided 'x-amz-content-sha256' header does not match what was computed."
        expected.append((bytes.fromhex(content), refusal(400, "XAmzContentSHA256Mismatch", mismatch)))
    elif content not in (None, "UNSIGNED-PAYLOAD", *_SIGNED_FRAMES):
        # nanio would store the frames of an unsigned stream as if they were the object.
        raise refusal(501, "NotImplemented", f"{_CONTENT}: {content} is not implemented.")
    if _CHECKSUM in headers and content not in _SIGNED_FRAMES:
        error = BadDigest("The SHA256 you specified did not match the calculated checksum.")
        expected.append((_from_base64(headers[_CHECKSUM]), error))
    if not expected:
        return receive
    digest = hashlib.sha256()

    async def received() -> Message:
        message = await receive()
        if message["type"] == "http.request":
            digest.update(message.get("body", b""))
            if not message.get("more_body", False):
                for sha256, error in expected:
                    if digest.digest() != sha256:
                        raise error
        return message

    return received


def _from_base64(text: str) -> bytes:
    try:
        sha256 = base64.b64decode(text, validate=True)
    except NotBase64:
        sha256 = b""
    if len(sha256) != hashlib.sha256().digest_size:
        raise InvalidRequest(f"Value for {_CHECKSUM} header is invalid.")
    return sha256
