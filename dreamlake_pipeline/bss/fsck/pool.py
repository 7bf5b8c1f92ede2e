"""The pool's objects: does it know each of them?"""

from __future__ import annotations

from ... import layout
from ...api.integrity import Found
from ...findings import Finding
from .. import chunks
from .world import Progress, World


def check(world: World, after: str) -> Progress:
    """A page of the objects below `chunks/`.

    A writer leases the row before it stores the object, and whoever frees a segment deletes the object before the row:
    an object that is still there after its row was missed has none.
    """
    page = world.store.list_page(layout.CHUNK_PREFIX, after=after)
    keys = {item.key: layout.parse_chunk(item.key) for item in page.objects}
    segments = {key: found[0] for key, found in keys.items() if found and key == layout.chunk_key(*found)}
    with world.database.connect() as connection:
        known = chunks.keys(connection, segments.values())
    done = Progress(after=page.objects[-1].key if page.truncated and page.objects else None)
    done.checked["objects of the pool"] += len(keys)
    for key in keys.keys() - segments.keys():
        done.findings.append(Found(code=Finding.FOREIGN_OBJECT, what=key, detail="its key is no segment's"))
    for key, sha256 in segments.items():
        if known.get(sha256, key) != key:
            done.findings.append(Found(code=Finding.FOREIGN_OBJECT, what=key, detail="that segment has another form"))
        elif sha256 not in known and world.store.head(key) is not None:
            detail = "the pool has no row of it"
            done.findings.append(Found(code=Finding.CHUNK_OBJECT_WITHOUT_ROW, what=key, detail=detail, sha256=sha256))
    return done
