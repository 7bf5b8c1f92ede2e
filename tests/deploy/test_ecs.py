"""The task definitions are what ECS takes, as moto plays it, and Dagster's launcher starts runs as they say."""

from __future__ import annotations

import json
import re
import string
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from dreamlake_pipeline.dagsterhome import instance_yaml
from dreamlake_pipeline.settings import Settings

from .conftest import DEPLOY
from .launching import launch

FOLDER = DEPLOY / "ecs"
TASKS = ("bss", "server", "viewer", "dagster", "run")
GIVEN = {"ACCOUNT": "123456789012", "REGION": "us-east-1", "IMAGE": "registry.example.com/dreamlake:0.1.0"}


def definition(task: str) -> dict[str, Any]:
    """A task definition, with everything put in that the page says is."""
    found: dict[str, Any] = json.loads(string.Template((FOLDER / f"{task}.json").read_text()).substitute(GIVEN))
    return found


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """moto, which boto3's environment variables lead to."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    try:
        yield
    finally:
        server.stop()


def test_each_container_is_told_its_own_secrets_and_writes_to_volumes_only() -> None:
    names = {
        "bss": {"dreamlake-bss"},
        "server": {"dreamlake-server"},
        "viewer": {"dreamlake-viewer"},
        "home": set(),
        "code": {"dreamlake-pipeline"},
        "daemon": {"dreamlake-dagster"},
        "webserver": {"dreamlake-dagster", "dreamlake-webserver"},
        "run": {"dreamlake-pipeline"},
    }
    seen = set()
    for task in TASKS:
        found = definition(task)
        volumes = {volume["name"] for volume in found["volumes"]}
        for container in found["containerDefinitions"]:
            seen.add(container["name"])
            known = {re.search(r":secret:(dreamlake-\w+):", secret["valueFrom"])[1] for secret in container["secrets"]}  # type: ignore[index]
            assert known == names[container["name"]]
            assert container["readonlyRootFilesystem"] and container["user"] == "10001:10001"
            assert {mount["sourceVolume"] for mount in container["mountPoints"]} <= volumes
            assert not {one["name"] for one in container["environment"]} & {
                secret["name"] for secret in container["secrets"]
            }
            ours = {f"DREAMLAKE_{name.upper()}" for name in Settings.model_fields} | {"DREAMLAKE_ECS_TASK_DEFINITION"}
            told = {one["name"] for one in [*container["environment"], *container["secrets"]]}
            assert {name for name in told if name.startswith("DREAMLAKE_")} <= ours
    assert seen == set(names)
    page = (FOLDER / "README.md").read_text()
    policy = json.loads(string.Template((FOLDER / "launcher-policy.json").read_text()).substitute(GIVEN))
    assert {"ecs:RunTask", "ecs:StopTask"} <= {one for part in policy["Statement"] for one in part["Action"]}
    assert all(f"`{role}`" in page for role in ("dreamlake-execution", "dreamlake-storage", "dreamlake-dagster"))


def test_a_run_is_a_task_that_is_looked_after_and_ended(
    aws: None, tmp_path: Path, dagster_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dagster import DagsterInstance

    ecs, ec2 = boto3.client("ecs"), boto3.client("ec2")
    ecs.create_cluster(clusterName="dreamlake")
    for task in TASKS:
        registered = ecs.register_task_definition(**definition(task))["taskDefinition"]
        assert registered["family"] == f"dreamlake-{task}"
    network = {
        "subnets": [ec2.describe_subnets()["Subnets"][0]["SubnetId"]],
        "securityGroups": [ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]],
        "assignPublicIp": "DISABLED",
    }
    (dagster,) = ecs.run_task(
        cluster="dreamlake",
        taskDefinition="dreamlake-dagster",
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": network},
    )["tasks"]
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", dagster_postgres_url)
    (daemon,) = [one for one in definition("dagster")["containerDefinitions"] if one["name"] == "daemon"]
    for one in daemon["environment"]:
        monkeypatch.setenv(one["name"], one["value"])
    (tmp_path / "dagster.yaml").write_text(instance_yaml(Settings()))
    with _metadata({"Cluster": "dreamlake", "TaskARN": dagster["taskArn"]}) as url:
        monkeypatch.setenv("ECS_CONTAINER_METADATA_URI_V4", url)
        with DagsterInstance.from_config(str(tmp_path)) as instance:
            run = launch(instance)
            running = [arn for arn in ecs.list_tasks(cluster="dreamlake")["taskArns"] if arn != dagster["taskArn"]]
            (task,) = ecs.describe_tasks(cluster="dreamlake", tasks=running)["tasks"]
            assert "task-definition/dreamlake-run:" in task["taskDefinitionArn"]
            (override,) = task["overrides"]["containerOverrides"]
            assert override["name"] == "run" and override["command"][1:3] == ["api", "execute_run"]
            # What an override may be at the most (RunTask, containerOverrides).
            assert len(json.dumps(task["overrides"])) < 8192
            assert instance.run_launcher.check_run_worker_health(run).status.value == "RUNNING"
            assert instance.run_launcher.terminate(run.run_id)
            (task,) = ecs.describe_tasks(cluster="dreamlake", tasks=running)["tasks"]
            assert task["desiredStatus"] == "STOPPED"


@contextmanager
def _metadata(task: dict[str, str]) -> Iterator[str]:
    """What tells a container of ECS which task it is in; the URL of it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(task).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(10)
