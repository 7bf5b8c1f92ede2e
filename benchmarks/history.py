"""Dagster's pages after a thousand batches: `python -m benchmarks.history [--batches 1000]`.

One batch is processed; its run, events, tags and partition are copied as often as is asked, each under ids of its own.
Then the questions are asked that Dagster's pages ask. Times are from the request to the answer.
"""

from __future__ import annotations

import argparse
import sys
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from . import inputs
from .home import Home, running
from .measure import BenchmarkError, median_seconds, print_lines

_FILES, _GOES = 100, 5

# A column that counts is left out, as are identities; in all text, the ids of the run and its batch are exchanged.
_COLUMNS = """
SELECT column_name, data_type FROM information_schema.columns
WHERE table_schema = 'dagster' AND table_name = %s AND column_default IS NULL AND is_identity = 'NO'
ORDER BY ordinal_position"""

_ASSET = {"path": ["audio_renditions"]}
_RUNS = "runsOrError(%s) { ... on Runs { count results { %s } } }"
_RUN_FIELDS = "id runId status tags { key value } startTime endTime assetSelection { path } stepKeysToExecute"
_EVENT_FIELDS = "runId timestamp partition metadataEntries { label ... on IntMetadataEntry { intValue } }"
_FEW_RUNS = f"query ($filter: RunsFilter) {{ {_RUNS % ('filter: $filter, limit: 26', _RUN_FIELDS)} }}"
_EVENTS = f"""query ($key: AssetKeyInput!) {{ assetOrError(assetKey: $key) {{
  ... on Asset {{ assetMaterializations(limit: 100) {{ {_EVENT_FIELDS} }} }} }} }}"""
_PARTITIONS = """query ($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
  partitionStats { numMaterialized numPartitions numFailed }
  partitionKeyConnection(limit: 200, ascending: false) { results } } } }"""
_LOG = """query ($run: ID!) { logsForRun(runId: $run, limit: 1000) { ... on EventConnection {
  events { __typename ... on MessageEvent { message timestamp stepKey eventType } } } } }"""
_ASSETS = "{ assetNodes { id assetKey { path } assetMaterializations(limit: 1) { runId timestamp } } }"

# What pages ask for, and with what.
_PAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "runs, newest first": (_FEW_RUNS, {}),
    "runs of one owner": (_FEW_RUNS, {"filter": {"tags": [{"key": "dreamlake/owner", "value": "{owner}"}]}}),
    "runs that failed": (_FEW_RUNS, {"filter": {"statuses": ["FAILURE"]}}),
    "an asset's events": (_EVENTS, {"key": _ASSET}),
    "an asset's partitions": (_PARTITIONS, {"key": _ASSET}),
    "one run's log": (_LOG, {"run": "{run}"}),
    "all assets and their last runs": (_ASSETS, {}),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.history", description=__doc__)
    parser.add_argument("--batches", type=int, default=1000)
    batches = parser.parse_args().batches
    return print_lines(lambda folder: measure(folder, batches))


def measure(folder: Path, batches: int) -> Iterator[str]:
    """Lines of a table in Markdown."""
    with running(folder) as home:
        project, _, owner = home.new_project().partition("@")
        inputs.write_wavs(home.scratch / "in", _FILES, seed=1)
        home.dreamlake("ingest", home.scratch / "in", "--episode", f"{project}@{owner}:one", "--wait")
        home.hold_pipeline()
        run = home.run_of(f"{project}@{owner}")["runId"]
        few = _asked(home, owner, run)
        with home.connect() as connection:
            events = _copy(connection, run, batches - 1)
        many = _asked(home, owner, run)
        size = home.bytes_of("dagster")
    yield f"| page | 1 batch | {batches:,} batches |"
    yield "| --- | ---: | ---: |"
    for page in _PAGES:
        yield f"| {page} | {few[page] * 1000:.0f} ms | {many[page] * 1000:.0f} ms |"
    yield f"\nA batch of {_FILES} files has {events} events; {batches:,} batches take {size / 1e6:,.0f} MB of Postgres."


def _asked(home: Home, owner: str, run: str) -> dict[str, float]:
    """The median of the seconds that each page's question takes."""
    words = {"{owner}": owner, "{run}": run}
    return {
        page: median_seconds(partial(home.ask, document, **_told(variables, words)), _GOES)
        for page, (document, variables) in _PAGES.items()
    }


def _told(value: Any, words: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _told(one, words) for key, one in value.items()}
    if isinstance(value, list):
        return [_told(one, words) for one in value]
    return words.get(value, value)


def _copy(connection: psycopg.Connection[Any], run: str, times: int) -> int:
    """Copies of everything that Dagster keeps of a run; how many events one has."""
    tag = connection.execute(
        "SELECT value FROM dagster.run_tags WHERE run_id = %s AND key = 'dagster/partition'", [run]
    ).fetchone()
    counted = connection.execute("SELECT count(*) FROM dagster.event_logs WHERE run_id = %s", [run]).fetchone()
    if tag is None or counted is None:
        raise BenchmarkError(f"Dagster knows of no batch of run {run}.")
    partition = str(tag[0])
    connection.execute("CREATE TEMP TABLE copies (run text, partition text)")
    with connection.cursor().copy("COPY copies FROM STDIN") as copy:
        for number in range(times):
            copy.write_row((str(uuid.uuid4()), f"{partition}-{number}"))
    for table, of_run in (
        ("runs", "t.run_id = %(run)s"),
        ("run_tags", "t.run_id = %(run)s"),
        ("event_logs", "t.run_id = %(run)s"),
        ("dynamic_partitions", "t.partition = %(partition)s"),
    ):
        columns = connection.execute(_COLUMNS, [table]).fetchall()
        names = ", ".join(f'"{name}"' for name, _ in columns)
        values = ", ".join(
            f'replace(replace(t."{name}", %(partition)s, c.partition), %(run)s, c.run)'
            if kind in ("text", "character varying")
            else f't."{name}"'
            for name, kind in columns
        )
        copied = f"SELECT {values} FROM copies c, dagster.{table} t WHERE {of_run}"
        told = {"run": run, "partition": partition}
        connection.execute(f"INSERT INTO dagster.{table} ({names}) {copied}".encode(), told)
    connection.execute("ANALYZE")
    return int(counted[0])


if __name__ == "__main__":
    sys.exit(main())
