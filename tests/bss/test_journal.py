"""The order of a journal's lines is that of what happened, whenever transactions began and whatever clocks say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, text

from dreamlake_pipeline import layout
from dreamlake_pipeline.api.bss import ProjectSettings
from dreamlake_pipeline.api.stored import Noted
from dreamlake_pipeline.bss import deletions, journal, projects
from dreamlake_pipeline.storage import ObjectStore


@pytest.fixture
def database(service: Any) -> Engine:
    return service.app.state.database


@pytest.fixture
def last(object_store: ObjectStore, owner: str) -> Callable[[], Noted]:
    """The line that a rebuild takes for the last one."""

    def read() -> Noted:
        found = [
            Noted.model_validate_json(line)
            for info in object_store.list_all(layout.journal_prefix(owner, "lab"))
            for line in object_store.read(info.key).splitlines()
        ]
        return max(found, key=lambda line: line.at)

    return read


def test_what_began_early_and_ended_late_came_last(
    files: Any, database: Engine, object_store: ObjectStore, last: Any
) -> None:
    record_id = files.register("/text-tracks", "/a.srt")["id"]
    with database.begin() as early:
        early.execute(text("SELECT now()"))
        with database.begin() as other:
            deletions.delete(other, [record_id], by="test", etags={})
        journal.note_deleted(database, object_store, [record_id])
        assert last().deleted == record_id
        deletions.restore(early, [record_id], replace=False)
    journal.note(database, object_store, [record_id])
    assert last().record.id == record_id

    with database.begin() as early:
        early.execute(text("SELECT now()"))
        with database.begin() as other:
            other.execute(text("UPDATE records SET updated_at = now() WHERE id = :id"), {"id": record_id})
        journal.note(database, object_store, [record_id])
        deletions.delete(early, [record_id], by="test", etags={})
    journal.note_deleted(database, object_store, [record_id])
    assert last().deleted == record_id


def test_the_settings_that_hold_are_the_last(
    database: Engine, object_store: ObjectStore, owner: str, last: Any
) -> None:
    with database.begin() as early:
        early.execute(text("SELECT now()"))
        with database.begin() as other:
            projects.decide(other, owner, "lab", ProjectSettings(ladder=(60,)))
        journal.note_settings(database, object_store, owner, "lab")
        projects.decide(early, owner, "lab", ProjectSettings(ladder=(90,)))
    journal.note_settings(database, object_store, owner, "lab")
    # One whose turn came late tells what holds by then.
    journal.note_settings(database, object_store, owner, "lab")
    assert last().settings.ladder == (90,)
