"""The head of a Ray cluster, by its HTTP API of jobs: no part of Ray has to be installed where this is.

The API is that of Ray's dashboard (`POST /api/jobs/`, `GET /api/jobs/ID`, `POST /api/jobs/ID/stop`; "Ray Jobs REST
API" of Ray's documentation). Whatever goes wrong is told in one sentence, which holds neither a token nor anything of
what was sent: a command holds the instance's configuration.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from dagster import DagsterInvariantViolationError

from .. import tls

SECONDS = 10.0  # that one answer may take
_SILENT_FOR = 5.0  # seconds for which a head that did not answer is not asked again only to look

_UNAUTHORIZED = frozenset({httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN})
# What Ray's head says of a job that it does not know, and of one that it knows already (job_head.py, job_manager.py).
_UNKNOWN, _KNOWN = "does not exist", "already exists"


class HeadAway(Exception):
    """The head does not answer, or not as a head does, for now; the text is a sentence."""


class HeadRefuses(Exception):
    """The head answers, and will answer the same again; the text is a sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Job:
    """What the head says of a job. `status` is PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED.

    `node` is the address of the machine that it is on, where one is known. `exit_code` is that of its process; negative
    for a signal, None for one of which no end was seen. `error` is Ray's word for why it failed. `note` is what the
    process itself said last in a line that begins with `dreamlake: `.
    """

    status: str
    run_id: str | None
    node: str | None
    exit_code: int | None
    error: str | None
    note: str | None
    lacks_us: bool

    @property
    def has_ended(self) -> bool:
        return self.status in ("SUCCEEDED", "FAILED", "STOPPED")


class Head:
    """The head at `address`, `http://HOST:8265`. Safe to share between threads. Raises DagsterInvariantViolationError
    for an address that can be none."""

    def __init__(self, address: str) -> None:
        self.place, self._address = _checked(address), address
        self._http = httpx.Client(base_url=address, timeout=SECONDS, verify=tls.context())
        self._silent_until, self._silence = 0.0, ""

    def submit(self, request: Mapping[str, Any]) -> bool:
        """Ask for a job; False when the head knows one with its `submission_id` already.

        Raises HeadAway when it may be there all the same, and HeadRefuses.
        """
        answer = self._ask("POST", "/api/jobs/", json=dict(request))
        if answer.is_success:
            if _json(answer).get("submission_id") != request["submission_id"]:
                raise HeadRefuses(self._is_none(answer))
            return True
        if _KNOWN in answer.text and "submission_id" in answer.text:
            return False
        if answer.status_code == httpx.codes.BAD_REQUEST:
            raise HeadRefuses(f"Ray's head at {self.place} takes no such job ({_last_line(answer, request)}).")
        if answer.is_server_error:
            raise HeadAway(f"Ray's head at {self.place} answers {answer.status_code} ({_last_line(answer, request)}).")
        raise HeadRefuses(self._is_none(answer))

    def look(self, job: str) -> Job | None:
        """What is known of a job; None when the head says that it knows nothing of it. Raises HeadAway, HeadRefuses."""
        if time.monotonic() < self._silent_until:
            raise HeadAway(self._silence)
        answer = self._ask("GET", f"/api/jobs/{job}")
        if answer.status_code == httpx.codes.NOT_FOUND and _UNKNOWN in answer.text:
            return None
        if answer.is_server_error:
            raise HeadAway(f"Ray's head at {self.place} answers {answer.status_code}.")
        told = _json(answer)
        if not answer.is_success or not isinstance(told.get("status"), str):
            raise HeadRefuses(self._is_none(answer))
        return _job(told)

    def stop(self, job: str) -> bool:
        """Have a job ended; False when there is nothing to end. Raises HeadAway, HeadRefuses."""
        answer = self._ask("POST", f"/api/jobs/{job}/stop")
        if answer.status_code == httpx.codes.NOT_FOUND and _UNKNOWN in answer.text:
            return False
        if answer.is_server_error:
            raise HeadAway(f"Ray's head at {self.place} answers {answer.status_code}.")
        stopped = _json(answer).get("stopped")
        if not answer.is_success or not isinstance(stopped, bool):
            raise HeadRefuses(self._is_none(answer))
        return stopped

    def _ask(self, method: str, path: str, **content: Any) -> httpx.Response:
        headers = _authorization()
        try:
            answer = self._http.request(method, path, headers=headers, **content)
        except httpx.HTTPError as fault:
            if (problem := tls.explain(fault, self._address)) is not None:
                raise HeadRefuses(f"Ray's head at {self.place} {problem.what}. {problem.hint}") from None
            reason = "no answer in time" if isinstance(fault, httpx.TimeoutException) else str(fault) or "cut off"
            self._silence = f"Ray's head at {self.place} does not answer ({reason})."
            self._silent_until = time.monotonic() + _SILENT_FOR
            raise HeadAway(self._silence) from None
        self._silent_until = 0.0
        if answer.status_code in _UNAUTHORIZED:
            wants = "takes another token than ours" if headers else "wants a token"
            raise HeadRefuses(
                f"Ray's head at {self.place} {wants}: RAY_AUTH_MODE=token and RAY_AUTH_TOKEN, or RAY_AUTH_TOKEN_PATH, "
                "are to be as on the head, for the daemon and the webserver."
            )
        return answer

    def _is_none(self, answer: httpx.Response) -> str:
        return (
            f"What answers at {self.place} is no Ray head that takes jobs (it answers {answer.status_code}): "
            "`address` is that of Ray's dashboard, http://HOST:8265."
        )


def _checked(address: str) -> str:
    """The address without what may be a password. Raises DagsterInvariantViolationError."""
    example = "it is that of Ray's dashboard, http://HOST:8265"
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise DagsterInvariantViolationError(f"The address of Ray's head in dagster.yaml is none: {example}.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        said = "of Ray's own protocol" if parts.scheme == "ray" else "no URL of HTTP"
        raise DagsterInvariantViolationError(f"The address of Ray's head in dagster.yaml is {said}: {example}.")
    if parts.username or parts.password:
        raise DagsterInvariantViolationError(
            "The address of Ray's head in dagster.yaml holds a user or password: Ray takes a token, RAY_AUTH_TOKEN."
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return host if port is None else f"{host}:{port}"


def _authorization() -> dict[str, str]:
    """As Ray's own clients do ("Ray token authentication"): a token is sent where RAY_AUTH_MODE is `token`, or one is
    named and the mode is not. It is read anew for each request, since files of tokens are replaced. Raises
    HeadRefuses when there should be one."""
    mode = os.environ.get("RAY_AUTH_MODE", "").lower()
    token, path = os.environ.get("RAY_AUTH_TOKEN", "").strip(), os.environ.get("RAY_AUTH_TOKEN_PATH")
    if mode not in ("", "token") or (not mode and not token and not path):
        return {}
    if not token:
        file = Path(path) if path else Path.home() / ".ray" / "auth_token"
        try:
            token = file.read_text().strip()
        except (OSError, UnicodeDecodeError) as fault:
            reason = fault.strerror if isinstance(fault, OSError) else "it is no text"
            raise HeadRefuses(
                f"There is no token for Ray's head in {file} ({reason}): set RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH."
            ) from None
    if not token or not token.isascii() or not token.isprintable():
        raise HeadRefuses("The token for Ray's head is empty or has characters that none has: see RAY_AUTH_TOKEN.")
    return {"Authorization": f"Bearer {token}"}


def _job(told: Mapping[str, Any]) -> Job:
    message = str(told.get("message") or "")
    notes = re.findall(r"^dreamlake: ([ -~]{1,300})$", message, re.MULTILINE)
    code = told.get("driver_exit_code")
    return Job(
        status=told["status"],
        run_id=(told.get("metadata") or {}).get("dagster/run-id"),
        node=urlsplit(str(told.get("driver_agent_http_address") or "")).hostname,
        exit_code=code if isinstance(code, int) else None,
        error=str(told["error_type"])[:100] if told.get("error_type") else None,
        note=notes[-1] if notes else None,
        lacks_us="No module named dreamlake_pipeline" in message or "No module named 'dreamlake_pipeline'" in message,
    )


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        told = answer.json()
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _last_line(answer: httpx.Response, request: Mapping[str, Any]) -> str:
    """What the head says last, which is its reason and no traceback; nothing that repeats the command."""
    lines = [line.strip() for line in answer.text.splitlines() if re.search(r"\w", line)]
    last = lines[-1] if lines else "without a word"
    return "it repeats the command" if str(request["entrypoint"])[:40] in last else last[:200]
