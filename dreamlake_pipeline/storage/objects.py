"""What the object store tells of what it has."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

METADATA_PREFIX = "x-amz-meta-"
SMALL = 4 << 20  # bytes of a file that is held in memory whole and moved by one request

_UPLOAD_ID = re.compile(r"[A-Za-z0-9._~+=-]{1,1024}")


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What is known of a stored object without reading it. `metadata` is empty in listings."""

    key: str
    size: int
    etag: str
    last_modified: datetime
    content_type: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing: objects, common prefixes (with a delimiter), and whether more may follow.

    The last page may be empty.
    """

    objects: list[ObjectInfo]
    prefixes: list[str]
    truncated: bool


@dataclass(frozen=True, slots=True)
class UploadedPart:
    part_number: int
    etag: str
    size: int
    sha256: str | None = None  # base64, as S3 gives it; only of uploads created with checksums
    last_modified: datetime | None = None


@dataclass(frozen=True, slots=True)
class UploadInfo:
    """A multipart upload that is under way."""

    key: str
    upload_id: str
    initiated: datetime


@dataclass(frozen=True, slots=True)
class UploadPage:
    """Some uploads, and the key and id after which the next page begins; None on the last one."""

    uploads: list[UploadInfo]
    after: tuple[str, str] | None


def metadata_headers(metadata: Mapping[str, str]) -> dict[str, str]:
    return {f"{METADATA_PREFIX}{name}": value for name, value in metadata.items()}


def in_base64(sha256: str) -> str:
    return base64.b64encode(bytes.fromhex(sha256)).decode()


def is_upload_id(text: str) -> bool:
    """Whether this may be an upload id: of those that S3, MinIO, Ceph and nanio give, none has another character, or is
    dots alone, which a server on a file system takes for a folder of its own."""
    return _UPLOAD_ID.fullmatch(text) is not None and text.strip(".") != ""
