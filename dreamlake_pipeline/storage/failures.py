"""A vendor's error becomes ours here and nowhere else: missing keys are NOT_FOUND, anything else STORAGE_FAILED.

`passing` says of it whether the store does not answer, or not now.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import boto3.exceptions
from botocore.exceptions import BotoCoreError, ClientError, CredentialRetrievalError, HTTPClientError, SSLError
from botocore.exceptions import ConnectionError as BotocoreConnectionError

from .. import tls
from ..errors import Code, DreamlakeError

_BAD_RANGE = {"InvalidRange", "InvalidArgument"}
_MISSING = {"404", "NoSuchKey", "NotFound"}

_CODE_OF_S3_ERROR = {
    "NoSuchUpload": Code.UPLOAD_EXPIRED,
    "InvalidPart": Code.CONFLICT,
    "InvalidPartOrder": Code.CONFLICT,
    "EntityTooSmall": Code.CONFLICT,
    "BucketAlreadyOwnedByYou": Code.CONFLICT,
    "BucketAlreadyExists": Code.CONFLICT,
}


def is_bad_range(error: DreamlakeError) -> bool:
    cause = error.__cause__
    return isinstance(cause, ClientError) and cause.response["Error"].get("Code") in _BAD_RANGE


def was_answered(error: DreamlakeError) -> bool:
    """Whether the store answered, and refused: its reason may be that of one key. Else it could not be asked."""
    return isinstance(error.__cause__, ClientError)


@contextmanager
def translated(action: str, key: str) -> Iterator[None]:
    """Turn botocore's exceptions into ours."""
    try:
        yield
    except (BotoCoreError, ClientError, ConnectionError, TimeoutError) as error:
        raise _ours(error, f"The object store could not {action} {key!r}", key) from error
    except boto3.exceptions.S3UploadFailedError as error:
        raise _ours(error.__context__ or error, f"The object store could not {action} {key!r}", key) from error


def _ours(error: BaseException, what: str, key: str) -> DreamlakeError:
    """The error that an exception of botocore means; `passing` when the store does not answer, or not now."""
    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if code in _MISSING:
            return DreamlakeError(Code.NOT_FOUND, f"Nothing is stored under {key!r}.")
        what = f"{what}: {code or status}."
        if code in _PASSING_S3_ERRORS or status in _PASSING_STATUSES:
            return DreamlakeError(Code.STORAGE_FAILED, what, passing=True)
        ours = _CODE_OF_S3_ERROR.get(code, Code.STORAGE_FULL if status == 507 else Code.STORAGE_FAILED)
        return DreamlakeError(ours, what, hint=_SKEWED_HINT if code == "RequestTimeTooSkewed" else None)
    if isinstance(error, SSLError):
        url = str(error.kwargs.get("endpoint_url", ""))
        if problem := tls.explain(error, url, variable=tls.authorities_variable()):
            return DreamlakeError(Code.STORAGE_FAILED, f"The object store at {url} {problem.what}.", hint=problem.hint)
    what = f"{what}: {type(error).__name__}."
    if isinstance(error, _PASSING_FAULTS):
        return DreamlakeError(Code.STORAGE_FAILED, what, passing=True)
    return DreamlakeError(Code.STORAGE_FAILED, what)


_SKEWED_HINT = "Set the clock of this machine, or that of the store; both can follow NTP."

_PASSING_STATUSES = (429, 500, 502, 503, 504)
_PASSING_S3_ERRORS = ("RequestTimeout", "SlowDown", "OperationAborted", "Throttling")  # with other statuses, too
_PASSING_FAULTS = (
    ConnectionError,
    TimeoutError,
    HTTPClientError,
    BotocoreConnectionError,
    CredentialRetrievalError,
)
