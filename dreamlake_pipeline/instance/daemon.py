"""`python -m dreamlake_pipeline.instance.daemon run …`: Dagster's daemon, which looks for due sensors often.

Dagster's own (`dagster-daemon run`) looks every five seconds, and has no setting for that: a file that comes just after
a tick of the staging sensor has ended would wait for so long. It does as well here, later.
"""

from __future__ import annotations

from dagster._daemon import sensor
from dagster._daemon.cli import main

LOOK_EVERY = 1  # seconds: each look takes a few milliseconds

if __name__ == "__main__":
    sensor.MIN_INTERVAL_LOOP_TIME = LOOK_EVERY
    main()
