"""What is under way in the projects that somebody reaches: sent, waiting, being processed.

Every part of the query reads what is not done, by an index of exactly that, and no more than `_MOST` rows of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, text

from ..api.bss import ProjectUnderway, Underway
from .batches.rows import UNCLAIMED

_MOST = 100_000  # rows that are counted of each part

# After so long without being registered, nobody sends an object any more: a single PUT, or one in parts, which may
# have 5 TiB and be gone on with for days.
_PUT_LASTS, _PARTS_LAST = "1 hour", "1 day"

_OF_RECORD = "(:everywhere OR owner = ANY(:reached))"
_OF_KEY = "(:everywhere OR split_part(staging_key, '/', 1) = ANY(:reached))"
_PLACE_OF_KEY = "split_part(staging_key, '/', 1), split_part(staging_key, '/', 2)"

_COUNT = text(f"""
    WITH files(owner, project, state, bytes) AS (
        (SELECT owner, project, 'queued', size FROM records
            WHERE {UNCLAIMED} AND {_OF_RECORD} LIMIT :most)
        UNION ALL
        (SELECT owner, project, 'queued', size FROM records
            WHERE waiting_until IS NOT NULL AND {_OF_RECORD} LIMIT :most)
        UNION ALL
        (SELECT owner, project, 'registered', size FROM records
            WHERE status = 'registered' AND {_OF_RECORD} LIMIT :most)
        UNION ALL
        (SELECT r.owner, r.project, r.status, r.size FROM batches b JOIN records r USING (partition)
            WHERE b.state = 'open' AND r.status IN ('queued', 'processing')
                AND (:everywhere OR b.owner = ANY(:reached)) LIMIT :most)
        UNION ALL
        (SELECT {_PLACE_OF_KEY}, 'uploading', size FROM signed_puts
            WHERE signed_at > now() - interval '{_PUT_LASTS}' AND {_OF_KEY} LIMIT :most)
        UNION ALL
        (SELECT {_PLACE_OF_KEY}, 'uploading', NULL FROM uploads
            WHERE created_at > now() - interval '{_PARTS_LAST}' AND {_OF_KEY} LIMIT :most))
    SELECT owner, project, state, count(*) AS files, coalesce(sum(bytes), 0) AS bytes
    FROM files GROUP BY owner, project, state ORDER BY owner, project""")  # noqa: S608 (spelled above)


def count(connection: Connection, reached: Sequence[str] | None) -> Underway:
    """What is under way in the namespaces `reached` (None: in all)."""
    rows = connection.execute(
        _COUNT, {"everywhere": reached is None, "reached": list(reached or ()), "most": _MOST}
    ).all()
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        project = found.setdefault((row.owner, row.project), {"owner": row.owner, "project": row.project, "bytes": 0})
        project[row.state] = row.files
        project["bytes"] += int(row.bytes)
    return Underway(
        items=[ProjectUnderway.model_validate(project) for project in found.values()],
        more=any(row.files >= _MOST for row in rows) or sum(row.files for row in rows) >= _MOST,
    )
