"""One bucket, and who reaches it: what reading, listing, writing, signing and uploading it have in common."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from ..errors import Code, DreamlakeError
from .connecting import open_client
from .failures import translated
from .signedrequests import SignedRequests

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Bucket:
    """One bucket of an S3 server. Safe to share between threads."""

    def __init__(self, client: S3Client, bucket: str, *, completing: S3Client | None = None) -> None:
        """`completing` is the client that joins the parts of uploads, which takes longer than anything else."""
        self.client = client
        self.bucket = bucket
        self._completing = completing or client
        self._signed = SignedRequests(client, bucket)
        self._before_write: Callable[[], None] = _allow

    def guarded(self, before_write: Callable[[], None]) -> Self:
        """The same bucket: `before_write` is called before anything is stored, and may raise."""
        other = copy.copy(self)
        other._before_write = before_write
        return other

    def impatient(self) -> Self:
        """The same bucket, by a client that gives a request up after ten seconds of silence, or two tries."""
        return type(self)(open_client(silence=10.0, tries=2, endpoint_url=self.client.meta.endpoint_url), self.bucket)

    def check(self) -> None:
        """Raise STORAGE_FAILED or UNREACHABLE unless the bucket answers."""
        with translated("reach bucket", self.bucket):
            self.client.head_bucket(Bucket=self.bucket)

    def create_bucket(self) -> None:
        """Make the bucket; one that is there already is no error."""
        try:
            with translated("create bucket", self.bucket):
                self.client.create_bucket(Bucket=self.bucket)
        except DreamlakeError as error:
            if error.code is not Code.CONFLICT:
                raise


def _allow() -> None:
    pass
