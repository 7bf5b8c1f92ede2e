"""The catalog: are its files there, are they what was written, and are they written again when files become ready?"""

from __future__ import annotations

from sqlalchemy import text

from ... import layout
from ...api.integrity import Found
from ...errors import DreamlakeError
from ...findings import Finding
from ..damaged import is_refused, sha256_of
from .world import CUT, Progress, World

_PATIENCE_HOURS = 3  # it is written every hour in which something was indexed


def check(world: World, after: str) -> Progress:
    """The hash and the size of each file are in its own user metadata (`processing/catalog.py`)."""
    done = Progress()
    for key in (layout.CATALOG_KEY, layout.EPISODES_KEY):
        try:
            _check_file(world, key, done)
        except DreamlakeError as error:
            if not is_refused(world.store, key, error):
                raise
            done.findings.append(Found(code=Finding.UNREADABLE, what=key, detail=str(error)))
    return done


def _check_file(world: World, key: str, done: Progress) -> None:
    stored = world.store.head(key)
    with world.database.connect() as connection:
        is_due = connection.execute(
            text("""
            SELECT EXISTS (SELECT FROM records WHERE status = 'ready'
                AND ready_at < now() - make_interval(hours => :hours)
                AND (CAST(:written AS timestamptz) IS NULL OR ready_at > CAST(:written AS timestamptz)))"""),
            {"hours": _PATIENCE_HOURS, "written": stored and stored.last_modified},
        ).scalar()
    done.checked["catalogs"] += stored is not None
    if is_due:
        detail = "it is not there" if stored is None else f"it was written {stored.last_modified:%Y-%m-%d %H:%M} UTC"
        done.findings.append(Found(code=Finding.CATALOG_OUT_OF_DATE, what=key, detail=detail))
    if stored is None or not (noted := stored.metadata.get("sha256")):
        return
    if str(stored.size) != stored.metadata.get("size"):
        detail = f"{stored.size} bytes in the place of {stored.metadata.get('size')}"
        done.findings.append(Found(code=Finding.CATALOG_ALTERED, what=key, detail=detail))
    elif world.deep:
        done.bytes += stored.size
        if (sha256 := sha256_of(world.store, key)) != noted:
            detail = CUT if sha256 is None else "its SHA-256 is another one than was noted"
            done.findings.append(Found(code=Finding.CATALOG_ALTERED, what=key, detail=detail))
