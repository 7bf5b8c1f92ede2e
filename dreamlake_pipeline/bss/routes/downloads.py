"""/records/urls: where the bytes of many files are read."""

from __future__ import annotations

from ... import layout
from ...admission import Reader, new_router
from ...api.bss import FileUrls, FoundUrls
from ...errors import Code, DreamlakeError
from .. import downloads
from ..context import Config, Database, Store

routes = new_router(prefix="/records", tags=["records"])

_FILES = frozenset({downloads.RAW, *(name for files in layout.RESULT_FILES.values() for name in files)})


@routes.post("/urls", summary="Where many files are read", response_model_exclude_none=True)
def urls(body: FileUrls, caller: Reader, database: Database, store: Store, config: Config) -> FoundUrls:
    """Presigned URLs, as those that `GET R/{id}/raw` and the routes of results redirect to, for 1,000 records at once.

    A record whose kind has no such result, or that has no result yet, carries its error; its neighbours do not mind.
    """
    if body.file not in _FILES:
        raise DreamlakeError(Code.INVALID_REQUEST, f"file: {body.file!r} is none of {', '.join(sorted(_FILES))}.")
    with database.connect() as connection:
        found = downloads.find(connection, body.ids, caller)
    return FoundUrls(
        items=[downloads.sign(store, one, body.file, expires=caller.seconds_left(config.url_ttl)) for one in found]
    )
