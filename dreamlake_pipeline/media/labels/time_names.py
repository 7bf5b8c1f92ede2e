"""What the name of a field says of time: whether it is one, how surely, and its unit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

SECONDS_OF_UNIT = {
    "ns": Fraction(1, 10**9),
    "us": Fraction(1, 10**6),
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "min": Fraction(60),
    "h": Fraction(3600),
    "d": Fraction(86_400),
}
_UNITS = {
    **dict.fromkeys(["s", "sec", "secs", "second", "seconds", "sek"], "s"),
    **dict.fromkeys(["ms", "msec", "msecs", "millis", "millisec", "millisecs", "millisecond", "milliseconds"], "ms"),
    **dict.fromkeys(["us", "µs", "μs", "usec", "usecs", "micros", "microsec", "microsecs"], "us"),
    **dict.fromkeys(["microsecond", "microseconds"], "us"),
    **dict.fromkeys(["ns", "nsec", "nsecs", "nanos", "nanosec", "nanosecs", "nanosecond", "nanoseconds"], "ns"),
}
# Words that are units only where nothing else is meant: in brackets, or in a row of units.
_LONG_UNITS = {
    **dict.fromkeys(["min", "mins", "minute", "minutes"], "min"),
    **dict.fromkeys(["h", "hr", "hrs", "hour", "hours"], "h"),
    **dict.fromkeys(["d", "day", "days"], "d"),
}
# Names that mean a time, the surest first.
_NAMES = (
    *("timestamp", "time", "datetime", "ts", "t", "stamp", "unix_time", "epoch", "date", "start_time", "start"),
    *("elapsed", "elapsed_time", "uptime", "clock", "zeitstempel", "zeit", "uhrzeit", "datum"),
)
_ALIASES = {
    "time_stamp": "timestamp",
    "unix_timestamp": "timestamp",
    "date_time": "datetime",
    "unix": "unix_time",
    "unixtime": "unix_time",
    "epoch_time": "epoch",
    "time_of_day": "time",
}
_LAST_WORDS = {"time", "timestamp", "stamp", "ts"}
_FIRST_WORDS = {"time", "timestamp", "stamp"}
# Words that make a measured length of time, or something else, of a name.
_OTHER_WORDS = {
    *("exposure", "duration", "delta", "diff", "dt", "lap", "response", "travel", "processing", "process", "latency"),
    *("interval", "shutter", "integration", "remaining", "sleep", "wait", "zone", "timezone", "cpu", "step", "steps"),
    *("out", "of", "per", "run", "rise", "fall", "flight", "execution", "inference", "compute", "reaction", "lead"),
    *("cycle", "dead", "life", "offset"),
}
# Words behind a unit that make a time since something of it: `seconds_elapsed`, `sec since start`.
_SINCE_WORDS = {"elapsed", "since", "from"}
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BRACKETS = re.compile(r"\s*[\[({<]\s*([^\[\](){}<>]*?)\s*[\])}>]\s*$")
_WORD = re.compile(r"[^\W_]+")

_DATE_WORDS = {"date", "datum", "day"}
_CLOCK_WORDS = {"time", "clock", "uhrzeit", "zeit", "timeofday"}
_WEEKS = {("week",), ("gps", "week"), ("gpsweek",), ("gwk",), ("gps", "wn"), ("wn",), ("gps", "week", "number")}
_SECONDS_OF_WEEK = {
    *[("tow",), ("gps", "tow"), ("itow",), ("i", "tow"), ("sow",), ("gps", "sow"), ("gms",), ("time", "of", "week")],
    *[("gps", "time", "of", "week"), ("seconds", "of", "week"), ("gps", "seconds"), ("gps", "second"), ("gps", "sec")],
    *[("gps", "seconds", "of", "week"), ("week", "seconds"), ("gps", "sow")],
}


@dataclass(frozen=True, slots=True)
class Name:
    """A name's words in lower case without its unit, and that unit, a key of `SECONDS_OF_UNIT`."""

    words: tuple[str, ...]
    unit: str | None
    last: str | None = None  # the word that told the unit, where none of a bracket did

    @property
    def stem(self) -> str:
        stem = "_".join(self.words)
        return _ALIASES.get(stem, stem)

    @property
    def rank(self) -> int | None:
        """How surely it is a time's, 0 being the surest; None if it is not."""
        if self.stem in _NAMES:
            return _NAMES.index(self.stem)
        if _OTHER_WORDS & {*self.words}:
            return None
        if self.words and (self.words[-1] in _LAST_WORDS or self.words[0] in _FIRST_WORDS):
            return len(_NAMES)
        return len(_NAMES) + 2 if not self.words and self.unit else None


@lru_cache(maxsize=20_000)
def parse_name(name: str) -> Name:
    """`captureTimeNs`, `#capture time [ns]` and `capture_time/ns` are all of (`capture`, `time`) in nanoseconds."""
    unit = None
    while found := _BRACKETS.search(name):
        unit = unit or unit_of(found[1])
        if not found.start():
            break
        name = name[: found.start()]
    words = tuple(word.lower() for word in _WORD.findall(_CAMEL.sub("_", name)))
    if unit is None and words and words[-1] in _UNITS:
        return Name(words[:-1], _UNITS[words[-1]], words[-1])
    if len(words) > 1 and words[0] in _UNITS and words[1] in _SINCE_WORDS and not _OTHER_WORDS & {*words}:
        return Name(("elapsed",), unit or _UNITS[words[0]])
    return Name(words, unit)


def unit_of(text: str) -> str | None:
    """The unit that the text of a bracket, or of a row of units, means; None if it is none of time."""
    word = text.strip().strip("[](){}").lower()
    return _UNITS.get(word) or _LONG_UNITS.get(word)


def find_parts(names: list[str]) -> list[tuple[str, str]]:
    """Pairs of names for whole seconds and for what is added to them, in smaller units."""
    whole: dict[tuple[str, ...], str] = {}
    for name in names:
        parsed = parse_name(name)
        if parsed.last and parsed.unit == "s":
            whole.setdefault(parsed.words, name)
    return [
        (whole[parsed.words], name)
        for name in names
        if (parsed := parse_name(name)).last and parsed.unit != "s" and parsed.words in whole
    ]


def find_date_and_clock(names: list[str]) -> list[tuple[str, str]]:
    """Pairs of names for a date and for a time of day that have all other words in common."""
    dates: dict[tuple[str, ...], str] = {}
    for name in names:
        words = parse_name(name).words
        if {*words} & _DATE_WORDS:
            dates.setdefault(tuple(word for word in words if word not in _DATE_WORDS), name)
    return [
        (dates[rest], name)
        for name in names
        if {*(words := parse_name(name).words)} & _CLOCK_WORDS
        and not {*words} & _DATE_WORDS
        and (rest := tuple(word for word in words if word not in _CLOCK_WORDS)) in dates
    ]


def find_week_and_seconds(names: list[str]) -> tuple[str, str] | None:
    """The names for GPS week and time of week."""
    week = next((name for name in names if parse_name(name).words in _WEEKS), None)
    seconds = next((name for name in names if _all_words(name) in _SECONDS_OF_WEEK), None)
    return (week, seconds) if week and seconds else None


def _all_words(name: str) -> tuple[str, ...]:
    """With a last word that was taken for a unit, unless what is left is a name by itself."""
    parsed = parse_name(name)
    whole = (*parsed.words, parsed.last) if parsed.last else parsed.words
    return whole if whole in _SECONDS_OF_WEEK else parsed.words
