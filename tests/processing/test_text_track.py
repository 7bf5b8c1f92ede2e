"""Text tracks whose cues are a flight log: the table is stored, described and served."""

from __future__ import annotations

import io
from collections.abc import Callable

import httpx
import pyarrow.parquet as pq

from dreamlake_pipeline.processing.batch import BatchWork
from dreamlake_pipeline.processing.hold import Hold
from dreamlake_pipeline.processing.work import Workshop
from dreamlake_pipeline.remote.http import ServiceClient
from dreamlake_pipeline.remote.pipeline import PipelineClient
from dreamlake_pipeline.storage import ObjectStore

CUE = "{n}\n00:00:0{n},000 --> 00:00:0{n},900\n[latitude: 47.{n}] [longitude: 8.5] [rel_alt: {n}.5 abs_alt: 440.5]\n"


def test_telemetry_is_a_table_of_the_record(
    hold: Callable[[dict[str, bytes]], Hold],
    pipeline: PipelineClient,
    object_store: ObjectStore,
    http: ServiceClient,
) -> None:
    flight = "\n".join(CUE.format(n=n) for n in range(1, 5)).encode()
    talk = b"1\n00:00:01,000 --> 00:00:02,000\nHello\n"
    held = hold({"/flight.srt": flight, "/talk.srt": talk})
    with BatchWork(held, Workshop(pipeline, object_store), held.begin().items, workers=1) as work:
        outcomes = work.finish()
    assert held.pipeline.finish(held.partition, held.run_id).ready == 2
    flown, said = (outcome.record for outcome in outcomes)

    found = http.call("GET", f"/text-tracks/{flown.id}")["metadata"]["telemetry"]
    assert found["entries"] == 4
    fields = {field["name"]: field for field in found["fields"]}
    assert list(fields) == ["latitude", "longitude", "rel_alt", "abs_alt"]
    assert (fields["latitude"]["type"], fields["latitude"]["min"], fields["latitude"]["max"]) == ("float64", 47.1, 47.4)
    table = pq.read_table(io.BytesIO(httpx.get(http.location(found["dataUrl"])).content))
    assert table.column("start").to_pylist() == [1.0, 2.0, 3.0, 4.0]
    assert table.column("rel_alt").to_pylist() == [1.5, 2.5, 3.5, 4.5]

    assert http.call("GET", f"/text-tracks/{said.id}")["metadata"].get("telemetry") is None
