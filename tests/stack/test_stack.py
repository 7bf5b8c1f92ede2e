"""The whole stack, as a user starts, watches and stops it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Callable
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from dreamlake_pipeline.stack import leftovers, state
from dreamlake_pipeline.stack.processes import PROCESSES
from dreamlake_pipeline.stack.state import Stack
from dreamlake_pipeline.storage import ObjectStore, open_client

from . import neighbour

# One worker of a parallel run has the stack.
pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack"), pytest.mark.timeout(400)]

Run = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., subprocess.Popen[str]]


def rows(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}


def wait_until_healthy(run: Run, home: Path) -> dict[str, dict[str, Any]]:
    deadline = time.monotonic() + 60
    while (done := run(home, "status", "--json")).returncode != 0:
        assert time.monotonic() < deadline, done.stdout
        time.sleep(0.3)
    return rows(done)


def test_every_process_is_healthy_and_listens_on_loopback_only(running_stack: Stack, run: Run) -> None:
    status = wait_until_healthy(run, running_stack.home)
    assert list(status) == [process.name for process in PROCESSES]
    assert all(row["state"] == "running" and row["pid"] and row["uptimeSec"] > 0 for row in status.values())
    ours = {process.pid for process in leftovers.find(running_stack)}
    listeners = {
        connection.laddr
        for connection in psutil.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
        # Whose a connection of a sealed process is, root alone is told.
        and (connection.pid in ours or connection.laddr.port in running_stack.ports.values())
    }
    assert {address.ip for address in listeners} == {"127.0.0.1"}
    assert {address.port for address in listeners} == set(running_stack.ports.values())


def test_what_has_no_authentication_listens_on_sockets_of_the_owner(running_stack: Stack, run: Run) -> None:
    wait_until_healthy(run, running_stack.home)
    for path in (running_stack.code_socket, running_stack.run_socket, running_stack.socket):
        assert path.is_socket()
        assert path.stat().st_mode & 0o077 == 0
        assert path.parent.stat().st_mode & 0o077 == 0
    for name in ("credentials.json", "superuser.json", "stack.json"):
        assert (running_stack.home / name).stat().st_mode & 0o777 == 0o600
    assert running_stack.home.stat().st_mode & 0o067 == 0


def test_the_viewer_is_named_first_and_opened_logged_in(running_stack: Stack, run: Run) -> None:
    assert run(running_stack.home, "status").stdout.startswith("viewer ")
    link = run(running_stack.home, "open", "--print").stdout.splitlines()[-1]
    assert link.startswith(f"{running_stack.url_of('viewer')}/login/once/")
    with httpx.Client(follow_redirects=True, headers={"Accept": "text/html"}) as browser:
        assert 'data-page="projects"' in browser.get(link).text


def test_what_env_prints_reaches_both_services(running_stack: Stack, run: Run) -> None:
    given = json.loads(run(running_stack.home, "env", "--json").stdout)
    token = {"Authorization": f"Bearer {given['DREAMLAKE_API_KEY']}"}
    assert httpx.get(f"{given['DREAMLAKE_REMOTE']}/auth/me", headers=token).status_code == 200
    assert httpx.get(f"{given['DREAMLAKE_BSS_URL']}/videos?owner=local", headers=token).status_code == 200
    login = {"Authorization": f"Bearer {given['DREAMLAKE_DAGSTER_SECRET']}"}
    assert httpx.get(f"{given['DREAMLAKE_DAGSTER_URL']}/server_info", headers=login).status_code == 200
    assert httpx.get(f"{given['DREAMLAKE_DAGSTER_URL']}/server_info", headers=token).status_code == 401
    assert httpx.get(f"{given['DREAMLAKE_VIEWER_URL']}/healthz").json()["status"] == "ok"
    # A shell reads back the same values, whatever is in them.
    exports = run(running_stack.home, "env").stdout
    shell = subprocess.run(["sh", "-c", f"{exports}env -0"], capture_output=True, text=True, check=True)
    seen = dict(line.split("=", 1) for line in shell.stdout.split("\0") if "=" in line)
    assert given.items() <= seen.items()


def test_no_process_of_the_user_finds_a_secret(running_stack: Stack, run: Run) -> None:
    status = wait_until_healthy(run, running_stack.home)
    processes = leftovers.find(running_stack)
    secrets = [*astuple(running_stack.credentials), json.loads(running_stack.superuser_file.read_text())["password"]]
    done = subprocess.run(
        [sys.executable, neighbour.__file__],
        input=json.dumps({"secrets": secrets, "pids": [process.pid for process in processes]}),
        text=True,
        stdout=subprocess.PIPE,
        preexec_fn=neighbour.drop_privilege,
        check=True,
    )
    answer = json.loads(done.stdout)
    assert answer["found"] == {}
    assert {row["pid"] for name, row in status.items() if name != "postgres"} <= set(answer["closed"])
    # And who may look at everything, when that is the one who asks.
    for process in processes:
        with suppress(psutil.Error):
            told = " ".join([*process.environ().values(), *process.cmdline()])
            assert not [secret for secret in secrets if secret in told], process


def test_no_secret_is_written_outside_its_file(running_stack: Stack, run: Run, tmp_path: Path) -> None:
    """Whatever opens something, in logs, folders of Dagster and cluster: keys, tokens, URLs that were used."""
    wait_until_healthy(run, running_stack.home)
    with wave.open(str(tmp_path / "tone.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16_000))
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    run(running_stack.home, "ingest", str(tmp_path), "--episode", "secrets", "--wait")
    token = run(running_stack.home, "token", "create", "-n", "local").stdout.strip()
    url = run(running_stack.home, "play", "secrets/tone.wav").stdout.split()[-1]
    assert url.startswith("http") and token.startswith("ey")
    playlist = httpx.get(url, follow_redirects=True, trust_env=False)
    assert playlist.text.startswith("#EXTM3U")
    known = running_stack.environment()
    for service in (known["DREAMLAKE_BSS_URL"], known["DREAMLAKE_REMOTE"]):
        httpx.get(f"{service}/projects", params={"owner": "local", "token": token}, trust_env=False)
        httpx.get(f"{service}/videos", headers={"Authorization": f"Bearer {token}"}, trust_env=False)
    session = httpx.get(running_stack.login_url, trust_env=False).cookies
    assert run(running_stack.home, "token", "revoke", token).returncode == 0
    play = httpx.URL(url).params["token"]
    secrets = [
        value for value in astuple(running_stack.credentials) if value != running_stack.credentials.s3_access_key
    ]
    secrets += [json.loads(running_stack.superuser_file.read_text())["password"], token, play, *session.values()]
    secrets += [one.rpartition(".")[2] for one in (token, play, running_stack.credentials.service_token)]
    own = {running_stack.home / "credentials.json", running_stack.superuser_file}
    for file in running_stack.home.rglob("*"):
        with suppress(FileNotFoundError):
            if file.is_file() and file not in own:
                written = file.read_bytes()
                assert not [one for one in secrets if one.encode() in written], file
                assert file.suffix != ".log" or b"X-Amz-Signature=" not in written, file


def test_up_again_changes_nothing(running_stack: Stack, run: Run) -> None:
    before = wait_until_healthy(run, running_stack.home)
    again = run(running_stack.home, "up", "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout) == running_stack.environment()
    after = rows(run(running_stack.home, "status", "--json"))
    assert {name: row["pid"] for name, row in after.items()} == {name: row["pid"] for name, row in before.items()}


def test_up_names_the_walls_that_are_missing_and_status_all(running_stack: Stack, run: Run) -> None:
    """PyAV's libraries are told of by `status` alone: an old release of them is no wall that is missing."""
    wait_until_healthy(run, running_stack.home)
    told = rows(run(running_stack.home, "status", "--json"))["workers"]["cage"]
    held = {layer["layer"]: layer["holds"] for layer in told}
    said = run(running_stack.home, "up").stderr
    assert "libav" in held and "libav" not in said
    assert [name for name, holds in held.items() if not holds and name != "libav" and name not in said] == []
    shown = [line for line in run(running_stack.home, "status").stdout.splitlines() if line.startswith("cage: libav")]
    assert len(shown) == 1 and ("holds" in shown[0] if held["libav"] else "outdated" in shown[0])


def test_a_process_that_dies_is_reported_and_started_again(running_stack: Stack, run: Run) -> None:
    before = wait_until_healthy(run, running_stack.home)["s3"]
    psutil.Process(before["pid"]).kill()
    reported = run(running_stack.home, "status", "--json")
    assert reported.returncode == 3 or rows(reported)["s3"]["restarts"] > before["restarts"]
    after = wait_until_healthy(run, running_stack.home)["s3"]
    assert after["pid"] != before["pid"]
    assert after["restarts"] == before["restarts"] + 1


def test_a_file_whose_run_is_killed_is_ready_all_the_same(
    running_stack: Stack, run: Run, start: Start, tmp_path: Path
) -> None:
    server = psutil.Process(wait_until_healthy(run, running_stack.home)["dagster-runs"]["pid"])
    notes = tmp_path / "notes.jsonl"
    notes.write_text("".join(f'{{"t": {second}, "label": "cup"}}\n' for second in range(1000)))
    url, token = running_stack.url_of("bss"), running_stack.credentials.cli_token

    def status(*, until: set[str]) -> str:
        deadline = time.monotonic() + 90
        while True:
            listed = httpx.get(
                f"{url}/labels",
                params={"owner": "local", "project": "killed"},
                headers={"Authorization": f"Bearer {token}"},
            ).json()["items"]
            found = [str(item["status"]) for item in listed if item["status"] in until]
            if found:
                return found[0]
            assert time.monotonic() < deadline, listed
            time.sleep(0.02)

    upload = start(running_stack.home, "upload", str(notes), "--episode", "killed:run-1", "--json")
    assert status(until={"processing", "ready"}) == "processing"
    for killed in server.children():
        killed.kill()
    # Run monitoring finds it, the failure sensor gives its batch back, and the next run does the rest.
    assert status(until={"ready", "failed"}) == "ready"
    assert upload.wait(30) == 0


def test_down_finds_everything_even_without_the_supervisor_and_data_survive(
    running_stack: Stack, run: Run, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = running_stack.home
    for name, value in running_stack.environment().items():
        monkeypatch.setenv(name, value)
    store = ObjectStore(open_client(), "dreamlake")
    store.put("kept/file", b"kept", content_type="text/plain")
    processes = leftovers.find(running_stack)
    os.kill(int((running_stack.run / "supervisord.pid").read_text()), signal.SIGKILL)
    orphaned = run(home, "status", "--json")
    assert orphaned.returncode == 3
    assert {row["state"] for row in rows(orphaned).values()} == {"unsupervised"}

    assert run(home, "down").returncode == 0
    assert not [process for process in processes if process.is_running() and process.status() != "zombie"]
    assert run(home, "down").returncode == 0
    stopped = run(home, "status", "--json")
    assert stopped.returncode == 3
    assert {row["state"] for row in rows(stopped).values()} == {"stopped"}

    # Two at once: one of them starts the stack, the other waits and finds it.
    both = [start(home, "up", "--json") for _ in range(2)]
    printed = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert [json.loads(out) for out in printed] == [running_stack.environment()] * 2
    assert store.read("kept/file") == b"kept"
    assert len([p for p in leftovers.find(running_stack) if "supervisor.supervisord" in p.cmdline()]) == 1


def test_a_start_that_fails_names_the_process_and_leaves_nothing_running(tmp_path: Path, run: Run) -> None:
    home = state.make_home(tmp_path / "home")
    broken = home / "postgres"
    broken.mkdir(mode=0o700)
    (broken / "PG_VERSION").write_text("9")
    if os.geteuid() == 0:
        os.chown(broken, 65534, 65534)
    failed = run(home, "up")
    assert failed.returncode == 3
    assert "postgres" in failed.stderr
    assert str(home / "logs" / "postgres.log") in failed.stderr
    assert "Traceback" not in failed.stderr
    stack = state.load(home)
    assert stack is not None
    assert leftovers.find(stack) == []
