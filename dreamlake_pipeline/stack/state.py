"""What the embedded stack remembers under `$DREAMLAKE_HOME`: its id, its ports and its credentials.

stack.json         id, its own path, ports, the supervisor's socket, doors
credentials.json   passwords, keys and tokens (0600)
superuser.json     the password of Postgres's superuser, which `up` alone uses (0600)
logs/              one per process, rotated
run/               sockets, pid files, one note for every start of a process
dagster/           DAGSTER_HOME: dagster.yaml, workspace.yaml, compute logs
postgres/          the database cluster
objects/           what the S3 server stores
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import socket
import stat
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..errors import Code, DreamlakeError

HOST = "127.0.0.1"
REGION = "us-east-1"
BUCKET = "dreamlake"
DATABASE = "dreamlake"

LISTENERS = ("postgres", "s3", "bss", "server", "viewer", "dagster-webserver")

# Below the ranges from which Linux and macOS give ports to outgoing connections: a remembered port stays free.
_PORTS = range(20000, 32000)
_LINGERS = 3.0  # seconds

# sockaddr_un holds 104 bytes on macOS and 108 on Linux; supervisord binds a name with its pid behind it first.
_LONGEST_SOCKET_PATH = 90


@dataclass(frozen=True, slots=True)
class Credentials:
    """Generated at the first start, never shown except by `dreamlake env`.

    The first four are passwords of database users (`roles.py`).
    """

    bss_password: str
    dreamlake_password: str
    dagster_password: str
    operator_password: str
    s3_access_key: str
    s3_secret_key: str
    auth_secret: str
    dagster_secret: str
    viewer_secret: str
    cli_token: str
    service_token: str


@dataclass(frozen=True, slots=True)
class Stack:
    """One embedded stack: where it lives, where its parts listen, what they trust.

    `doors` are the ports at which others reach a part before which somebody put a proxy; most stacks have none.
    """

    home: Path
    id: str
    ports: dict[str, int]
    socket: Path
    credentials: Credentials = field(repr=False)
    doors: dict[str, int] = field(default_factory=dict)

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def run(self) -> Path:
        return self.home / "run"

    @property
    def dagster_home(self) -> Path:
        return self.home / "dagster"

    @property
    def postgres_data(self) -> Path:
        return self.home / "postgres"

    @property
    def superuser_file(self) -> Path:
        return self.home / "superuser.json"

    @property
    def objects(self) -> Path:
        return self.home / "objects"

    @property
    def run_socket(self) -> Path:
        """Where the process listens that runs are forked from."""
        return self.socket.with_name("runs.sock")

    @property
    def code_socket(self) -> Path:
        """Where the code location listens."""
        return self.socket.with_name("code.sock")

    @property
    def worker_socket(self) -> Path:
        """Where the process listens that workers are forked from."""
        return self.socket.with_name("workers.sock")

    def door_of(self, process: str) -> int:
        """The port at which the others reach a process."""
        return self.doors.get(process, self.ports[process])

    def log_of(self, process: str) -> Path:
        return self.logs / f"{process}.log"

    def url_of(self, process: str) -> str | None:
        """Where a process answers; None when it listens to nobody. Postgres's has no password in it."""
        if process not in self.ports:
            return None
        if process == "postgres":
            return f"postgresql://operator@{HOST}:{self.ports[process]}/{DATABASE}"
        return f"http://{HOST}:{self.ports[process]}"

    @property
    def login_url(self) -> str:
        """The link that logs a browser in to Dagster's webserver (instance/webserver/session.py)."""
        return f"{self.url_of('dagster-webserver')}/login?secret={self.credentials.dagster_secret}"

    def postgres_url(self, user: str = "operator") -> str:
        """The database as one of its users (`roles.py`) reaches it."""
        password = getattr(self.credentials, f"{user}_password")
        return f"postgresql://{user}:{password}@{HOST}:{self.door_of('postgres')}/{DATABASE}"

    @property
    def dagster_postgres_url(self) -> str:
        """The same database for Dagster: its driver named (it needs psycopg2), its tables in a schema of their own."""
        options = quote("-csearch_path=dagster", safe="")
        return f"{self.postgres_url('dagster').replace('postgresql:', 'postgresql+psycopg2:', 1)}?options={options}"

    def environment(self) -> dict[str, str]:
        """What a client of this stack needs in its environment, and a person who looks after it."""
        keys = self.credentials
        return {
            "DREAMLAKE_HOME": str(self.home),
            "DREAMLAKE_REMOTE": f"http://{HOST}:{self.door_of('server')}",
            "DREAMLAKE_BSS_URL": f"http://{HOST}:{self.door_of('bss')}",
            "DREAMLAKE_API_KEY": keys.cli_token,
            "DREAMLAKE_DAGSTER_URL": f"http://{HOST}:{self.door_of('dagster-webserver')}",
            # A stack of an earlier version has none until the next `up`.
            **({"DREAMLAKE_VIEWER_URL": f"http://{HOST}:{self.door_of('viewer')}"} if "viewer" in self.ports else {}),
            "DREAMLAKE_BUCKET": BUCKET,
            "DREAMLAKE_POSTGRES_URL": self.postgres_url(),
            "DREAMLAKE_AUTH_SECRET": keys.auth_secret,
            "DREAMLAKE_DAGSTER_SECRET": keys.dagster_secret,
            "AWS_ENDPOINT_URL": f"http://{HOST}:{self.door_of('s3')}",
            "AWS_ACCESS_KEY_ID": keys.s3_access_key,
            "AWS_SECRET_ACCESS_KEY": keys.s3_secret_key,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            # Without it boto3 may ask a cloud's metadata address, which costs seconds where there is none.
            "AWS_EC2_METADATA_DISABLED": "true",
            "DREAMLAKE_RUN_SOCKET": str(self.run_socket),
            "DREAMLAKE_WORKER_SOCKET": str(self.worker_socket),
            "DAGSTER_HOME": str(self.dagster_home),
            "DAGSTER_POSTGRES_URL": self.dagster_postgres_url,
        }

    def save(self) -> None:
        """Write both files; stack.json last, since a stack exists once it does."""
        write_private(self.home / "credentials.json", asdict(self.credentials))
        where = {
            "id": self.id,
            "home": os.path.realpath(self.home),
            "ports": self.ports,
            "socket": str(self.socket),
        }
        write_private(self.home / "stack.json", where | ({"doors": self.doors} if self.doors else {}))

    def with_free_ports(self) -> Stack:
        """This stack with another port in the place of each that somebody else listens on.

        A process of its own that was killed a moment ago, and of which nothing can be read any more, still listens
        until the system has its memory back: so a port that is taken is looked at for some seconds.
        """
        ports, until = dict(self.ports), time.monotonic() + _LINGERS
        for name, port in self.ports.items():
            while not (is_free := _is_free(port)) and time.monotonic() < until:
                time.sleep(0.05)
            if not is_free:
                ports[name] = free_port(taken=set(ports.values()))
        return replace(self, ports=ports)

    def with_socket(self) -> Stack:
        """This stack with a folder for its supervisor's socket that exists and is ours alone."""
        folder = self.socket.parent
        with suppress(FileNotFoundError):
            # Not through a link, which somebody else may have made in the temporary folder.
            found = folder.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077:
                return self
        return replace(self, socket=_socket_path(self.home))


def environment(home: Path) -> dict[str, str] | None:
    """What a client of the stack under `home` needs in its environment; None when none was ever started there.

    It says nothing about whether the stack is running. Raises DreamlakeError when its files cannot be read.
    """
    stack = load(home)
    return stack.environment() if stack else None


def load(home: Path) -> Stack | None:
    """The stack that lives under `home`; None when none was ever started there."""
    home = _absolute(home)
    try:
        if not (home / "stack.json").exists():
            return None
        remembered = json.loads((home / "stack.json").read_text())
        keys = json.loads((home / "credentials.json").read_text())
        stack_id, socket_path = str(remembered["id"]), Path(remembered["socket"])
        if _is_elsewhere(home, remembered):
            stack_id, socket_path = _own_of_copy(home, stack_id)
        return Stack(
            home=home,
            id=stack_id,
            # What an earlier version did not have is made by the next `up` (`complete`).
            ports={name: int(remembered["ports"][name]) for name in LISTENERS if name in remembered["ports"]},
            socket=socket_path,
            credentials=Credentials(**{one.name: str(keys.get(one.name, "")) for one in fields(Credentials)}),
            doors={name: int(port) for name, port in remembered.get("doors", {}).items()},
        )
    except PermissionError as fault:
        raise DreamlakeError(
            Code.STACK_FAILED,
            f"{fault.filename} cannot be read: this stack belongs to another user.",
            hint="Become that user, or set DREAMLAKE_HOME to a folder of your own.",
        ) from fault
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise DreamlakeError(
            Code.STACK_FAILED,
            f"The state under {home} is damaged: {fault}.",
            hint="Restore stack.json and credentials.json, or set DREAMLAKE_HOME to another folder.",
        ) from fault


def is_copied(home: Path) -> bool:
    """Whether the stack under `home` has not been started since its folder was moved or copied here."""
    home = _absolute(home)
    try:
        return _is_elsewhere(home, json.loads((home / "stack.json").read_text()))
    except FileNotFoundError:
        return False


def _is_elsewhere(home: Path, remembered: dict[str, Any]) -> bool:
    """Whether stack.json was written for another folder than the one in which it is. An earlier version did not write
    for which, but where its socket is: mostly in the folder."""
    socket_path = Path(remembered["socket"])
    origin = remembered.get("home") or (socket_path.parents[1] if socket_path.parent.name == "run" else home)
    return os.path.realpath(origin) != os.path.realpath(home)


def _own_of_copy(home: Path, origin_id: str) -> tuple[str, Path]:
    """The id and the socket of a stack that was copied: with those of its origin, it would be taken for that, which may
    be running. They are the same at each call; `up` keeps them."""
    own = hashlib.sha256(f"{origin_id} {os.path.realpath(home)}".encode()).hexdigest()[:16]
    path = _socket_in(home)
    # A folder that is not there: `with_socket` makes one.
    return own, path if _is_short(path) else Path(tempfile.gettempdir()) / f"dreamlake-{own}" / path.name


def create(home: Path) -> Stack:
    """A new stack under `home`, with ports and credentials of its own. Raises DreamlakeError(STACK_FAILED)."""
    home = _absolute(home)
    ports: dict[str, int] = {}
    for name in LISTENERS:
        ports[name] = free_port(taken=set(ports.values()))
    stack = Stack(
        home=home, id=secrets.token_hex(8), ports=ports, socket=_socket_path(home), credentials=_new_credentials()
    )
    stack.save()
    return stack


def complete(stack: Stack) -> Stack:
    """The stack with what it lacks when an earlier version made it: ports and credentials that there were none of, and
    the superuser's password in a file of its own."""
    new = asdict(_new_credentials())
    known = {name: value for name, value in asdict(stack.credentials).items() if value}
    ports = dict(stack.ports)
    for name in LISTENERS:
        if name not in ports:
            ports[name] = free_port(taken=set(ports.values()))
    if known.keys() == new.keys() and ports == stack.ports:
        return stack
    if password := json.loads((stack.home / "credentials.json").read_text()).get("postgres_password"):
        write_private(stack.superuser_file, {"password": password})
    completed = replace(stack, ports=ports, credentials=Credentials(**(new | known)))
    completed.save()
    return completed


def make_home(home: Path) -> Path:
    """The folder, made if need be, readable by its owner only. Raises DreamlakeError(STACK_FAILED)."""
    home = _absolute(home)
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("logs", "run", "dagster", "objects"):
            (home / name).mkdir(mode=0o700, exist_ok=True)
            (home / name).chmod(0o700)
        owner = home.stat().st_uid
        if owner == os.geteuid() and home.stat().st_mode & 0o067:
            # Group search stays: as root, Postgres's user reaches its data by it (postgres.py).
            home.chmod(0o700)
    except OSError as fault:
        raise DreamlakeError(
            Code.STACK_FAILED,
            f"{home} cannot hold the stack's state: {fault.strerror} ({fault.filename}).",
            hint="Set DREAMLAKE_HOME to a folder that you may write to.",
        ) from fault
    if owner != os.geteuid():
        raise DreamlakeError(
            Code.STACK_FAILED,
            f"{home} belongs to another user.",
            hint="Become that user, or set DREAMLAKE_HOME to a folder of your own.",
        )
    return home


def _new_credentials() -> Credentials:
    # Imported here: every process of the stack reads this module before it starts (become.py).
    from ..auth import Scope, issue_token
    from ..names import EVERY_NAMESPACE

    secret = secrets.token_hex(32)

    def token(sub: str) -> str:
        return issue_token(secret, sub=sub, namespaces=[EVERY_NAMESPACE], scope=Scope.WRITE, ttl=None)

    return Credentials(
        bss_password=secrets.token_hex(24),
        dreamlake_password=secrets.token_hex(24),
        dagster_password=secrets.token_hex(24),
        operator_password=secrets.token_hex(24),
        s3_access_key=f"DL{secrets.token_hex(9).upper()}",
        s3_secret_key=secrets.token_hex(20),
        auth_secret=secret,
        dagster_secret=secrets.token_hex(32),
        viewer_secret=secrets.token_hex(32),
        cli_token=token("local"),
        service_token=token("pipeline"),
    )


def _socket_path(home: Path) -> Path:
    path = _socket_in(home)
    return path if _is_short(path) else Path(tempfile.mkdtemp(prefix="dreamlake-")) / path.name


def _socket_in(home: Path) -> Path:
    return home / "run" / "supervisor.sock"


def _is_short(path: Path) -> bool:
    return len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH


def free_port(taken: set[int]) -> int:
    """A port that nobody listens on, and that is not given to outgoing connections."""
    for _ in range(1000):
        port = secrets.choice(_PORTS)
        if port not in taken and _is_free(port):
            return port
    raise DreamlakeError(Code.STACK_FAILED, f"No free port between {_PORTS.start} and {_PORTS.stop} on {HOST}.")


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        # As the servers themselves do: connections of an earlier start that linger must not count.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError:
            return False
        return True


def _absolute(home: Path) -> Path:
    return Path(os.path.abspath(home.expanduser()))  # noqa: PTH100 - without following symlinks


def write_private(path: Path, value: dict[str, Any]) -> None:
    """Replace a JSON file in one step, readable by its owner only."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(value, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
