"""Services in several copies, on one Postgres and one bucket.

That nothing fails while replicas restart in turn during an ingest is held by tests/e2e/test_behind_a_proxy.py.
"""

from __future__ import annotations

import itertools
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx
import imageio_ffmpeg
import psycopg
import pytest

from dreamlake_pipeline.auth import Scope, issue_token
from dreamlake_pipeline.client import DreamLake
from dreamlake_pipeline.client.events import FileEvent
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.remote.http import ServiceClient
from dreamlake_pipeline.remote.server import IndexClient
from dreamlake_pipeline.storage import ObjectStore, open_client
from tests.cli.conftest import Pipeline
from tests.conftest import SECRET, free_port
from tests.replicas import Replica
from tests.tlsproxy import HOST

from .waiting import wait_until_healthy

# Who changes the tables of a schema is written down by Postgres itself, whatever process it is.
_WATCH = """
CREATE TABLE public.changes (schema text, pid int);
GRANT INSERT ON public.changes TO PUBLIC;
CREATE FUNCTION public.note() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO public.changes SELECT schema_name, pg_backend_pid() FROM pg_event_trigger_ddl_commands()
  WHERE object_type = 'table';
END $$;
CREATE EVENT TRIGGER note ON ddl_command_end EXECUTE FUNCTION public.note();
"""


class Installation:
    """Two replicas of each service, which were started at the same moment on an empty database."""

    def __init__(self, database: str, folder: Path) -> None:
        self.database, self._folder = database, folder
        self.store = ObjectStore(open_client(), f"copies-{secrets.token_hex(4)}")
        self.store.create_bucket()
        self.ports = {name: [free_port(), free_port()] for name in ("bss", "server")}
        self.urls = {name: [f"http://{HOST}:{port}" for port in ports] for name, ports in self.ports.items()}
        self._environment = os.environ | {
            "DREAMLAKE_POSTGRES_URL": database,
            "DREAMLAKE_AUTH_SECRET": SECRET,
            "DREAMLAKE_BUCKET": self.store.bucket,
            "DREAMLAKE_BSS_URL": self.urls["bss"][0],
            "DREAMLAKE_DATABASE_CONNECTIONS": "2",
        }
        self.replicas = {(name, port): self.start(name, port) for name, ports in self.ports.items() for port in ports}
        for (_, port), replica in self.replicas.items():
            wait_until_healthy(port, replica.process)

    def start(self, name: str, port: int) -> Replica:
        return Replica(name, port, self._environment, self.log(port))

    def log(self, port: int) -> Path:
        return self._folder / f"{port}.log"

    def end(self) -> None:
        for replica in self.replicas.values():
            replica.process.send_signal(signal.SIGTERM)
        for replica in self.replicas.values():
            replica.process.wait(60)


@pytest.fixture(scope="module")
def installation(
    new_database: Callable[[], str], s3_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    database = new_database()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(_WATCH)
    made = Installation(database, tmp_path_factory.mktemp("copies"))
    try:
        yield made
    finally:
        made.end()


def test_of_replicas_that_start_at_once_one_makes_each_schema(installation: Installation) -> None:
    with psycopg.connect(installation.database) as connection:
        rows = connection.execute("SELECT schema, count(DISTINCT pid), count(*) FROM changes GROUP BY 1").fetchall()
    by = {schema: processes for schema, processes, _ in rows}
    assert by["bss"] == by["dreamlake"] == 1
    assert all(changes > 5 for schema, _, changes in rows if schema in ("bss", "dreamlake"))


def test_what_one_replica_was_told_is_played_by_any(installation: Installation, owner: str, tmp_path: Path) -> None:
    stream, chunk = secrets.token_hex(16), secrets.token_hex(32)
    _make_video(tmp_path / "front.mp4")
    key = issue_token(SECRET, sub="test", namespaces=["*"], ttl=600, scope=Scope.WRITE)
    first, second = installation.urls["bss"]
    # Uploaded by the one, processed by the other.
    with DreamLake(remote=installation.urls["server"][0], bss_url=first, api_key=key, namespace=owner) as lake:
        told = [event for event in lake.ingest_events(tmp_path, episode="robot") if isinstance(event, FileEvent)]
        assert [event.status for event in told] == ["uploaded"]
        (record,) = lake.bss.list_all(Kind.VIDEO, owner=owner)
    store, folder = installation.store, f"{owner}/robot/videos/{record.id}/stream"
    store.put(f"chunks/{chunk}.ts", b"a segment", content_type="video/mp2t")
    lines = f"#EXTINF:1.000,\n../../../../../chunks/{chunk}.ts\n#EXT-X-ENDLIST\n"
    hls = "application/vnd.apple.mpegurl"
    store.put(f"{folder}/{stream}.m3u8", f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n{lines}".encode(), content_type=hls)
    master = f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=100\n{stream}.m3u8\n"
    store.put(f"{folder}/master.m3u8", master.encode(), content_type=hls)
    with (
        ServiceClient("BSS", second, key) as bss,
        ServiceClient("DreamLake Server", installation.urls["server"][1], key) as server,
    ):
        pipeline, deadline = Pipeline(bss, IndexClient(server)), time.monotonic() + 60
        pipeline.metadata = {"streams": [stream], "timeOrigin": {"streamStart": 1.4}}
        while not pipeline.work(owner, lambda _: None):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    with httpx.Client(headers={"Origin": "https://viewer.example.com"}) as browser:
        for giver, player in itertools.product((first, second), repeat=2):
            asked = browser.get(f"{giver}/videos/{record.id}/playback", headers={"Authorization": f"Bearer {key}"})
            url = asked.json()["url"].replace(giver, player)
            for _ in range(2):  # the master playlist leads to the one of the stream, and that to the segment
                playlist = browser.get(url)
                assert playlist.status_code == 200, (giver, player, playlist.text)
                (line,) = [line for line in playlist.text.splitlines() if line and not line.startswith("#")]
                url = urljoin(url, line)
            assert urlsplit(url).netloc == urlsplit(player).netloc
            assert browser.get(url).content == b"a segment"


def test_replicas_go_on_beside_a_newer_schema_and_are_not_started_again(installation: Installation) -> None:
    """Readers of a new version come before its writers: who is still of the earlier one works until he is replaced."""
    with psycopg.connect(installation.database, autocommit=True) as connection:
        connection.execute("ALTER TABLE bss.records ADD COLUMN of_the_next_version text")
        connection.execute("UPDATE bss.alembic_version SET version_num = '9999'")
    running, replaced = installation.ports["bss"]
    installation.replicas["bss", replaced].end()
    installation.replicas["bss", replaced] = again = installation.start("bss", replaced)
    assert again.process.wait(90) == 3
    assert "revision 9999, which this version does not know" in installation.log(replaced).read_text()
    key = issue_token(SECRET, sub="test", namespaces=["*"], ttl=600, scope=Scope.WRITE)
    with httpx.Client(base_url=f"http://{HOST}:{running}", headers={"Authorization": f"Bearer {key}"}) as client:
        assert client.get("/healthz").status_code == 200
        assert client.get("/videos", params={"owner": "nobody"}).status_code == 200
        gone = {"owner": "nobody", "project": "robot", "files": []}
        assert client.post("/uploads/plan", json=gone).status_code < 500


def _make_video(path: Path) -> None:
    source = ("-f", "lavfi", "-i", "testsrc=size=64x64:rate=10:duration=1")
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", *source, "-pix_fmt", "yuv420p", path]
    subprocess.run(command, check=True, timeout=60)
