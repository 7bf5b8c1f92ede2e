"""The manifests are what an API server takes, and Dagster's launcher starts runs as they say."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import kmock
import kubernetes_validate
import pytest
import yaml

from dreamlake_pipeline.dagsterhome import instance_yaml
from dreamlake_pipeline.settings import Settings

from .conftest import DEPLOY
from .launching import launch

FOLDER = DEPLOY / "kubernetes"
VARIANTS = ("base", "jobs", "ray", "migrations")
VERSIONS = ("1.28", "1.33")
SERVER_FIELDS = {"uid", "creationTimestamp", "resourceVersion", "generation", "managedFields", "selfLink"}


def manifests() -> list[Any]:
    """Everything but Kustomize's own files and patches, which have parts of objects."""
    files = [
        path for path in sorted(FOLDER.rglob("*.yaml")) if path.name not in ("kustomization.yaml", "dagster-patch.yaml")
    ]
    return [
        pytest.param(document, id=f"{path.parent.name}/{path.name}:{document['kind']}/{document['metadata']['name']}")
        for path in files
        for document in yaml.safe_load_all(path.read_text())
        if "kind" in document
    ]


def check(document: dict[str, Any]) -> None:
    """Hold it to the schemas. Of what KubeRay defines, the pods' templates are held to those of a Deployment's."""
    if document["apiVersion"] == "ray.io/v1":
        assert document["kind"] == "RayCluster"
        groups = [document["spec"]["headGroupSpec"], *document["spec"]["workerGroupSpecs"]]
        for group in groups:
            labels = group["template"]["metadata"]["labels"]
            spec = {"selector": {"matchLabels": labels}, "template": group["template"]}
            check({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "ray"}, "spec": spec})
        return
    for version in VERSIONS:
        kubernetes_validate.validate(document, version, strict=True)


@pytest.mark.parametrize("document", manifests())
def test_manifests_are_valid(document: dict[str, Any]) -> None:
    check(document)


@pytest.mark.parametrize("variant", VARIANTS)
def test_kustomizations_name_files_that_exist(variant: str) -> None:
    kustomization = yaml.safe_load((FOLDER / variant / "kustomization.yaml").read_text())
    files = [*kustomization["resources"], *(patch["path"] for patch in kustomization.get("patches", []))]
    for generator in kustomization.get("configMapGenerator", []):
        files += [*generator.get("files", []), *generator.get("envs", [])]
    assert [name for name in files if not (FOLDER / variant / name).exists()] == []
    assert {image["newTag"] for image in kustomization.get("images", [])} <= {"0.1.0"}


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_kustomize_makes_is_valid_and_fits_together(variant: str) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    made = subprocess.run(["kubectl", "kustomize", FOLDER / variant], capture_output=True, text=True, timeout=60)
    assert made.returncode == 0, made.stderr
    documents = list(yaml.safe_load_all(made.stdout))
    for document in documents:
        check(document)
    named = {(document["kind"], document["metadata"]["name"]) for document in documents}
    pods = [document["spec"]["template"] for document in documents if document["kind"] in ("Deployment", "Job")]
    for pod in pods:
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["runAsUser"] == 10001
        volumes = {volume["name"] for volume in spec.get("volumes", [])}
        for container in [*spec["containers"], *spec.get("initContainers", [])]:
            assert container["image"] == "registry.example.com/dreamlake:0.1.0"
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert {mount["name"] for mount in container.get("volumeMounts", [])} <= volumes
            assert container["resources"]["limits"]["memory"]
            for source in container.get("envFrom", []):
                if name := source.get("configMapRef", {}).get("name"):
                    assert ("ConfigMap", name) in named
    labels = [pod["metadata"]["labels"] for pod in pods]
    for document in documents:
        if document["kind"] == "Service":
            assert sum(document["spec"]["selector"].items() <= of.items() for of in labels) == 1
    if variant != "migrations":
        assert {name for kind, name in named if kind == "Deployment"} == {"bss", "server", "viewer", "dagster"}
        settings = {
            key: value
            for document in documents
            if document["metadata"]["name"].startswith("dreamlake")
            for key, value in document.get("data", {}).items()
        }
        # Every variable that is ours is one that is read.
        ours = {f"DREAMLAKE_{name.upper()}" for name in Settings.model_fields} | {
            "DREAMLAKE_K8S_NAMESPACE",
            "DREAMLAKE_K8S_IMAGE",
        }
        assert {key for key in settings if key.startswith("DREAMLAKE_")} <= ours


def test_each_container_is_told_its_own_secrets() -> None:
    told: dict[str, set[str]] = {}
    for path in FOLDER.rglob("*.yaml"):
        for document in yaml.safe_load_all(path.read_text()):
            if document.get("kind") == "Deployment" and "patch" not in path.name:
                spec = document["spec"]["template"]["spec"]
                for container in [*spec["containers"], *spec.get("initContainers", [])]:
                    told[container["name"]] = {
                        source["secretRef"]["name"] for source in container["envFrom"] if "secretRef" in source
                    }
    services = {name: {f"dreamlake-{name}"} for name in ("bss", "server", "viewer")}
    pipeline = {name: {"dreamlake-pipeline"} for name in ("code", "runs")}
    dagster = {
        "daemon": {"dreamlake-dagster"},
        "webserver": {"dreamlake-dagster", "dreamlake-webserver"},
        "home": set(),
    }
    assert told == services | pipeline | dagster
    made = set(re.findall(r"create secret generic (\S+)", (FOLDER / "README.md").read_text()))
    assert made == set().union(*told.values())


def jobs_settings() -> dict[str, str]:
    """What the variant `jobs` tells all processes."""
    (generator,) = yaml.safe_load((FOLDER / "jobs/kustomization.yaml").read_text())["configMapGenerator"]
    return dict(value.split("=", 1) for value in generator["literals"])


@contextmanager
def api_server(folder: Path) -> Iterator[Path]:
    """kmock's API server of Kubernetes, and a kubeconfig for it."""
    loop, emulator = asyncio.new_event_loop(), kmock.KubernetesEmulator()
    emulator.resources.load_bundled()
    ready, done = threading.Event(), asyncio.Event()
    url: list[str] = []

    async def serve() -> None:
        async with emulator, kmock.Server(emulator) as server:
            url.append(str(server.url))
            ready.set()
            await done.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    try:
        assert ready.wait(60)
        one = {"name": "test"}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{**one, "cluster": {"server": url[0].rstrip("/")}}],
            "users": [{**one, "user": {}}],
            "contexts": [{**one, "context": {"cluster": "test", "user": "test"}}],
        }
        (folder / "kubeconfig").write_text(json.dumps(config))
        yield folder / "kubeconfig"
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(30)


def test_a_run_is_a_job_that_is_looked_after_and_ended(
    tmp_path: Path, dagster_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dagster import DagsterInstance
    from kubernetes import client, config

    monkeypatch.setenv("DAGSTER_POSTGRES_URL", dagster_postgres_url)
    monkeypatch.setenv("DREAMLAKE_BUCKET", "my-recordings")
    for name, value in jobs_settings().items():
        monkeypatch.setenv(name, value)
    (tmp_path / "dagster.yaml").write_text(instance_yaml(Settings()))
    with api_server(tmp_path) as kubeconfig:
        # What a pod finds in files that Kubernetes mounts is in this one here.
        monkeypatch.setattr(config, "load_incluster_config", lambda: config.load_kube_config(str(kubeconfig)))
        config.load_kube_config(str(kubeconfig))
        with DagsterInstance.from_config(str(tmp_path)) as instance:
            run = launch(instance)
            (job,) = client.BatchV1Api().list_namespaced_job("dreamlake").items
            document = client.ApiClient().sanitize_for_serialization(job) | {"apiVersion": "batch/v1", "kind": "Job"}
            document["metadata"] = {
                key: value for key, value in document["metadata"].items() if key not in SERVER_FIELDS
            }
            check(document)
            pod = document["spec"]["template"]["spec"]
            (container,) = pod["containers"]
            assert container["image"] == "registry.example.com/dreamlake:0.1.0"
            assert container["args"][:3] == ["dagster", "api", "execute_run"]
            assert container["envFrom"] == [
                {"configMapRef": {"name": "dreamlake"}},
                {"secretRef": {"name": "dreamlake-pipeline"}},
            ]
            assert container["securityContext"]["readOnlyRootFilesystem"] and pod["securityContext"]["runAsNonRoot"]
            assert not pod["automountServiceAccountToken"] and pod["serviceAccountName"] == "dagster"
            assert {volume["name"] for volume in pod["volumes"]} == {"home", "tmp"}
            mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
            assert mounts == {"home": "/var/lib/dreamlake", "tmp": "/tmp"}
            assert {"name": "DAGSTER_HOME", "value": "/var/lib/dreamlake/dagster"} in container["env"]
            # What the network policy of runs is for.
            assert document["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"] == "dagster"
            # As Kubernetes' controller of jobs does, which there is none of here.
            for status, health in (({"active": 1}, "RUNNING"), ({"active": 0, "failed": 1}, "FAILED")):
                client.BatchV1Api().patch_namespaced_job(job.metadata.name, "dreamlake", {"status": status})
                assert instance.run_launcher.check_run_worker_health(run).status.value == health
            assert instance.run_launcher.terminate(run.run_id)
            assert client.BatchV1Api().list_namespaced_job("dreamlake").items == []
