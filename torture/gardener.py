"""Who deletes files and has garbage collected, while everything else goes on."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg

from .clients import Clients
from .home import Home
from .inputs import Expected, Wave

_PAUSE = 3.0
_SHARE = 12  # of so many files, one is deleted

# Time that has to pass until what a killed run left is freed for certain: here it passes at once.
_LATER = (
    "UPDATE bss.chunks SET lease_until = least(lease_until, now()) - interval '1 second'",
    "UPDATE bss.chunks SET condemned_at = condemned_at - interval '1 day' WHERE condemned_at IS NOT NULL",
    "UPDATE bss.ended_uploads SET ended_at = ended_at - interval '1 day'",
    "UPDATE bss.signed_puts SET signed_at = signed_at - interval '1 day'",
    "UPDATE bss.deleted_records SET deleted_at = deleted_at - interval '30 days' WHERE purged_at IS NULL",
    "UPDATE bss.deleted_records SET freed_at = freed_at - interval '2 days'",
)
_ROUNDS = 3  # of collections: what one condemns, the next one frees


@dataclass(slots=True)
class Gardener:
    """Deletes some files of each wave that arrived, drawn from the seed, unless it is not to, and collects garbage.
    `deleted` are those of which BSS has said that they are."""

    home: Home
    clients: Clients
    seed: int
    deletes: bool
    deleted: list[Expected] = field(default_factory=list)
    freed: Counter[str] = field(default_factory=Counter)
    _chosen: dict[str, Expected] = field(default_factory=dict)  # by the ids of their records
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Gardener:
        self._thread = threading.Thread(target=self._work, name="gardener", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._thread is not None
        self._stop.set()
        self._thread.join(120)

    def _work(self) -> None:
        done = 0
        while not self._stop.wait(_PAUSE):
            with suppress(psycopg.Error, httpx.HTTPError):
                if self.deletes and not self._chosen and done < len(self.clients.brought):
                    self._chosen = self._choose(self.clients.brought[done])
                    done += 1
                self._delete(self._door)
                self.collect(self._door)

    def _delete(self, url: str) -> None:
        """Delete what was chosen. Raises httpx.HTTPError when that is not answered: it may be deleted, or not."""
        if self._chosen:
            self._post(url, "/records/delete", {"ids": list(self._chosen)})
            self.deleted += self._chosen.values()
            self._chosen = {}

    def finish(self) -> None:
        """Have done what was begun, as soon as BSS answers."""
        while self._chosen:
            with suppress(httpx.HTTPError):
                self._delete(self._behind)
            time.sleep(1)

    @property
    def _door(self) -> str:
        return self.home.environment["DREAMLAKE_BSS_URL"]

    @property
    def _behind(self) -> str:
        return f"http://127.0.0.1:{self.home.stack.ports['bss']}"

    def _choose(self, wave: Wave) -> dict[str, Expected]:
        """Some of a wave's files that have a record by now."""
        files = random.Random(f"{self.seed}/{wave.folder.name}").sample(wave.expected, len(wave.expected) // _SHARE)
        rows = self.home.rows(
            "SELECT id, episode, name FROM bss.records WHERE owner = %s AND project = %s", wave.owner, wave.project
        )
        ids = {(row["episode"], row["name"]): row["id"] for row in rows}
        return {ids[file.episode, file.name]: file for file in files if (file.episode, file.name) in ids}

    def collect(self, url: str) -> None:
        """Collect garbage to the end. Raises httpx.HTTPError when a step is not answered."""
        cursor = None
        while True:
            answer = self._post(url, "/gc/step", {"cursor": cursor} if cursor else {})
            for kind, amount in answer.get("freed", {}).items():
                self.freed[kind] += amount["count"]
            if (cursor := answer.get("cursor")) is None:
                return

    def _post(self, url: str, path: str, body: dict[str, Any]) -> Any:
        headers = {"Authorization": f"Bearer {self.home.environment['DREAMLAKE_API_KEY']}"}
        return httpx.post(url + path, json=body, headers=headers, timeout=30).raise_for_status().json()

    def clear(self) -> None:
        """At the end: let the time pass for which garbage is left, and free it."""
        for _ in range(_ROUNDS):
            with self.home.database() as connection:
                for statement in _LATER:
                    connection.execute(statement.encode())
            self.collect(self._behind)
