"""Services that are away, over many runs: each outage is told when it begins, every five minutes, and when it ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ..events import Waiting

_TELL_AGAIN = 300.0  # seconds


@dataclass(slots=True)
class _Outage:
    since: datetime
    began: float
    told_at: float


class Outages:
    """What is away at the moment, and since when."""

    def __init__(self) -> None:
        self._outages: dict[str, _Outage] = {}

    def heard(self, event: Waiting) -> Iterator[Waiting]:
        """What is to be told of what a run, or one try of it, told."""
        if event.is_over:
            yield from self.over_for(event.service)
            return
        now = time.monotonic()
        outage = self._outages.get(event.service)
        if outage is None:
            self._outages[event.service] = _Outage(event.since, now - event.seconds, now)
            yield event
        elif now - outage.told_at >= _TELL_AGAIN:
            outage.told_at = now
            yield replace(event, since=outage.since, seconds=now - outage.began)

    def away(self, service: str, reason: str) -> Iterator[Waiting]:
        """What is to be told when something is away since now, or still; of which a run may have told already."""
        if not self._outages or service in self._outages:
            yield from self.heard(Waiting(service, reason, datetime.now(UTC), 0.0))

    def over(self) -> Iterator[Waiting]:
        """What is to be told when everything answers."""
        for service in list(self._outages):
            yield from self.over_for(service)

    def over_for(self, service: str) -> Iterator[Waiting]:
        """What is to be told when it answers, or is there again."""
        if outage := self._outages.pop(service, None):
            seconds = time.monotonic() - outage.began
            yield Waiting(service, "it answers again", outage.since, seconds, is_over=True)
