"""The processes of the embedded stack: what each needs, how it is called, what is in its environment."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from .state import HOST, REGION, Stack

CODE_LOCATION = "dreamlake"
S3_WORKERS = 1 + min(4, os.cpu_count() or 1)  # one more than cores: see s3.py

# In the environment of every process of the stack and of all that it starts, and of nothing else:
# it says whose they are when the supervisor can no longer tell.
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
    # The code server reads no database to load the definitions, so it need not wait; the other two load the
    # location once when they start, and would look again only after a minute.
    Process("dagster-code", "dagster"),
    Process("dagster-runs", "dagster"),
    Process("workers", "dagster"),
    Process("dagster-webserver", "dagster", needs=("postgres", "dagster-code")),
    Process("dagster-daemon", "dagster", needs=("postgres", "dagster-code", "bss", "server")),
)
GROUPS = tuple(dict.fromkeys(process.group for process in PROCESSES))


def command(stack: Stack, name: str) -> list[str]:
    """The argument list of a process. All of them listen on 127.0.0.1 and nowhere else."""
    port = str(stack.ports.get(name, ""))
    # -P: the working directory is no place to import from.
    python = [sys.executable, "-P", "-m"]
    workspace = ["--workspace", str(stack.dagster_home / "workspace.yaml")]
    match name:
        case "postgres":
            from .postgres import server_command

            return server_command(stack)
        case "s3":
            return [
                *(*python, "uvicorn", "--factory", "dreamlake_pipeline.stack.s3:create_app"),
                *("--host", HOST, "--port", port, "--no-access-log", "--log-level", "warning"),
                *("--workers", str(S3_WORKERS), "--timeout-worker-healthcheck", "60"),
            ]
        case "bss" | "server":
            return [
                *(*python, "uvicorn", "--factory", f"dreamlake_pipeline.{name}.app:create_app"),
                *("--host", HOST, "--port", port, "--no-access-log", "--timeout-graceful-shutdown", "5"),
            ]
        case "dagster-code":
            # Imported here: every process of the stack reads this module before it starts (become.py).
            from ..settings import Settings

            # The plain gRPC server: `dagster code-server` would put a second process with a second import before it.
            return [
                *(*python, "dagster", "api", "grpc", "--host", HOST, "--port", port),
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
            return [*python, "dreamlake_pipeline.instance.run_server", "dreamlake_pipeline.preload"]
        case "workers":
            return [*python, "dreamlake_pipeline.media.run.worker_server"]
        case "dagster-webserver":
            return [*python, "dagster_webserver", "--host", HOST, "--port", port, *workspace]
        case "dagster-daemon":
            return [*python, "dagster._daemon", "run", *workspace]
    raise ValueError(f"the stack has no process {name!r}")


def common_environment(stack: Stack, inherited: Mapping[str, str]) -> dict[str, str]:
    """What every process of the stack has in its environment, the supervisor too: the user's, and no secret of ours."""
    return {key: value for key, value in inherited.items() if not key.startswith(_FOREIGN)} | {
        STACK_ID: stack.id,
        "DREAMLAKE_HOME": str(stack.home),
        "PYTHONUNBUFFERED": "1",
        # Everything is on this machine: no proxy between the parts, no word to anybody outside.
        "NO_PROXY": f"{HOST},localhost",
        "no_proxy": f"{HOST},localhost",
        "DO_NOT_TRACK": "1",
    }


def environment(stack: Stack, name: str, inherited: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process: the common one, and what this process alone should know."""
    if name == "workers":
        # What reads strangers' files is forked from it: it is told nothing but whose it is and where it listens.
        kept = {
            key: value for key, value in inherited.items() if key in ("PATH", "LC_ALL", "TMPDIR", "DREAMLAKE_FFMPEG")
        }
        return kept | {STACK_ID: stack.id, "DREAMLAKE_WORKER_SOCKET": str(stack.worker_socket)}
    common = common_environment(stack, inherited)
    keys = stack.credentials
    if name == "postgres":
        return common
    if name == "s3":
        return common | {
            "NANIO_DATA_DIR": str(stack.objects),
            "NANIO_REGION": REGION,
            "NANIO_ACCESS_KEY": keys.s3_access_key,
            "NANIO_SECRET_KEY": keys.s3_secret_key,
        }
    return {
        **common,
        **stack.environment(),
        "DREAMLAKE_API_KEY": keys.service_token,
        # A run over a batch plans and reports one event per asset and partition; in groups they cost a third.
        "DAGSTER_EVENT_BATCH_SIZE": "200",
    }


# Settings of other installations that a user's shell may carry and that would lead a process away from this stack.
_FOREIGN = ("AWS_", "DAGSTER_", "NANIO_", "PG", "SUPERVISOR_", "UVICORN_")
