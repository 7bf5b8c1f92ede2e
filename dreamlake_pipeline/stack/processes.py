"""The processes of the embedded stack: what each needs, how it is called, what it knows.

A process is given the secrets that it needs and no others (`environment`), and not when its program is started, since
that stays readable to every process of the user, but by `become`.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from .state import HOST, Stack

CODE_LOCATION = "dreamlake"
S3_WORKERS = 1 + min(4, os.cpu_count() or 1)  # one more than cores: see s3/app.py

# In the environment of every process of the stack and of all that it starts, and of nothing else:
# it says whose they are when the supervisor can no longer tell. A sealed process says it in its arguments.
STACK_ID = "DREAMLAKE_STACK_ID"


@dataclass(frozen=True, slots=True)
class Process:
    """One process: it starts when those that it needs are healthy; groups stop one after the other, last first."""

    name: str
    group: str
    needs: tuple[str, ...] = ()
    stop_signal: signal.Signals = signal.SIGTERM


PROCESSES = (
    # Postgres's "fast shutdown" is SIGINT; on SIGTERM it would wait for every client to leave.
    Process("postgres", "storage", stop_signal=signal.SIGINT),
    Process("s3", "storage"),
    Process("bss", "services", needs=("postgres", "s3")),
    Process("server", "services", needs=("postgres",)),
    Process("viewer", "services", needs=("bss", "server")),
    # The code server reads no database to load the definitions, so it need not wait; the other two load the
    # location once when they start, and would look again only after a minute.
    Process("dagster-code", "dagster"),
    Process("dagster-runs", "dagster"),
    Process("workers", "dagster"),
    Process("dagster-webserver", "dagster", needs=("postgres", "dagster-code")),
    Process("dagster-daemon", "dagster", needs=("postgres", "dagster-code", "bss", "server")),
)
# Programs of their own, started with an environment of their own: none of them is told a secret.
PROGRAMS = frozenset({"postgres", "workers"})
GROUPS = tuple(dict.fromkeys(process.group for process in PROCESSES))


def become_command(stack: Stack, name: str) -> list[str]:
    """What the supervisor starts in the place of a process: see become.py."""
    # -P: the working directory is no place to import from.
    return [sys.executable, "-P", "-m", f"{__package__}.become", name, f"--stack={stack.id}"]


def command(stack: Stack, name: str) -> list[str]:
    """What a process does: a program and its arguments for those that know no secret (`PROGRAMS`), else a Python module
    and its arguments.

    All of them listen on 127.0.0.1 or on a socket in a folder of the owner's, and nowhere else.
    """
    port = str(stack.ports.get(name, ""))
    listen = ["--host", HOST, "--port", port]
    uvicorn = ["uvicorn", *listen, "--no-access-log", "--http", "dreamlake_pipeline.connections:Connection"]
    workspace = ["--workspace", str(stack.dagster_home / "workspace.yaml")]
    match name:
        case "postgres":
            from .postgres import server_command

            return server_command(stack)
        case "s3":
            return [
                *(*uvicorn, "--factory", "dreamlake_pipeline.stack.s3.app:create_app", "--log-level", "warning"),
                *("--workers", str(S3_WORKERS), "--timeout-worker-healthcheck", "60"),
            ]
        case "bss" | "server" | "viewer":
            return [
                *(*uvicorn, "--factory", f"dreamlake_pipeline.{name}.app:create_app"),
                # Uvloop, which uvicorn prefers, takes the interpreter's lock anew for each event. While requests keep
                # forty threads busy, it waits for them each time, and `/healthz` takes seconds.
                *("--loop", "asyncio", "--timeout-graceful-shutdown", "5"),
            ]
        case "dagster-code":
            # Imported here: every process of the stack reads this module before it starts (become.py).
            from ..settings import Settings

            # The plain gRPC server: `dagster code-server` would put a second process with a second import before it.
            # It does what it is told by whoever reaches it: on a socket, that is its owner alone.
            return [
                *("dagster", "api", "grpc", "--socket", str(stack.code_socket)),
                *(
                    "--module-name",
                    Settings().definitions,
                    "--location-name",
                    CODE_LOCATION,
                    "--empty-working-directory",
                ),
                "--use-python-environment-entry-point",
            ]
        case "dagster-runs":
            return ["dreamlake_pipeline.instance.run_server", "dreamlake_pipeline.preload"]
        case "workers":
            return [sys.executable, "-P", "-m", "dreamlake_pipeline.media.run.worker_server"]
        case "dagster-webserver":
            return ["dreamlake_pipeline.instance.webserver", *listen, *workspace]
        case "dagster-daemon":
            return ["dreamlake_pipeline.instance.daemon", "run", *workspace]
    raise ValueError(f"the stack has no process {name!r}")


def common_environment(stack: Stack, inherited: Mapping[str, str]) -> dict[str, str]:
    """What every process of the stack has in its environment, the supervisor too: the user's, and no secret of ours,
    also when the user's shell knows them (`dreamlake env`)."""
    ours = {*stack.environment(), "DREAMLAKE_VIEWER_SECRET"}
    return {key: value for key, value in inherited.items() if not key.startswith(_FOREIGN) and key not in ours} | {
        STACK_ID: stack.id,
        "DREAMLAKE_HOME": str(stack.home),
        "PYTHONUNBUFFERED": "1",
        # Everything is on this machine: no proxy between the parts, no word to anybody outside.
        "NO_PROXY": f"{HOST},localhost",
        "no_proxy": f"{HOST},localhost",
        "DO_NOT_TRACK": "1",
        # Whose X-Forwarded-For uvicorn believes: by default that of 127.0.0.1, where all clients of the stack are.
        "FORWARDED_ALLOW_IPS": inherited.get("FORWARDED_ALLOW_IPS", ""),
    }


def environment(stack: Stack, name: str, inherited: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process: the common one, and what this process alone needs to know.

    `DREAMLAKE_POSTGRES_URL` is the database as this process's own user reaches it.
    """
    if name == "workers":
        # What reads strangers' files is forked from it: it is told nothing but whose it is and where it listens.
        kept = {key: value for key, value in inherited.items() if key in _OF_WORKERS}
        return kept | {STACK_ID: stack.id, "DREAMLAKE_WORKER_SOCKET": str(stack.worker_socket)}
    common = common_environment(stack, inherited)
    known = stack.environment()
    dagster = {
        **{key: known[key] for key in ("DREAMLAKE_RUN_SOCKET", "DAGSTER_HOME", "DAGSTER_POSTGRES_URL")},
        # A run over a batch plans and reports one event per asset and partition; in groups they cost a third.
        "DAGSTER_EVENT_BATCH_SIZE": "200",
    }
    s3 = {key: value for key, value in known.items() if key.startswith("AWS_") or key == "DREAMLAKE_BUCKET"}
    # Runs that leave this machine print to the bucket, from where Dagster's pages show it.
    logs = s3 if inherited.get("DREAMLAKE_LAUNCHER", "fork") != "fork" else {}
    urls = {key: known[key] for key in _URLS}
    signing = {"DREAMLAKE_AUTH_SECRET": known["DREAMLAKE_AUTH_SECRET"]}
    match name:
        case "bss":
            return common | urls | s3 | signing | {"DREAMLAKE_POSTGRES_URL": stack.postgres_url("bss")}
        case "server":
            return common | urls | signing | {"DREAMLAKE_POSTGRES_URL": stack.postgres_url("dreamlake")}
        case "viewer":
            # It talks to both services with the key of whoever looks, and has none of its own.
            return common | urls | {"DREAMLAKE_VIEWER_SECRET": stack.credentials.viewer_secret}
        case "dagster-code" | "dagster-runs":
            # The pipeline writes DreamLake Server's index over Postgres (resources/folder_tree.py).
            index = {"DREAMLAKE_POSTGRES_URL": stack.postgres_url("dreamlake")}
            workers = {"DREAMLAKE_WORKER_SOCKET": str(stack.worker_socket)}
            token = {"DREAMLAKE_API_KEY": stack.credentials.service_token}
            return common | urls | s3 | dagster | index | workers | token
        case "dagster-webserver":
            # It is what browsers talk to, and executes nothing of ours.
            return common | dagster | logs | {"DREAMLAKE_DAGSTER_SECRET": known["DREAMLAKE_DAGSTER_SECRET"]}
        case "dagster-daemon":
            return common | urls | dagster | logs
    # Postgres knows its users; the S3 server reads its keys itself (s3/app.py).
    return common


_URLS = ("DREAMLAKE_REMOTE", "DREAMLAKE_BSS_URL", "DREAMLAKE_DAGSTER_URL", "DREAMLAKE_VIEWER_URL")
_OF_WORKERS = ("PATH", "LC_ALL", "TMPDIR", "DREAMLAKE_FFMPEG")

# Settings of other installations that a user's shell may carry and that would lead a process away from this stack.
_FOREIGN = ("AWS_", "DAGSTER_", "NANIO_", "PG", "SUPERVISOR_", "UVICORN_")
