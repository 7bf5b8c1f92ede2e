"""Label tracks of many or long fields: the record stays small, and a file beside it has them all."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest

from dreamlake_pipeline.api.bounded import MOST_BYTES
from dreamlake_pipeline.processing.batch import BatchWork
from dreamlake_pipeline.processing.hold import Hold
from dreamlake_pipeline.processing.work import Workshop
from dreamlake_pipeline.remote.http import ServiceClient
from dreamlake_pipeline.remote.pipeline import PipelineClient
from dreamlake_pipeline.storage import ObjectStore

FILES = {
    "many fields": ("/a.jsonl", json.dumps({f"k{n}": n for n in range(5000)}) + "\n"),
    "long names": ("/b.jsonl", json.dumps({f"{n}" + "x" * 100_000: n for n in range(100)}) + "\n"),
    "many columns": ("/c.csv", ",".join(f"c{n}" for n in range(4000)) + "\n" + ",".join(["1"] * 4000) + "\n"),
    "keys that differ": ("/d.jsonl", "".join(f'{{"k{n}":1}}\n' for n in range(20_000))),
    "names twice": ("/e.csv", ",".join(["a" * 300] * 1000) + "\n" + ",".join(["1"] * 1000) + "\n"),
}


@pytest.mark.parametrize("what", FILES)
def test_a_record_has_the_first_fields_and_a_file_has_all(
    what: str,
    hold: Callable[[dict[str, bytes]], Hold],
    pipeline: PipelineClient,
    object_store: ObjectStore,
    http: ServiceClient,
) -> None:
    name, content = FILES[what]
    held = hold({name: content.encode(), "/few.jsonl": b'{"a":1}\n'})
    with BatchWork(held, Workshop(pipeline, object_store), held.begin().items, workers=1) as work:
        outcomes = {one.record.name: one for one in work.finish()}
    assert held.pipeline.finish(held.partition, held.run_id).ready == 2

    found = http.call("GET", f"/labels/{outcomes[name].record.id}")["metadata"]
    assert len(json.dumps(found)) < MOST_BYTES
    assert 0 < len(found["fields"]) <= 100
    whole = json.loads(httpx.get(http.location(found["fieldsUrl"])).content)
    assert len(whole) == found["fieldsTotal"] and len(found["fields"]) <= len(whole)
    assert [field["name"] for field in found["fields"]] == [field["name"] for field in whole][: len(found["fields"])]
    assert all(len(field["name"]) <= 210 for field in whole)
    if what == "long names":
        assert whole[7]["source"] == "7" + "x" * 100_000 and whole[7]["name"].startswith("7x")

    few = http.call("GET", f"/labels/{outcomes['/few.jsonl'].record.id}")["metadata"]
    assert [field["name"] for field in few["fields"]] == ["a"] and not few.get("fieldsUrl")
