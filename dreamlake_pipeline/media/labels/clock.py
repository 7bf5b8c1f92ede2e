"""Dates and times of day as loggers and spreadsheets write them, and times as the record has them.

| text | read as |
| --- | --- |
| `2025-06-17`, `2025/6/17`, `2025.06.17`, `2025:06:17`, `20250617` | that date |
| `17 Jun 2025`, `17-Jun-2025`, `Jun 17, 2025`, with or without the day of the week | that date |
| `17.06.2025`, `17.06.25` | day first: who puts points does so; years of two digits are 1970 to 2069 |
| `17/06/2025`, `06-17-2025` | day or month first, as `Order` says: a column tells it when a number above 12 is in it |
| `8:15`, `08:15:00`, `08:15:00.250`, `08:15:00,250`, `8:15:00 PM`, `08:15:00Z`, `08:15:00+02:00` | that time of day |
| `08:15:00:250` | with a fraction of three digits or more; two would be a number of pictures |
| `12:34.5` | minutes and seconds, where these have a fraction |
| `30:00:00` | without a date: hours since a start |
| a date and a time with a `T`, blanks, a comma or `_` in between; `2025-06-17_08-15-00`, `20250617081500` | both |
| `Tue Jun 17 08:15:00 2025` (C's ctime) | both |
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

NS_OF_SECOND = 10**9
NS_OF_DAY = 86_400 * NS_OF_SECOND

_DATE = (
    r"(?P<y>[0-9]{4})[-/.:](?P<m>[0-9]{1,2})[-/.:](?P<d>[0-9]{1,2})"
    r"|(?P<cy>[12][0-9]{3})(?P<cm>[01][0-9])(?P<cd>[0-3][0-9])"
    r"|(?P<a>[0-9]{1,2})(?P<by>[-/.])(?P<b>[0-9]{1,2})[-/.](?P<ab>[0-9]{4}|[0-9]{2})"
    r"|(?P<nd>[0-9]{1,2})[- ](?P<nm>[A-Za-z]{3})[a-z]*\.?[- ,]+(?P<ny>[0-9]{4})"
    r"|(?P<mn>[A-Za-z]{3})[a-z]*\.?[- ]+(?P<md>[0-9]{1,2}),?[- ]+(?P<my>[0-9]{4})"
)
_CLOCK = (
    r"(?P<h>[0-9]{1,3}):(?P<mi>[0-9]{2})(?::(?P<s>[0-9]{2})(?:[.,](?P<f>[0-9]{1,9})[0-9]*|:(?P<of>[0-9]{3,9}))?)?"
    r"|(?P<ch>[0-9]{2})(?P<cmi>[0-9]{2})(?P<cs>[0-9]{2})(?:[.,](?P<cf>[0-9]{1,9})[0-9]*|(?P<bf>[0-9]{3}|[0-9]{6}))?"
    r"|(?P<em>[0-9]{1,3}):(?P<es>[0-9]{2})[.,](?P<ef>[0-9]{1,9})[0-9]*"
    r"|(?P<dh>[0-9]{2})[-.](?P<dmi>[0-9]{2})[-.](?P<ds>[0-9]{2})(?:[-.](?P<df>[0-9]{1,9}))?"
)
_TEXT = (
    r"^\s*(?:(?i:mon|tue|wed|thu|fri|sat|sun)[a-z]*,?\s+)?"
    rf"(?:{_DATE})?(?:\s*[T ,_]\s*)?(?:(?:{_CLOCK})\s*(?P<half>[AaPp])?(?:\.?[Mm]\.?)?"
    r"\s*(?P<zone>Z|z|UTC|GMT|[+-][0-9]{2}:?(?:[0-9]{2})?)?)?\s*$"
)
# As C's ctime prints them, with the year behind the time of day.
_YEAR_LAST = r"^\s*(?:[A-Z][a-z]{2} )?([A-Z][a-z]{2}) +([0-9]{1,2}) ([0-9:.]+) ?([A-Z]{3,4})? ([0-9]{4})\s*$"
_MONTHS = pa.array(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"])
_YEARS = range(1, 10_000)


# What makes other ways to write a time of ISO 8601 the extended format with a point, one after the other.
_TO_ISO = (
    (r"^([0-9]{4})([0-9]{2})([0-9]{2})[T ]([0-9]{2})([0-9]{2})([0-9]{2})", r"\1-\2-\3T\4:\5:\6"),
    (r"^([0-9]{4})/([0-9]{2})/([0-9]{2})", r"\1-\2-\3"),
    (r"(:[0-9]{2}),([0-9]{1,9})", r"\1.\2"),
    (r" ?(?:UTC|GMT|Z)$", "Z"),
    (r" ([+-][0-9]{2}(?::?[0-9]{2})?)$", r"\1"),
)


class Order(StrEnum):
    """What comes first in dates such as 05/06/2025."""

    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Moments:
    """Texts as arrays of one length: nanoseconds since 1970 for a date, since midnight for a time of day alone.

    `known` where a text was read, `dated` where it has a date, `timed` a time of day, `zoned` one with a zone (the
    nanoseconds are UTC's then). `doubtful` are dates that have the day or the month first, both of them no more than
    12; `day_first` and `month_first` those that can only be the one or the other.
    """

    ns: np.ndarray
    known: np.ndarray
    dated: np.ndarray
    timed: np.ndarray
    zoned: np.ndarray
    doubtful: np.ndarray
    day_first: np.ndarray
    month_first: np.ndarray


def read_moments(texts: pa.Array, order: Order | None) -> Moments:
    """Read texts; dates that need an `order` are not known without one."""
    if pc.any(pc.match_substring_regex(texts, r"^\s*[A-Za-z]")).as_py():
        texts = pc.replace_substring_regex(texts, _YEAR_LAST, r"\1 \2 \5 \3\4")
    parts = pc.extract_regex(texts, _TEXT)
    found = pc.is_valid(parts).to_numpy(zero_copy_only=False)
    text = {field.name: values for field, values in zip(parts.type, parts.flatten(), strict=True)}

    def number(*names: str) -> np.ndarray:
        values = pc.coalesce(*(pc.if_else(pc.equal(text[name], ""), None, text[name]) for name in names), "0")
        return pc.cast(values, pa.int64()).to_numpy(zero_copy_only=False)

    def given(*names: str) -> np.ndarray:
        sums = [pc.fill_null(pc.not_equal(text[name], ""), False).to_numpy(zero_copy_only=False) for name in names]
        return np.logical_or.reduce(sums)

    # The date.
    either = given("a")
    first, second = number("a"), number("b")
    points = pc.fill_null(pc.equal(text["by"], "."), False).to_numpy(zero_copy_only=False)
    swapped = either & ~points & (order is Order.MONTH)
    words = pc.coalesce(*(pc.if_else(pc.equal(text[name], ""), None, text[name]) for name in ("nm", "mn")), "")
    months = pc.fill_null(pc.index_in(pc.utf8_lower(words), _MONTHS), -1).to_numpy(zero_copy_only=False) + 1
    year = number("y", "cy", "ab", "ny", "my")
    short = either & (year < 100)  # 70 to 99 are of the twentieth century, as POSIX has it
    year = np.where(short, year + np.where(year < 70, 2000, 1900), year)
    month = np.where(either, np.where(swapped, first, second), np.where(given("nm", "mn"), months, number("m", "cm")))
    day = np.where(either, np.where(swapped, second, first), number("d", "cd", "nd", "md"))
    dated = given("y", "cy", "a", "nd", "md")
    days, real = _days_of(year, month, day)
    # The time of day.
    hour, minute, second_of = number("h", "ch", "dh"), number("mi", "cmi", "em", "dmi"), number("s", "cs", "es", "ds")
    fractions = (pc.if_else(pc.equal(text[name], ""), None, text[name]) for name in ("f", "of", "cf", "bf", "ef", "df"))
    fraction = pc.coalesce(*fractions, "0")
    half = pc.fill_null(pc.utf8_lower(text["half"]), "")
    am, pm = ((pc.equal(half, letter)).to_numpy(zero_copy_only=False) for letter in "ap")
    timed = given("h", "ch", "em", "dh")
    most = np.where(dated, 24, 999)  # a time without a date may be the time since a start
    right = ((minute < 60) | given("em")) & (second_of <= 60)
    right &= np.where(am | pm, (hour > 0) & (hour <= 12), hour <= most) & (dated | ~given("dh"))
    hour = np.where(am | pm, hour % 12 + 12 * pm, hour)
    ns = ((hour * 60 + minute) * 60 + second_of) * NS_OF_SECOND
    ns += pc.cast(pc.utf8_rpad(fraction, 9, "0"), pa.int64()).to_numpy(zero_copy_only=False)
    zoned = given("zone")
    ns -= _offsets(text["zone"])
    alone_in_range = (days > -106_000) & (days < 106_000)  # of 64-bit nanoseconds, which end in 2262
    known = found & (dated | timed) & np.where(dated, real & alone_in_range, True) & np.where(timed, right, True)
    only_first, only_second = (
        either & ~points & (one > 12) & (one <= 31) & (other <= 12) for one, other in ((first, second), (second, first))
    )
    doubtful = either & ~points & (first <= 12) & (second <= 12)
    known &= ~(short & pc.fill_null(pc.equal(text["by"], "-"), False).to_numpy(zero_copy_only=False))
    if order is None:
        known &= ~(either & ~points)
    return Moments(
        ns=np.where(dated, np.where(known, days, 0) * NS_OF_DAY, 0) + np.where(timed, ns, 0),
        known=known,
        dated=dated,
        timed=timed,
        zoned=zoned,
        doubtful=doubtful,
        day_first=only_first,
        month_first=only_second,
    )


def to_iso(texts: pa.Array) -> pa.Array:
    """Texts such as `2024/05/01 12:00:00,5 +0200` and `20240501T120000Z` in ISO 8601's extended format; others stay."""
    for pattern, replacement in _TO_ISO:
        texts = pc.replace_substring_regex(texts, pattern, replacement)
    return texts


def format_time(value: int, unit: Literal["s", "ms", "us", "ns"], *, zone: str) -> str:
    """A count since 1970 as RFC 3339 has it, without zeros at the end of its fraction. `zone` is `Z` or nothing."""
    text = str(np.datetime64(value, unit))
    return (text.rstrip("0").rstrip(".") if "." in text else text) + zone


def _days_of(year: np.ndarray, month: np.ndarray, day: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Days since 1970 of dates, and which of these are dates."""
    real = (year >= _YEARS.start) & (year < _YEARS.stop) & (month >= 1) & (month <= 12) & (day >= 1)
    months = (np.where(real, year, 1970) - 1970) * 12 + np.where(real, month, 1) - 1
    begin = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    end = (months + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return begin + day - 1, real & (day <= end - begin)


def _offsets(zones: pa.Array) -> np.ndarray:
    """Nanoseconds that local times with these zones are ahead of UTC."""
    parts = pc.extract_regex(zones, r"^(?P<sign>[+-])(?P<hours>[0-9]{2}):?(?P<minutes>[0-9]{2})?$")
    sign, hours, minutes = parts.flatten()
    seconds = np.zeros(len(zones), np.int64)
    for values, weight in ((hours, 3600), (minutes, 60)):
        known = pc.coalesce(pc.if_else(pc.equal(values, ""), None, values), "0")
        seconds += pc.cast(known, pa.int64()).to_numpy(zero_copy_only=False) * weight
    negative = pc.fill_null(pc.equal(sign, "-"), False).to_numpy(zero_copy_only=False)
    return np.where(negative, -seconds, seconds) * NS_OF_SECOND
