"""What a run needs in memory: imported, and made ready, before runs are forked (instance/run_server.py).

Nothing here starts a thread or opens a connection, which a fork could not share. A run imports what is missing.
"""

from __future__ import annotations

from contextlib import suppress

import dagster_postgres  # noqa: F401
import sqlalchemy.dialects.postgresql.psycopg
import sqlalchemy.dialects.postgresql.psycopg2  # noqa: F401
from botocore.exceptions import BotoCoreError

from . import database  # noqa: F401
from .definitions import object_store
from .instance import storage
from .instance.schema import newest_revision
from .media.run import build
from .processing import audio, batch, index, label_track, text_track, video  # noqa: F401
from .remote import pipeline  # noqa: F401
from .server import index as folder_tree  # noqa: F401

newest_revision()
build.learn()
# Whoever launched a run has opened Dagster's tables, of which this run is a row.
storage.expect_tables()

# Making a client costs 0.1 s of CPU. Without a region or credentials there is none yet, and a run says so.
with suppress(BotoCoreError):
    object_store.get_client()
