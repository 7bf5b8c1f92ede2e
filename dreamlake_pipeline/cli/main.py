"""The `dreamlake` command: one module per verb; here they become one application, and errors become one line.

Nothing heavy is imported here or by a verb's module: a verb imports what it works with when it is called.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from ..errors import DreamlakeError, ExitCode
from ..visible import make_logs_visible
from . import completion
from .dagster_yaml_cmd import dagster_yaml
from .demo_cmd import demo
from .doctor_cmd import doctor
from .down_cmd import down
from .download_cmd import download
from .env_cmd import env
from .episode_cmd import episode
from .failed_cmd import failed
from .fsck_cmd import fsck
from .gc_cmd import gc
from .group import Group
from .ingest_cmd import ingest
from .logs_cmd import logs
from .ls_cmd import ls
from .mv_cmd import mv
from .open_cmd import open
from .output import Interrupted, complain, note
from .play_cmd import play
from .project_cmd import project
from .rebuild_cmd import rebuild
from .retry_cmd import retry
from .rm_cmd import rm
from .show_cmd import show
from .staging_cmd import staging
from .status_cmd import status
from .token_cmd import token
from .tree_cmd import tree
from .undelete_cmd import undelete
from .up_cmd import up
from .upload_cmd import upload
from .watch_cmd import watch
from .worker_cmd import worker

DEBUG_VARIABLE = "DREAMLAKE_DEBUG"
INTERRUPTED = 130  # 128 + SIGINT, as shells count

completion.install()
app = typer.Typer(
    name="dreamlake",
    cls=Group,
    help="Store directories of robot video, audio, subtitles and labels: once, playable, described and findable.",
    epilog="Exit codes: 0 all well; 1 some file failed; 2 wrong usage; 3 a service cannot be reached; "
    "4 the time of --timeout ran out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_VERBS: dict[str, tuple[Callable[..., None], ...]] = {
    "Storing files": (ingest, upload, watch, retry, staging),
    "Finding files": (open, ls, tree, show, failed, download, play),
    "Renaming and deleting files": (mv, rm, undelete, gc),
    "Keeping what is stored": (fsck, rebuild),
    "The embedded stack": (up, down, status, logs, env, demo),
    "An installation of one's own": (doctor, worker, dagster_yaml),
}
for panel, verbs in _VERBS.items():
    for verb in verbs:
        app.command(rich_help_panel=panel)(verb)
app.add_typer(episode, name="episode", rich_help_panel="Finding files")
app.add_typer(project, name="project", rich_help_panel="Settings")
app.add_typer(token, name="token", rich_help_panel="Access")


def _print_version(asked: bool) -> None:
    if asked:
        from .. import __version__

        typer.echo(f"dreamlake {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


def main() -> None:
    """The console script. Whatever happens, a user sees one line and gets an exit code of errors.py."""
    make_logs_visible()  # warnings of the client reach the terminal
    try:
        app()
    except DreamlakeError as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        complain(error.message, error.hint)
        if error.request_id and error.spec.status >= 500:
            note(f"request: {error.request_id} (the services' logs tell of it)")
        sys.exit(error.spec.exit_code)
    except Interrupted as interruption:
        complain(str(interruption))
        sys.exit(INTERRUPTED)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as fault:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        what = " ".join(f"{type(fault).__name__}: {fault}".split())
        complain(
            f"internal: a fault of this program ({what}).",
            f"Set {DEBUG_VARIABLE}=1 to see where; logs of the embedded stack are named by `dreamlake status`.",
        )
        sys.exit(ExitCode.SOME_FAILED)


if __name__ == "__main__":
    main()
