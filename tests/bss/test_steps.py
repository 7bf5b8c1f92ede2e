"""Requests that work for seconds are few at a time, whoever asks for them; what anybody may make up is no metric."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest

from dreamlake_pipeline import admission
from dreamlake_pipeline.auth import verify_token

from .conftest import SECRET


@pytest.mark.parametrize("path", ["/fsck/step", "/fsck/repair", "/gc/step", "/rebuild/step"])
def test_a_tenant_has_few_steps_at_a_time_and_others_go_on(path: str, as_caller: Any, service: Any, owner: str) -> None:
    namespace = owner if path.startswith("/fsck/") else "*"
    client, room = as_caller(namespace), service.app.state.room
    token = client.headers["Authorization"].removeprefix("Bearer ")
    tenant = verify_token([SECRET], token).tenant
    body = {"owner": owner} if path == "/fsck/step" else {"findings": []} if path == "/fsck/repair" else {}
    with ExitStack() as under_way:
        for _ in range(admission._STEPS_PER_TENANT):
            under_way.enter_context(room.step(tenant))
        refused = client.post(path, json=body)
        assert refused.status_code == 503 and refused.headers["Retry-After"]
        assert client.get("/records", params={"owner": owner}).status_code == 200
        other = as_caller("somebody-else")
        assert other.post("/fsck/step", json={"owner": "somebody-else"}).status_code == 200
        for n in range(admission._STEPS_UNDER_WAY - admission._STEPS_PER_TENANT):
            under_way.enter_context(room.step(f"tenant-{n}"))
        assert other.post("/fsck/step", json={"owner": "somebody-else"}).status_code == 503
    assert client.post(path, json=body).status_code in (200, 409)
    assert not room._steps


def test_methods_that_somebody_made_up_are_one_metric(service: Any) -> None:
    for n in range(50):
        service.request(f"MADEUP{n}", "/records")
    told = service.get("/metrics").text
    assert "MADEUP" not in told and 'method="other"' in told
