"""Logging in and out.

A key is asked of the index (`/auth/me`) and then kept in the session's cookie. `dreamlake open` sends the key once, by
a bearer token, and is given a link with a code in its place.
"""

from __future__ import annotations

import logging
from typing import Annotated, NamedTuple
from urllib.parse import parse_qs, quote

from fastapi import Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response

from ...admission import Gate, caller_of, let_in, new_router, read_body
from ...api.server import Me
from ...api.viewer import LinkRequest, LoginLink
from ...auth import token_id
from ...errors import Code, DreamlakeError
from ..context import viewer_of
from ..onetime import Login
from ..session import Session
from ..urls import local_path

router = new_router()

log = logging.getLogger(__name__)

_MOST_FORM_BYTES = 16 * 1024  # no cookie holds a key of more than 4,000
_MOST_TIMES = 15  # that a link is followed again; browsers follow 20 redirects


@router.get("/login")
async def login_page(request: Request, next: str | None = None) -> Response:
    viewer = viewer_of(request)
    session = viewer.sessions.of(request)
    return viewer.pages.render(request, "login.html", session=session, next=local_path(next), problem=None)


@router.post("/login")
async def log_in(request: Request) -> Response:
    """Fields `key` and `next`. The guard has seen to it that the form is one of this viewer's pages."""
    viewer = viewer_of(request)
    form = await _form(request)
    next = local_path(form.get("next"))
    try:
        key = form.get("key", "").strip()
        me = await _check(request, key)
        response: Response = RedirectResponse(next, 303)
        viewer.sessions.open(response, key, me, secure=_is_secure(request))
    except DreamlakeError as error:
        response = viewer.pages.render(
            request, "login.html", session=None, status=error.spec.status, next=next, problem=error
        )
        _say_when(response, error)
    return response


class _Holder(NamedTuple):
    """Who sent a key as a bearer token."""

    key: str
    me: Me

    @property
    def sub(self) -> str:
        return self.me.sub

    @property
    def token_id(self) -> str:
        return token_id(self.key)

    @property
    def tenant(self) -> str:
        return self.token_id


class _BearerGate(Gate):
    """Lets in who sends a key that the index takes, and gives the key and whom it speaks for."""

    async def __call__(self, request: Request) -> _Holder:
        holder = caller_of(request.scope)
        assert isinstance(holder, _Holder)
        return holder

    async def admit(self, request: Request) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise DreamlakeError(Code.UNAUTHENTICATED, "A bearer token is needed.")
        let_in(request, _Holder(key.strip(), await _check(request, key.strip())))


@router.post("/login/links")
async def make_link(
    request: Request, holder: Annotated[_Holder, Depends(_BearerGate())], asked: LinkRequest
) -> LoginLink:
    """A link that logs in once, within ten minutes, and leads to `next`; the key is the bearer token."""
    viewer = viewer_of(request)
    viewer.sessions.open(Response(), holder.key, holder.me, secure=True)  # whether a cookie can hold it is said now
    code = viewer.codes.make(Login(holder.key, holder.me, local_path(asked.next)))
    base = (viewer.url or str(request.base_url)).rstrip("/")
    return LoginLink(url=f"{base}/login/once/{code}")


@router.get("/login/once/{code}")
async def log_in_once(request: Request, code: str, again: Annotated[int, Query(ge=0)] = 0) -> Response:
    """Who follows the link from a page of another site is led on once more by the page behind it: browsers send no
    SameSite=Strict cookie with a redirect of such a link.

    Of several processes behind a balancer, one has made the code: the others lead here again, over another connection,
    until the balancer chooses that one, or `again` has become _MOST_TIMES.
    """
    viewer = viewer_of(request)
    login = viewer.codes.take(code)
    if login is None:
        is_of_another = viewer.codes.is_of_another(code)
        if is_of_another and again < _MOST_TIMES:
            here = quote(code, safe="")
            return RedirectResponse(f"/login/once/{here}?again={again + 1}", 303, {"Connection": "close"})
        if is_of_another:
            log.warning("A link of another process of the viewer came here %d times: see `ip_hash` in deploy/.", again)
        return viewer.pages.render(
            request,
            "link_used.html",
            session=viewer.sessions.of(request),
            status=410,
            is_of_another=is_of_another,
        )
    response: Response = RedirectResponse(login.next, 303)
    viewer.sessions.open(response, login.key, login.me, secure=_is_secure(request))
    return response


@router.post("/logout")
async def log_out(request: Request) -> Response:
    viewer = viewer_of(request)
    session = viewer.sessions.of(request)
    if session is not None:
        await check_form(request, session)
    response = RedirectResponse("/login", 303)
    viewer.sessions.close(response)
    return response


async def check_form(request: Request, session: Session) -> dict[str, str]:
    """The fields of a form of the viewer's pages. Raises FORBIDDEN for one that is not of this session."""
    form = await _form(request)
    if not viewer_of(request).sessions.is_form_token(session, form.get("csrf", "")):
        raise DreamlakeError(Code.FORBIDDEN, "This form is of another session.", hint="Open the page again.")
    return form


async def _form(request: Request) -> dict[str, str]:
    """The fields of an HTML form. Raises REQUEST_TOO_LARGE, REQUEST_TIMEOUT, INVALID_REQUEST."""
    body = await read_body(request, _MOST_FORM_BYTES)
    try:
        fields = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=50, errors="strict")
    except ValueError:
        raise DreamlakeError(Code.INVALID_REQUEST, "The body is no form.") from None
    return {name: values[-1] for name, values in fields.items()}


async def _check(request: Request, key: str) -> Me:
    """Whom the key speaks for. Raises UNAUTHENTICATED, FORBIDDEN, OVERLOADED after too many attempts, UNREACHABLE."""
    viewer = viewer_of(request)
    address = request.client.host if request.client else ""
    if wait := viewer.attempts.wait_of(address):
        minutes = max(1, round(wait / 60))
        raise DreamlakeError(
            Code.OVERLOADED, "Too many keys were tried from here.", hint=f"Try again in {minutes} min.", seconds=wait
        )

    def ask() -> Me:
        with viewer.upstream.services(key) as services:
            return services.index.me()

    try:
        if not key:
            raise DreamlakeError(Code.UNAUTHENTICATED, "Enter an API key.")
        return await run_in_threadpool(ask)
    except DreamlakeError as error:
        if error.code in (Code.UNAUTHENTICATED, Code.FORBIDDEN):
            viewer.attempts.fail(address)
        raise


def _say_when(response: Response, error: DreamlakeError) -> None:
    if "seconds" in error.details:
        response.status_code = 429  # RFC 6585, 4
        response.headers["Retry-After"] = str(int(error.details["seconds"]) + 1)


def _is_secure(request: Request) -> bool:
    return request.url.scheme == "https"
