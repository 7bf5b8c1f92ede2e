"""The pool's objects: does it know each of them?"""

from __future__ import annotations

from sqlalchemy import text

from ... import layout, names
from ...api.integrity import Found
from ...findings import Finding
from .world import Progress, World


def check(world: World, after: str) -> Progress:
    """A page of the objects below `chunks/`.

    A writer leases the row before it stores the object, and whoever frees a segment deletes the object before the row:
    an object that is still there after its row was missed has none.
    """
    page = world.store.list_page(layout.CHUNK_PREFIX, after=after)
    keys = {item.key: layout.chunk_of_uri(item.key) for item in page.objects}
    segments = {key: sha256 for key, sha256 in keys.items() if key == layout.chunk_key(sha256)}
    segments = {key: sha256 for key, sha256 in segments.items() if names.is_sha256(sha256)}
    with world.database.connect() as connection:
        known = set(
            connection.execute(
                text("SELECT sha256 FROM chunks WHERE sha256 = ANY(:hashes)"), {"hashes": list(segments.values())}
            ).scalars()
        )
    done = Progress(after=page.objects[-1].key if page.truncated and page.objects else None)
    done.checked["objects of the pool"] += len(keys)
    for key in keys.keys() - segments.keys():
        done.findings.append(Found(code=Finding.FOREIGN_OBJECT, what=key, detail="its key is no segment's"))
    for key, sha256 in segments.items():
        if sha256 not in known and world.store.head(key) is not None:
            detail = "the pool has no row of it"
            done.findings.append(Found(code=Finding.CHUNK_OBJECT_WITHOUT_ROW, what=key, detail=detail, sha256=sha256))
    return done
