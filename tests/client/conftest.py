"""The SDK against both services, as they run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dreamlake_pipeline.client import DreamLake, FileEvent, Summary


@pytest.fixture
def lake(services: Any, owner: str) -> Iterator[DreamLake]:
    """A client that writes in this test's namespace only, which is also its default."""
    with DreamLake(
        remote=services.remote, bss_url=services.bss_url, api_key=services.token(owner), namespace=owner
    ) as client:
        yield client


class Outcome:
    """What a run told: its file events and its summary."""

    def __init__(self, events: Iterator[Any]) -> None:
        told = list(events)
        self.files = [event for event in told if isinstance(event, FileEvent)]
        self.summary = told[-1]
        assert isinstance(self.summary, Summary)

    def statuses(self) -> dict[str, str]:
        """The last status by the last part of its path or name."""
        return {Path(event.path or event.name or "").name: str(event.status) for event in self.files}

    def of(self, name: str) -> FileEvent:
        """The last event of a file."""
        return [event for event in self.files if Path(event.path or event.name or "").name == name][-1]


@pytest.fixture
def outcome() -> type[Outcome]:
    return Outcome
