"""The object store: one S3 bucket, through boto3; small requests and presigned URLs are signed by `signedrequests`.

The docstrings of its parts are the contract; `tests/storage/` holds every S3 server we use to it.
"""

from __future__ import annotations

from .listing import Listing
from .multipart import Multipart
from .presigning import Presigning
from .reading import Reading
from .writing import Writing


class ObjectStore(Reading, Listing, Writing, Presigning, Multipart):
    """One bucket of an S3 server. Safe to share between threads."""
