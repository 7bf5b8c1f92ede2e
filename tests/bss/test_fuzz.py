"""Requests made up from the OpenAPI document: none of them may end in a fault of ours."""

from __future__ import annotations

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings


def test_no_request_is_a_fault(service, pipeline) -> None:
    document = schemathesis.openapi.from_asgi("/openapi.json", service.app)
    headers = dict(pipeline.headers)
    faults, statuses = [], set()
    for found in document.get_all_operations():
        operation = found.ok()

        @given(case=operation.as_strategy())
        @settings(
            max_examples=4,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def ask(case) -> None:
            if isinstance(case.body, dict):
                case.body.pop("waitSeconds", None)  # a claim would wait for as long
            answer = case.call(headers=headers)
            statuses.add(answer.status_code)
            if answer.status_code >= 500 or (answer.status_code >= 400 and not answer.json()["error"]["message"]):
                faults.append((case.method, case.path, case.body, case.query, answer.text))

        ask()
    assert not faults
    assert statuses >= {200, 404, 422} and 401 not in statuses
