"""Every table of both services, and what keeps it from growing for ever. A new table is to be put down here."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import text

from dreamlake_pipeline import database
from dreamlake_pipeline.migrations import migrate

BOUNDS = {
    "bss": {
        "uploads": "uploads under way; gc gives up those of a week without a new part",
        "ended_uploads": "30 days, by every upload that ends and by gc",
        "signed_puts": "until the file is registered; 30 days, by every plan and by gc",
        "records": "files that are there, one for each content of a name",
        "deleted_records": "DREAMLAKE_DELETED_KEPT days, and a day more as a mark, by gc",
        "deletions": "until the index was told, by the sensor deleted_records",
        "batches": "those that records name; the others 40 days after they were closed, by gc",
        "chunks": "those that records refer to; the others DREAMLAKE_GARBAGE_WAIT seconds after their lease, by gc",
        "chunk_refs": "the chunks of records, and of deleted ones until they are purged",
        "condemned_objects": "until gc has freed the object, and a day more",
        "ignored_objects": "objects in the bucket that are none of ours; of those that are gone, by gc",
        "projects": "projects whose owners decided something, one row each",
        "origin": "one row",
        "pipeline_build": "one row",
        "work_rates": "by project and kind a row for each extension of files that were processed",
        "rebuilt": "what a rebuild has read of the bucket, until the records are made of it",
        "revoked_tokens": "as many tokens as people revoked: a row is what ends a token that may be valid for ever",
        "alembic_version": "one row",
    },
    "dreamlake": {
        "namespaces": "owners that ever had a file",
        "projects": "projects that ever had a file",
        "episodes": "episodes that ever had a file",
        "nodes": "folders that ever had a file: they stay, also empty ones",
        "assets": "one row for each name that stands for a file",
        "tallies": "by project and episode a row for each kind and status, and up to 64 changes beside them",
        "time_offsets": "names that a person gave an offset to, one row each",
        "revoked_tokens": "as many tokens as people revoked: a row is what ends a token that may be valid for ever",
        "alembic_version": "one row",
    },
}


def test_what_bounds_each_table_is_known(new_database: Callable[[], str]) -> None:
    url = new_database()
    for schema, package in {"bss": "dreamlake_pipeline.bss", "dreamlake": "dreamlake_pipeline.server"}.items():
        migrate(url, schema=schema, package=package)
        engine = database.open_engine(url, schema=schema)
        with engine.connect() as connection:
            query = text(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = :schema"
                " AND table_type = 'BASE TABLE'"
            )
            tables = set(connection.execute(query, {"schema": schema}).scalars())
        engine.dispose()
        assert tables == set(BOUNDS[schema])
