from __future__ import annotations

from dataclasses import asdict, astuple
from pathlib import Path

import pytest
from supervisor.options import ServerOptions

from dreamlake_pipeline.errors import DreamlakeError
from dreamlake_pipeline.stack import control, processes, state, supervision
from dreamlake_pipeline.stack.processes import PROCESSES
from dreamlake_pipeline.stack.state import Stack
from dreamlake_pipeline.stack.supervision import Supervisor, render_config


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return state.create(state.make_home(tmp_path / "a home"))


def test_every_need_is_a_process_that_comes_before() -> None:
    seen: set[str] = set()
    for process in PROCESSES:
        assert set(process.needs) <= seen
        seen.add(process.name)


@pytest.mark.parametrize("name", [process.name for process in PROCESSES])
def test_no_secret_is_in_an_argument(stack: Stack, name: str) -> None:
    # Anybody on the machine can read the arguments of a process.
    words = " ".join([*processes.command(stack, name), *processes.become_command(stack, name)])
    assert not [secret for secret in astuple(stack.credentials) if secret in words]


@pytest.mark.parametrize("name", [process.name for process in PROCESSES if process.name in state.LISTENERS])
def test_who_listens_is_told_where(stack: Stack, name: str) -> None:
    words = " ".join(processes.command(stack, name))
    assert state.HOST in words
    assert str(stack.ports[name]) in words


@pytest.mark.parametrize("name", ["bss", "server"])
@pytest.mark.parametrize("page", ["deploy/README.md", "docs/configuration.md"])
def test_a_service_is_started_as_the_documents_say(stack: Stack, name: str, page: str) -> None:
    """What a flood does to it was measured with this event loop and this protocol (tests/security/test_overload.py)."""
    words = ["uvicorn", "--loop", "asyncio", "--http", "dreamlake_pipeline.connections:Connection"]
    words += ["--factory", f"dreamlake_pipeline.{name}.app:create_app"]
    assert set(words) <= set(processes.command(stack, name))
    assert " ".join(words) in (Path(__file__).parents[2] / page).read_text()


# Who knows which secret: a process that is taken over gives away what it knows.
KNOWN = {
    "postgres": set(),
    "s3": set(),  # it reads its keys from the home
    "bss": {"bss_password", "s3_access_key", "s3_secret_key", "auth_secret"},
    "server": {"dreamlake_password", "auth_secret"},
    "viewer": {"viewer_secret"},
    "dagster-code": {"dreamlake_password", "dagster_password", "s3_access_key", "s3_secret_key", "service_token"},
    "dagster-runs": {"dreamlake_password", "dagster_password", "s3_access_key", "s3_secret_key", "service_token"},
    "dagster-webserver": {"dagster_password", "dagster_secret"},
    "workers": set(),
    "dagster-daemon": {"dagster_password"},
}


@pytest.mark.parametrize("name", [process.name for process in PROCESSES])
def test_a_process_knows_the_secrets_that_it_needs_and_no_others(stack: Stack, name: str) -> None:
    # Also when it is started from a shell that knows all of them.
    values = " ".join(processes.environment(stack, name, stack.environment()).values())
    assert {secret for secret, value in asdict(stack.credentials).items() if value in values} == KNOWN[name]


@pytest.mark.parametrize("name", [process.name for process in PROCESSES])
def test_what_shows_logs_reads_the_bucket_where_runs_leave_the_machine(stack: Stack, name: str) -> None:
    values = " ".join(processes.environment(stack, name, {"DREAMLAKE_LAUNCHER": "ray"}).values())
    more = {"s3_access_key", "s3_secret_key"} if name in ("dagster-webserver", "dagster-daemon") else set()
    assert {secret for secret, value in asdict(stack.credentials).items() if value in values} == KNOWN[name] | more


def test_what_a_program_is_started_with_holds_no_secret(stack: Stack) -> None:
    values = " ".join(processes.common_environment(stack, stack.environment()).values())
    assert not [secret for secret in astuple(stack.credentials) if secret in values]


def test_the_code_location_listens_on_a_socket_of_its_owner(stack: Stack) -> None:
    words = processes.command(stack, "dagster-code")
    assert words[words.index("--socket") + 1] == str(stack.code_socket)
    assert not {"--host", "--port"} & set(words)
    assert stack.code_socket.parent.stat().st_mode & 0o077 == 0


def test_the_code_location_may_be_another_module(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "dreamlake_pipeline.definitions" in processes.command(stack, "dagster-code")
    monkeypatch.setenv("DREAMLAKE_DEFINITIONS", "ours.pipeline")
    assert "ours.pipeline" in processes.command(stack, "dagster-code")


def test_settings_of_other_installations_do_not_lead_astray(stack: Stack) -> None:
    shell = {
        "AWS_PROFILE": "work",
        "PGHOST": "elsewhere",
        "DAGSTER_HOME": "/elsewhere",
        "DREAMLAKE_BSS_URL": "http://x",
    }
    variables = processes.environment(stack, "dagster-code", shell | {"DREAMLAKE_WORKERS": "7", "PATH": "/bin"})
    assert "AWS_PROFILE" not in variables
    assert "PGHOST" not in variables
    assert variables["DAGSTER_HOME"] == str(stack.dagster_home)
    assert variables["DREAMLAKE_BSS_URL"] == stack.url_of("bss")
    assert (variables["DREAMLAKE_WORKERS"], variables["PATH"]) == ("7", "/bin")


def test_what_browsers_talk_to_has_no_key_of_anything_else(stack: Stack) -> None:
    told = processes.environment(stack, "dagster-webserver", {})
    given = set(told) - set(processes.common_environment(stack, {}))
    assert {name for name in given if name != "DAGSTER_EVENT_BATCH_SIZE"} == {
        "DAGSTER_HOME", "DAGSTER_POSTGRES_URL", "DREAMLAKE_DAGSTER_SECRET", "DREAMLAKE_RUN_SOCKET",
    }  # fmt: skip


def test_a_login_of_another_stack_in_the_shell_reaches_nobody(stack: Stack) -> None:
    shell = {"DREAMLAKE_DAGSTER_SECRET": "of another stack", "DREAMLAKE_VIEWER_SECRET": "of another stack"}
    for process in PROCESSES:
        assert "of another stack" not in processes.environment(stack, process.name, shell).values()


def test_the_mark_of_the_stack_is_never_given_to_clients(stack: Stack) -> None:
    # `down` ends whoever carries it: a shell that ran `eval "$(dreamlake env)"` must not.
    assert processes.STACK_ID not in stack.environment()
    assert all(processes.environment(stack, process.name, {})[processes.STACK_ID] for process in PROCESSES)


@pytest.mark.parametrize("folder", ["plain", "with spaces", "50%full", "a;b #c", 'quo"te', "%(here)s", "ünï"])
def test_supervisord_understands_any_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    stack = state.create(state.make_home(tmp_path / folder))
    config = stack.run / "supervisord.conf"
    with config.open("w") as file:
        render_config(stack).write(file)
    monkeypatch.chdir(stack.home)
    options = ServerOptions()
    options.realize(["--configuration", str(config)])
    (server,) = options.server_configs
    assert server["file"] == str(stack.socket)
    programs = {program.name: program for group in options.process_group_configs for program in group.process_configs}
    assert set(programs) == {process.name for process in PROCESSES}
    for name, program in programs.items():
        assert stack.home / program.stdout_logfile == stack.log_of(name)
        assert program.command.split()[-2:] == [name, f"--stack={stack.id}"]
    assert not any(secret in config.read_text() for secret in astuple(stack.credentials))
    assert Path(options.pidfile) == stack.run / "supervisord.pid"


def test_a_stack_of_another_version_is_named(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    supervisor = Supervisor(stack)
    with monkeypatch.context() as earlier:
        earlier.setattr(supervision, "PROCESSES", [process for process in PROCESSES if process.name != "dagster-runs"])
        supervisor.start()
    try:
        with pytest.raises(DreamlakeError, match="another version of this program, without dagster-runs"):
            control.status(stack.home)
    finally:
        assert supervisor.shut_down()
