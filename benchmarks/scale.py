"""Projects of ten thousand to a million files: what people and the pipeline ask of them, and how it grows.

`python -m benchmarks.scale [--files 10000,100000,1000000]`. Every file is a copy of one that was processed, in BSS's
table and in the index; the exponent says how a cost grows with the number of files: 0 is not at all, 1 is as they do.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median
from unittest.mock import patch

from dreamlake_pipeline.api.bss import Record
from dreamlake_pipeline.api.pipeline import ClaimBatches
from dreamlake_pipeline.database import with_driver
from dreamlake_pipeline.ids import new_id
from dreamlake_pipeline.processing.catalog import FILES, write_table
from dreamlake_pipeline.remote.bss import in_slices
from dreamlake_pipeline.remote.http import ServiceClient
from dreamlake_pipeline.remote.pipeline import PipelineClient
from dreamlake_pipeline.remote.server import asset_of
from dreamlake_pipeline.resources import FolderTreeResource
from dreamlake_pipeline.storage import ObjectStore, open_client

from . import inputs, pages
from .home import Home, running
from .measure import BenchmarkError, median_seconds, print_lines

_PER_EPISODE, _AGAIN, _GOES = 100, 2_000, 3

# Rows that are another one but for where they are: whatever columns the table has. Some are generated.
_COLUMNS = """
SELECT string_agg(column_name, ', ') FROM information_schema.columns
WHERE table_schema = 'bss' AND table_name = 'records' AND is_generated = 'NEVER'"""
_COPY = """
INSERT INTO bss.records ({columns})
SELECT {columns} FROM (
    SELECT copied.* FROM places, bss.records AS one, LATERAL jsonb_populate_record(one, to_jsonb(places)) AS copied
    WHERE one.id = %s) AS copies"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--files", default="10000,100000,1000000", help="the sizes of projects")
    sizes = [int(size) for size in parser.parse_args().files.split(",")]
    return print_lines(lambda folder: measure(folder, sizes))


def measure(folder: Path, sizes: list[int]) -> Iterator[str]:
    """Lines of a table in Markdown."""
    found: dict[str, list[float]] = {}
    with running(folder) as home:
        record = _processed(home)
        home.hold_pipeline()
        for size in sizes:
            project = f"p{size}"
            before = {schema: home.bytes_of(schema) for schema in ("bss", "dreamlake")}
            _fill(home, record, project, size)
            for schema, used in before.items():
                found.setdefault(f"Postgres, bytes a file in `{schema}`", []).append(
                    (home.bytes_of(schema) - used) / size
                )
            for what, seconds in _costs(home, f"{project}@{record.owner}"):
                found.setdefault(what, []).append(seconds)
    yield f"| what | {' | '.join(f'{size:,} files' for size in sizes)} | exponent |"
    yield f"| --- |{' ---: |' * (len(sizes) + 1)}"
    for what, values in found.items():
        exponent = math.log(values[-1] / values[0]) / math.log(sizes[-1] / sizes[0]) if len(sizes) > 1 else math.nan
        shown = [f"{value:,.0f}" if "bytes" in what else f"{value:.2f} s" for value in values]
        yield f"| {what} | {' | '.join(shown)} | {exponent:.2f} |"


def _processed(home: Home) -> Record:
    """A small sound that went through the pipeline."""
    project, _, owner = home.new_project().partition("@")
    folder = home.new_folder()
    inputs.write_wavs(folder / "in", 1, seed=1)
    home.dreamlake("ingest", folder / "in", "--episode", f"{project}@{owner}:one", "--wait")
    with home.connect() as connection:
        found = connection.execute("SELECT id FROM bss.records WHERE owner = %s", [owner]).fetchone()
    if found is None:
        raise BenchmarkError("The sound that all are copies of is not there.")
    with home.client() as lake:
        return lake.bss.query([found[0]])[0]


def _fill(home: Home, record: Record, project: str, files: int) -> None:
    """A project with so many files, a hundred in each episode."""
    places = [
        (new_id(), f"run-{number // _PER_EPISODE:06}", f"/microphone/{number % _PER_EPISODE:02}.wav")
        for number in range(files)
    ]
    with home.connect() as connection:
        connection.execute("CREATE TEMP TABLE places (id text, project text, episode text, name text)")
        with connection.cursor().copy("COPY places FROM STDIN") as copy:
            for record_id, episode, name in places:
                copy.write_row((record_id, project, episode, name))
        columns = connection.execute(_COLUMNS).fetchone()
        assert columns is not None
        connection.execute(_COPY.format(columns=columns[0]).encode(), [record.id])
        connection.execute("ANALYZE bss.records")
    with home.client() as lake:
        for some in in_slices(places):
            copies = [
                record.model_copy(update={"id": one, "project": project, "episode": episode, "name": name})
                for one, episode, name in some
            ]
            lake.index.register_batch([asset_of(copy) for copy in copies])
    with home.connect() as connection:
        connection.execute("ANALYZE")


def _costs(home: Home, target: str) -> Iterator[tuple[str, float]]:
    """Seconds of each thing that is asked of the project."""
    folder = home.new_folder()
    inputs.write_wavs(folder / "again", _AGAIN, seed=len(target))
    ingest = partial(home.dreamlake, "ingest", folder / "again", "--episode", f"{target}:again")
    ingest()
    yield (
        f"`dreamlake ingest` of {_AGAIN:,} files that are there already",
        median_seconds(ingest, _GOES),
    )
    yield f"a claim of {_AGAIN:,} files that wait", _claim(home, target)
    for command in (f"ls {target}:run-000007/microphone", f"tree {target}:run-000007", f"ls {target}"):
        shown = command.replace(target, "PROJECT").replace("run-000007", "EPISODE")
        yield f"`dreamlake {shown}`", median_seconds(partial(home.dreamlake, *command.split()), _GOES)
    yield "its page in the viewer", median(pages.page_seconds(home, target, episodes=10, goes=_GOES))
    yield "the catalog of all projects, written", _catalog(home)


def _claim(home: Home, target: str) -> float:
    """Of the files that wait, into batches, once."""
    keys, owner = home.environment, target.partition("@")[2]
    limits = ClaimBatches(
        max_files=_AGAIN,
        max_bytes=2**40,
        settle_seconds=0,
        processing_grace_seconds=0,
        lease_seconds=7 * 86400,
        max_attempts=3,
    )
    with ServiceClient("BSS", keys["DREAMLAKE_BSS_URL"], home.stack.credentials.service_token) as http:
        pipeline = PipelineClient(http)
        begun = time.perf_counter()
        offers = [offer for offer in pipeline.claim(limits) if offer.owner == owner]
        seconds = time.perf_counter() - begun
    if sum(offer.files for offer in offers) == 0:
        raise BenchmarkError("Nobody was offered the files that wait.")
    return seconds


def _catalog(home: Home) -> float:
    keys = home.environment
    tree = FolderTreeResource(postgres_url=with_driver(home.postgres_url, "psycopg"))
    with patch.dict(os.environ, keys):
        store = ObjectStore(open_client(), keys["DREAMLAKE_BUCKET"])
    return median_seconds(lambda: write_table(store, FILES, tree.files(), scratch=home.scratch), 1)


if __name__ == "__main__":
    sys.exit(main())
