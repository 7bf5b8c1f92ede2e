"""The object store: dagster-aws's S3 resource, with this project's client configuration and its one bucket."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from dagster_aws.s3 import S3Resource
from pydantic import Field

if TYPE_CHECKING:
    from ..storage import ObjectStore

# Seconds for which the store may be silent, and how often a request is made, before a run puts the file off: what waits
# for the store is tried again by itself, and whoever waits in the run keeps others from its place.
_SILENCE = 20.0
_TRIES = 3


class ObjectStoreResource(S3Resource):
    """Endpoint, region and credentials are those of `S3Resource`: left out, boto3's environment variables hold."""

    bucket: str = Field(description="The one S3 bucket.")

    def get_client(self) -> Any:
        """An S3 client by our configuration; `S3Resource` itself offers nothing of that but the number of attempts."""
        return _open_client(
            self.profile_name,
            region_name=self.region_name,
            endpoint_url=self.endpoint_url,
            use_ssl=self.use_ssl,
            verify=self.verify,
            aws_access_key_id=self.aws_access_key_id,
            aws_secret_access_key=self.aws_secret_access_key,
            aws_session_token=self.aws_session_token,
        )

    @property
    def store(self) -> ObjectStore:
        """The bucket."""
        from ..storage import ObjectStore

        return ObjectStore(self.get_client(), self.bucket)

    def uri(self, key: str) -> str:
        """How people and other tools name an object or a prefix."""
        return f"s3://{self.bucket}/{key}"


@lru_cache(maxsize=8)
def _open_client(profile_name: str | None, **connection: Any) -> Any:
    """Shared by all threads of the process: making a client costs 0.2 s of CPU, and sensors tick every few seconds."""
    import boto3

    from ..storage import client_config, default_region
    from ..tls import authorities_file

    connection["region_name"] = connection["region_name"] or default_region()
    if connection["verify"] in (None, True):  # whom our other clients trust, and not a list of boto3's own
        connection["verify"] = authorities_file()
    config = client_config(silence=_SILENCE, tries=_TRIES)
    return boto3.Session(profile_name=profile_name).client("s3", config=config, **connection)
