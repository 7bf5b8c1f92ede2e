"""Multipart uploads that nobody goes on with: those of the table `uploads`, and those of the bucket that it does not
have, as a service leaves them that was killed right after it began one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from ... import layout, names
from ...api.garbage import Garbage, Tally
from ...errors import DreamlakeError
from ...storage import UploadInfo, was_answered
from .. import uploads
from .collector import Collector, Work, freed, refused

log = logging.getLogger(__name__)

_ABANDONED = timedelta(days=7)
_AT_ONCE = 50


def free(collector: Collector, position: str) -> Work:
    """Give up uploads that are a week old and had no part for a week."""
    with collector.database.connect() as connection:
        old = connection.execute(
            text("""
            SELECT upload_id, staging_key FROM uploads
            WHERE created_at < :old AND upload_id > :after ORDER BY upload_id LIMIT :limit"""),
            {"old": datetime.now(UTC) - _ABANDONED, "after": position, "limit": _AT_ONCE},
        ).all()
    tally = Tally()
    for upload_id, key in old:
        with _passed_over(key, tally):
            parts = collector.store.list_parts(key, upload_id)
            if any(part.last_modified and part.last_modified > datetime.now(UTC) - _ABANDONED for part in parts or ()):
                continue
            if not collector.dry_run:
                uploads.give_up(collector.database, collector.store, key, upload_id)
            tally.add(freed(Garbage.UPLOADS, 1, sum(part.size for part in parts or ())))
    return Work(old[-1].upload_id if len(old) == _AT_ONCE else None, tally)


def free_unknown(collector: Collector, position: str) -> Work:
    """Give up uploads to staging keys of ours that are a week old and that BSS does not know."""
    key, _, upload_id = position.partition("\n")
    try:
        page = collector.store.list_uploads(after=(key, upload_id))
    except DreamlakeError as error:
        # Some servers can't list them, and some keys must not: what BSS knows of is freed all the same.
        log.info("unknown uploads are not looked for: %s", error.message)
        return Work(None, Tally())
    old = [one for one in page.uploads if one.initiated < datetime.now(UTC) - _ABANDONED and _is_ours(one)]
    known = uploads.states(collector.database, {(one.upload_id, one.key) for one in old})
    tally = Tally()
    for one in old:
        if (one.upload_id, one.key) not in known:
            with _passed_over(one.key, tally):
                size = sum(part.size for part in collector.store.list_parts(one.key, one.upload_id) or ())
                if not collector.dry_run:
                    collector.store.abort_multipart(one.key, one.upload_id)
                tally.add(freed(Garbage.UPLOADS, 1, size))
    return Work("\n".join(page.after) if page.after else None, tally)


@contextmanager
def _passed_over(key: str, tally: Tally) -> Iterator[None]:
    """An upload that the store does not show, or does not give up, is told, and keeps no other one."""
    try:
        yield
    except DreamlakeError as error:
        if error.is_passing or not was_answered(error):
            raise
        tally.add(refused({key: error.message}))


def _is_ours(upload: UploadInfo) -> bool:
    parts = layout.parse_staging_key(upload.key)
    return parts is not None and names.is_hash(parts.rest)
