"""The staging prefixes: which objects are there, and which of them nobody accounts for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, text

from .. import layout, names
from ..api.pipeline import Adopted, StagedObject
from ..errors import Code, DreamlakeError
from ..kinds import content_type_of
from ..storage import ObjectInfo, ObjectStore
from . import condemned, records
from .records import NewRecord
from .values import to_jsonb

# An upload that began less than this many seconds ago accounts for an object under its key. Its row goes when it is
# completed; one that is left over by a crash must not hide the object for ever.
_UPLOAD_ACCOUNTS_SECONDS = 3600

_NOT_THE_BYTES = [str(Code.HASH_MISMATCH), str(Code.STAGED_OBJECT_MISSING)]

# Whether a record's last attempt found its bytes missing, or others than promised; an earlier result of it may stand.
_MISTRUSTED = """coalesce(status = 'failed' AND error->>'code' = ANY(:codes), false)
    OR coalesce(status = 'ready' AND last_error->>'code' = ANY(:codes), false)"""


def require(store: ObjectStore, key: str, *, size: int | None) -> ObjectInfo:
    """The staged object. Raises STAGED_OBJECT_MISSING, FILE_EMPTY, or CONFLICT when it has another size."""
    found = store.head(key)
    if found is None:
        raise missing(key)
    check_size(key, found.size, promised=size)
    return found


def missing(key: str) -> DreamlakeError:
    """What to answer when there is no such staged object."""
    return DreamlakeError(
        Code.STAGED_OBJECT_MISSING, f"Nothing is stored under {key!r}.", hint="Upload the file first."
    )


def check_size(key: str, stored: int, *, promised: int | None) -> None:
    """Raise FILE_EMPTY, or CONFLICT unless the stored size is the promised one (None: nothing was promised)."""
    if stored == 0:
        raise DreamlakeError(Code.FILE_EMPTY, f"The object {key!r} holds no bytes.")
    if promised is not None and stored != promised:
        raise DreamlakeError(
            Code.CONFLICT, f"The object {key!r} has {stored} bytes, not {promised}.", hint="Upload the file again."
        )


class KnownObjects(NamedTuple):
    """What the records say of staged objects: the sizes of those that they vouch for, which need not be looked at
    again, and those that were found to be missing, or other bytes than promised: they are to be sent again."""

    sizes: dict[str, int]
    mistrusted: set[str]


def known(connection: Connection, keys: Iterable[str]) -> KnownObjects:
    """What is known of those of the staged objects that a record has."""
    rows = connection.execute(
        text(f"""
        SELECT staging_key, (array_agg(size ORDER BY id) FILTER (WHERE size IS NOT NULL))[1], bool_or({_MISTRUSTED})
        FROM records WHERE staging_key = ANY(:keys) GROUP BY staging_key"""),  # noqa: S608 (spelled above)
        {"keys": list(set(keys)), "codes": _NOT_THE_BYTES},
    ).all()
    return KnownObjects(
        {key: size for key, size, _ in rows if size is not None},
        {key for key, _, is_mistrusted in rows if is_mistrusted},
    )


def verified_sizes(connection: Connection, keys: Iterable[str]) -> dict[str, int]:
    """The sizes of those of the staged objects whose bytes were read and are what their hash promised; also of deleted
    records, which may be restored. Not of those that a later attempt found missing, or altered."""
    rows = connection.execute(
        text(f"""
        SELECT staging_key, max(size) FROM (
            SELECT staging_key, size, sha256, staging_hash, {_MISTRUSTED} AS is_mistrusted
            FROM records WHERE staging_key = ANY(:keys)
            UNION ALL
            SELECT staging_key, size, row->>'sha256', row->>'staging_hash', false FROM deleted_records
            WHERE staging_key = ANY(:keys) AND purged_at IS NULL) known
        WHERE is_mistrusted OR (starts_with(sha256, staging_hash) AND size IS NOT NULL)
        GROUP BY staging_key HAVING NOT bool_or(is_mistrusted)"""),  # noqa: S608 (spelled above)
        {"keys": list(set(keys)), "codes": _NOT_THE_BYTES},
    )
    return {row[0]: row[1] for row in rows}


def unknown(
    connection: Connection, keys: Sequence[str], etags: Sequence[str] = (), modified: Sequence[float] = ()
) -> list[str]:
    """Those of the keys that no record, no deletion, no upload under way and no earlier refusal accounts for, in order.

    With `etags`, a refusal counts only for the content that was refused, and a deletion, where the key is no hash, only
    for the content that was deleted. With `modified` (Unix times), a refusal counts only for an object that was not
    laid there again since then: the same content may say by other metadata what it is.
    """
    asked = [
        {"n": n, "key": key, "etag": etags[n] if etags else None, "modified": modified[n] if modified else None}
        for n, key in enumerate(keys)
    ]
    return list(
        connection.execute(
            text("""
            SELECT a.key FROM jsonb_to_recordset(CAST(:asked AS jsonb)) AS a(n int, key text, etag text, modified float)
            WHERE NOT EXISTS (SELECT FROM records r WHERE r.staging_key = a.key)
                AND NOT EXISTS (SELECT FROM deleted_records d WHERE d.staging_key = a.key AND d.purged_at IS NULL
                    AND (a.etag IS NULL OR d.etag IS NULL OR d.etag = a.etag))
                AND NOT EXISTS (SELECT FROM condemned_objects c WHERE c.staging_key = a.key
                    AND (a.etag IS NULL OR c.etag IS NULL OR c.etag = a.etag))
                AND NOT EXISTS (SELECT FROM uploads u WHERE u.staging_key = a.key
                    AND u.created_at > now() - make_interval(secs => :accounts))
                AND NOT EXISTS (SELECT FROM ignored_objects i WHERE i.staging_key = a.key
                    AND (a.etag IS NULL OR i.etag = a.etag)
                    AND (a.modified IS NULL OR i.created_at >= to_timestamp(a.modified)))
            ORDER BY a.n"""),
            {"asked": to_jsonb(asked), "accounts": _UPLOAD_ACCOUNTS_SECONDS},
        ).scalars()
    )


class AdoptedObjects(NamedTuple):
    """What became of staged objects, and the ids of their records."""

    told: Adopted
    ids: list[str]


def adopt(connection: Connection, objects: Sequence[StagedObject]) -> AdoptedObjects:
    """Register and queue objects that nobody registered; remember those without a kind as none of ours. Those that
    garbage collection is about to delete, or has deleted since they were listed, are passed over.

    Raises INVALID_REQUEST for a key that is not under the staging prefix of its owner and project, or a kind
    without a name.
    """
    gone = condemned.withhold(connection, {item.key: item.etag for item in objects if item.kind is not None})
    ours = [_adopted(item) for item in objects if item.kind is not None and item.key not in gone]
    refused = [item for item in objects if item.kind is None]
    for item in refused:
        _check_key(item)
    if refused:
        connection.execute(
            text("""
            INSERT INTO ignored_objects (staging_key, etag, size, code, reason)
            SELECT DISTINCT ON (key, etag) key, etag, size, code, reason
            FROM jsonb_to_recordset(CAST(:refused AS jsonb))
                AS o(key text, etag text, size bigint, code text, reason text)
            ORDER BY key, etag
            ON CONFLICT (staging_key, etag) DO UPDATE
                SET code = excluded.code, reason = excluded.reason, created_at = now()"""),
            {
                "refused": to_jsonb(
                    [
                        {
                            "key": o.key,
                            "etag": o.etag,
                            "size": o.size,
                            "code": o.code or str(Code.UNKNOWN_KIND),
                            "reason": o.reason or "It is of no known kind.",
                        }
                        for o in refused
                    ]
                )
            },
        )
    inserted = records.insert(connection, ours) if ours else []
    told = Adopted(registered=sum(item.created for item in inserted), ignored=len(refused))
    return AdoptedObjects(told, [item.record.id for item in inserted])


def _check_key(item: StagedObject) -> layout.StagingKey:
    key = layout.parse_staging_key(item.key)
    if key is None or (key.owner, key.project) != (item.owner, item.project):
        raise DreamlakeError(
            Code.INVALID_REQUEST, f"{item.key!r} is not under the staging prefix of {item.owner}/{item.project}."
        )
    return key


def _adopted(item: StagedObject) -> NewRecord:
    key = _check_key(item)
    if item.kind is None or item.name is None:
        raise DreamlakeError(Code.INVALID_REQUEST, f"{item.key!r} has a kind but no name.")
    return NewRecord(
        kind=item.kind,
        owner=item.owner,
        project=item.project,
        episode=item.episode,
        name=item.name,
        staging_key=item.key,
        staging_hash=key.rest if names.is_hash(key.rest) else None,
        size=item.size,
        content_type=item.content_type or content_type_of(item.name),
        queue=True,
    )
