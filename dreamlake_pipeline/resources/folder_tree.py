"""The folder tree: DreamLake Server's index, written in bulk by its own functions over Postgres.

This is the one exception to "a service is the only writer of its tables": thousands of files a second through HTTP
would cost more than the work itself, and both ways run the same code.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dagster import ConfigurableResource, InitResourceContext
from pydantic import Field, PrivateAttr

from ..crashpoints import CrashPoint, reached

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from ..api.pipeline import Deletion
    from ..api.server import AssetRef, BatchAsset

_UPSERTED_AT_ONCE = 1000
_READ_AT_ONCE = 5000


class FolderTreeResource(ConfigurableResource):
    """The schema is DreamLake Server's to create and to migrate."""

    postgres_url: str = Field(description="URL of the database that holds DreamLake Server's schema.")

    _engine: Any = PrivateAttr(default=None)

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        """A connection to the server's schema.

        Raises DreamlakeError(UNREACHABLE) for whatever the database refuses that is not the fault of what is written:
        it is away, restarts, is full, may only be read, or has no connection left.
        """
        from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

        from ..database import SERVER_SCHEMA, open_engine
        from ..errors import Code, DreamlakeError

        if self._engine is None:
            self._engine = open_engine(self.postgres_url, schema=SERVER_SCHEMA, pool_size=1)
        try:
            with self._engine.connect() as connection:
                yield connection
        except (DataError, IntegrityError):
            raise
        except SQLAlchemyError as error:
            said = next(iter(str(getattr(error, "orig", None) or error).splitlines()), "it says nothing")
            raise DreamlakeError(
                Code.UNREACHABLE,
                f"The database of the folder tree does not answer as it should ({said}).",
                hint="Check the database, and DREAMLAKE_POSTGRES_URL.",
            ) from error

    def upsert(self, assets: Sequence[BatchAsset]) -> list[AssetRef]:
        """Register files; the same name again is the same asset. In the order of `assets`."""
        from ..server.index import upsert_assets

        refs: list[AssetRef] = []
        for start in range(0, len(assets), _UPSERTED_AT_ONCE):
            with self._connect() as connection, connection.begin():
                refs += upsert_assets(connection, list(assets[start : start + _UPSERTED_AT_ONCE]))
        reached(CrashPoint.RESULTS_INDEXED)
        return refs

    def remove(self, deletions: Sequence[Deletion]) -> int:
        """Remove the files of deleted records, where their names still stand for these; how many there were."""
        from ..server.removal import IndexedFile, remove_files

        files = [
            IndexedFile(one.kind, one.owner, one.project, one.episode, one.name, one.record_id) for one in deletions
        ]
        with self._connect() as connection, connection.begin():
            return remove_files(connection, files)

    def statuses(self, asset_ids: Sequence[str]) -> dict[str, tuple[str, str, datetime]]:
        """What the index says of assets: by id, the record it points to, that record's status, and when it was last
        uploaded under its name."""
        from sqlalchemy import text

        with self._connect() as connection:
            rows = connection.execute(
                text("""
                SELECT id, bss_id, coalesce(status, 'registered') AS status, uploaded_at FROM assets
                WHERE id = ANY(:ids)"""),
                {"ids": list(asset_ids)},
            )
            return {row.id: (row.bss_id, row.status, row.uploaded_at) for row in rows}

    def files(self) -> Iterator[dict[str, Any]]:
        """Every file of the index with the names of where it is, oldest first, read as it is consumed."""
        from ..processing.catalog import FILES

        columns = ", ".join(FILES.schema.names)
        return self._rows(f"SELECT {columns} FROM asset_details ORDER BY id")  # noqa: S608 (the columns are ours)

    def episodes(self) -> Iterator[dict[str, Any]]:
        """Every episode that holds a file, in short, oldest first, read as it is consumed."""
        from ..server.summaries import EVERY_EPISODE

        return self._rows(EVERY_EPISODE)

    def _rows(self, query: str) -> Iterator[dict[str, Any]]:
        from sqlalchemy import text

        with self._connect() as connection:
            rows = connection.execution_options(yield_per=_READ_AT_ONCE).execute(text(query))
            for row in rows.mappings():
                yield dict(row)

    def teardown_after_execution(self, context: InitResourceContext) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None
