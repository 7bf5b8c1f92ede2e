"""deploy/README.md is followed: what it installs runs, without the tools that tests need, and processes a file."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dreamlake_pipeline.storage import ObjectStore, open_client
from tests.certificates import Authority
from tests.conftest import free_port

from .conftest import DEPLOY, ROOT, Place, Unit, block
from .waiting import wait_for_socket, wait_until_healthy

SERVICES = ("bss", "server", "viewer")
UNITS = sorted(path.name for path in (DEPLOY / "systemd").glob("*.service"))


def test_the_lock_has_what_runs_as_it_was_tested() -> None:
    pin = re.compile(r"^([a-z0-9.-]+)==(\S+)", re.MULTILINE)
    tested, runs = (
        dict(pin.findall((ROOT / name).read_text())) for name in ("requirements.lock", "deploy/requirements.lock")
    )
    assert runs.items() <= tested.items()
    assert {"dagster", "dagster-k8s", "boto3", "psycopg"} <= set(runs)
    assert not {"pytest", "moto", "mypy", "ruff", "hypothesis", "playwright", "kmock"} & set(runs)


def test_the_wheel_has_all_files_of_deploy_and_the_pages_name_files_that_exist(wheel: Path) -> None:
    named = {
        name.partition("/share/dreamlake/")[2]
        for name in zipfile.ZipFile(wheel).namelist()
        if "/share/dreamlake/" in name
    }
    assert named == {str(path.relative_to(ROOT)) for path in DEPLOY.rglob("*") if path.is_file()}
    for page in DEPLOY.rglob("*.md"):
        for script in re.findall(r"share/dreamlake/deploy/([\w./*-]+\w)", page.read_text()):
            assert list(DEPLOY.glob(script)), f"{page}: {script}"


@pytest.mark.parametrize("name", UNITS)
def test_units_are_what_systemd_takes(installed: Place, name: str, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    for file in (installed.folder / "etc/systemd/system").iterdir():
        text = re.sub(r"^(After|Wants)=.*", "", installed.here(file.read_text()), flags=re.MULTILINE)
        (tmp_path / file.name.replace("@.", "@8001.")).write_text(text)
    told = subprocess.run(
        ["systemd-analyze", "verify", tmp_path / name.replace("@.", "@8001.")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (told.returncode, [line for line in told.stderr.splitlines() if str(tmp_path) in line]) == (0, [])


def test_nginx_takes_its_configuration(installed: Place, tmp_path: Path) -> None:
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed")
    installed.run(block("nginx -t"))
    assert (installed.folder / "asked").read_text().splitlines()[-2:] == ["nginx -t", "systemctl reload nginx"]
    certificate = Authority(tmp_path).issue("*.example.com").read_text()
    for suffix in ("pem", "key"):
        (installed.folder / f"etc/nginx/dreamlake.{suffix}").write_text(certificate)
    text = installed.here((installed.folder / "etc/nginx/conf.d/dreamlake.conf").read_text())
    tls, plain = free_port(), free_port()  # an ordinary user may not listen at 443
    (tmp_path / "dreamlake.conf").write_text(
        text.replace("listen 443", f"listen {tls}").replace("listen 80;", f"listen {plain};")
    )
    folders = "".join(
        f"{kind}_temp_path {tmp_path}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid; error_log {tmp_path}/log; events {{}}\n"
        f"http {{ {folders} include {tmp_path}/dreamlake.conf; }}"
    )
    told = subprocess.run(
        ["nginx", "-t", "-c", tmp_path / "nginx.conf", "-e", tmp_path / "log"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert told.returncode == 0 and "warn" not in told.stderr, told.stderr


@pytest.mark.timeout(300)
def test_what_is_installed_runs_and_processes_a_file(
    installed: Place, s3_server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ObjectStore(open_client(), "my-recordings").create_bucket()
    ports = {service: free_port() for service in SERVICES} | {"webserver": free_port()}
    _configure(installed, ports)
    with _running(installed, ports):
        installed.run(block("dreamlake doctor"))
        key = installed.run(block("--namespace lab")).strip()
        (tmp_path / "a.csv").write_text("t,x\n0,1\n1,2\n")
        done = subprocess.run(
            [
                installed.folder / "opt/dreamlake/bin/dreamlake",
                "ingest",
                tmp_path,
                "--episode",
                "cups",
                "--wait",
                "--json",
            ],
            env={
                "HOME": str(installed.folder),
                "DREAMLAKE_REMOTE": f"http://127.0.0.1:{ports['server']}",
                "DREAMLAKE_BSS_URL": f"http://127.0.0.1:{ports['bss']}",
                "DREAMLAKE_NAMESPACE": "lab",
                "DREAMLAKE_API_KEY": key,
            },
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert done.returncode == 0, done.stdout + done.stderr + _logs(installed)
        assert [json.loads(line)["status"] for line in done.stdout.splitlines() if '"file"' in line][-1:] == [
            "ready"
        ], done.stdout


def _configure(place: Place, ports: dict[str, int]) -> None:
    """What a person replaces by hand: the addresses, and the bucket's keys."""
    host = place.variables["PGHOST"]
    for file in (place.folder / "etc/dreamlake").iterdir():
        text = file.read_text()
        text = re.sub(
            r'@db\.example\.com:5432/dreamlake\?sslmode=[^&\s]+&sslrootcert=[^&\s"]+', f"@/dreamlake?host={host}", text
        )
        text = text.replace("https://s3.example.com", os.environ["AWS_ENDPOINT_URL"])
        text = text.replace("@ACCESS_KEY@", os.environ["AWS_ACCESS_KEY_ID"]).replace(
            "@SECRET_KEY@", os.environ["AWS_SECRET_ACCESS_KEY"]
        )
        for name, port in (("bss", "bss"), ("dreamlake", "server"), ("viewer", "viewer"), ("dagster", "webserver")):
            text = text.replace(f"https://{name}.example.com", f"http://127.0.0.1:{ports[port]}")
        file.write_text(place.here(text))
        assert not re.search(r"@[A-Z_]+@|\bexample\.com:5432", text), file
    workspace = place.folder / "var/lib/dreamlake/dagster/workspace.yaml"
    workspace.write_text(place.here(workspace.read_text()))


@contextmanager
def _running(place: Place, ports: dict[str, int]) -> Iterator[None]:
    """All of the units, started from their own lines in the order that the page says; ended by their own signals, in
    the time that they give."""
    units = [Unit(place, f"dreamlake-{service}@.service", ports[service]) for service in SERVICES]
    units += [Unit(place, f"dreamlake-{name}.service") for name in ("workers", "runs", "code", "webserver", "daemon")]
    processes: list[tuple[Unit, subprocess.Popen[bytes]]] = []
    try:
        for unit in units:
            if unit.name == "dreamlake-webserver.service":
                code = place.folder / "dreamlake-code.service.log"
                wait_for_socket(place.folder / "run/dreamlake/code.sock", processes[-1][1], code)
            command = [word if word != "3000" else str(ports["webserver"]) for word in unit.command]
            with (place.folder / f"{unit.name}.log").open("wb") as log:
                environment = {"PATH": "/usr/bin:/bin", "HOME": "/nowhere", **unit.environment}
                process = subprocess.Popen(
                    command,
                    env=environment,
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            processes.append((unit, process))
        by_name = {
            unit.name.removeprefix("dreamlake-").partition("@")[0].partition(".")[0]: one for unit, one in processes
        }
        for name, port in ports.items():
            wait_until_healthy(port, by_name[name])
        yield
        assert {unit.name: process.poll() for unit, process in processes} == {unit.name: None for unit in units}, _logs(
            place
        )
    finally:
        for unit, process in reversed(processes):
            process.send_signal(unit.stop_signal)
        for unit, process in reversed(processes):
            # A machine that is busy takes longer.
            process.wait(3 * unit.stop_seconds)


def _logs(place: Place) -> str:
    return "".join(f"\n== {log.name}\n{log.read_text()[-1500:]}" for log in sorted(place.folder.glob("*.log")))
