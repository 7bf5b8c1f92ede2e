"""Directories of video, audio, subtitles and labels: stored once, playable, described and findable."""

import os

__version__ = "0.1.0"

# The setting `ca_file`: OpenSSL and boto3 read variables of their own, also in libraries that know nothing of ours,
# such as Dagster's log manager for S3. Each process imports this module before it makes a connection.
if _authorities := os.environ.get("DREAMLAKE_CA_FILE"):
    for _variable in ("SSL_CERT_FILE", "AWS_CA_BUNDLE"):
        os.environ.setdefault(_variable, _authorities)
