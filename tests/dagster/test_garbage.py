"""The asset that collects garbage, and what it shows of it."""

from __future__ import annotations

from typing import Any

from dagster import materialize

from dreamlake_pipeline.api.bss import Undelete, Undeleted
from dreamlake_pipeline.assets import garbage


def test_it_frees_and_shows_what(world: Any) -> None:
    ids = world.upload({"/a.srt": b"1\n00:00:00,000 --> 00:00:01,000\nHello\n"})
    [record] = world.records(ids).values()
    world.http.delete(f"/text-tracks/{record.id}")
    done = materialize([garbage], resources={"bss": world.resources()["bss"]})
    [materialization] = done.asset_materializations_for_node("garbage")
    shown = {name: value.value for name, value in materialization.metadata.items()}
    assert shown["bytes freed"] >= 0 and shown["folders of unknown records"] == 0
    # It can still be restored, so nothing of it was freed.
    restored = world.http.post("/records/undelete", Undelete(ids=[record.id]), Undeleted)
    assert restored.ids == [record.id]
