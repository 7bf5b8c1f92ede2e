"""`python -m cluster [SCENARIO …]`: the exit code is 1 when something is wrong.

The folder of the cluster, with all its logs, is kept then, and its name is told.
"""

from __future__ import annotations

import argparse
import secrets
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from . import namespaces
from .rounds import rounds, table
from .scenarios import SCENARIOS


def main() -> int:
    words = argparse.ArgumentParser(prog="cluster", description=__doc__)
    words.add_argument("--files", type=int, default=600, help="of each scenario")
    words.add_argument("--nodes", type=int, default=2, help="beside the head")
    words.add_argument("--seed", type=int, default=None)
    words.add_argument("--folder", type=Path, default=None, help="a new folder for everything; kept")
    words.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"of {', '.join(SCENARIOS)}; all by default")
    given = words.parse_args()
    if unknown := set(given.scenarios) - SCENARIOS.keys():
        words.error(f"no such scenario: {', '.join(sorted(unknown))}")
    if not namespaces.is_inside():
        if (why := namespaces.missing()) is not None:
            print(why)
            return 1
        return namespaces.enter(sys.argv[1:])
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    seed = secrets.randbelow(10**6) if given.seed is None else given.seed
    folder = given.folder or Path(tempfile.mkdtemp(prefix=f"cluster-{seed}-"))
    begun = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - begun:7.1f}] {text}", flush=True)

    names = given.scenarios or list(SCENARIOS)
    made = []
    try:
        for one in rounds(folder, seed, say, files=given.files, nodes=given.nodes, names=names):
            made.append(one)
    except KeyboardInterrupt:
        say("interrupted")
        made = []
    print(table(made) if made else "")
    if made and all(one.is_good for one in made):
        if given.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
        return 0
    print(f"Something is wrong: all files are in {folder}.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
