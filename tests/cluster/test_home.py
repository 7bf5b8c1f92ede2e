"""What nodes are told, and what they start."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from cluster.home import node_environment
from cluster.inside import Plan, ray_command
from cluster.namespaces import BRIDGE
from cluster.nodes import address_of
from dreamlake_pipeline.stack import state
from dreamlake_pipeline.stack.state import HOST, Credentials, Stack


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    keys = Credentials(**{one.name: f"secret-{one.name}" for one in fields(Credentials)})
    ports = {name: 20_000 + number for number, name in enumerate(state.LISTENERS)}
    return Stack(tmp_path, "id", ports, tmp_path / "run" / "supervisor.sock", keys)


def test_a_node_reaches_the_services_over_the_bridge_and_nothing_of_its_own_machine(stack: Stack) -> None:
    told = node_environment(stack, {"PATH": "/bin", "AWS_PROFILE": "mine"})
    assert not [key for key, value in told.items() if HOST in value or str(stack.home) in value]
    assert told["DREAMLAKE_BSS_URL"] == f"http://{BRIDGE}:{stack.ports['bss']}"
    assert told["AWS_ENDPOINT_URL"] == f"http://{BRIDGE}:{stack.ports['s3']}"
    assert f"@{BRIDGE}:{stack.ports['postgres']}/" in told["DAGSTER_POSTGRES_URL"]
    assert f"@{BRIDGE}:{stack.ports['postgres']}/" in told["DREAMLAKE_POSTGRES_URL"]
    assert "AWS_PROFILE" not in told


def test_a_node_is_told_no_secret_that_a_run_does_not_need(stack: Stack) -> None:
    told = "\n".join(node_environment(stack, {}).values())
    known = {one.name for one in fields(Credentials) if getattr(stack.credentials, one.name) in told}
    assert known == {"dreamlake_password", "dagster_password", "s3_access_key", "s3_secret_key", "service_token"}


def test_a_plan_is_read_as_it_was_written() -> None:
    plan = Plan("node1", address_of(1), "/tmp/of-node1", ("/tmp/a", "/tmp/b"), 2, address_of(0), core=1)
    assert Plan.parse(plan.dump()) == plan


def test_the_head_takes_no_runs_and_answers_on_its_own_address_alone() -> None:
    words = ray_command(Plan("head", address_of(0), "/tmp/of-head", (), 2, head=None))
    assert {"--num-cpus=0", f"--dashboard-host={address_of(0)}", f"--node-ip-address={address_of(0)}"} <= set(words)


def test_a_node_is_started_as_an_installation_starts_one() -> None:
    program, *words = ray_command(Plan("node1", address_of(1), "/tmp/of-node1", (), 4, address_of(0)))
    assert Path(program).is_file()
    assert words[: words.index("--")] == ["worker", "--address", f"{address_of(0)}:6379", "--num-cpus", "4"]
    assert f"--node-ip-address={address_of(1)}" in words
