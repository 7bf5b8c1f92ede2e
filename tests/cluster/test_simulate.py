"""The simulation works all of its files through the real services, and tells how busy its nodes were."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager

import psycopg
import pytest

from cluster.simulate import Place, table, work
from dreamlake_pipeline import layout
from dreamlake_pipeline.api.bss import FinishedFile
from dreamlake_pipeline.auth import Scope, issue_token
from dreamlake_pipeline.bss.app import create_app as create_bss
from dreamlake_pipeline.client import DreamLake
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.names import EVERY_NAMESPACE
from dreamlake_pipeline.server.app import create_app as create_server
from dreamlake_pipeline.settings import Settings
from dreamlake_pipeline.storage.objectstore import ObjectStore
from tests.conftest import SECRET

FILES = 30


@pytest.mark.timeout(600)
def test_nodes_work_everything_off(
    new_database: Callable[[], str],
    object_store: ObjectStore,
    serve: Callable[..., AbstractContextManager[str]],
    owner: str,
) -> None:
    database = new_database()
    settings = Settings(postgres_url=database, auth_secret=SECRET, bucket=object_store.bucket)
    token = issue_token(SECRET, sub="pipeline", namespaces=[EVERY_NAMESPACE], scope=Scope.WRITE, ttl=3600)
    with serve(create_bss(settings)) as bss_url:
        with serve(create_server(settings.model_copy(update={"bss_url": bss_url}))) as remote:
            _stage(DreamLake(remote=remote, bss_url=bss_url, api_key=token), object_store, owner)
        made = work(Place(bss_url, token, database), 3, FILES, batch=4, mean=0.2)
    with psycopg.connect(database.replace("+psycopg", "")) as connection:
        records = connection.execute("SELECT status, attempts, count(*) FROM bss.records GROUP BY 1, 2").fetchall()
        indexed = connection.execute("SELECT status, count(*) FROM dreamlake.asset_details GROUP BY 1").fetchall()
        opened = connection.execute("SELECT count(*) FROM bss.batches WHERE state = 'open'").fetchone()
    assert (records, indexed, opened) == ([("ready", 1, FILES)], [("ready", FILES)], (0,))
    assert (made.nodes, made.files) == (3, FILES)
    assert 0 < made.busy <= 1 and made.seconds > 0
    assert len(table([made]).splitlines()) == 2


def _stage(client: DreamLake, store: ObjectStore, owner: str) -> None:
    finished = []
    for number in range(FILES):
        content = b"RIFF" + number.to_bytes(8, "big")
        digest = hashlib.sha256(content).hexdigest()
        store.put(layout.staging_key(owner, "cups", digest), content, content_type="audio/wav")
        finished.append(FinishedFile(kind=Kind.AUDIO, name=f"/mic-{number}.wav", hash=digest, size=len(content)))
    with client:
        client.bss.finish_uploads(owner, "cups", finished)
