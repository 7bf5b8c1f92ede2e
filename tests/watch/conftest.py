"""Watches of folders of the tests' own, against both services, as they run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dreamlake_pipeline.client import DreamLake, Selection
from dreamlake_pipeline.client.events import Event, FileEvent
from dreamlake_pipeline.client.watch import Watch

_SECONDS = 60.0  # for whatever a test waits for: on a loaded machine, too


@dataclass
class Watching:
    """A watch in a thread of its own, and what it told."""

    watch: Watch
    events: list[Event] = field(default_factory=list)
    fault: BaseException | None = None
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> Watching:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def _run(self) -> None:
        wait = self.watch._notices.wait

        def stoppable(seconds: float) -> set[str] | None:
            if self._stopping.is_set():
                raise KeyboardInterrupt
            return wait(min(seconds, 0.3))

        self.watch._notices.wait = stoppable
        try:
            self.events.extend(self.watch.events())
        except KeyboardInterrupt:
            pass
        except BaseException as fault:
            self.fault = fault

    def until(self, is_so: Callable[[], Any]) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + _SECONDS
        while not is_so():
            assert self.fault is None, self.fault
            assert time.monotonic() < deadline, self.told()
            time.sleep(0.05)

    def told(self) -> list[tuple[str, str]]:
        """What was told of files: status and name below the episode."""
        return [(str(event.status), str(event.name)) for event in self.events if isinstance(event, FileEvent)]

    def stop(self) -> None:
        self._stopping.set()
        assert self._thread is not None
        self._thread.join(_SECONDS)
        assert not self._thread.is_alive()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "recordings"
    folder.mkdir()
    return folder


@pytest.fixture
def lake(services: Any, owner: str, tmp_path: Path) -> Iterator[DreamLake]:
    with DreamLake(
        remote=services.remote,
        bss_url=services.bss_url,
        api_key=services.token(owner),
        namespace=owner,
        cache=tmp_path / "cache",
    ) as client:
        yield client


@pytest.fixture
def watching(lake: DreamLake, folder: Path, tmp_path: Path) -> Iterator[Callable[..., Watching]]:
    """Starts a watch of `folder` with these options."""
    started: list[Watching] = []

    def start(**options: Any) -> Watching:
        selecting = {
            name: options.pop(name) for name in ("episode_per_folder", "include", "exclude") if name in options
        }
        selection = Selection(folder, lake.target("robot:run"), **selecting)
        state = options.pop("state", tmp_path / "state")
        started.append(Watching(Watch(lake, selection, state=state, **({"settle": 0.5} | options))))
        return started[-1].start()

    yield start
    for one in started:
        one.stop()
