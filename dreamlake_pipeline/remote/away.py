"""What passes: the one place that decides whether who was asked may answer the same request later.

That is so of connections that cannot be made, break off or stay silent; of 408, 429, 502, 503 and 504; of any other
status of 500 and above whose body is not of our services, since a proxy in between said it; and of what our services
say passes (`DreamlakeError.is_passing`). It is not so of what is wrong with TLS or a URL. Of answers of the object
store, `refusal.py` decides.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, ProtocolError, ProxyError
from urllib3.exceptions import TimeoutError as SilenceError

from .. import tls
from ..errors import ERRORS, Code, DreamlakeError

_PASSING_STATUSES = frozenset({408, 429, 502, 503, 504})
_FINAL_5XX = frozenset({501, 505})  # what was asked for does not exist there
_MOST_RETRY_AFTER = 600.0  # seconds; who asks for more is asked again after these


class Away(DreamlakeError):
    """Who was asked does not answer, or not now. `reason` says it in a few words, as the rest of a sentence about it;
    for `retry_after` seconds it does not want to be asked. `is_answer`: it, or a proxy before it, said so by HTTP."""

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        hint: str | None = None,
        reason: str = "",
        retry_after: float = 0.0,
        is_answer: bool = False,
        **details: Any,
    ) -> None:
        super().__init__(code, message, hint=hint, **details)
        self.reason = reason or message
        self.retry_after = retry_after
        self.is_answer = is_answer


def fault_of(fault: Exception, service: str, url: str) -> DreamlakeError:
    """The error for a connection to a service that failed: Away, or a DreamlakeError that no waiting mends."""
    base = f"{urlsplit(url).scheme}://{urlsplit(url).netloc}"
    if problem := tls.explain(fault, url):
        return DreamlakeError(Code.UNREACHABLE, f"{service} at {base} {problem.what}.", hint=problem.hint)
    reason = describe(fault)
    return Away(
        Code.UNREACHABLE,
        f"{service} does not answer at {base}: {reason}.",
        hint=_hint(urlsplit(url).hostname or "", fault),
        reason=f"{reason} ({base})",
    )


def answer_of(response: urllib3.BaseHTTPResponse, service: str, call: str, url: str) -> DreamlakeError:
    """The error for an answer with a status of 400 and above: the service's own, or one that says who said what."""
    retry_after = seconds_of(response.headers)
    if (error := _own_error(response.data)) is not None:
        if not error.is_passing:
            return error
        reason = f"it says: {error.message}"
        return Away(error.code, error.message, hint=error.hint, reason=reason, retry_after=retry_after, **error.details)
    status, base = response.status, f"{urlsplit(url).scheme}://{urlsplit(url).netloc}"
    if tls.is_refusal_of_plain_http(status, response.data):
        problem = tls.needs_tls(url)
        return DreamlakeError(Code.UNREACHABLE, f"{service} at {base} {problem.what}.", hint=problem.hint)
    named = f"{status} {_phrase(status)}".strip()
    if status in _PASSING_STATUSES or (status >= 500 and status not in _FINAL_5XX):
        return Away(
            Code.OVERLOADED if status in (429, 503) else Code.UNREACHABLE,
            f"{service} does not answer at {base}: {named} came in its place to {call}.",
            hint=f"A proxy in between says so: see whether {service} runs behind it, and what the proxy's log says.",
            reason=f"{named} came in its place ({base})",
            retry_after=retry_after,
            is_answer=True,
        )
    return DreamlakeError(
        Code.INTERNAL if status >= 500 else Code.UNREACHABLE,
        f"What answers at {base} is not {service}: {named} to {call}, in another form than its.",
        hint="Check the URL, and what a proxy in between refuses.",
    )


def describe(fault: BaseException) -> str:
    """What happened to a connection, in a few words."""
    if isinstance(fault, ProxyError):
        return f"the proxy of the environment cannot be used ({describe(fault.original_error)})"
    if isinstance(fault, NameResolutionError) or _has(fault, socket.gaierror):
        return "its name cannot be looked up"
    if _has(fault, ConnectionRefusedError):
        return "it refuses connections"
    if isinstance(fault, ConnectTimeoutError):
        return "no connection comes about"
    if isinstance(fault, SilenceError | TimeoutError):
        return "it stays silent"
    if breaks_off(fault):
        return "the connection broke off"
    if isinstance(fault, OSError) and fault.strerror:
        return f"no connection comes about ({fault.strerror})"
    return f"no connection comes about ({type(fault).__name__})"


def breaks_off(fault: BaseException) -> bool:
    """Whether a connection came about, and ended before the answer did."""
    return isinstance(fault, ProtocolError | ConnectionError) and not _has(fault, ConnectionRefusedError)


def seconds_of(headers: Mapping[str, str]) -> float:
    """The seconds of a Retry-After, which is a number of them or a date (RFC 9110, 10.2.3); 0 without one."""
    said = (headers.get("Retry-After") or headers.get("retry-after") or "").strip()
    if said.isascii() and said.isdigit():
        return min(float(said[:9]), _MOST_RETRY_AFTER)
    try:
        left = parsedate_to_datetime(said).timestamp() - time.time()
    except (ValueError, OverflowError):
        return 0.0
    return min(max(left, 0.0), _MOST_RETRY_AFTER)


def _own_error(body: bytes) -> DreamlakeError | None:
    """The error of a body that is one of our services'."""
    try:
        error = dict(json.loads(body)["error"])
        code = Code(error.pop("code"))
        return DreamlakeError(
            code, str(error.pop("message", ERRORS[code].meaning)), hint=error.pop("hint", None), **error
        )
    except (ValueError, KeyError, TypeError):
        return None


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _hint(host: str, fault: Exception) -> str:
    if isinstance(fault, ProxyError):
        return "Check HTTP_PROXY, HTTPS_PROXY and NO_PROXY."
    if host == "localhost" or host.startswith("127.") or host == "::1":
        return "Start the embedded stack with `dreamlake up`, or check the URL."
    return "Check the URL and the network, and see whether it runs."


def _has(fault: BaseException, kind: type[BaseException]) -> bool:
    """Whether the exception, or one that it was made from, is of a kind."""
    return any(isinstance(cause, kind) for cause in tls.causes(fault))
