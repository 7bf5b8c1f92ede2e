"""What is under way in all projects that a key reaches, as data; and who is told of it as it goes on."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from ..api.bss import Status
from ..errors import Code, DreamlakeError
from ..kinds import Kind
from ..remote.services import Services
from ..viewerpaths import episode_path, file_path, project_path
from .projects import MOST_PROJECTS

_MOST_SHOWN = 200  # projects
_NAMED_PROJECTS = 4  # of which the files that are processed are named
_NAMED_FILES = 8  # of one of these

_FRESH_SECONDS = 1.5
_KEPT = 64  # keys whose last view is kept

_STREAMS = 64
_STREAMS_OF_KEY = 6


def view_of_ingest(services: Services) -> dict[str, Any]:
    """The projects in which something is under way, those first in which most is, with what they have in all."""
    found = services.bss.underway()
    totals = {(one.namespace, one.project): one for one in islice(services.index.totals(), MOST_PROJECTS)}
    projects: list[dict[str, Any]] = []
    for one in sorted(found.items, key=lambda one: (-(one.processing + one.queued), one.owner, one.project)):
        known = totals.get((one.owner, one.project))
        statuses = known.statuses if known else {}
        projects.append(
            {
                "namespace": one.owner,
                "project": one.project,
                "path": project_path(one.owner, one.project),
                "uploading": one.uploading,
                "waiting": one.registered + one.queued,
                "processing": one.processing,
                "bytes": one.bytes,
                "ready": statuses.get(Status.READY, 0),
                "failed": statuses.get(Status.FAILED, 0),
            }
        )
    working = [one for one in projects if one["processing"]][:_NAMED_PROJECTS]
    return {
        "projects": projects[:_MOST_SHOWN],
        "more": found.more or len(projects) > _MOST_SHOWN,
        "files": [file for one in working for file in _processed(services, one["namespace"], one["project"])],
    }


def _processed(services: Services, namespace: str, project: str) -> list[dict[str, Any]]:
    """Some of the files that are processed."""
    files: list[dict[str, Any]] = []
    for kind in Kind:
        if (left := _NAMED_FILES - len(files)) <= 0:
            break
        page = services.bss.list_page(kind, owner=namespace, project=project, status=Status.PROCESSING, limit=left)
        files += [
            {
                "namespace": record.owner,
                "project": record.project,
                "episode": record.episode,
                "name": record.name,
                "kind": record.kind,
                "file": file_path(record.id),
                "episodePage": episode_path(record.owner, record.project, record.episode),
            }
            for record in page.items
        ]
    return files


class Progress:
    """What is under way, for each key asked of the services once in a while, however many look. Safe to share between
    threads."""

    def __init__(self) -> None:
        self._views: OrderedDict[str, _Latest] = OrderedDict()
        self._streams: dict[str, int] = {}
        self._lock = threading.Lock()

    def latest(self, key: str, look: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The view of the key of this id, made by `look` unless it is fresh."""
        with self._lock:
            latest = self._views.setdefault(key, _Latest())
            self._views.move_to_end(key)
            if len(self._views) > _KEPT:
                self._views.popitem(last=False)
        return latest.view(look)

    @contextmanager
    def stream(self, key: str) -> Iterator[None]:
        """A place for one with the key of this id that is told as it goes on. Raises OVERLOADED when there are too
        many."""
        with self._lock:
            of_key = self._streams.get(key, 0)
            if of_key >= _STREAMS_OF_KEY or sum(self._streams.values()) >= _STREAMS:
                raise DreamlakeError(
                    Code.OVERLOADED, "Too many pages are told of ingests.", hint="Close some, or ask again in a while."
                )
            self._streams[key] = of_key + 1
        try:
            yield
        finally:
            with self._lock:
                self._streams[key] -= 1
                if not self._streams[key]:
                    del self._streams[key]


class _Latest:
    """The last view of one key. Of several that ask at once, one looks and the others wait for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._view: dict[str, Any] = {}
        self._until = float("-inf")

    def view(self, look: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        with self._lock:
            if time.monotonic() > self._until:
                self._view = look()
                self._until = time.monotonic() + _FRESH_SECONDS
            return self._view
