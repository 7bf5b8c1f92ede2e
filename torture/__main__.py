"""`python -m torture --minutes 10 --seed 7`: the exit code is 1 when something is wrong.

The folder of the stack, with all its logs, is kept then, and its name is told.
"""

from __future__ import annotations

import argparse
import secrets
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from .faults import KINDS
from .session import SETTLES_WITHIN, SHORT, WHOLE, Ended, torture

_LOOKED_AT = ("chunks read back", "raw objects read back", "played to the end", "processes that do their work")


def main() -> int:
    words = argparse.ArgumentParser(prog="torture", description=__doc__)
    words.add_argument("--minutes", type=float, default=10.0)
    words.add_argument("--seed", type=int, default=None)
    words.add_argument("--gap", type=float, default=4.0, help="mean seconds between two faults")
    words.add_argument("--short", action="store_true", help="few files at a time, by one client")
    words.add_argument("--folder", type=Path, default=None, help="a new folder for everything; kept")
    words.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)}; all by default")
    given = words.parse_args()
    if unknown := set(given.kinds) - KINDS.keys():
        words.error(f"no such fault: {', '.join(sorted(unknown))}")
    seed = secrets.randbelow(10**6) if given.seed is None else given.seed
    folder = given.folder or Path(tempfile.mkdtemp(prefix=f"torture-{seed}-"))
    begun = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - begun:7.1f}] {text}", flush=True)

    ended = torture(
        folder,
        seed,
        given.minutes * 60,
        say,
        size=SHORT if given.short else WHOLE,
        kinds=given.kinds or None,
        mean_gap=given.gap,
    )
    print(table(ended))
    if ended.is_good:
        if given.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
        return 0
    print(f"Something is wrong: all files are in {folder}; SEED={seed} draws the same faults again.")
    return 1


def table(ended: Ended) -> str:
    """What came of it, for a person."""
    wrong = {kind: len(found) for kind, found in ended.checked.wrong.items()}
    of = Counter(ended.checked.counts)
    main_lines = [
        ("seed", ended.seed),
        ("seconds of faults", round(ended.seconds)),
        ("faults", f"{ended.faults.total()} of {len(ended.faults)} kinds"),
        ("SIGKILLs", sum(n for kind, n in ended.faults.items() if kind.startswith("kill"))),
        ("files", of["files"]),
        ("ready", of["ready"]),
        ("bad, and said so", of["bad, and said so"]),
        ("deleted", of["deleted"]),
        ("freed by gc", of["freed"]),
        *((kind, wrong.pop(kind, 0)) for kind in ("lost", "duplicated", "failed by machinery", "missing or wrong")),
        *((kind, count) for kind, count in sorted(wrong.items())),
        *((kind, of[kind]) for kind in _LOOKED_AT),
        ("attempts beyond the first", of["attempts beyond the first"]),
        ("clients", ", ".join(f"{how} {count}" for how, count in sorted(ended.clients.items()))),
        ("seconds to settle", f"{ended.settled:.1f}, {ended.work:.1f} of them for work"),
        ("beyond the work", f"{ended.beyond:.1f} (at most {SETTLES_WITHIN:.0f})"),
    ]
    lines = ["", *(f"{name:<28} {value}" for name, value in main_lines), ""]
    lines += [f"{kind:<28} {count}" for kind, count in sorted(ended.faults.items())]
    return "\n".join([*lines, "", *ended.checked.lines()])


if __name__ == "__main__":
    sys.exit(main())
