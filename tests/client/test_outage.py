"""An ingest while parts of the installation are away for longer than a few tries: nothing fails, nothing is lost."""

from __future__ import annotations

import hashlib
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dreamlake_pipeline.auth import Scope, issue_token
from dreamlake_pipeline.bss.app import create_app as create_bss
from dreamlake_pipeline.client import DreamLake, FileEvent, Selection
from dreamlake_pipeline.client.events import Waiting
from dreamlake_pipeline.client.target import parse_target
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.server.app import create_app as create_server
from dreamlake_pipeline.settings import Settings
from dreamlake_pipeline.storage import ObjectStore, open_client
from tests.conftest import SECRET, free_port
from torture.doors import Doors

MIB = 2**20
AWAY_SECONDS = 8.0  # a few quick tries are over by then
FILES = 60
LINGER_SECONDS = 1.0  # longer than the client waits for more files of a group


class Installation(NamedTuple):
    lake: DreamLake
    doors: Doors
    settings: Settings  # of BSS, which looks at them for each request


@pytest.fixture
def store(s3_server: str) -> ObjectStore:
    """A bucket of this test's own, which a database of its own goes with."""
    made = ObjectStore(open_client(), f"outage-{secrets.token_hex(4)}")
    made.create_bucket()
    return made


@pytest.fixture
def behind_doors(
    new_database: Callable[[], str],
    store: ObjectStore,
    s3_server: str,
    serve: Callable[..., AbstractContextManager[str]],
    owner: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Installation]:
    """A client of both services, and the doors before these and the store."""
    ports = {name: free_port() for name in ("bss", "server", "s3")}
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    monkeypatch.setenv("AWS_ENDPOINT_URL", urls["s3"])
    settings = Settings(
        postgres_url=new_database(),
        auth_secret=SECRET,
        bucket=store.bucket,
        part_size=5 * MIB,
        bss_url=urls["bss"],
    )
    with ExitStack() as stack:
        served = {
            "bss": stack.enter_context(serve(create_bss(settings))),
            "server": stack.enter_context(serve(create_server(settings))),
            "s3": s3_server,
        }
        ways = {name: (ports[name], int(url.rpartition(":")[2])) for name, url in served.items()}
        doors = stack.enter_context(Doors(ways, seed=1))
        key = issue_token(SECRET, sub="test", namespaces=[owner], ttl=600, scope=Scope.WRITE)
        lake = DreamLake(remote=urls["server"], bss_url=urls["bss"], api_key=key, namespace=owner)
        yield Installation(stack.enter_context(lake), doors, settings)


@pytest.mark.parametrize(
    ("faults", "told"),
    [
        ({"bss": "502"}, {"BSS"}),
        ({"server": "refuse"}, {"DreamLake Server"}),
        ({"s3": "refuse"}, {"the object store"}),
        ({"bss": "504", "server": "cut", "s3": "503"}, {"BSS"}),
    ],
    ids=str,
)
def test_an_outage_in_the_middle_fails_nothing(
    behind_doors: Installation,
    store: ObjectStore,
    owner: str,
    tmp_path: Path,
    faults: dict[str, str],
    told: set[str],
) -> None:
    lake, doors, settings = behind_doors
    # One goes in parts. A plan for it asks the store, so that BSS would be waited for where the store alone is away.
    large = 1 if set(faults) == {"s3"} else FILES // 2 + 1
    for n in range(FILES):
        size = 12 * MIB if n == large else 2000
        (tmp_path / f"{n:03}.csv").write_bytes(random.Random(n).randbytes(size))
    target, stored, is_away = parse_target("robot", namespace=owner), [], threading.Event()

    def end_outage() -> None:
        settings.url_ttl = 600
        for name in faults:
            doors.set(name, None)

    def found() -> Iterator[Any]:
        """Half of the files; when some are stored, the outage begins, and then the other half."""
        for n, file in enumerate(Selection(tmp_path, target).files()):
            if n == FILES // 2 - 1:
                time.sleep(LINGER_SECONDS)  # with this file, those before it are passed on
            if n == FILES // 2:
                deadline = time.monotonic() + 60
                while not stored:
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
                if set(faults) == {"s3"}:
                    settings.url_ttl = 2  # what is signed from now on is no longer good when the outage ends
                for name, fault in faults.items():
                    doors.set(name, fault)
                is_away.set()
                threading.Timer(AWAY_SECONDS, end_outage).start()
            yield file

    waits, failed = [], []
    for event in lake.store_events(found(), target):
        if isinstance(event, FileEvent) and event.status == "uploaded":
            stored.append(event)
        elif isinstance(event, FileEvent):
            failed.append((event.name, event.status, event.reason))
        elif isinstance(event, Waiting):
            waits.append(event)
    assert is_away.is_set()
    assert failed == []
    assert len(stored) == FILES
    begun = {wait.service for wait in waits if not wait.is_over}
    assert begun >= told and begun == {wait.service for wait in waits if wait.is_over}
    assert max(wait.seconds for wait in waits) < 60

    names = {f"/{n:03}.csv" for n in range(FILES)}
    assert {record.name for record in lake.bss.list_all(Kind.LABEL_TRACK, owner=owner)} == names
    assert {asset.name for asset in lake.index.assets(Kind.LABEL_TRACK, namespace=owner, project="robot")} == names
    for path in tmp_path.iterdir():
        data = path.read_bytes()
        assert store.read(f"{owner}/robot/staging/{hashlib.sha256(data).hexdigest()}") == data


def test_leaving_an_ingest_that_waits_ends_it(behind_doors: Installation, owner: str, tmp_path: Path) -> None:
    lake, doors, _ = behind_doors
    (tmp_path / "a.csv").write_bytes(b"t,x\n1,2\n")
    doors.set("s3", "refuse")
    there_before = set(threading.enumerate())
    events = lake.ingest_events(tmp_path, episode="robot")
    for event in events:
        if isinstance(event, Waiting):
            break
    events.close()  # type: ignore[attr-defined]
    left = set(threading.enumerate()) - there_before
    assert [thread.name for thread in left if thread.name.startswith("dreamlake-")] == []
