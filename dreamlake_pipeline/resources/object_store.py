"""The object store: dagster-aws's S3 resource, with this project's client configuration and its one bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dagster_aws.s3 import S3Resource
from pydantic import Field, PrivateAttr

if TYPE_CHECKING:
    from ..objectstore import ObjectStore


class ObjectStoreResource(S3Resource):
    """Endpoint, region and credentials are those of `S3Resource`: left out, boto3's environment variables hold."""

    bucket: str = Field(description="The one S3 bucket.")

    _store: Any = PrivateAttr(default=None)

    def get_client(self) -> Any:
        """An S3 client by our configuration; `S3Resource` itself offers nothing of that but the number of attempts."""
        import boto3

        from ..objectstore import client_config

        return boto3.Session(profile_name=self.profile_name).client(
            "s3",
            region_name=self.region_name,
            endpoint_url=self.endpoint_url,
            use_ssl=self.use_ssl,
            verify=self.verify,
            aws_access_key_id=self.aws_access_key_id,
            aws_secret_access_key=self.aws_secret_access_key,
            aws_session_token=self.aws_session_token,
            config=client_config(),
        )

    @property
    def store(self) -> ObjectStore:
        """The bucket, through one client for as long as the resource lives."""
        if self._store is None:
            from ..objectstore import ObjectStore

            self._store = ObjectStore(self.get_client(), self.bucket)
        return self._store

    def uri(self, key: str) -> str:
        """How people and other tools name an object or a prefix."""
        return f"s3://{self.bucket}/{key}"
