"""`python -m fuzz --minutes 5 [TARGET …]`: each target for its share of the time. The exit code is 1 with findings."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from .run import run
from .targets import MEDIA, PARSERS


def main() -> int:
    words = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    words.add_argument("--minutes", type=float, default=5.0)
    words.add_argument("--findings", type=Path, default=Path("fuzz/findings"))
    words.add_argument("targets", nargs="*", default=[*PARSERS, *MEDIA])
    given = words.parse_args()
    number, found = int(time.time()), 0
    for target in given.targets:
        ran = run(target, given.minutes * 60 / len(given.targets), given.findings, number=number)
        found += len(ran.findings)
        print(f"{target:<10} {ran.inputs:>9,} inputs {ran.seconds:>7.1f} s {len(ran.findings):>4} findings", flush=True)
        for path in ran.findings:
            print(f"  {path}: {path.with_suffix('.txt').read_text().strip().splitlines()[-1]}")
    if found:
        print(f"Findings are in {given.findings}. Move what is mended to fuzz/regressions: tests replay it.")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
