"""HTTP to one of our services: bearer token, retries, and errors as `DreamlakeError`."""

from __future__ import annotations

from typing import Any, TypeVar

import httpx
import stamina

from .. import __version__
from ..api.common import Model
from ..errors import ERRORS, Code, DreamlakeError

Answer = TypeVar("Answer", bound=Model)

_TIMEOUT = httpx.Timeout(60, connect=5)


class ServiceClient:
    """A connection pool to one service. Safe to share between threads; close it, or use it as a context manager.

    Calls are retried with backoff while the service cannot be reached or says that it is overloaded: every
    route of both services may be called twice with the same effect as once.
    """

    def __init__(self, name: str, base_url: str, token: str, *, attempts: int = 4, connections: int = 32) -> None:
        self.name = name
        self.base_url = base_url.rstrip("/")
        self._attempts = attempts
        self._http = httpx.Client(
            base_url=self.base_url,
            headers={"Authorization": f"Bearer {token}", "User-Agent": f"dreamlake/{__version__}"},
            timeout=_TIMEOUT,
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            # A proxy from the environment is for other machines, not for the embedded stack on this one.
            mounts={f"all://{host}": None for host in ("127.0.0.1", "localhost", "[::1]")},
        )

    def get(self, path: str, answer: type[Answer], /, **params: Any) -> Answer:
        """GET a route; parameters that are None are left out. Raises DreamlakeError."""
        return answer.model_validate(self.call("GET", path, params=params))

    def post(self, path: str, body: Model, answer: type[Answer]) -> Answer:
        """POST a model, read a model. Raises DreamlakeError."""
        return answer.model_validate(self.call("POST", path, json=body.wire()))

    def delete(self, path: str) -> None:
        """DELETE a route. Raises DreamlakeError."""
        self.call("DELETE", path)

    def call(self, method: str, path: str, *, params: dict[str, Any] | None = None, json: Any = None) -> Any:
        """One request, retried; the decoded JSON body, None when there is none. Raises DreamlakeError."""
        response = self._send(method, path, params=params, json=json)
        return response.json() if response.content else None

    def location(self, path: str) -> str:
        """Where a route that answers with a redirect points to. Raises DreamlakeError."""
        response = self._send("GET", path)
        if not response.has_redirect_location:
            raise _error_of(response, self.name)
        return str(response.url.join(response.headers["location"]))

    def _send(
        self, method: str, path: str, *, params: dict[str, Any] | None = None, json: Any = None
    ) -> httpx.Response:
        present = {name: value for name, value in (params or {}).items() if value is not None}
        try:
            for attempt in stamina.retry_context(on=_is_passing, attempts=self._attempts, wait_max=5, timeout=60):
                with attempt:
                    response = self._http.request(method, path, params=present, json=json)
                    if response.is_error:
                        raise _error_of(response, self.name)
                    return response
        except httpx.TransportError as fault:
            raise DreamlakeError(
                Code.UNREACHABLE,
                f"{self.name} does not answer at {self.base_url} ({type(fault).__name__}).",
                hint="Start the embedded stack with `dreamlake up`, or check the URL.",
            ) from fault
        raise AssertionError("unreachable: retry_context returns or raises")

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> ServiceClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _is_passing(fault: Exception) -> bool:
    """Whether the same call may succeed in a moment."""
    if isinstance(fault, DreamlakeError):
        return fault.code in (Code.UNREACHABLE, Code.OVERLOADED)
    return isinstance(fault, httpx.TransportError)


def _error_of(response: httpx.Response, service: str) -> DreamlakeError:
    """The error that a service answered with, or one that says that the answer is none of ours."""
    try:
        body = dict(response.json()["error"])
        code = Code(body.pop("code"))
        return DreamlakeError(code, body.pop("message"), hint=body.pop("hint", None), **body)
    except (ValueError, KeyError, TypeError):
        code = Code.OVERLOADED if response.status_code in (429, 503) else Code.INTERNAL
        return DreamlakeError(
            code,
            f"{service} answered {response.status_code} to {response.request.method} {response.request.url.path}.",
            hint=ERRORS[code].meaning,
        )
