from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import asdict, astuple, replace
from pathlib import Path

import pytest

from dreamlake_pipeline.auth import Scope, verify_token
from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.stack import control, state


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder that has room for the path of a socket, however deep pytest's own folders lie."""
    with tempfile.TemporaryDirectory(prefix="dl-") as folder:
        yield Path(folder)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return state.make_home(tmp_path / "a home")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_there_is_no_environment_before_the_first_start(tmp_path: Path) -> None:
    assert state.environment(tmp_path / "nowhere") is None


def test_a_stack_is_remembered(home: Path) -> None:
    made = state.create(home)
    assert state.load(home) == made
    assert len(set(made.ports.values())) == len(state.LISTENERS)


def test_a_copy_is_a_stack_of_its_own(home: Path, tmp_path: Path) -> None:
    """Else `up` and `down` of the copy would take the processes of the original for its own, and end them."""
    made = state.create(home)
    copy = Path(shutil.copytree(home, tmp_path / "a copy"))
    assert state.is_copied(copy) and not state.is_copied(home)
    stack = state.load(copy)
    assert stack is not None and stack == state.load(copy)
    assert stack.id != made.id and stack.socket == copy / "run" / "supervisor.sock"
    assert (stack.ports, stack.credentials) == (made.ports, made.credentials)
    stack.with_socket().save()
    assert not state.is_copied(copy) and state.load(copy) == stack
    moved = copy.rename(tmp_path / "moved")
    again = state.load(moved)
    assert again is not None and again.id not in (made.id, stack.id) and again.home == moved


def test_a_copy_of_an_earlier_version_is_seen_by_its_socket(home: Path, tmp_path: Path) -> None:
    state.create(home)
    file = home / "stack.json"
    known = json.loads(file.read_text())
    del known["home"]
    state.write_private(file, known)
    assert not state.is_copied(home)
    assert state.is_copied(Path(shutil.copytree(home, tmp_path / "a copy")))


def test_a_link_to_a_home_is_no_copy(home: Path, tmp_path: Path) -> None:
    made = state.create(home)
    (tmp_path / "link").symlink_to(home)
    linked = state.load(tmp_path / "link")
    assert linked is not None and (linked.id, linked.socket) == (made.id, made.socket)


def test_a_copy_whose_path_is_too_long_for_a_socket_gets_a_folder_for_it(home: Path, tmp_path: Path) -> None:
    made = state.create(home)
    copy = Path(shutil.copytree(home, tmp_path / ("long" * 25)))
    stack = state.load(copy)
    assert stack is not None and not stack.socket.parent.exists()
    settled = stack.with_socket()
    assert settled.socket.parent.is_dir() and settled.socket.parent not in (copy / "run", made.socket.parent)
    settled.socket.parent.rmdir()


def test_a_copy_of_a_running_stack_is_refused(home: Path, tmp_path: Path) -> None:
    state.create(home)
    (home / "postgres").mkdir()
    (home / "postgres" / "postmaster.pid").write_text("1\n")
    copy = Path(shutil.copytree(home, tmp_path / "a copy"))
    with pytest.raises(DreamlakeError) as refused:
        control.up(copy, lambda _: None)
    assert refused.value.code is Code.STACK_FAILED and "while its database was running" in refused.value.message
    assert str(copy / "postgres" / "postmaster.pid") in (refused.value.hint or "")
    assert state.is_copied(copy)


def test_others_reach_a_part_by_the_door_before_it(home: Path) -> None:
    plain = state.create(home)
    stack = replace(plain, doors={"s3": 1111, "postgres": 2222})
    stack.save()
    assert state.load(home) == stack
    known = stack.environment()
    assert known["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1111"
    assert "@127.0.0.1:2222/" in known["DREAMLAKE_POSTGRES_URL"]
    assert "@127.0.0.1:2222/" in known["DAGSTER_POSTGRES_URL"]
    assert known["DREAMLAKE_BSS_URL"] == plain.environment()["DREAMLAKE_BSS_URL"]
    assert stack.ports == plain.ports, "where the parts listen"


def test_state_is_readable_by_its_owner_only(home: Path) -> None:
    state.create(home)
    assert mode(home) == 0o700
    assert mode(home / "credentials.json") == 0o600
    assert mode(home / "stack.json") == 0o600


def test_credentials_of_an_earlier_version_are_completed(home: Path) -> None:
    made = state.create(home)
    file = home / "credentials.json"
    earlier = {name: value for name, value in asdict(made.credentials).items() if not name.endswith("_password")}
    state.write_private(file, earlier | {"postgres_password": "of the superuser"})
    loaded = state.load(home)
    assert loaded is not None and loaded.credentials.bss_password == ""
    completed = state.complete(loaded)
    assert completed == state.load(home) == state.complete(completed)
    assert all(astuple(completed.credentials))
    assert completed.credentials.cli_token == made.credentials.cli_token
    assert "of the superuser" not in file.read_text()
    assert json.loads(completed.superuser_file.read_text()) == {"password": "of the superuser"}
    assert mode(completed.superuser_file) == 0o600


def test_ports_of_an_earlier_version_are_completed(home: Path) -> None:
    made = state.create(home)
    file = home / "stack.json"
    remembered = json.loads(file.read_text())
    del remembered["ports"]["viewer"]
    state.write_private(file, remembered)
    loaded = state.load(home)
    assert loaded is not None and loaded.url_of("viewer") is None
    assert "DREAMLAKE_VIEWER_URL" not in loaded.environment()
    completed = state.complete(loaded)
    assert completed == state.load(home) == state.complete(completed)
    assert {name: port for name, port in completed.ports.items() if name != "viewer"} == loaded.ports
    assert completed.ports["viewer"] not in loaded.ports.values()
    assert completed.credentials == made.credentials


def test_the_key_is_replaced_as_the_docs_say(home: Path) -> None:
    before = state.create(home)
    page = Path(__file__).parents[2] / "docs" / "operations.md"
    [command] = re.findall(r"^sed .*$", page.read_text(), re.MULTILINE)
    subprocess.run(["sh", "-c", command], env=os.environ | {"DREAMLAKE_HOME": str(home)}, check=True)
    loaded = state.load(home)
    assert loaded is not None
    after = state.complete(loaded).credentials
    is_same = {name for name, value in asdict(before.credentials).items() if asdict(after)[name] == value}
    assert set(asdict(after)) - is_same == {"auth_secret", "cli_token", "service_token"}
    for token in (after.cli_token, after.service_token):
        assert verify_token(after.auth_secret, token).scope is Scope.WRITE
        with pytest.raises(DreamlakeError):
            verify_token(before.credentials.auth_secret, token)


def test_an_open_home_is_shut(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    state.make_home(home)
    assert mode(home) == 0o700


def test_the_environment_names_all_that_a_client_needs(home: Path) -> None:
    stack = state.create(home)
    environment = state.environment(home)
    assert environment is not None
    for name in (
        "DREAMLAKE_REMOTE",
        "DREAMLAKE_BSS_URL",
        "DREAMLAKE_API_KEY",
        "DREAMLAKE_DAGSTER_URL",
        "DREAMLAKE_BUCKET",
        "DREAMLAKE_POSTGRES_URL",
        "AWS_ENDPOINT_URL",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_REGION",
    ):
        assert environment[name], name
    caller = verify_token(environment["DREAMLAKE_AUTH_SECRET"], environment["DREAMLAKE_API_KEY"])
    assert (caller.sub, caller.scope, caller.expires_at) == ("local", Scope.WRITE, None)
    caller.require_service()
    assert environment["DREAMLAKE_API_KEY"] != stack.credentials.service_token


def test_two_stacks_share_no_secret(tmp_path: Path) -> None:
    one, other = (state.create(state.make_home(tmp_path / name)) for name in ("one", "other"))
    assert one.id != other.id
    assert one.credentials.auth_secret != other.credentials.auth_secret
    assert not set(astuple(one.credentials)) & set(astuple(other.credentials))


def test_only_a_port_that_somebody_took_is_replaced(home: Path) -> None:
    stack = state.create(home)
    with socket.socket() as somebody:
        somebody.bind((state.HOST, stack.ports["bss"]))
        somebody.listen()
        settled = stack.with_free_ports()
    changed = {name for name in stack.ports if stack.ports[name] != settled.ports[name]}
    assert changed == {"bss"}


def test_a_port_that_is_given_back_in_a_moment_is_kept(home: Path) -> None:
    stack = state.create(home)
    dying = socket.create_server((state.HOST, stack.ports["s3"]))
    threading.Timer(0.5, dying.close).start()
    assert stack.with_free_ports() == stack


def test_a_long_home_gets_a_short_socket_of_its_own(tmp_path: Path) -> None:
    home = state.make_home(tmp_path / ("x" * 100))
    stack = state.create(home)
    for path in (stack.socket, stack.code_socket, stack.run_socket):
        assert len(os.fsencode(path)) < 100
    assert mode(stack.socket.parent) == 0o700
    assert state.load(home) == stack
    assert stack.with_socket() == stack
    stack.socket.parent.rmdir()
    renewed = stack.with_socket()
    assert renewed.socket.parent.is_dir()
    renewed.socket.parent.rmdir()


def test_damaged_state_is_named(home: Path) -> None:
    state.create(home)
    (home / "stack.json").write_text("{")
    with pytest.raises(DreamlakeError) as caught:
        state.load(home)
    assert caught.value.code is Code.STACK_FAILED
    assert str(home) in caught.value.message


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DreamlakeError) as caught:
        state.make_home(tmp_path / "file")
    assert caught.value.code is Code.STACK_FAILED
