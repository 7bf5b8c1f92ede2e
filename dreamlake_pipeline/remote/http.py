"""HTTP to one of our services: bearer token, patience with a service that is away, and errors as `DreamlakeError`."""

from __future__ import annotations

import copy
import itertools
import json
import secrets
from typing import Any, TypeVar
from urllib.parse import urlencode, urljoin, urlsplit

import urllib3
from pydantic import ValidationError
from urllib3.exceptions import HTTPError

from .. import __version__
from ..api.common import Model
from ..errors import Code, DreamlakeError
from .away import answer_of, fault_of
from .patience import INTERACTIVE_SECONDS, Patience
from .pools import Pools

Reply = TypeVar("Reply", bound=Model)

_CONNECT_SECONDS = 5.0
_INTERACTIVE_SILENCE = 30.0  # seconds


class RequestIds:
    """Ids for `X-Request-ID`: one for all that a command or run asks, and behind it the number of the request."""

    def __init__(self, of_all: str | None = None) -> None:
        self.of_all = of_all or secrets.token_hex(6)
        self._numbers = itertools.count(1)

    def next(self) -> str:
        return f"{self.of_all}-{next(self._numbers)}"


class ServiceClient:
    """A connection pool to one service. Safe to share between threads; close it, or use it as a context manager.

    A call waits for a service that is away as long as its caller is patient (`patience.py`): every route of both
    services may be called twice with the same effect as once. All attempts at a call have one X-Request-ID.

    Raises DreamlakeError(USAGE) for a URL that is none, UNAUTHENTICATED for a token that no header can hold.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        token: str,
        *,
        patience: Patience | None = None,
        request_ids: RequestIds | None = None,
        connections: int = 32,
    ) -> None:
        """By default with the patience of somebody who looks something up: some seconds."""
        self.name = name
        self.base_url = base_url.strip().rstrip("/")
        if not self.base_url.startswith(("http://", "https://")):
            raise DreamlakeError(Code.USAGE, f"The URL of {name}, {base_url!r}, must start with http:// or https://.")
        if not (token.strip().isascii() and token.strip().isprintable()):
            raise DreamlakeError(Code.UNAUTHENTICATED, "The token is not valid here.", hint="Check DREAMLAKE_API_KEY.")
        self._headers = {"Authorization": f"Bearer {token.strip()}", "User-Agent": f"dreamlake/{__version__}"}
        self._patience = patience or Patience(INTERACTIVE_SECONDS, silence=_INTERACTIVE_SILENCE)
        self._request_ids = request_ids or RequestIds()
        self._pools = Pools(connections)

    def with_patience(self, patience: Patience) -> ServiceClient:
        """The same connections for a caller of another patience; closing either closes both."""
        other = copy.copy(self)
        other._patience = patience
        return other

    def get(self, path: str, answer: type[Reply], /, **params: Any) -> Reply:
        """GET a route; parameters that are None are left out, and lists are given value by value. Raises
        DreamlakeError."""
        return self._read(answer, self._send("GET", path, params=params))

    def post(self, path: str, body: Model, answer: type[Reply], *, silence: float | None = None) -> Reply:
        """POST a model, read a model. `silence`: seconds for which this one may take. Raises DreamlakeError."""
        return self._read(answer, self._send("POST", path, content=body.wire_json(), silence=silence))

    def put(self, path: str, body: Model, answer: type[Reply]) -> Reply:
        """PUT a model, read a model. Raises DreamlakeError."""
        return self._read(answer, self._send("PUT", path, content=body.wire_json()))

    def patch(self, path: str, body: Model, answer: type[Reply], /, **params: Any) -> Reply:
        """PATCH with a model, read a model; parameters that are None are left out. Raises DreamlakeError."""
        return self._read(answer, self._send("PATCH", path, params=params, content=body.wire_json()))

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

    def text(self, path: str, /, **params: Any) -> str:
        """The text that a route answers with, such as a playlist; parameters that are None are left out. Raises
        DreamlakeError."""
        return self._send("GET", path, params=params).data.decode("utf-8", "replace")

    def location(self, path: str) -> str:
        """Where a route that answers with a redirect points to. Raises DreamlakeError."""
        response = self._send("GET", path)
        location = response.get_redirect_location()
        if not location:
            raise answer_of(response, self.name, f"GET {path}", self.base_url)
        return urljoin(self.base_url + path, location)

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        content: bytes | None = None,
        silence: float | None = None,
    ) -> urllib3.BaseHTTPResponse:
        present = {name: _parameter(value) for name, value in (params or {}).items() if value is not None}
        try:
            url = f"{self.base_url}{path}?{urlencode(present, doseq=True)}" if present else self.base_url + path
        except UnicodeEncodeError:
            raise DreamlakeError(Code.INVALID_REQUEST, f"{present} holds half a surrogate pair.") from None
        headers = self._headers | {"X-Request-ID": self._request_ids.next()}
        if content is not None:
            headers["Content-Type"] = "application/json"
        try:
            if not urlsplit(url).hostname:
                raise ValueError("it names no host")
            pool = self._pools.of(url)
        except ValueError as fault:
            raise self._bad_url(fault) from None
        timeout = urllib3.Timeout(connect=_CONNECT_SECONDS, read=silence or self._patience.silence)

        def attempt() -> urllib3.BaseHTTPResponse:
            try:
                response = pool.request(
                    method, url, body=content, headers=headers, retries=False, redirect=False, timeout=timeout
                )
            except ValueError as fault:
                raise self._bad_url(fault) from None
            except (HTTPError, OSError) as fault:
                raise fault_of(fault, self.name, url) from fault
            if response.status >= 400:
                raise answer_of(response, self.name, f"{method} {path}", url)
            return response

        try:
            return self._patience.call(self.name, attempt)
        except DreamlakeError as error:
            error.request_id = headers["X-Request-ID"]
            raise

    def _bad_url(self, fault: ValueError) -> DreamlakeError:
        return DreamlakeError(Code.USAGE, f"The URL of {self.name}, {self.base_url}, is none: {fault}.")

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


def _parameter(value: Any) -> str | list[str]:
    """A list is a parameter that comes several times."""
    if isinstance(value, list | tuple):
        return [str(one) for one in value]
    return str(value).lower() if isinstance(value, bool) else str(value)
