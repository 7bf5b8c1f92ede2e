"""Curves and rows of tracks that the pipeline made, as a client of BSS gets them."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from dreamlake_pipeline import layout
from dreamlake_pipeline.api.bss import Record
from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.processing.batch import BatchWork
from dreamlake_pipeline.processing.hold import Hold
from dreamlake_pipeline.processing.work import Workshop
from dreamlake_pipeline.remote.bss import BssClient
from dreamlake_pipeline.remote.http import ServiceClient
from dreamlake_pipeline.remote.pipeline import PipelineClient
from dreamlake_pipeline.storage import ObjectStore

COUNT = 6000
LARGE = 'time_s,x,state,"a,b"\n' + "".join(
    f"{n / 100},{n % 50},{'closed' if n < 3000 else 'open'},{n}\n" for n in range(COUNT)
)
FILES = {
    "/large.csv": LARGE,
    "/small.jsonl": "".join(f'{{"t": {n / 10}, "x": {n}}}\n' for n in range(100)),
    "/timeless.csv": "a,b\n1,2\n3,4\n",
    "/flight.srt": "".join(
        f"{n + 1}\n00:00:0{n},000 --> 00:00:0{n + 1},000\niso: {n * 100}, altitude: {n}.5\n\n" for n in range(9)
    ),
    "/said.srt": "1\n00:00:01,000 --> 00:00:02,000\nHello\n",
}


@pytest.fixture
def records(
    hold: Callable[[dict[str, bytes]], Hold], pipeline: PipelineClient, object_store: ObjectStore
) -> dict[str, Record]:
    """By their names, as the pipeline made them."""
    held = hold({name: content.encode() for name, content in FILES.items()})
    with BatchWork(held, Workshop(pipeline, object_store), held.begin().items, workers=1) as work:
        found = {one.record.name: one.record for one in work.finish()}
    assert held.pipeline.finish(held.partition, held.run_id).ready == len(FILES)
    return found


def test_curves_and_rows_over_http(records: dict[str, Record], http: ServiceClient, object_store: ObjectStore) -> None:
    bss = BssClient(http)
    large = records["/large.csv"]
    metadata = bss.metadata(large.kind, large.id)
    assert metadata["seriesUrl"] == f"/labels/{large.id}/series.parquet"
    assert httpx.get(bss.result_url(large.kind, large.id, "series.parquet")).content[:4] == b"PAR1"

    told = bss.series(large.kind, large.id, width=100)
    assert (told.start, told.duration_sec, told.from_, told.to) == (0.0, 59.99, 0.0, 59.99)
    assert not told.raw and len(told.times) <= 100 and told.entries == COUNT and not told.marks
    assert set(told.fields) == {"x", "a,b"}
    assert told.fields["x"].min == [0] * len(told.times) and told.fields["x"].max == [49] * len(told.times)

    near = bss.series(large.kind, large.id, ["a,b", "state"], start=29.9, end=30.1, width=100)
    assert near.raw and near.entries == 21 and list(near.fields) == ["a,b"]
    assert [value for value in near.fields["a,b"].values or [] if value is not None] == list(range(2989, 3012))
    assert [(mark.start, mark.end, mark.text) for mark in near.marks["state"]] == [
        (0, 30, "closed"),
        (30, 59.99, "open"),
    ]

    # Several names in one word, unless it is one name itself.
    path = f"/labels/{large.id}/series"
    assert set(http.get(path, type(told), fields="x,state", width=5).fields) == {"x"}
    assert set(http.get(path, type(told), fields="a,b", width=5).fields) == {"a,b"}

    rows = bss.rows(large.kind, large.id, at=30, limit=3)
    assert rows.first == 2999 and rows.total == COUNT and rows.times == [29.99, 30.0, 30.01]
    assert rows.rows[1] == [3002, 30.0, 0, "open", 3000] and rows.fields[1:] == ["time_s", "x", "state", "a,b"]
    assert bss.rows(large.kind, large.id, ["x"], first=COUNT - 1).rows == [[49]]


def test_small_tracks_and_telemetry(records: dict[str, Record], http: ServiceClient) -> None:
    bss = BssClient(http)
    small = records["/small.jsonl"]
    assert "seriesUrl" not in bss.metadata(small.kind, small.id)
    assert bss.series(small.kind, small.id, start=1, end=1.2).fields["x"].values == [9, 10, 11, 12, 13]
    flight = records["/flight.srt"]
    told = bss.series(flight.kind, flight.id)
    assert told.fields["altitude"].values == [n + 0.5 for n in range(9)] and told.times == list(range(9))
    assert bss.rows(flight.kind, flight.id, ["iso"], at=4.2, limit=1).rows == [[400]]


def test_what_cannot_be_shown_says_why(
    records: dict[str, Record], http: ServiceClient, object_store: ObjectStore
) -> None:
    bss = BssClient(http)

    def refused(ask: Callable[[], object]) -> DreamlakeError:
        with pytest.raises(DreamlakeError) as raised:
            ask()
        return raised.value

    timeless = records["/timeless.csv"]
    error = refused(lambda: bss.series(timeless.kind, timeless.id))
    assert error.code is Code.INVALID_REQUEST and "no times" in error.message and "/rows?first=0" in (error.hint or "")
    assert refused(lambda: bss.rows(timeless.kind, timeless.id, at=1)).code is Code.INVALID_REQUEST
    assert bss.rows(timeless.kind, timeless.id).model_dump(exclude={"rows"}) == {
        "fields": ["_line", "a", "b"],
        "times": None,
        "first": 0,
        "total": 2,
    }
    assert refused(lambda: bss.series(Kind.TEXT_TRACK, records["/said.srt"].id)).code is Code.NOT_FOUND
    large = records["/large.csv"]
    for bad in ({"fields": ["nothing"]}, {"start": 5.0, "end": 4.0}, {"width": 0}, {"start": -1.0}):
        assert refused(lambda bad=bad: bss.series(large.kind, large.id, **bad)).code is Code.INVALID_REQUEST

    # What is stored is another file than the one that was made, or half of it.
    key = layout.result_key(large.owner, large.project, large.kind, large.id, "series.parquet")
    whole = object_store.read(key)
    footer = int.from_bytes(whole[-8:-4], "little") + 8
    for content in (b"nothing", whole[: len(whole) // 2], b"PAR1" + bytes(len(whole) - footer - 4) + whole[-footer:]):
        object_store.put(key, content, content_type="application/vnd.apache.parquet")
        assert refused(lambda: bss.series(large.kind, large.id)).code is Code.STORAGE_FAILED
    object_store.put(key, whole, content_type="application/vnd.apache.parquet")
    assert bss.series(large.kind, large.id, width=100).entries == COUNT
