"""Telemetry in cues: what drones write beside their pictures becomes a table, and what people say does not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from dreamlake_pipeline.media.text.make import TextResult, make_text_track

Make = Callable[..., TextResult]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def make(*texts: str) -> TextResult:
        """A SubRip file with a cue a second."""
        source = tmp_path / "source"
        cues = (f"{n + 1}\n00:00:{n:02},000 --> 00:00:{n + 1:02},000\n{text}\n" for n, text in enumerate(texts))
        source.write_text("\n".join(cues), "utf-8")
        return make_text_track(source, tmp_path, filename="flight.srt")

    return make


def rows(result: TextResult) -> list[dict[str, Any]]:
    assert result.telemetry
    return pq.read_table(result.telemetry.path).to_pylist()


FORMS = {
    "brackets": (
        '<font size="28">SrtCnt : {n}, DiffTime : 33ms\n2023-07-12 10:11:1{n}.123\n[iso : 100] [shutter : 1/1000.0] '
        "[color_md : default] [latitude: 47.{n}] [longitude: 8.5] [rel_alt: {n}.300 abs_alt: 441.860] </font>",
        {
            "datetime": datetime(2023, 7, 12, 10, 11, 12, 123_000),
            "SrtCnt": 2,
            "DiffTime": 33,
            "iso": 100,
            "shutter": "1/1000.0",
            "color_md": "default",
            "latitude": 47.2,
            "longitude": 8.5,
            "rel_alt": 2.3,
            "abs_alt": 441.86,
        },
    ),
    "microseconds": (
        "FrameCnt: {n}, DiffTime: 33ms\n2022-08-07 13:40:4{n},774,808\n[iso: 170] [dzoom_ratio: 1.00], "
        "[latitude: 41.42472{n}] [gb_yaw: 4.5 gb_pitch: -20.0 gb_roll: 0.0]",
        {
            "datetime": datetime(2022, 8, 7, 13, 40, 42, 774_808),
            "FrameCnt": 2,
            "DiffTime": 33,
            "iso": 170,
            "dzoom_ratio": 1.0,
            "latitude": 41.424722,
            "gb_yaw": 4.5,
            "gb_pitch": -20.0,
            "gb_roll": 0.0,
        },
    ),
    "lists": (
        "HOME(149.0251,-20.2532) 2017.05.1{n} 1:02:03\nGPS(149.0253,-20.253{n},16) BAROMETER:{n}.4\n"
        "ISO:100 Shutter:60 EV: Fnum:2.2 ",
        {
            "datetime": datetime(2017, 5, 12, 1, 2, 3),
            "HOME_1": 149.0251,
            "HOME_2": -20.2532,
            "GPS_1": 149.0253,
            "GPS_2": -20.2532,
            "GPS_3": 16,
            "BAROMETER": 2.4,
            "ISO": 100,
            "Shutter": 60,
            "EV": None,
            "Fnum": 2.2,
        },
    ),
    "units": (
        "2022.06.21 16:06:1{n}\nGPS(36.6146,-6.1120,0.0M) BAROMETER:{n}.3M",
        {
            "datetime": datetime(2022, 6, 21, 16, 6, 12),
            "GPS_1": 36.6146,
            "GPS_2": -6.112,
            "GPS_3": 0.0,
            "BAROMETER": 2.3,
        },
    ),
    "commas": (
        "F/2.8, SS 206.14, ISO 150, EV +{n}, DZOOM 1.000, GPS (-82.6669, 27.7716, 10), D 2.80m, H 0.{n}0m, "
        "H.S 0.00m/s, V.S -0.10m/s, G_PRY (-90.0°, 0.0°, 89.{n}°)",
        {
            "GPS_1": -82.6669,
            "GPS_2": 27.7716,
            "GPS_3": 10,
            "G_PRY_1": -90.0,
            "G_PRY_2": 0.0,
            "G_PRY_3": 89.2,
            "F": 2.8,
            "SS": 206.14,
            "ISO": 150,
            "EV": 2,
            "DZOOM": 1.0,
            "D": 2.8,
            "H": 0.2,
            "H.S": 0.0,
            "V.S": -0.1,
        },
    ),
    "named values": (
        "HOME(E: 8.5100, N: 47.100{n})\nHb:1.{n} Hs:0.5",
        {"HOME_E": 8.51, "HOME_N": 47.1002, "Hb": 1.2, "Hs": 0.5},
    ),
    "a robot's": ("joint1=0.{n} joint2=-1.5 state=moving", {"joint1": 0.2, "joint2": -1.5, "state": "moving"}),
}


@pytest.mark.parametrize(("form", "second"), FORMS.values(), ids=FORMS)
def test_every_form_becomes_a_row_a_cue(make: Make, form: str, second: dict[str, Any]) -> None:
    result = make(*(form.format(n=n) for n in range(1, 5)))
    assert (result.cues, result.bad_cues, result.warnings) == (4, 0, ())
    assert len(rows(result)) == 4
    found = rows(result)[1]
    assert (found.pop("start"), found.pop("end")) == (1.0, 2.0)
    assert found.pop("_line") == form.count("\n") + 6
    assert found == second
    assert "00:00:01.000 --> 00:00:02.000" in result.path.read_text()


def test_fields_are_described(make: Make) -> None:
    result = make(*(FORMS["units"][0].format(n=n) for n in range(1, 5)))
    assert result.telemetry
    fields = {field.name: field for field in result.telemetry.fields}
    assert (fields["BAROMETER"].type, fields["BAROMETER"].unit) == ("float64", "M")
    assert (fields["BAROMETER"].min, fields["BAROMETER"].max, fields["BAROMETER"].distinct) == (1.3, 4.3, 4)
    assert fields["datetime"].min == "2022-06-21 16:06:11.000000"
    schema = pq.read_schema(result.telemetry.path)
    assert schema.field("BAROMETER").metadata == {b"unit": b"M"}


def test_units_that_differ_stay(make: Make) -> None:
    result = make("alt: 900m iso: 100", "alt: 1.1km iso: 100")
    assert [row["alt"] for row in rows(result)] == ["900m", "1.1km"]


def test_a_key_twice_keeps_both_values(make: Make) -> None:
    assert rows(make("a: 1 a: 2", "a: 3 a: 4"))[1]["a_2"] == 4


def test_a_field_that_some_cues_lack_is_null_there(make: Make) -> None:
    found = rows(make("a: 1 b: 2", "a: 3 b: 4 c: 5", "a: 6 b: 7"))
    assert [row["c"] for row in found] == [None, 5, None]


def test_cues_without_fields_are_counted(make: Make) -> None:
    result = make(*["a: 1 b: 2"] * 9, "The drone lands")
    assert len(rows(result)) == 9
    assert result.warnings == (
        "1 of 10 cues hold no telemetry and have no row in data.parquet; the first is in line 38.",
    )


@pytest.mark.parametrize(
    "texts",
    [
        ["Hello there", "General greeting"],
        ["ANN: Hello", "BOB: It is 10:30 now, isn't it? Temperature: 20"],
        ["Speaker 1: yes", "Speaker 2: no"],
        ["Step 1, turn left", "Step 2, turn right"],
        ["(laughs) Well (sighs)", "Call me at 12:30 (maybe)"],
        ["See https://a.b/?x=1&y=2", "See https://a.b/?x=3&y=4"],
        ["a: 1 b: 2"],
        ["a: 1 b: 2", "c: 1 d: 2", "e: 1 f: 2"],
    ],
)
def test_words_are_no_telemetry(make: Make, texts: list[str]) -> None:
    result = make(*texts)
    assert result.telemetry is None
    assert not (result.path.parent / "data.parquet").exists()
