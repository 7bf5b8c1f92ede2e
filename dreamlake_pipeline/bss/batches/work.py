"""How much work files are: an estimate in seconds of one worker, by which batches are cut so that runs end together.

What is known before a file is read: its kind, size and name. What files of the same kind and extension took in the same
project says most: cameras of one robot write alike, and so whether their streams are copied or transcoded is in it. The
first files of a project are estimated by what such files took on a common machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, text

from ..values import to_jsonb

# Seconds of work for which a run is worth its start, and so of the smallest batch that is cut off a larger one.
LEAST_WORK = 60.0

# A file that takes so long is slow, whatever its size.
SLOW_WORK = 30.0

# Guided self-scheduling (Polychronopoulos and Kuck, 1987): each batch is this part of the rest for each slot, so that
# the last ones are small.
_PARTS = 2

_LEAST_OF_FILE = 0.005  # seconds

# Once files of a sort have taken so many seconds, earlier ones count half: files of today tell more.
_REMEMBERED = 600.0

# SQL: what follows the last dot of a record's name.
_EXTENSION = r"lower(coalesce(substring({r}name FROM '\.([A-Za-z0-9]{{1,8}})$'), ''))"

# SQL: seconds, before any such file was processed. Containers in which cameras of today write H.264 are mostly copied.
_FIRST_GUESS = """CASE {r}kind
    WHEN 'video' THEN CASE
        WHEN {extension} IN ('mp4', 'm4v', 'mov', 'mkv', 'ts', 'mts', 'm2ts', '')
            AND coalesce(cardinality({r}ladder), 0) = 0 THEN 0.2 + coalesce({r}size, 0) / 50e6
        ELSE 1 + coalesce({r}size, 0) / 1.5e6 END
    WHEN 'audio' THEN 0.02 + coalesce({r}size, 0) / 17e6
    WHEN 'text-track' THEN 0.02 + coalesce({r}size, 0) / 5e6
    ELSE 0.03 + coalesce({r}size, 0) / 20e6 END"""


def extension_of(records: str) -> str:
    """SQL: the extension of a record, of the alias `records`."""
    return _EXTENSION.format(r=f"{records}.")


def work_of(records: str) -> str:
    """SQL: the work of a record of the alias `records`, beside `rates_for(records)` in FROM."""
    guess = _FIRST_GUESS.format(r=f"{records}.", extension="rates.extension")
    return f"greatest({_LEAST_OF_FILE}, coalesce(rates.rate * {records}.size, {guess}))"


def rates_for(records: str) -> str:
    """SQL: what joins the rate of its sort to each record of the alias `records`, if there is one."""
    # OFFSET keeps the planner from working the extension out at each place where it is used.
    return f"""CROSS JOIN LATERAL (
        SELECT named.extension, (
            SELECT known.seconds / known.bytes FROM work_rates known
            WHERE known.owner = {records}.owner AND known.project = {records}.project AND known.kind = {records}.kind
                AND known.extension = named.extension) AS rate
        FROM (SELECT {extension_of(records)} AS extension OFFSET 0) named) rates"""  # noqa: S608 (spelled above)


def share_of(work: str) -> str:
    """SQL: the most work of a batch when there is `work` in all, for `:slots` runs at a time; no bound for null."""
    return f"""CASE WHEN CAST(:slots AS integer) IS NULL THEN 'infinity'
        ELSE greatest({LEAST_WORK}, {work} / ({_PARTS} * CAST(:slots AS integer))) END"""


_LEARN = text(f"""
    INSERT INTO work_rates AS known (owner, project, kind, extension, bytes, seconds)
    SELECT r.owner, r.project, r.kind, {extension_of("r")}, sum(r.size), sum(x.seconds)
    FROM jsonb_to_recordset(CAST(:took AS jsonb)) AS x(id text, seconds double precision) JOIN records r ON r.id = x.id
    WHERE r.size > 0 GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    ON CONFLICT (owner, project, kind, extension) DO UPDATE SET
        bytes = excluded.bytes + known.bytes * CASE WHEN known.seconds > {_REMEMBERED} THEN 0.5 ELSE 1 END,
        seconds = excluded.seconds + known.seconds * CASE WHEN known.seconds > {_REMEMBERED} THEN 0.5 ELSE 1 END""")  # noqa: S608 (spelled above)


def learn(connection: Connection, metadata: Mapping[str, Mapping[str, Any] | None]) -> None:
    """Remember how long files took, by the metadata of their results (`processing.seconds`), by the ids of records.

    Last in a transaction: rows are shared by all runs of a project.
    """
    took = []
    for record_id, made in metadata.items():
        seconds = ((made or {}).get("processing") or {}).get("seconds")
        if isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 <= seconds < 10**7:
            took.append({"id": record_id, "seconds": seconds})
    if took:
        connection.execute(_LEARN, {"took": to_jsonb(took)})
