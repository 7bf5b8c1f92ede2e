"""Curves, marks and rows of label tracks, and of the telemetry that text tracks hold."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import Query, Request
from fastapi.responses import Response
from pydantic_core import to_json

from ...admission import Reader, new_router
from ...api.bss import Rows, Series
from ...errors import Code, DreamlakeError
from ...kinds import Kind, KindSpec
from ...longlists import answer_whole
from .. import access
from ..context import Database, RecordId, Store
from ..series import curves, rows
from ..series.track import open_table, open_track

MOST_WIDTH = 8192
# Of the 40 threads in which requests are answered: as many read at a time, and as many do that or wait for it; in all,
# and for one tenant.
_AT_ONCE, _AT_ONCE_OF_TENANT = 4, 3
_UNDER_WAY, _UNDER_WAY_OF_TENANT = 20, 15

Seconds = Annotated[float, Query(ge=0, allow_inf_nan=False)]
Names = Annotated[
    list[str] | None,
    Query(
        description="Names of columns; `column[0]` is an item of a list, `column.name` a value of an object, and "
        "`column` all of them. Said several times, or once with commas between them, where no column has such a name."
    ),
]

routes = new_router(tags=["playback"])


def _add_routes(spec: KindSpec) -> None:
    @routes.get(
        f"/{spec.route}/{{id}}/series",
        summary=f"Curves and marks of {spec.label}",
        response_model=Series,
    )
    def series(
        id: RecordId,
        request: Request,
        caller: Reader,
        database: Database,
        store: Store,
        fields: Names = None,
        start: Annotated[float, Query(alias="from", ge=0, allow_inf_nan=False)] = 0.0,
        end: Annotated[float | None, Query(alias="to", ge=0, allow_inf_nan=False)] = None,
        width: Annotated[int, Query(ge=1, le=MOST_WIDTH, description="Pixels.")] = 1000,
    ) -> Response:
        """Of a span, in seconds since the first time of the track: at most two points a pixel of each curve.

        Without `fields`, the curves of the first twenty fields of numbers. A track without times has none.
        """
        if end is not None and end < start:
            raise DreamlakeError(Code.INVALID_REQUEST, f"to: {end:g} is before {start:g}, which `from` says.")
        record = access.find_playable(database, caller, spec.kind, id)
        with _readers.enter(caller.tenant):
            track = open_track(store, request.app.state.footers, record)
            names = _names(fields, {one.name for one in track.fields} | {one.column for one in track.fields})
            return _answer(curves.answer(track, names, start, end, width))

    @routes.get(
        f"/{spec.route}/{{id}}/rows",
        summary=f"Rows of {spec.label}",
        response_model=Rows,
    )
    def table_rows(
        id: RecordId,
        request: Request,
        caller: Reader,
        database: Database,
        store: Store,
        fields: Names = None,
        at: Annotated[
            float | None, Query(ge=0, allow_inf_nan=False, description="Seconds since the first time.")
        ] = None,
        first: Annotated[int | None, Query(ge=0, le=2**53, description="The number of a row, from 0.")] = None,
        limit: Annotated[int, Query(ge=1, le=rows.MOST_ROWS)] = 50,
    ) -> Response:
        """Some rows of the table: around the last one that is not later than `at`, or from the row `first` on."""
        record = access.find_playable(database, caller, spec.kind, id)
        with _readers.enter(caller.tenant):
            footers = request.app.state.footers
            try:
                track = open_track(store, footers, record)
            except DreamlakeError as error:
                # Rows have their order, whatever is known of their times.
                if at is not None or error.code not in (Code.INVALID_REQUEST, Code.NOT_READY):
                    raise
                track = None
            table = track.table if track is not None else open_table(store, footers, record)
            return _answer(rows.answer(table, track, _names(fields, set(table.schema.names)), at, first, limit))


def _names(given: Sequence[str] | None, known: set[str]) -> list[str]:
    """The names that were said: names hold commas, too, and so one word is several names only if it is none itself."""
    names = list(given or [])
    if len(names) == 1 and names[0] not in known:
        names = names[0].split(",")
    return [name for name in names if name]


def _answer(told: dict[str, Any]) -> Response:
    return answer_whole(to_json(told, inf_nan_mode="null"), "application/json")


class _Readers:
    """Places for those who read tables. No tenant takes all of them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._reading: Counter[str] = Counter()
        self._under_way: Counter[str] = Counter()

    @contextmanager
    def enter(self, tenant: str) -> Iterator[None]:
        """A place, once one is free. Raises OVERLOADED when too many wait for one."""
        with self._changed:
            if self._under_way[tenant] >= _UNDER_WAY_OF_TENANT or self._under_way.total() >= _UNDER_WAY:
                raise DreamlakeError(Code.OVERLOADED, "Too many curves are being read; try again later.")
            self._under_way[tenant] += 1
        try:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._reading[tenant] < _AT_ONCE_OF_TENANT and self._reading.total() < _AT_ONCE
                )
                self._reading[tenant] += 1
            try:
                yield
            finally:
                self._leave(self._reading, tenant)
        finally:
            self._leave(self._under_way, tenant)

    def _leave(self, places: Counter[str], tenant: str) -> None:
        with self._changed:
            places[tenant] -= 1
            if not places[tenant]:
                del places[tenant]
            self._changed.notify_all()


_readers = _Readers()

for _spec in (Kind.LABEL_TRACK.spec, Kind.TEXT_TRACK.spec):
    _add_routes(_spec)
