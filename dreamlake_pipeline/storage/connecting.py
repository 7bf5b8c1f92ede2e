"""S3 clients of boto3, as all of this project are made."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.utils import parse_timestamp

from .. import tls

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# A store may take minutes to join the parts of a large upload, and some are silent meanwhile.
COMPLETE_SECONDS = 300.0

_CONNECT_SECONDS = 5.0


def client_config(*, max_connections: int = 32, silence: float = 60.0, tries: int = 5) -> Config:
    """The botocore configuration that every S3 client of this project is made with.

    A request is given up after `silence` seconds without a byte of its answer, and made `tries` times at the most.
    SigV4 is forced: on custom endpoints boto3 presigns with SigV2, which signs neither length nor checksum.
    Checksums are sent when an operation requires them: the default CRC32 breaks some S3 servers.
    """
    return Config(
        signature_version="s3v4",
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        retries={"mode": "standard", "total_max_attempts": tries},
        max_pool_connections=max_connections,
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=silence,
        s3={"addressing_style": "path"} if os.environ.get("AWS_ENDPOINT_URL") else {},
    )


def open_client(*, silence: float = 60.0, tries: int = 5, endpoint_url: str | None = None) -> S3Client:
    """An S3 client for the endpoint (unless `endpoint_url` is one) and credentials of boto3's environment variables, as
    they are now.

    A session of its own: boto3's default one is not thread-safe, and keeps the credentials that it saw first. It trusts
    whom our other clients trust (`tls.py`), not boto3's own list of authorities.
    """
    session = boto3.Session()
    # Half of what a page of a listing costs is the reading of its thousand times.
    session._session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_parse_time)
    return session.client(
        "s3",
        endpoint_url=endpoint_url,
        config=client_config(silence=silence, tries=tries),
        region_name=default_region(),
        verify=tls.authorities_file(),
    )


def _parse_time(value: Any) -> datetime:
    """What botocore makes of a time. In listings it is in ISO 8601, which Python reads thirty times faster."""
    if isinstance(value, str) and value.endswith("Z"):
        with suppress(ValueError):
            return datetime.fromisoformat(value)
    parsed: datetime = parse_timestamp(value)
    return parsed


def default_region() -> str:
    """The region of the environment, under the name that AWS's tools use or under the one that boto3 reads."""
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
