"""No file decides how large its record is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dreamlake_pipeline.api.bounded import MOST_BYTES, MOST_CHARS, MOST_ITEMS, bounded, shortened


def size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def fields(count: int, chars: int) -> list[dict[str, Any]]:
    return [{"name": "n" * chars, "type": "int64", "nulls": 0, "min": n} for n in range(count)]


@pytest.mark.parametrize(
    "metadata",
    [
        {"fields": fields(5000, 1000)},
        {"fields": fields(5000, 1)},
        {"telemetry": {"entries": 1, "fields": fields(200, 100_000)}},
        {"warnings": ["w" * 10_000] * 10_000},
        {"warnings": ["ключ" * 10_000] * 50},
        {"badLines": [{"line": n, "reason": "r" * 1000} for n in range(1000)]},
        {"source": {"container": "c" * 10**6, "streams": [{"title": "t" * 10**5, "k" * 10**5: "v"}] * 1000}},
        {"csv": {"units": {f"{n}" * 1000: "m" * 100 for n in range(5000)}}},
        {"audioTracks": [{"name": "a" * 10**5, "index": n} for n in range(16)]},
        {"a": {"b": {"c": ["d" * 10**6] * 100}}, **{f"k{n}": "x" * 1000 for n in range(500)}},
        {"n" * 10**6: 1, "x": [[["y" * 100] * 300] * 300]},
    ],
    ids=lambda metadata: next(iter(metadata))[:20],
)
def test_metadata_of_any_file_have_a_ceiling(metadata: dict[str, Any]) -> None:
    assert size(metadata) > MOST_BYTES
    assert size(bounded(metadata)) <= MOST_BYTES


def test_what_is_left_out_is_counted() -> None:
    found = bounded({"fields": fields(5000, 3), "warnings": ["w"] * 300, "source": {"streams": [{"index": 1}] * 900}})
    assert found["fieldsTotal"] == 5000 and 100 <= len(found["fields"]) <= MOST_ITEMS
    assert found["warnings"][-1] == "… and 100 more." and len(found["warnings"]) == MOST_ITEMS + 1
    assert found["source"]["streamsTotal"] == 900
    assert bounded({"fields": fields(3, 3), "fieldsTotal": 7})["fieldsTotal"] == 7


def test_texts_end_with_a_mark_and_their_length() -> None:
    assert shortened("x" * MOST_CHARS) == "x" * MOST_CHARS
    assert shortened("x" * 12_345).endswith("x… (12,345 characters)")
    assert len(shortened("x" * 10**7)) <= MOST_CHARS


def test_usual_metadata_stay_as_they_are() -> None:
    streams = [{"index": n, "type": "audio", "title": "Mikrofon"} for n in range(12)]
    usual = {
        "durationSec": 1.5, "streams": ["a" * 32] * 20, "renditions": [{"stream": "a"}] * 300, "warnings": ["One."],
        "source": {"container": "mp4", "streams": streams}, "conformance": {"checks": [{"rule": "r", "ok": True}] * 60},
        "fields": fields(100, 30), "csvOptions": {}, "ladder": [], "posterUrl": "/videos/1/poster.jpg",
    }  # fmt: skip
    assert bounded(usual) == usual
