"""Which records somebody names: those of an owner, of a project, an episode, a folder, or of one name."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from ..api.bss import RecordRef
from ..api.common import Listing
from . import records


class Place(NamedTuple):
    """`project` None: all of the owner's; `episode` None: all, and empty: the files that belong to none; `path`: a
    file, or a folder with all that is below it, None: everything."""

    owner: str
    project: str | None = None
    episode: str | None = None
    path: str | None = None

    def condition(self) -> str:
        """SQL: whether the row `r` lies here."""
        of_project = " AND r.project = :project" if self.project is not None else ""
        of_episode = " AND coalesce(r.episode, '') = :episode" if self.episode is not None else ""
        of_path = " AND (r.name = :path OR starts_with(r.name, :path || '/'))" if self.path not in (None, "/") else ""
        return f"r.owner = :owner{of_project}{of_episode}{of_path}"

    def parameters(self) -> dict[str, Any]:
        """What the condition takes."""
        return self._asdict()


# The indexes `records_failing`, `records_warned` and `records_partial`, and those called so and `_of_project`, have the
# records of these conditions, whether or not their names stand for them.

# SQL: whether the last processing of `r` failed, also where an earlier result stands, and its name stands for it still.
_FAILED = f"(r.status = 'failed' OR r.last_error IS NOT NULL) AND {records.HOLDS_NAME}"

# SQL: whether `r` has a result of which something has to be said, and whether that is the good part of a file that was
# cut off, which a warning always says.
_WARNED = f"r.warnings <> '[]' AND {records.HAS_RESULT} AND {records.HOLDS_NAME}"
_PARTIAL = f"{_WARNED} AND r.metadata->>'partial' = 'true'"


def list_page(
    connection: Connection,
    place: Place,
    *,
    failed: bool = False,
    warned: bool = False,
    partial: bool = False,
    cursor: str | None,
    limit: int,
) -> Listing[RecordRef]:
    """One page of the records of a place, of all kinds, oldest first, without what was found in their files.

    Of those that their names stand for: with `failed`, whose last processing failed; with `warned`, whose results have
    warnings; with `partial`, whose results are of a part of the file.
    """
    rows = connection.execute(
        text(statement(place, failed=failed, warned=warned, partial=partial)),
        place.parameters() | {"after": records.read_cursor(cursor), "limit": limit + 1},
    )
    items = [RecordRef.model_validate(dict(row)) for row in rows.mappings()]
    more = len(items) > limit
    return Listing[RecordRef](items=items[:limit], cursor=records.make_cursor(items[limit - 1].id) if more else None)


def statement(place: Place, *, failed: bool = False, warned: bool = False, partial: bool = False) -> str:
    """The SQL of a page; it takes the place's parameters, `after` and `limit`."""
    asked = ((failed, _FAILED), (warned, _WARNED), (partial, _PARTIAL))
    of_those = "".join(f" AND {condition}" for is_asked, condition in asked if is_asked)
    return f"""
        SELECT r.id, r.kind, r.owner, r.project, r.episode, r.name, r.size, r.status, r.uploaded_at FROM records r
        WHERE r.id > :after AND {place.condition()}{of_those} ORDER BY r.id LIMIT :limit"""  # noqa: S608 (spelled above)
