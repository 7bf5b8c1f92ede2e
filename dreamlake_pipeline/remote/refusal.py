"""What a refusal of the object store means: what passes, what another signature mends, and what is final.

The body of a refusal is XML with a code (Amazon S3 API Reference, "Error Responses"), which tells more than the HTTP
status: 400 is what S3 says of a bad request, of a connection that stalled, and of a signature by credentials that
have expired. Other stores that speak S3 have further codes, and proxies on the way answer without any.
"""

from __future__ import annotations

import re

from ..errors import Code, DreamlakeError
from .away import Away


class UrlExpired(Exception):
    """The store no longer accepts this presigned URL: ask for another one. The text is the store's reason.

    `verdict` is the error for a store that says the same of every other one, where its reason tells what is wrong.
    """

    def __init__(self, said: str, verdict: DreamlakeError | None = None) -> None:
        super().__init__(said)
        self.verdict = verdict


class StoreAway(Away):
    """The object store cannot be reached, or takes nothing at the moment."""


class BytesWithheld(StoreAway):
    """The object store can be reached, and does not give an object's bytes: the connection breaks off, it has a fault
    of its own with them, or it does not accept a URL for them. Once, that passes; again and again, it is the object."""


class BytesDamaged(DreamlakeError):
    """Other bytes arrived than were announced: they were damaged on the way, or the file changed."""


# The same request may succeed in a moment. What S3 says of these with the status 400 or 409, and what it says with 503
# and some other stores with 400 or 429; botocore tries the same again (botocore/retries/standard.py, _retry.json).
_PASSING = {
    "RequestTimeout": "waited too long for bytes",
    "RequestTimeoutException": "waited too long for bytes",
    "IncompleteBody": "did not get all bytes",
    "OperationAborted": "is busy with another operation on the same object",
    "ConditionalRequestConflict": "is busy with another operation on the same object",
    "PriorRequestNotComplete": "is busy with another operation on the same object",
    "InternalError": "has a fault of its own",
    "ServiceUnavailable": "is overloaded",
    "SlowDown": "is overloaded",
    "Busy": "is overloaded",
    "TooManyRequests": "is overloaded",
    "Throttling": "is overloaded",
    "ThrottlingException": "is overloaded",
    "ThrottledException": "is overloaded",
    "RequestThrottled": "is overloaded",
    "RequestThrottledException": "is overloaded",
    "RequestLimitExceeded": "is overloaded",
    "BandwidthLimitExceeded": "is overloaded",
}
_PASSING_STATUSES = {408: "waited too long for bytes", 425: "is not ready", 429: "is overloaded"}
_FINAL_5XX = (501, 505, 507)

# The credentials that signed the URL are no longer good; the service that signs may have others by now.
_SIGN_AGAIN = frozenset({"ExpiredToken", "TokenRefreshRequired", "InvalidToken"})

_DAMAGED = frozenset({"BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "InvalidDigest"})
_FULL = frozenset({"StorageFull", "XMinioStorageFull", "QuotaExceeded", "XMinioAdminBucketQuotaExceeded"})

_HINT = "Run the command again in a while: what has arrived is not sent again."


def refusal(status: int, body: bytes, place: str, *, retry_after: float = 0.0) -> Exception:
    """The exception for an answer of the store at `place` (host and port) with an error's status and its body.

    `retry_after` is what its header says, in seconds."""
    text = body[:4000].decode("utf-8", "replace")
    code = _field(text, "Code")
    said = f"{status} {code}".strip()
    if code in _DAMAGED:
        return BytesDamaged(Code.FILE_CHANGED, "The bytes that arrived are not those that were announced.")
    if code == "NoSuchBucket":
        bucket = _field(text, "BucketName")
        return DreamlakeError(
            Code.STORAGE_FAILED,
            f"The object store at {place} has no bucket {bucket}".rstrip() + ".",
            hint="The bucket is that of BSS's configuration (DREAMLAKE_BUCKET).",
        )
    if code == "NoSuchUpload" or status == 404:
        return DreamlakeError(Code.UPLOAD_EXPIRED, f"The upload is gone ({said}).")
    if code in _FULL or status == 507:
        return DreamlakeError(
            Code.STORAGE_FULL, f"The object store at {place} is full.", hint="Make room, then run the command again."
        )
    if code == "RequestTimeTooSkewed":
        # Some stores say so of a URL that has expired while it waited for its turn.
        return UrlExpired(said, _skewed(text, place))
    if code in _SIGN_AGAIN or (status == 403 and code not in _PASSING):
        return UrlExpired(said)
    passing = _PASSING.get(code) or _PASSING_STATUSES.get(status)
    if passing is None and status >= 500 and status not in _FINAL_5XX:
        passing = "is overloaded" if status == 503 else "has a fault of its own"
    if passing:
        return StoreAway(
            Code.OVERLOADED,
            f"The object store at {place} {passing} ({said}).",
            hint=_HINT,
            reason=f"it {passing} ({said}, {place})",
            retry_after=retry_after,
        )
    return DreamlakeError(Code.STORAGE_FAILED, f"The object store at {place} refused the bytes ({said}).")


def _skewed(text: str, place: str) -> DreamlakeError:
    """What is wrong if a new signature has the same fault; the body has the times of both (RequestTime, ServerTime)."""
    signed, now = _field(text, "RequestTime"), _field(text, "ServerTime")
    times = f" The signature is of {signed}, the store's time was {now}." if signed and now else ""
    return DreamlakeError(
        Code.STORAGE_FAILED,
        f"The object store at {place} refuses what is signed by a clock that is so far from its own.{times}",
        hint="Set the clock of the machine on which BSS runs, or that of the store; both can follow NTP.",
    )


def _field(text: str, name: str) -> str:
    found = re.search(f"<{name}>([^<]*)</{name}>", text)
    return found[1].strip() if found else ""
