"""`dreamlake worker`: make this machine a node of a Ray cluster, if it is fit for it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from ..errors import Code, DreamlakeError, ExitCode
from .doctor_cmd import show
from .options import AsJson

# Ray is given time to let a run end by itself, as the run server gives it (`RayJobLauncher.terminate`).
_STOP_SECONDS = "20"


def worker(
    address: Annotated[
        str | None,
        typer.Option("--address", metavar="HOST:PORT", help="Where the head of the Ray cluster listens for nodes."),
    ] = None,
    cpus: Annotated[
        int | None,
        typer.Option("--num-cpus", min=1, help="Cores of this machine that runs may use; by default all."),
    ] = None,
    check_only: Annotated[bool, typer.Option("--check", help="Check this machine, and start nothing.")] = False,
    as_json: AsJson = False,
    options: Annotated[
        list[str] | None, typer.Argument(metavar="-- [RAY OPTIONS]...", help="Further options of `ray start`.")
    ] = None,
) -> None:
    """Check that this machine may process files for the pipeline, and start Ray on it as a node of the cluster.

    Version and ffmpeg have to be the pipeline's, the folder for temporary files on a local disk, and services, bucket
    and databases within reach. What is wrong is said, and then nothing is started (exit code 1). The pipeline's
    environment has to be set here: it stays on this machine.
    """
    if not check_only and not address:
        raise DreamlakeError(Code.USAGE, "--address is missing: where does the head of the Ray cluster listen?")
    from ..checks import node

    if show(node.check(), as_json=as_json):
        if not check_only and not as_json:
            from .output import complain

            complain("This machine is not fit: Ray was not started.")
        raise typer.Exit(ExitCode.SOME_FAILED)
    if check_only or address is None:
        return
    os.environ.setdefault("RAY_JOB_STOP_WAIT_TIME_S", _STOP_SECONDS)
    # A shell on this node starts runs by `python`, which is to be this one.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    sys.stdout.flush()
    # In the place of this process, whose environment it keeps: whoever supervises this one supervises Ray.
    os.execv(sys.executable, ray_command(address, cpus or usable_cores(), options or []))  # noqa: S606


def ray_command(address: str, cpus: int, options: list[str]) -> list[str]:
    """The program that starts Ray's processes on this node, and stays until they end. No secret is in it."""
    # The console script `ray` may not be where PATH leads to.
    start = "import sys; from ray.scripts.scripts import main; sys.argv[0] = 'ray'; sys.exit(main())"
    return [
        *(sys.executable, "-P", "-c", start, "start", f"--address={address}", f"--num-cpus={cpus}"),
        *("--block", "--disable-usage-stats", *options),
    ]


def usable_cores() -> int:
    """The cores that this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1
