"""`python -m cluster [SCENARIO …]`: the exit code is 1 when something is wrong.

The folder of the cluster, with all its logs, is kept then, and its name is told.
"""

from __future__ import annotations

import argparse
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from dreamlake_pipeline.errors import DreamlakeError

from . import namespaces, simulate
from .figures import Figure, figures
from .rounds import Round, rounds, table
from .scenarios import SCENARIOS


def main() -> int:
    words = argparse.ArgumentParser(prog="cluster", description=__doc__)
    words.add_argument("--files", type=int, default=600, help="of each scenario")
    words.add_argument("--nodes", type=int, default=2, help="beside the head")
    words.add_argument("--seed", type=int, default=None)
    words.add_argument("--folder", type=Path, default=None, help="a new folder for everything; kept")
    words.add_argument("--figures", action="store_true", help="what Ray costs, and what a node brings; no faults")
    words.add_argument("--simulate", action="store_true", help="1, 8 and 64 nodes that sleep instead: no Ray, no root")
    words.add_argument("--seconds", type=float, default=120.0, help="of each simulation")
    words.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"of {', '.join(SCENARIOS)}; all by default")
    given = words.parse_args()
    if unknown := set(given.scenarios) - SCENARIOS.keys():
        words.error(f"no such scenario: {', '.join(sorted(unknown))}")
    if given.simulate:
        return _simulate(given.folder, given.seconds)
    if not namespaces.is_inside():
        if (why := namespaces.missing()) is not None:
            print(why)
            return 1
        return namespaces.enter(sys.argv[1:])
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    seed = secrets.randbelow(10**6) if given.seed is None else given.seed
    folder = given.folder or Path(tempfile.mkdtemp(prefix=f"cluster-{seed}-"))
    say = _sayer()
    namespaces.build_bridge()
    measured: list[Figure] = []
    made: list[Round] = []
    try:
        if given.figures:
            measured += figures(folder, seed, say, files=given.files)
            print(*measured, sep="\n")
        else:
            names = given.scenarios or list(SCENARIOS)
            for one in rounds(folder, seed, say, files=given.files, nodes=given.nodes, names=names):
                made.append(one)
            print(table(made))
    except KeyboardInterrupt:
        print(f"Interrupted; all files are in {folder}.")
        return 130
    except (TimeoutError, RuntimeError, DreamlakeError, subprocess.CalledProcessError) as fault:
        print(
            *([table(made)] if made else []), f"The cluster gave up: {fault}", f"All files are in {folder}.", sep="\n"
        )
        return 1
    if all(one.is_good for one in measured) and all(one.is_good for one in made):
        if given.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
        return 0
    print(f"Something is wrong: all files are in {folder}.")
    return 1


def _simulate(folder: Path | None, seconds: float) -> int:
    kept = folder or Path(tempfile.mkdtemp(prefix="simulated-"))
    try:
        made = simulate.simulate(kept, _sayer(), seconds=seconds)
    finally:
        if folder is None:
            shutil.rmtree(kept, ignore_errors=True)
    print(simulate.table(made))
    return 0


def _sayer() -> Callable[[str], None]:
    begun = time.monotonic()
    return lambda text: print(f"[{time.monotonic() - begun:7.1f}] {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
