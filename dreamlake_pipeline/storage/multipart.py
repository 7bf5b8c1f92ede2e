"""Multipart uploads: begun, looked at, completed and given up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import Code, DreamlakeError
from .bucket import Bucket
from .failures import translated
from .objects import UploadedPart, UploadInfo, UploadPage, is_upload_id


class Multipart(Bucket):
    def create_multipart(
        self, key: str, *, content_type: str, metadata: dict[str, str], checksums: bool = False
    ) -> str:
        """Begin a multipart upload; its upload id.

        With `checksums`, S3 demands a SHA-256 with every part; without it, S3 refuses parts that carry one.
        """
        extra: dict[str, Any] = {"ChecksumAlgorithm": "SHA256"} if checksums else {}
        with translated("begin an upload to", key):
            upload_id = self.client.create_multipart_upload(
                Bucket=self.bucket, Key=key, ContentType=content_type, Metadata=metadata, **extra
            )["UploadId"]
        if not is_upload_id(upload_id):
            raise DreamlakeError(Code.STORAGE_FAILED, f"The object store gave an upload of {key!r} an id that is none.")
        return upload_id

    def list_parts(self, key: str, upload_id: str) -> list[UploadedPart] | None:
        """The parts that have arrived, in order; None when the upload is not (or no longer) there."""
        if not is_upload_id(upload_id):
            return None
        parts: list[UploadedPart] = []
        marker = 0
        while True:
            try:
                with translated("list the parts of", key):
                    found = self.client.list_parts(
                        Bucket=self.bucket, Key=key, UploadId=upload_id, PartNumberMarker=marker
                    )
            except DreamlakeError as error:
                if error.code is Code.UPLOAD_EXPIRED:
                    return None
                raise
            parts += [
                UploadedPart(
                    part["PartNumber"],
                    part["ETag"].strip('"'),
                    part["Size"],
                    part.get("ChecksumSHA256"),
                    part.get("LastModified"),
                )
                for part in found.get("Parts", [])
            ]
            if not found.get("IsTruncated"):
                return parts
            marker = int(found["NextPartNumberMarker"])

    def list_uploads(self, *, after: tuple[str, str] = ("", "")) -> UploadPage:
        """Multipart uploads of the bucket that are under way, behind this key and upload id."""
        markers: Any = {
            name: marker for name, marker in zip(("KeyMarker", "UploadIdMarker"), after, strict=True) if marker
        }
        with translated("list the uploads of", self.bucket):
            found: Any = self.client.list_multipart_uploads(Bucket=self.bucket, **markers)
        uploads = [UploadInfo(one["Key"], one["UploadId"], one["Initiated"]) for one in found.get("Uploads", [])]
        more = found.get("IsTruncated") and found.get("NextKeyMarker")
        return UploadPage(uploads, (found["NextKeyMarker"], found.get("NextUploadIdMarker", "")) if more else None)

    def complete_multipart(self, key: str, upload_id: str, parts: Iterable[UploadedPart]) -> None:
        """Join parts into the object. Raises UPLOAD_EXPIRED, or CONFLICT for wrong parts.

        Parts of an upload that was created with checksums must carry theirs (`list_parts` gives them).
        """
        if not is_upload_id(upload_id):
            raise DreamlakeError(Code.UPLOAD_EXPIRED, f"The upload of {key!r} is gone.")
        try:
            with translated("complete the upload of", key):
                self._completing.complete_multipart_upload(
                    Bucket=self.bucket,
                    Key=key,
                    UploadId=upload_id,
                    MultipartUpload={
                        "Parts": [_completed(part) for part in sorted(parts, key=lambda p: p.part_number)]
                    },
                )
        except DreamlakeError as error:
            # Not every server says that an upload is gone; all of them know its parts no more.
            if error.code is Code.STORAGE_FAILED and self.list_parts(key, upload_id) is None:
                raise DreamlakeError(Code.UPLOAD_EXPIRED, f"The upload of {key!r} is gone.") from error
            raise

    def abort_multipart(self, key: str, upload_id: str) -> None:
        """Give an upload up and free its parts; one that is already gone is no error."""
        if not is_upload_id(upload_id):
            return
        try:
            with translated("abort the upload of", key):
                self.client.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload_id)
        except DreamlakeError as error:
            if error.code is not Code.UPLOAD_EXPIRED:
                raise


def _completed(part: UploadedPart) -> Any:
    body: dict[str, Any] = {"PartNumber": part.part_number, "ETag": part.etag}
    return body | {"ChecksumSHA256": part.sha256} if part.sha256 else body
