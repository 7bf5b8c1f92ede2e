"""Requests made up from the OpenAPI documents of both services: none of them may end in a fault of ours.

Half of the requests name what is there (the world's namespace, its records, its chunk), so that they come past the
lookups, to what a route does with its body.
"""

from __future__ import annotations

import logging
import random
import secrets
from collections import Counter
from typing import Any
from zlib import crc32

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings

from dreamlake_pipeline.kinds import KINDS, Kind
from tests.conftest import SECRET

from .world import KIND_OF_ROUTE, STREAM, World

# Requests for each route that takes a body, and for each of the others.
WITH_BODY, WITHOUT = 24, 5

# Fields that need not be there, and whose rules made-up values seldom keep.
OPTIONAL = {"episode", "episodeName", "csv", "ladder", "contentType", "uploadedAt"}

# What an asset has to have, by its kind.
BSS_IDS = dict.fromkeys((spec.bss_id_field for spec in KINDS.values()), "0" * 24)


@pytest.fixture(scope="module")
def world(services: Any, object_store: Any) -> World:
    return World(services, object_store, f"o{secrets.token_hex(5)}", SECRET)


def _name_what_is_there(world: World, case: Any, chance: random.Random) -> None:
    """Put names of the world in the place of made-up ones, where the request has such a field."""
    kind = KIND_OF_ROUTE.get(case.path.split("/")[1])
    there = {
        "owner": world.owner,
        "namespace": world.owner,
        "project": "lab",
        "id": world.records[kind] if kind else world.asset,
        "videoId": world.records[Kind.VIDEO],
        "audioId": world.records[Kind.AUDIO],
        "ids": list(world.records.values()),
        "path": "/a.mp4",
        "key": f"{world.owner}/lab/staging/{'a' * 64}",
        "hash": {"m3u8": STREAM, "{form}": world.chunk}.get(case.path.rpartition(".")[2], "b" * 64),
        "form": "ts",
        "stagingHash": "a" * 64,
        "uploadId": "made-up",
        "name": "/made-up.mp4",
    }
    for fields in (case.path_parameters, case.query, case.body):
        if not isinstance(fields, dict):
            continue
        if "partNumbers" in fields or "parts" in fields:
            part = {"partNumber": 1, "etag": "x", "size": 1, "sha256": "c" * 64}
            fields |= {"partNumbers": [1], "parts": [part]}
            fields.pop(chance.choice(("partNumbers", "parts")))
        nested = [each for value in fields.values() if isinstance(value, list) for each in value]
        for item in (fields, *(each for each in nested if isinstance(each, dict))):
            if "namespace" in item:
                item |= BSS_IDS
            for name in item.keys() & there.keys():
                if chance.random() < 0.95:
                    item[name] = there[name]
            for name in item.keys() & OPTIONAL:
                if chance.random() < 0.8:
                    del item[name]


@pytest.mark.timeout(1200)  # thousands of requests; a minute on a quiet machine
@pytest.mark.parametrize("service", ["bss_url", "remote"])
def test_no_request_is_a_fault(world: World, service: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "dreamlake.audit")
    document = schemathesis.openapi.from_url(f"{getattr(world.services, service)}/openapi.json")
    faults: list[Any] = []
    shallow = []
    for found in document.get_all_operations():
        operation = found.ok()
        if operation.path.endswith("/auth/revoke") or operation.method == "delete":
            continue  # the world is still needed
        # What is made up for a route stays the same when there are others.
        statuses, some = _ask(world, operation, crc32(f"{operation.method} {operation.path}".encode()))
        faults += some
        if operation.body and not statuses.keys() - {403, 413, 422}:
            shallow.append((operation.path, statuses))
    assert not faults, faults[:3]
    assert not shallow


def _ask(world: World, operation: Any, n: int) -> tuple[Counter[int], list[Any]]:
    """What requests for an operation were answered with, and those answers that are faults."""
    statuses: Counter[int] = Counter()
    faults: list[Any] = []
    chance = random.Random(n)

    @seed(n)
    @given(case=operation.as_strategy())
    @settings(
        max_examples=WITH_BODY if operation.body else WITHOUT,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        if chance.random() < 0.6:
            _name_what_is_there(world, case, chance)
        if isinstance(case.body, dict):
            case.body.pop("waitSeconds", None)  # a claim would wait for as long
        case.headers = dict(case.headers or {}) | world.everything
        answer = case.call()
        statuses[answer.status_code] += 1
        if answer.status_code >= 500 or (answer.status_code >= 400 and not answer.json()["error"]["message"]):
            faults.append((case.method, case.path, case.body, case.query, answer.text))

    ask()
    return statuses, faults
