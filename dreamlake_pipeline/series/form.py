"""`series.parquet`: what lies beside the table of a label track, so that a span of its time is read without all of it.

A row group has rows of one level, in the order of fields and buckets:

- Level 0: the entries, in the order of the table. `bucket` is an entry's number, from 0; `time` its seconds since the
  first time, null where it has none.
- Level 1: buckets of fields, `Description.width` seconds wide, that hold a value: `field`, `bucket`, `count` (of
  values), `min` and `max`; of fields that are `exact`, `low` and `high` instead.
- Levels 2, 3, …: the same, eight times as wide as those of the level below.
- Level -1: runs of equal values of fields of marks: `field`, `time` and `end` in seconds, `text`, and `count`, of how
  many runs it was made.

Field 0 stands for the entries themselves. One bucket may have several rows, where times go back or a part ended:
whoever reads joins them. Of a small table, level 0 alone is there. The file's metadata hold a `Description` as JSON.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import pyarrow as pa

from .fields import Field, Sort

FILENAME = "series.parquet"
MARKS = -1
ENTRIES = 0
MOST_MARKS = 4096  # of a field
# Tables of fewer rows have no levels but 0: a thousand of them are read in less time than a request takes.
LEAST_ROWS = 4096
_KEY = b"dreamlake.series"

SCHEMA = pa.schema(
    [
        ("level", pa.int8()),
        ("field", pa.int32()),
        ("bucket", pa.int64()),
        ("count", pa.int64()),
        ("min", pa.float64()),
        ("max", pa.float64()),
        ("low", pa.int64()),
        ("high", pa.int64()),
        ("time", pa.float64()),
        ("end", pa.float64()),
        ("text", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Described:
    """A field: `gap` is how many seconds without a value are a gap (None: nothing to judge by); `exact` says that it
    holds integers beyond 2**53, or of a field of marks that each run stands for itself."""

    field: Field
    gap: float | None
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Description:
    """What the file says of itself. `width` in seconds is that of the buckets of level 1; `levels` the highest."""

    width: float
    levels: int
    rows: int
    duration: float
    gap: float | None
    fields: tuple[Described, ...]

    def width_of(self, level: int) -> float:
        return self.width * 8 ** (level - 1)

    def pack(self) -> dict[bytes, bytes]:
        """As metadata of the file."""
        plain = asdict(self) | {
            "fields": [asdict(one.field) | {"gap": one.gap, "exact": one.exact} for one in self.fields]
        }
        return {_KEY: json.dumps({"version": 1} | plain).encode()}


def read_description(metadata: dict[bytes, bytes] | None) -> Description | None:
    """What the metadata of a file say; None where they say nothing of that kind, or something of a later version."""
    try:
        plain = json.loads((metadata or {})[_KEY])
        if plain.pop("version") != 1:
            return None
        fields = tuple(
            Described(
                Field(one["name"], one["column"], Sort(one["sort"]), tuple(one["path"])), one["gap"], one["exact"]
            )
            for one in plain.pop("fields")
        )
        return Description(**plain, fields=fields)
    except (KeyError, ValueError, TypeError):
        return None
