"""Whether each process of the stack does its work: asked from outside, as its clients would."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import httpx

from . import dagster_home, postgres
from .local import local_http
from .processes import CODE_LOCATION
from .state import Stack

_TIMEOUT = 3


def problem_of(stack: Stack, name: str, *, since: float) -> str | None:
    """Why a process that was started at `since` (seconds since the epoch) is not healthy; None when it is."""
    try:
        match name:
            case "postgres":
                return None if postgres.accepts(stack) else "it accepts no connections"
            case "s3":
                # Any answer will do: a request without a signature is refused, by a server that is there.
                local_http().get(f"{stack.url_of(name)}/")
                return None
            case "bss" | "server" | "viewer":
                return _problem_of_answer(stack, name, "/healthz")
            case "dagster-code":
                _reach(stack.code_socket)  # it listens only after the definitions have loaded
                return None
            case "dagster-runs":
                _reach(stack.run_socket)  # it listens only after all imports
                return None
            case "workers":
                _reach(stack.worker_socket)
                return None
            case "dagster-webserver":
                return _problem_of_answer(stack, name, "/healthz") or _problem_of_location(stack)
            case "dagster-daemon":
                return _problem_of_daemon(stack, since)
    except (httpx.TransportError, OSError) as fault:
        return f"it does not answer ({type(fault).__name__})"
    raise ValueError(f"the stack has no process {name!r}")


def _reach(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_TIMEOUT)
        connection.connect(str(path))


def _problem_of_answer(stack: Stack, name: str, path: str) -> str | None:
    answer = local_http().get(f"{stack.url_of(name)}{path}")
    return None if answer.is_success else f"{path} answers {answer.status_code}: {answer.text[:200]}"


def _problem_of_location(stack: Stack) -> str | None:
    entries = dagster_home.query(stack, _LOCATIONS)["workspaceOrError"].get("locationEntries", [])
    entry: dict[str, Any] = next((entry for entry in entries if entry["name"] == CODE_LOCATION), {})
    location = entry.get("locationOrLoadError") or {}
    if location.get("__typename") == "RepositoryLocation":
        return None
    return f"the definitions are not loaded: {location.get('message', 'no code location yet')}"


def _problem_of_daemon(stack: Stack, since: float) -> str | None:
    statuses = dagster_home.query(stack, _DAEMONS)["instance"]["daemonHealth"]["allDaemonStatuses"]
    for status in statuses:
        # Dagster calls a daemon healthy for half an hour after its last heartbeat: ask for one of this very process.
        if status["required"] and (status["lastHeartbeatTime"] or 0) < since:
            return f"no heartbeat of {status['daemonType']} yet"
        if status["required"] and not status["healthy"]:
            return f"{status['daemonType']} is not healthy"
    return None


_LOCATIONS = """
{ workspaceOrError { ... on Workspace { locationEntries {
    name loadStatus locationOrLoadError { __typename ... on PythonError { message } }
} } } }
"""
_DAEMONS = """
{ instance { daemonHealth { allDaemonStatuses { daemonType required healthy lastHeartbeatTime } } } }
"""
