"""HTTP to one of our services: bearer token, retries, and errors as `DreamlakeError`."""

from __future__ import annotations

import json
from typing import Any, TypeVar
from urllib.parse import urlencode, urljoin, urlsplit

import stamina
import urllib3
from pydantic import ValidationError
from urllib3.exceptions import HTTPError

from .. import __version__
from ..api.common import Model
from ..errors import ERRORS, Code, DreamlakeError
from .pools import Pools

Reply = TypeVar("Reply", bound=Model)

_TIMEOUT = urllib3.Timeout(connect=5, read=60)
_FIRST_ATTEMPTS = 3


class ServiceClient:
    """A connection pool to one service. Safe to share between threads; close it, or use it as a context manager.

    Calls are retried with backoff while the service cannot be reached or says that it is overloaded: every
    route of both services may be called twice with the same effect as once. A service that has answered before is
    given longer, since it is likely to be restarting; one that never did is likely to be down.

    Raises DreamlakeError(USAGE) for a URL that is none, UNAUTHENTICATED for a token that no header can hold.
    """

    def __init__(self, name: str, base_url: str, token: str, *, attempts: int = 8, connections: int = 32) -> None:
        self.name = name
        self.base_url = base_url.strip().rstrip("/")
        self._attempts = attempts
        self._has_answered = False
        if not self.base_url.startswith(("http://", "https://")):
            raise DreamlakeError(Code.USAGE, f"The URL of {name}, {base_url!r}, must start with http:// or https://.")
        if not (token.strip().isascii() and token.strip().isprintable()):
            raise DreamlakeError(Code.UNAUTHENTICATED, "The token is not valid here.", hint="Check DREAMLAKE_API_KEY.")
        self._headers = {"Authorization": f"Bearer {token.strip()}", "User-Agent": f"dreamlake/{__version__}"}
        self._pools = Pools(connections)

    def get(self, path: str, answer: type[Reply], /, **params: Any) -> Reply:
        """GET a route; parameters that are None are left out. Raises DreamlakeError."""
        return self._read(answer, self._send("GET", path, params=params))

    def post(self, path: str, body: Model, answer: type[Reply]) -> Reply:
        """POST a model, read a model. Raises DreamlakeError."""
        return self._read(answer, self._send("POST", path, content=body.wire_json()))

    def put(self, path: str, body: Model, answer: type[Reply]) -> Reply:
        """PUT a model, read a model. Raises DreamlakeError."""
        return self._read(answer, self._send("PUT", path, content=body.wire_json()))

    def delete(self, path: str, /, **params: Any) -> None:
        """DELETE a route; parameters that are None are left out. Raises DreamlakeError."""
        self._send("DELETE", path, params=params)

    def call(self, method: str, path: str) -> Any:
        """One request, retried; the decoded JSON body, None when there is none. Raises DreamlakeError."""
        response = self._send(method, path)
        try:
            return json.loads(response.data) if response.data else None
        except ValueError:
            raise self._foreign() from None

    def location(self, path: str) -> str:
        """Where a route that answers with a redirect points to. Raises DreamlakeError."""
        response = self._send("GET", path)
        location = response.get_redirect_location()
        if not location:
            raise _error_of(response, self.name, f"GET {path}")
        return urljoin(self.base_url + path, location)

    def _send(
        self, method: str, path: str, *, params: dict[str, Any] | None = None, content: bytes | None = None
    ) -> urllib3.BaseHTTPResponse:
        present = {name: _parameter(value) for name, value in (params or {}).items() if value is not None}
        url = f"{self.base_url}{path}?{urlencode(present)}" if present else self.base_url + path
        headers = self._headers | ({"Content-Type": "application/json"} if content is not None else {})
        attempts = self._attempts if self._has_answered else min(self._attempts, _FIRST_ATTEMPTS)
        try:
            if not urlsplit(url).hostname:
                raise ValueError("it names no host")
            pool = self._pools.of(url)
            for attempt in stamina.retry_context(on=_is_passing, attempts=attempts, wait_max=5, timeout=60):
                with attempt:
                    response = pool.request(
                        method, url, body=content, headers=headers, retries=False, redirect=False, timeout=_TIMEOUT
                    )
                    self._has_answered = True
                    if response.status >= 400:
                        raise _error_of(response, self.name, f"{method} {path}")
                    return response
        except ValueError as fault:
            raise DreamlakeError(Code.USAGE, f"The URL of {self.name}, {self.base_url}, is none: {fault}.") from None
        except HTTPError as fault:
            raise DreamlakeError(
                Code.UNREACHABLE,
                f"{self.name} does not answer at {self.base_url} ({type(fault).__name__}).",
                hint="Start the embedded stack with `dreamlake up`, or check the URL.",
            ) from fault
        raise AssertionError("unreachable: retry_context returns or raises")

    def _read(self, answer: type[Reply], response: urllib3.BaseHTTPResponse) -> Reply:
        try:
            return answer.model_validate_json(response.data)
        except ValidationError:
            raise self._foreign() from None

    def _foreign(self) -> DreamlakeError:
        return DreamlakeError(
            Code.UNREACHABLE,
            f"What answers at {self.base_url} is not {self.name}, or of another version.",
            hint="Check the URL.",
        )

    def close(self) -> None:
        self._pools.close()

    def __enter__(self) -> ServiceClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _is_passing(fault: Exception) -> bool:
    """Whether the same call may succeed in a moment."""
    if isinstance(fault, DreamlakeError):
        return fault.code in (Code.UNREACHABLE, Code.OVERLOADED)
    return isinstance(fault, HTTPError) and not isinstance(fault, ValueError)  # the latter: what is wrong with a URL


def _parameter(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _error_of(response: urllib3.BaseHTTPResponse, service: str, call: str) -> DreamlakeError:
    """The error that a service answered a call with, or one that says that the answer is none of ours."""
    try:
        body = dict(json.loads(response.data)["error"])
        code = Code(body.pop("code"))
        return DreamlakeError(code, body.pop("message"), hint=body.pop("hint", None), **body)
    except (ValueError, KeyError, TypeError):
        code = Code.OVERLOADED if response.status in (429, 503) else Code.INTERNAL
        return DreamlakeError(
            code,
            f"{service} answered {response.status} to {call}.",
            hint=ERRORS[code].meaning,
        )
