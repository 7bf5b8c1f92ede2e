"""How long BSS has been there for the runs that report to it.

While BSS is away, no run can move the end of its lease. When it is back, and a lease has ended meanwhile, its run is
given a moment to be heard before anybody takes it for dead.
"""

from __future__ import annotations

import time

# Seconds within which a run that lives has spoken: it tries every five seconds (remote/patience.py).
HEARD_WITHIN = 15.0


class Presence:
    """Whether runs could reach this process of BSS, seen by the sensor's claims, which come every few seconds while it
    can be reached and has its database. Safe to share between threads."""

    def __init__(self) -> None:
        self._back_at = self._seen_at = time.monotonic()

    def claimed(self, lease_seconds: float) -> bool:
        """A claim has come: whether all runs that live have been heard since BSS was last away, as long as
        runs' leases are this long."""
        now = time.monotonic()
        if now - self._seen_at > lease_seconds / 2:
            self._back_at = now
        self._seen_at = now
        return now - self._back_at >= min(HEARD_WITHIN, lease_seconds / 2)
