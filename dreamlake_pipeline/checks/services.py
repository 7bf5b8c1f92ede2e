"""BSS, DreamLake Server, the viewer and Dagster's webserver, as this machine reaches them; the token; certificates."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from .. import __version__, tls
from ..ids import new_id
from ..names import EVERY_NAMESPACE
from ..settings import Settings
from . import clock
from .finding import Finding, first_line, left_out, ok, warning, wrong

_SECONDS = 5.0
_TOKEN_DAYS = _CERTIFICATE_DAYS = 14


def check(settings: Settings, *, is_pipeline: bool = False) -> Iterator[Finding]:
    """Both services: health, version, clock, certificate, and whether they take the token. The pipeline's token
    (`is_pipeline`) has to write everywhere, a client's to reach the namespace that it uses."""
    bss_url, remote, api_key = settings.bss_url, settings.remote, settings.optional("api_key")
    with httpx.Client(verify=tls.context(), timeout=_SECONDS) as http:
        for part, url, variable, question in (
            ("BSS", bss_url, "DREAMLAKE_BSS_URL", f"/videos/{new_id()}"),
            ("DreamLake Server", remote, "DREAMLAKE_REMOTE", "/auth/me"),
        ):
            if not url:
                yield left_out(part, variable)
                continue
            health = _ask(http, url, "/healthz")
            if isinstance(health, Finding):
                yield Finding(health.level, part, health.what, health.hint or f"Correct {variable}")
                continue
            yield from _health(part, url, *health)
            yield from _certificate(part, url)
            if api_key:
                yield from _token(http, part, url, question, api_key, settings.namespace, is_pipeline=is_pipeline)
    if not api_key and (bss_url or remote):
        yield left_out("token", "DREAMLAKE_API_KEY")


def check_page(part: str, url: str) -> Iterator[Finding]:
    """The viewer, or Dagster's webserver: whether it answers there."""
    with httpx.Client(verify=tls.context(), timeout=_SECONDS) as http:
        health = _ask(http, url, "/healthz")
        if isinstance(health, Finding):
            yield Finding(health.level, part, health.what, health.hint)
            return
        answer = health[0]
        if answer.is_success:
            yield ok(part, f"answers at {_shown(url)}")
        else:
            what = f"answers {answer.status_code} at {_shown(url)}/healthz"
            yield wrong(part, what, "Look at its log; Dagster's webserver answers under DREAMLAKE_DAGSTER_HOSTS alone")
        yield from _certificate(part, url)


def _ask(
    http: httpx.Client, url: str, path: str, headers: dict[str, str] | None = None
) -> tuple[httpx.Response, float, float] | Finding:
    """An answer with when it was asked for and when it came; or what kept it from coming."""
    asked = time.time()
    try:
        answer = http.get(f"{url.rstrip('/')}{path}", headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as fault:
        if problem := tls.explain(fault, url):
            return wrong("", f"{_shown(url)} {problem.what}", problem.hint)
        said = first_line(fault) or type(fault).__name__
        return wrong("", f"nothing answers at {_shown(url)}: {said}", "See that it runs, or correct its URL")
    if tls.is_refusal_of_plain_http(answer.status_code, answer.content):
        problem = tls.needs_tls(url)
        return wrong("", f"{_shown(url)} {problem.what}", problem.hint)
    return answer, asked, time.time()


def _health(part: str, url: str, answer: httpx.Response, asked: float, answered: float) -> Iterator[Finding]:
    told = _json(answer)
    version = told.get("version")
    if not answer.is_success or version is None:
        said = told.get("error", {}).get("message") if isinstance(told.get("error"), dict) else None
        what = f"answers {answer.status_code} at {_shown(url)}/healthz" + (f": {said}" if said else "")
        hint = "Look at its log: it says what it does not reach" if said else "Something else than it answers there"
        yield wrong(part, what.rstrip("."), hint)
    elif version != __version__:
        hint = "Install the same version here and there; services before clients"
        yield warning(part, f"version {version} at {_shown(url)}, and {__version__} here", hint)
    else:
        yield ok(part, f"version {version} at {_shown(url)}")
    if (skew := clock.skew_of(answer.headers.get("date"), asked, answered)) is not None:
        yield clock.judge(part, skew)


def _token(
    http: httpx.Client, part: str, url: str, question: str, token: str, namespace: str, *, is_pipeline: bool
) -> Iterator[Finding]:
    name = f"token at {part}"
    answer = _ask(http, url, question, {"Authorization": f"Bearer {token.strip()}"})
    if isinstance(answer, Finding):
        yield Finding(answer.level, name, answer.what, answer.hint)
        return
    told = _json(answer[0])
    if answer[0].status_code == 401:
        hint = "Make one with the services' key, DREAMLAKE_AUTH_SECRET, the same in both (`dreamlake token create`)"
        yield wrong(name, f"is refused: {_message(told)}", hint)
    elif answer[0].status_code == 404 and "error" in told:
        yield ok(name, "is taken")  # there is no such file, and whoever may not ask is not told so
    elif not answer[0].is_success:
        yield wrong(name, f"answers {answer[0].status_code}: {_message(told)}", "Look at the service's log")
    else:
        yield _reach(name, told, namespace, is_pipeline=is_pipeline)


def _reach(name: str, me: dict[str, Any], namespace: str, *, is_pipeline: bool) -> Finding:
    namespaces, scope, expires = me["namespaces"], me.get("scope"), me.get("expiresAt")
    what = f"{scope}s {'every namespace' if EVERY_NAMESPACE in namespaces else ', '.join(namespaces)}"
    if is_pipeline and (EVERY_NAMESPACE not in namespaces or scope != "write"):
        return wrong(name, f"{what}: the pipeline writes everywhere", "dreamlake token create --namespace '*'")
    if not {EVERY_NAMESPACE, namespace} & set(namespaces):
        return warning(name, f"{what}, and not {namespace!r}", "Set DREAMLAKE_NAMESPACE to one that it reaches")
    if expires is not None:
        left = (datetime.fromisoformat(expires) - datetime.now(UTC)).total_seconds() / 86_400
        if left < _TOKEN_DAYS:
            return warning(name, f"{what}, and ends in {max(0, left):.0f} days", "Make a new one in time")
    return ok(name, what)


def _certificate(part: str, url: str) -> Iterator[Finding]:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        return
    try:
        with (
            socket.create_connection((parts.hostname, parts.port or 443), timeout=_SECONDS) as plain,
            tls.context().wrap_socket(plain, server_hostname=parts.hostname) as secured,
        ):
            certificate = secured.getpeercert() or {}
    except OSError:  # behind a proxy, which the request above went by
        return
    ends = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
    left = (ends - time.time()) / 86_400
    what = f"valid until {datetime.fromtimestamp(ends, UTC):%Y-%m-%d}"
    if left < _CERTIFICATE_DAYS:
        yield warning(f"{part} certificate", what, "Renew it")
    else:
        yield ok(f"{part} certificate", what)


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        told = answer.json()
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _message(told: dict[str, Any]) -> str:
    error = told.get("error")
    return str(error.get("message", "")).rstrip(".") if isinstance(error, dict) else "without a reason"


def _shown(url: str) -> str:
    """The URL without a user and password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")
