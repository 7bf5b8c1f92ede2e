"""Dagster as the stack runs it: its home folder, and what is asked of its webserver over GraphQL."""

from __future__ import annotations

import json
from typing import Any

import httpx

from ..dagsterhome import instance_yaml
from ..settings import Settings
from .local import local_http
from .processes import CODE_LOCATION
from .state import Stack


def write(stack: Stack) -> None:
    """Write dagster.yaml and workspace.yaml: this version's, with this start's socket."""
    (stack.dagster_home / "dagster.yaml").write_text(instance_yaml(Settings()))
    # JSON is YAML.
    server = {"socket": str(stack.code_socket), "location_name": CODE_LOCATION}
    (stack.dagster_home / "workspace.yaml").write_text(json.dumps({"load_from": [{"grpc_server": server}]}) + "\n")


def query(stack: Stack, document: str, **variables: Any) -> dict[str, Any]:
    """The data that the webserver answers with. Raises httpx.TransportError when it does not answer."""
    answer = local_http().post(
        f"{stack.url_of('dagster-webserver')}/graphql",
        json={"query": document, "variables": variables},
        headers={"Authorization": f"Bearer {stack.credentials.dagster_secret}"},
        timeout=10,
    )
    body = answer.json() if answer.is_success else {}
    if not body.get("data") or body.get("errors"):
        raise httpx.ReadError(f"the webserver answers {answer.status_code}: {answer.text[:200]}")
    return dict(body["data"])
