"""Who may call a route, and how much it reads: decided before a byte of the body is read.

A route says who may call it by a `Gate`: the type of a parameter, `caller: Reader` or `caller: Writer`, or a dependency
of its router. `Route` finds that, and answers 401 or 403 from the request's head alone. Then it reads the body whole,
within the bytes that the route takes (`most_bytes`, by default `DEFAULT_BYTES`) and within `BODY_SECONDS`; FastAPI,
which by itself reads and parses a body of any size before it asks who sent it, finds it read and checked.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends, Request
from fastapi.dependencies.models import Dependant
from fastapi.responses import Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic_core import from_json
from sqlalchemy.exc import DBAPIError
from starlette.requests import ClientDisconnect

from .auth import Principal, Scope, verify_token
from .database_faults import is_conflict
from .errors import Code, DreamlakeError

MIB = 2**20
DEFAULT_BYTES = 64 * 1024
BODY_SECONDS = 120.0

_BYTES_UNDER_WAY = 256 * MIB
_BYTES_PER_TENANT = 96 * MIB
_REQUESTS_UNDER_WAY = 256
_REQUESTS_PER_TENANT = 192
# Requests that work for seconds each (`STEP`), of the 40 threads that there are.
_STEPS_UNDER_WAY = 12
_STEPS_PER_TENANT = 4

_LIMIT = "x-max-body-bytes"  # in the OpenAPI document, where a client may look it up
_CALLER, _WRITES, _BODY = "caller", "writes", "body"

_bearer = HTTPBearer(auto_error=False, description="A token made by `dreamlake token create`.")


class Caller(Protocol):
    """Somebody who calls a route: whom they speak for, the id by which their token is revoked, and whose share of the
    service's room they use."""

    @property
    def sub(self) -> str: ...

    @property
    def token_id(self) -> str: ...

    @property
    def tenant(self) -> str: ...


class Gate:
    """A dependency by which a route says who may call it. `writes`: the route changes something, and its requests are
    audited."""

    writes = False

    async def admit(self, request: Request) -> None:
        """Find out from the head of the request who calls, and `let_in`. Raises UNAUTHENTICATED, FORBIDDEN."""
        raise NotImplementedError


class Admission(Gate):
    """A gate for tokens, which gives the caller.

    `check` raises FORBIDDEN for a principal who may not, whatever the request names. `in_url`: a playback token may
    come as `?token=`.
    """

    def __init__(self, check: Callable[[Principal], None], *, writes: bool = False, in_url: bool = False) -> None:
        self.check = check
        self.writes = writes
        self.in_url = in_url

    async def __call__(
        self, request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> Principal:
        principal: Principal = request.scope["state"][_CALLER]
        return principal

    async def admit(self, request: Request) -> None:
        principal = verify_token(request.app.state.keys, self._token(request))
        if (revocations := request.app.state.revocations) is not None:
            await revocations.check(principal)
        let_in(request, principal)
        self.check(principal)

    def _token(self, request: Request) -> str:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token:
            return token.strip()
        in_url = request.query_params.get("token") if self.in_url and not scheme else None
        if in_url is None:
            raise DreamlakeError(
                Code.UNAUTHENTICATED, "A bearer token is needed.", hint="Send `Authorization: Bearer <token>`."
            )
        return in_url


def _check_reader(principal: Principal) -> None:
    principal.require_any(Scope.READ)


def _check_writer(principal: Principal) -> None:
    principal.require_any(Scope.WRITE)


reads = Admission(_check_reader)

Reader = Annotated[Principal, Depends(reads)]
Holder = Annotated[Principal, Depends(Admission(_check_reader, writes=True))]  # of any token, about that token
Writer = Annotated[Principal, Depends(Admission(_check_writer, writes=True))]

# The pipeline: a token that writes everywhere. The former for routes that only look something up.
reads_for_pipeline = Admission(Principal.require_service)
writes_for_pipeline = Admission(Principal.require_service, writes=True)


def most_bytes(count: int) -> dict[str, Any]:
    """For a route's `openapi_extra`: how many bytes of body it takes."""
    return {_LIMIT: count}


def let_in(request: Request, caller: Caller) -> None:
    """Remember who sent the request, also one that is refused then."""
    request.scope["state"][_CALLER] = caller


def caller_of(scope: Any) -> Caller | None:
    """Who sent the request of this ASGI scope, as far as it was found out."""
    found: Caller | None = scope.get("state", {}).get(_CALLER)
    return found


def is_write(scope: Any) -> bool:
    """Whether the request of this ASGI scope asks a route to change something."""
    return bool(scope.get("state", {}).get(_WRITES))


def body_of(scope: Any) -> Any:
    """The JSON body of the request of this ASGI scope, if it was read."""
    return scope.get("state", {}).get(_BODY)


class Route(APIRoute):
    """A route that knows its caller, and how long the body may be, before it reads it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        gate = next(_gates(self.dependant), None)
        reads_body = self.body_field is not None
        most = (self.openapi_extra or {}).get(_LIMIT, DEFAULT_BYTES)

        async def admitted(request: Request) -> Response:
            if gate is not None:
                request.scope.setdefault("state", {})[_WRITES] = gate.writes and request.method != "GET"
                await gate.admit(request)
            # What asks for no token is the service's own: its health must be told when there is no place left.
            with _place_of(request.scope) if gate is not None else nullcontext():
                if not reads_body:
                    return await _answer(handle, request)
                with room_of(request.scope, _announced_bytes(request, most)):
                    return await _answer(handle, _ReadRequest(request, await read_body(request, most)))

        return admitted


async def _answer(handle: Callable[[Request], Coroutine[Any, Any, Response]], request: Request) -> Response:
    """The route's answer. What was rolled back because of another transaction is done once more: every route may be
    called twice with the same effect as once."""
    try:
        return await handle(request)
    except DBAPIError as error:
        if not is_conflict(error):
            raise
    return await handle(request)


def new_router(**options: Any) -> APIRouter:
    """A router whose routes are `Route`s."""
    return APIRouter(route_class=Route, **options)


def _gates(dependant: Dependant) -> Iterator[Gate]:
    """The first is what the router says of all its routes, if it does."""
    for needed in dependant.dependencies:
        if isinstance(needed.call, Gate):
            yield needed.call
        yield from _gates(needed)


class _ReadRequest(Request):
    """A request whose body was read. JSON is parsed by jiter, which is not recursive in Python: arrays and objects may
    be 200 deep, and what is deeper is no JSON to it."""

    def __init__(self, request: Request, body: bytes) -> None:
        super().__init__(request.scope, request.receive)
        self._body = body

    async def json(self) -> Any:
        try:
            parsed = from_json(self._body)
        except ValueError as problem:
            # FastAPI answers this one as it answers any body that breaks the rules of its model.
            raise json.JSONDecodeError(str(problem), "", 0) from None
        self.scope["state"][_BODY] = parsed
        return parsed


def _announced_bytes(request: Request, most: int) -> int:
    """How many bytes come: as many as the head says, else as many as may. Raises REQUEST_TOO_LARGE, INVALID_REQUEST."""
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding != "identity":
        raise DreamlakeError(
            Code.INVALID_REQUEST, "The body has a Content-Encoding, and bodies are read as they are: send it without."
        )
    announced = request.headers.get("Content-Length", "")
    if not (announced.isascii() and announced.isdigit()):
        return most
    if len(announced) > 18 or int(announced) > most:
        raise _too_large(most)
    return int(announced)


async def read_body(request: Request, most: int) -> bytes:
    """The body. Raises REQUEST_TOO_LARGE as soon as there are more bytes than `most`, whatever the head said, and
    REQUEST_TIMEOUT."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for block in request.stream():
                if len(body) + len(block) > most:
                    raise _too_large(most)
                body += block
    except TimeoutError:
        raise DreamlakeError(
            Code.REQUEST_TIMEOUT, f"The body did not arrive whole in {BODY_SECONDS:.0f} seconds."
        ) from None
    except ClientDisconnect:
        raise DreamlakeError(Code.INVALID_REQUEST, "The body broke off.") from None
    return bytes(body)


def _too_large(most: int) -> DreamlakeError:
    return DreamlakeError(Code.REQUEST_TOO_LARGE, f"The body has more than the {most} bytes that this route takes.")


def _place_of(scope: Any) -> AbstractContextManager[None]:
    """One of the service's places for requests for the one of this ASGI scope. Raises OVERLOADED."""
    room: Room = scope["app"].state.room
    return room.enter(caller.tenant if (caller := caller_of(scope)) else "")


def room_of(scope: Any, count: int) -> AbstractContextManager[None]:
    """So many bytes of the service's room for the request of this ASGI scope. Raises OVERLOADED."""
    room: Room = scope["app"].state.room
    return room.take(caller.tenant if (caller := caller_of(scope)) else "", count)


async def _one_of_few(request: Request) -> AsyncIterator[None]:
    room: Room = request.app.state.room
    with room.step(caller.tenant if (caller := caller_of(request.scope)) else ""):
        yield


# For routes that work for seconds: few of them at a time, so that threads and database are left for all others.
STEP = Depends(_one_of_few)


class Room:
    """What a process has room for: requests that are worked on or wait for it at a time, and the bytes of bodies and
    long answers that they have, in all and for one tenant.

    A parsed body takes about ten times as many bytes as it has. Of the requests, as many are worked on as there are
    threads (40); the others wait, for some seconds at the most as long as there are no more than these.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bytes: Counter[str] = Counter()
        self._requests: Counter[str] = Counter()
        self._steps: Counter[str] = Counter()

    def take(self, tenant: str, count: int) -> AbstractContextManager[None]:
        """While so many bytes are worked on. Raises OVERLOADED when that is too much beside the others."""
        return self._hold(self._bytes, tenant, count, _BYTES_PER_TENANT, _BYTES_UNDER_WAY)

    def enter(self, tenant: str) -> AbstractContextManager[None]:
        """While a request is worked on, or waits for it. Raises OVERLOADED when there are too many already."""
        return self._hold(self._requests, tenant, 1, _REQUESTS_PER_TENANT, _REQUESTS_UNDER_WAY)

    def step(self, tenant: str) -> AbstractContextManager[None]:
        """While a request works for seconds. Raises OVERLOADED when there are too many of these already."""
        return self._hold(self._steps, tenant, 1, _STEPS_PER_TENANT, _STEPS_UNDER_WAY)

    @contextmanager
    def _hold(self, taken: Counter[str], tenant: str, count: int, most_of_tenant: int, most: int) -> Iterator[None]:
        with self._lock:
            if taken[tenant] + count > most_of_tenant or taken.total() + count > most:
                raise DreamlakeError(Code.OVERLOADED, "Too much is asked for at a time; try again later.")
            taken[tenant] += count
        try:
            yield
        finally:
            with self._lock:
                taken[tenant] -= count
                if not taken[tenant]:
                    del taken[tenant]
