"""What a run shows stays small and readable, however many files a batch has and whatever they are called."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

from dreamlake_pipeline.api.bss import Record, Status
from dreamlake_pipeline.api.common import ErrorBody
from dreamlake_pipeline.api.metadata import Processing, Telemetry, TelemetryField, TextTrackMetadata
from dreamlake_pipeline.assets import display
from dreamlake_pipeline.ids import new_id
from dreamlake_pipeline.kinds import Kind

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def record(name: str, kind: Kind = Kind.TEXT_TRACK, **more: Any) -> Record:
    return Record(
        id=new_id(),
        kind=kind,
        owner="o",
        project="p",
        episode=None,
        name=name,
        staging_hash=None,
        staging_key="o/p/staging/a",
        size=1,
        content_type=None,
        created_at=NOW,
        updated_at=NOW,
        **({"status": Status.QUEUED} | more),
    )


def test_failed_items_come_first_and_long_tables_are_cut() -> None:
    bad = record("/z.srt", status=Status.FAILED, error=ErrorBody(code="text_invalid", message="No cue."))
    table: Any = display.item_table([*(record(f"/{n:04}.srt") for n in range(300)), bad])
    rows = [row.data for row in table.records]
    assert len(rows) == display.MOST_ROWS + 1
    assert (rows[0]["name"], rows[0]["status"], rows[0]["reason"]) == ("/z.srt", "failed", "No cue.")
    assert rows[-1]["name"] == "… and 101 more"


def test_a_file_with_warnings_or_telemetry_says_so_in_its_row() -> None:
    def found(warnings: list[str], telemetry: Telemetry | None = None) -> dict[str, Any]:
        return TextTrackMetadata(
            cues=2,
            duration_sec=4,
            start_sec=1,
            end_sec=4,
            words=3,
            encoding="utf-8",
            format="srt",
            telemetry=telemetry,
            warnings=warnings,
            processing=Processing(recipe="text-track-1", seconds=0.1),
        ).wire()

    fields = [TelemetryField(name="iso", type="int64", nulls=0)]
    flight = Telemetry(entries=2, fields=fields, data_url="/text-tracks/1/data.parquet")
    odd = ["Line 7: a reference to nothing.", "Line 9: too.", "Line 11: too."]
    items = [
        record("/a.srt", metadata=found([])),
        record("/b.srt", metadata=found(odd), warnings=odd),
        record("/c.srt", metadata=found(odd[:1], flight), warnings=odd[:1]),
    ]
    table: Any = display.item_table(items)
    rows = [row.data for row in table.records]
    assert [row["warnings"] for row in rows] == [None, f"{odd[0]} (and 2 more)", odd[0]]
    assert [row["telemetry fields"] for row in rows] == [None, None, 1]
    plain: Any = display.item_table(items[:1])
    assert not {"warnings", "telemetry fields"} & set(plain.records[0].data)


def test_pictures_fit_into_one_event() -> None:
    small, large = secrets.token_bytes(9_000), secrets.token_bytes(90_000)
    shown: Any = display.pictures([("/large.mp4", large), *((f"/{n}_[a].mp4", small) for n in range(9))])
    assert len(shown.value) < 50_000
    assert shown.value.count("data:image/jpeg;base64,") == 3
    assert r"/0\_\[a\].mp4" in shown.value and "large" not in shown.value
    assert display.pictures([("/large.mp4", large)]) is None


def test_counts_say_what_a_batch_holds() -> None:
    items = [record("/a.mp4", Kind.VIDEO), record("/b.mp4", Kind.VIDEO), record("/c.srt")]
    assert display.counts(items) == "1 text track, 2 videos"
    assert display.counts([]) == "nothing"


def test_pages_of_files_are_linked_those_that_failed_first() -> None:
    items = [record(f"/{n:02}*.srt") for n in range(display.MOST_LINKS + 5)]
    items[-1] = record("/last*.srt", status=Status.FAILED, error=ErrorBody(code="text_invalid", message="No cue."))
    assert display.pages(items, None) == display.pages([], "http://v") == {}
    lines = display.pages(items, "http://v:8000/")["pages in the viewer"].value.splitlines()
    last = items[-1]
    assert lines[0] == f"- [{display.place(last).replace('*', chr(92) + '*')}](http://v:8000/f/{last.id})"
    assert len(lines) == display.MOST_LINKS + 1 and lines[-1] == "- and 5 more"
