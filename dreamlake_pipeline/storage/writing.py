"""What is stored, copied and deleted, by key."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..remote.http1 import Range
from .bucket import Bucket
from .failures import translated
from .objects import SMALL, in_base64, metadata_headers


class Writing(Bucket):
    def put(self, key: str, data: bytes, *, content_type: str, metadata: dict[str, str] | None = None) -> None:
        """Store `data` under `key`, replacing what was there."""
        self._before_write()
        headers = {"Content-Type": content_type, **metadata_headers(metadata or {})}
        with translated("store", key):
            if self._signed.send("PUT", key, headers=headers, body=data) is None:
                self.client.put_object(
                    Bucket=self.bucket, Key=key, Body=data, ContentType=content_type, Metadata=metadata or {}
                )

    def upload(self, key: str, path: Path, *, content_type: str, metadata: dict[str, str] | None = None) -> None:
        """Store a file of any size under `key`; the object appears whole or not at all."""
        if path.stat().st_size <= SMALL:
            self.put(key, path.read_bytes(), content_type=content_type, metadata=metadata)
            return
        self._before_write()
        with translated("store", key):
            self.client.upload_file(
                str(path),
                self.bucket,
                key,
                ExtraArgs={"ContentType": content_type, "Metadata": metadata or {}},
            )

    def put_file(self, key: str, path: Path, *, size: int, sha256: str, content_type: str) -> None:
        """Store a file of up to 5 GiB whose size and SHA-256 (hex) are known; S3 refuses other bytes than these."""
        self._before_write()
        headers = {"Content-Type": content_type}
        with translated("store", key), path.open("rb") as file:
            body = Range(file.fileno(), 0, size)
            if self._signed.send("PUT", key, headers=headers, body=body, sha256=sha256) is None:
                self.client.put_object(
                    Bucket=self.bucket,
                    Key=key,
                    Body=file,
                    ContentType=content_type,
                    ChecksumSHA256=in_base64(sha256),
                )

    def copy(self, source: str, target: str) -> None:
        """Copy an object inside the bucket, on the server's side. Raises NOT_FOUND."""
        self._before_write()
        with translated("copy", source):
            self.client.copy_object(Bucket=self.bucket, Key=target, CopySource={"Bucket": self.bucket, "Key": source})

    def delete(self, keys: Iterable[str]) -> dict[str, str]:
        """Delete objects; a key under which nothing is stored is no error. Returns the keys of those that the store
        does not delete (a lock, a policy, a fault of its own), with its reasons."""
        batch = list(keys)
        refused: dict[str, str] = {}
        for start in range(0, len(batch), 1000):
            with translated("delete", batch[start]):
                answer = self.client.delete_objects(
                    Bucket=self.bucket,
                    Delete={"Objects": [{"Key": key} for key in batch[start : start + 1000]], "Quiet": True},
                )
            refused |= {one.get("Key", ""): one.get("Code", "") for one in answer.get("Errors", [])}
        return refused
