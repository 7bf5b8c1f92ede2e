"""What nodes are told, and how Dagster is told to put runs on them."""

from __future__ import annotations

from dataclasses import fields, replace
from importlib.resources import files
from pathlib import Path

import pytest
import yaml
from dagster._config import validate_config
from dagster._config.field import resolve_to_config_type

from cluster.home import configured, node_environment
from cluster.inside import Plan, ray_command
from cluster.namespaces import BRIDGE
from cluster.nodes import address_of
from dreamlake_pipeline.stack import state
from dreamlake_pipeline.stack.state import HOST, Credentials, Stack

TEMPLATE = (files("dreamlake_pipeline.stack") / "dagster.yaml").read_text()


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


def test_runs_are_jobs_of_the_cluster_and_print_to_s3() -> None:
    from dagster_aws.s3.compute_log_manager import S3ComputeLogManager

    from dreamlake_pipeline.instance.ray import RayJobLauncher

    made, plain = yaml.safe_load(configured(TEMPLATE, "http://10.77.0.10:8265", 6)), yaml.safe_load(TEMPLATE)
    changed = {key for key in made if made[key] != plain.get(key)}
    assert changed == {"run_launcher", "compute_logs", "run_coordinator", "run_monitoring"}
    assert made.keys() == plain.keys()
    assert made["run_coordinator"]["config"]["max_concurrent_runs"] == 6
    for name, known in (("run_launcher", RayJobLauncher), ("compute_logs", S3ComputeLogManager)):
        assert made[name]["class"] == known.__name__
        given = validate_config(resolve_to_config_type(known.config_type()), made[name]["config"])
        assert given.success, given.errors


def test_without_a_head_runs_are_forked_as_ever() -> None:
    made, plain = yaml.safe_load(configured(TEMPLATE, None, 2)), yaml.safe_load(TEMPLATE)
    assert {key for key in made if made[key] != plain.get(key)} <= {"run_coordinator"}


def test_a_plan_is_read_as_it_was_written() -> None:
    plan = Plan("node1", address_of(1), "/tmp/of-node1", ("/tmp/a", "/tmp/b"), 2, address_of(0), core=1)
    assert Plan.parse(plan.dump()) == plan


def test_the_head_takes_no_runs_and_answers_on_its_own_address_alone() -> None:
    node = Plan("node1", address_of(1), "/tmp/of-node1", (), 2, address_of(0))
    head = replace(node, name="head", address=address_of(0), cpus=0, head=None)
    words = ray_command(head)
    assert words[words.index("--num-cpus") + 1] == "0"
    assert words[words.index("--dashboard-host") + 1] == head.address
    assert ray_command(node)[-2:] == ["--address", f"{head.address}:6379"]
