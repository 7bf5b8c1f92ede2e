"""Who may do what: every route of both services with every kind of token.

The table has a line for each route, and a route without one fails the test. A line says what a request needs to get as
far as its token lets it, what somebody who is let in gets, and who is.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from dreamlake_pipeline import revocation
from dreamlake_pipeline.auth import Scope, issue_token, token_id
from dreamlake_pipeline.bss.app import create_app as create_bss
from dreamlake_pipeline.kinds import KINDS, Kind
from dreamlake_pipeline.server.app import create_app as create_server
from dreamlake_pipeline.settings import Settings
from tests.conftest import SECRET

from .world import KIND_OF_ROUTE, STREAM, World

# The columns of the rows below: `+` is let in, other figures are the last two of a status.
COLUMNS = (
    "other namespace, read",
    "other namespace, write",
    "read",
    "write",
    "play this",
    "play another",
    "*, read",
    "*, write",
)
READ_BY_ID = " 04 04  +  + 03 03  +  +"  # an id of another namespace is none
WRITE_BY_ID = "03 04 03  + 03 03 03  +"
READ_NAMED = " 03 03  +  + 03 03  +  +"  # the caller names the namespace himself
WRITE_NAMED = "03 03 03  + 03 03 03  +"
PLAY = "       04 04  +  +  + 03  +  +"
CHUNK = "      04 04  +  +  + 04  +  +"
ASK = "         +  +  +  + 03 03  +  +"  # what is not reached is left out of the answer
CHANGE = "     03  + 03  + 03 03 03  +"
PIPELINE = "   03 03 03 03 03 03 03  +"
OVERSEE = "    03 03 03 03 03 03  +  +"
PUBLIC = "everybody"

Request = Callable[[World, Kind], dict[str, Any]]


@dataclass(frozen=True)
class Line:
    """`ok` is the status for those who are let in. `request` makes what the request needs: `json`, `params`, or other
    values for the variables of the path."""

    row: str
    ok: int = 200
    request: Request = field(default=lambda world, kind: {})


def _named(world: World, kind: Kind) -> dict[str, Any]:
    return {"owner": world.owner, "project": "lab"}


def _where(world: World, kind: Kind) -> dict[str, Any]:
    return {"params": {"namespace": world.owner, "project": "lab", "path": "/a.mp4"}}


def _episode(world: World, kind: Kind) -> dict[str, Any]:
    return {"params": {"episode": world.episode}}


def _upload(world: World, kind: Kind) -> dict[str, Any]:
    return {"uploadId": "unknown", "key": f"{world.owner}/lab/staging/{'a' * 64}"}


def _file(world: World, kind: Kind) -> dict[str, Any]:
    return {"json": _named(world, kind) | {"files": [{"kind": "video", "name": "/n.mp4", "hash": "b" * 64, "size": 1}]}}


def _asset(world: World, kind: Kind) -> dict[str, Any]:
    return {"namespace": world.owner, "project": "lab", "name": "/b.mp4", "bssVideoId": "0" * 24}


def _body(**json: Any) -> Request:
    return lambda world, kind: {"json": json}


# BSS: lines of R, which each kind has, are under the name of the kind's route in their place.
UPLOADS_AND_RECORDS = {
    "POST /R/upload/multipart/init": Line(
        WRITE_NAMED, 200, lambda world, kind: {"json": _named(world, kind) | {"hash": "a" * 64}}
    ),
    "POST /R/upload/multipart/parts": Line(
        WRITE_NAMED, 410, lambda world, kind: {"json": _upload(world, kind) | {"partNumbers": [1]}}
    ),
    "GET /R/upload/multipart/parts-done": Line(WRITE_NAMED, 410, lambda world, kind: {"params": _upload(world, kind)}),
    "POST /R/upload/multipart/complete": Line(
        WRITE_NAMED,
        410,
        lambda world, kind: {"json": _upload(world, kind) | {"parts": [{"partNumber": 1, "etag": "x"}]}},
    ),
    "POST /R/upload/multipart/abort": Line(WRITE_NAMED, 410, lambda world, kind: {"json": _upload(world, kind)}),
    "POST /R": Line(
        WRITE_NAMED,
        409,
        lambda world, kind: {"json": _named(world, kind) | {"name": "/n", "stagingHash": "c" * 64}},
    ),
    "GET /R": Line(READ_NAMED, 200, lambda world, kind: {"params": {"owner": world.owner}}),
    "GET /R/{id}": Line(READ_BY_ID),
    "GET /R/{id}/metadata": Line(READ_BY_ID),
    "GET /R/{id}/raw": Line(READ_BY_ID, 302),
    "GET /R/{id}/playback": Line(READ_BY_ID),
    "DELETE /R/{id}": Line(WRITE_BY_ID, 204, lambda world, kind: {"id": world.register(kind)}),
}
STREAMS = {
    "GET /R/{id}/stream/master.m3u8": Line(PLAY),
    "GET /R/{id}/stream/{hash}.m3u8": Line(PLAY, 200, lambda world, kind: {"hash": STREAM}),
    "GET /R/{id}/stream/{hash}.{form}": Line(PLAY, 200, lambda world, kind: {"hash": world.chunk, "form": "ts"}),
    "GET /R/{id}/waveform.png": Line(PLAY, 302),
    "GET /R/{id}/waveform.json": Line(PLAY, 302),
}
BSS = {
    "GET /healthz": Line(PUBLIC),
    "GET /metrics": Line(PUBLIC),
    "POST /auth/revoke": Line(PIPELINE, 200, _body(ids=["somebody-elses"])),
    "GET /auth/revoked": Line(OVERSEE),
    **{
        name.replace("/R", f"/{spec.route}", 1): line
        for spec in KINDS.values()
        for name, line in UPLOADS_AND_RECORDS.items()
    },
    **{
        name.replace("/R", f"/{kind.spec.route}", 1): line
        for kind in (Kind.VIDEO, Kind.AUDIO)
        for name, line in STREAMS.items()
    },
    "GET /videos/{id}/poster.jpg": Line(PLAY, 302),
    "GET /videos/{id}/contact-sheet.jpg": Line(PLAY, 302),
    "GET /videos/{id}/stream/subtitles/{track_id}.m3u8": Line(PLAY),
    "GET /videos/{id}/stream/subtitles/{track_id}/{number}.vtt": Line(PLAY),
    "GET /text-tracks/{id}/track.vtt": Line(READ_BY_ID, 302),
    "GET /text-tracks/{id}/data.parquet": Line(READ_BY_ID, 302),
    "GET /text-tracks/{id}/series": Line(READ_BY_ID),
    "GET /text-tracks/{id}/rows": Line(READ_BY_ID),
    "GET /labels/{id}/data.parquet": Line(READ_BY_ID, 302),
    "GET /labels/{id}/series.parquet": Line(READ_BY_ID, 302),
    "GET /labels/{id}/series": Line(READ_BY_ID),
    "GET /labels/{id}/rows": Line(READ_BY_ID),
    "GET /labels/{id}/plot.png": Line(READ_BY_ID, 302),
    "GET /labels/{id}/fields.json": Line(READ_BY_ID, 302),
    "GET /chunks/{hash}.{form}": Line(CHUNK, 302, lambda world, kind: {"hash": world.chunk, "form": "ts"}),
    "POST /lambdas/hls-split": Line(
        WRITE_BY_ID, 202, lambda world, kind: {"json": {"videoId": world.records[Kind.VIDEO]}}
    ),
    "POST /lambdas/audio-process": Line(
        WRITE_BY_ID, 202, lambda world, kind: {"json": {"audioId": world.records[Kind.AUDIO]}}
    ),
    "GET /projects/{owner}/{project}/settings": Line(READ_NAMED),
    "PUT /projects/{owner}/{project}/settings": Line(WRITE_NAMED, 200, _body()),
    "POST /uploads/compare": Line(READ_NAMED, 200, _file),
    "POST /uploads/plan": Line(WRITE_NAMED, 200, _file),
    "POST /uploads/finish": Line(WRITE_NAMED, 200, _file),
    "POST /gc/step": Line(PIPELINE, 200, _body(dryRun=True)),
    "GET /records": Line(READ_NAMED, 200, lambda world, kind: {"params": {"owner": world.owner}}),
    "GET /records/underway": Line(ASK),
    "GET /staging": Line(READ_NAMED, 200, lambda world, kind: {"params": {"owner": world.owner}}),
    "GET /records/deleted": Line(READ_NAMED, 200, lambda world, kind: {"params": {"owner": world.owner}}),
    "POST /records/delete": Line(CHANGE, 200, _body(ids=["0" * 24])),
    "POST /records/move": Line(CHANGE, 200, _body(moves=[{"id": "0" * 24, "name": "/a.csv"}])),
    "POST /records/undelete": Line(CHANGE, 200, _body(ids=["0" * 24])),
    "POST /records/urls": Line(ASK, 200, _body(ids=["0" * 24])),
    "POST /records/logs": Line(ASK, 200, _body(ids=["0" * 24])),
    "POST /records/changed": Line(ASK, 200, _body(known=[{"id": "0" * 24}])),
    "POST /records/query": Line(ASK, 200, _body(ids=["0" * 24])),
    "POST /records/requeue": Line(CHANGE, 200, _body(ids=["0" * 24])),
    "POST /pipeline/staged/unknown": Line(PIPELINE, 200, _body(keys=[])),
    "POST /pipeline/staged/adopt": Line(PIPELINE, 200, _body(objects=[])),
    "POST /pipeline/batches/claim": Line(PIPELINE, 422, _body()),
    "GET /pipeline/batches/leased": Line(PIPELINE, 200, _body()),
    "POST /pipeline/batches/release": Line(PIPELINE, 200, _body(releases=[], maxAttempts=3)),
    "POST /pipeline/batches/postpone": Line(PIPELINE, 404, _body(partition="p", runId="r", items=[])),
    "POST /pipeline/batches/begin": Line(PIPELINE, 404, _body(partition="p", runId="r", leaseSeconds=1)),
    "GET /pipeline/batches/items": Line(PIPELINE, 404, lambda world, kind: {"params": {"partition": "p"}}),
    "GET /pipeline/batches/moved": Line(PIPELINE, 200, lambda world, kind: {"params": {"partition": "p"}}),
    "GET /pipeline/build": Line(PIPELINE),
    "GET /pipeline/failures": Line(PIPELINE),
    "POST /pipeline/batches/heartbeat": Line(PIPELINE, 404, _body(partition="p", runId="r", leaseSeconds=1)),
    "POST /pipeline/batches/give-back": Line(PIPELINE, 404, _body(partition="p", runId="r", ids=[])),
    "POST /pipeline/batches/results": Line(PIPELINE, 404, _body(partition="p", runId="r", results=[])),
    "POST /pipeline/batches/finish": Line(PIPELINE, 404, _body(partition="p", runId="r")),
    "POST /pipeline/chunks/lease": Line(PIPELINE, 200, _body(chunks=[])),
    "POST /pipeline/chunks/stored": Line(PIPELINE, 200, _body(chunks=[])),
    "POST /pipeline/results/lookup": Line(PIPELINE, 200, _body(owner="a", keys=[])),
    "POST /fsck/step": Line(READ_NAMED, 200, lambda world, kind: {"json": {"owner": world.owner, "project": "none"}}),
    "POST /fsck/projects": Line(READ_NAMED, 200, lambda world, kind: {"json": {"owner": world.owner}}),
    "POST /fsck/lookup": Line(ASK, 200, _body(ids=["0" * 24])),
    "POST /fsck/repair": Line(CHANGE, 200, _body(findings=[])),
    "POST /rebuild/step": Line(PIPELINE, 409, _body()),
    "POST /pipeline/deletions/pending": Line(PIPELINE, 200, _body(minAgeSeconds=1)),
    "POST /pipeline/deletions/forget": Line(PIPELINE, 200, _body(deletions=[])),
}
SERVER = {
    "GET /healthz": Line(PUBLIC),
    "GET /metrics": Line(PUBLIC),
    "POST /auth/revoke": Line(PIPELINE, 200, _body(ids=["somebody-elses"])),
    "GET /auth/revoked": Line(OVERSEE),
    "GET /auth/me": Line(ASK),
    "POST /assets/batch": Line(
        WRITE_NAMED, 200, lambda world, kind: {"json": {"assets": [_asset(world, kind) | {"kind": "video"}]}}
    ),
    "POST /assets/delete": Line(
        WRITE_NAMED,
        200,
        lambda world, kind: {
            "json": {"assets": [{"kind": "video", "namespace": world.owner, "project": "lab", "path": "/none.mp4"}]}
        },
    ),
    "POST /assets/{kind}": Line(WRITE_NAMED, 200, lambda world, kind: {"json": _asset(world, kind)}),
    "GET /assets/{kind}": Line(READ_NAMED, 200, _where),
    "GET /assets/{kind}/download": Line(READ_NAMED, 200, _where),
    "GET /assets/{kind}/{id}": Line(READ_BY_ID, 200, lambda world, kind: {"id": world.asset}),
    "PATCH /assets/{kind}/{id}": Line(
        WRITE_BY_ID, 200, lambda world, kind: {"id": world.asset, "json": {"timeOffsetSec": None}}
    ),
    "DELETE /assets/{kind}": Line(
        WRITE_NAMED,
        204,
        lambda world, kind: {"params": {"namespace": world.owner, "project": "lab", "path": "/none.mp4"}},
    ),
    # Deleting what is not there is a success, and so it is with an id that the caller does not reach: nothing happens.
    "DELETE /assets/{kind}/{id}": Line(CHANGE, 204, lambda world, kind: {"id": world.index("/deleted.mp4")}),
    "GET /namespaces": Line(ASK),
    "GET /namespaces/{namespace}/projects": Line(READ_NAMED),
    "GET /namespaces/{namespace}/projects/{project}/episodes": Line(READ_NAMED),
    "GET /namespaces/{namespace}/projects/{project}/nodes": Line(READ_NAMED),
    "GET /namespaces/{namespace}/projects/{project}/episodes/summaries": Line(READ_NAMED),
    "GET /namespaces/{namespace}/projects/{project}/episode": Line(READ_NAMED, 200, _episode),
    "PATCH /namespaces/{namespace}/projects/{project}/episode": Line(
        WRITE_NAMED, 200, lambda world, kind: _episode(world, kind) | {"json": {"flag": "good"}}
    ),
    "GET /projects/totals": Line(READ_NAMED, 200, lambda world, kind: {"params": {"namespace": world.owner}}),
}
TABLES = {"bss_url": BSS, "remote": SERVER}
PLAYERS = (PLAY, CHUNK)  # rows of the routes that take a playback token in their URL


@pytest.fixture(scope="module")
def world(services: Any, object_store: Any) -> World:
    return World(services, object_store, f"o{secrets.token_hex(5)}", SECRET)


def _kind(route: str) -> Kind:
    return KIND_OF_ROUTE.get(route.split("/")[1], Kind.VIDEO)


def _ask(
    world: World, service: str, name: str, line: Line, token: str | None, *, in_url: bool = False
) -> httpx.Response:
    method, path = name.split(" ")
    kind = _kind(path)
    given = line.request(world, kind)
    variables = {
        "id": world.records[kind],
        "track_id": world.records[Kind.TEXT_TRACK],
        "number": 0,
        "owner": world.owner,
        "namespace": world.owner,
        "project": "lab",
        "kind": "video",
    } | {name: value for name, value in given.items() if name not in ("json", "params")}
    url = getattr(world.services, service) + re.sub(r"{(\w+)}", lambda found: str(variables[found[1]]), path)
    params = given.get("params", {}) | ({"token": token} if in_url else {})
    headers = {"Authorization": f"Bearer {token}"} if token and not in_url else {}
    return world.http.request(method, url, params=params, json=given.get("json"), headers=headers)


@pytest.mark.parametrize("service", TABLES)
def test_every_route_has_its_line(services: Any, service: str) -> None:
    paths = httpx.get(f"{getattr(services, service)}/openapi.json").json()["paths"]
    routes = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert routes == set(TABLES[service])


def _cases() -> Iterator[Any]:
    for service, table in TABLES.items():
        for name, line in table.items():
            yield pytest.param(service, name, line, id=f"{'bss' if service == 'bss_url' else 'server'}: {name}")


@pytest.mark.parametrize(("service", "name", "line"), list(_cases()))
def test_everybody_gets_what_the_line_says(world: World, service: str, name: str, line: Line) -> None:
    def status(token: str | None, **options: Any) -> int:
        answer = _ask(world, service, name, line, token, **options)
        if answer.status_code in (401, 403):
            error = answer.json()["error"]
            assert error["code"] == ("unauthenticated" if answer.status_code == 401 else "forbidden")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        return answer.status_code

    everybody = world.somebodies(_kind(name.split(" ")[1]))
    if line.row == PUBLIC:
        assert {status(token) for token in (*world.nobodies.values(), *everybody.values())} == {line.ok}
        return
    assert {why: status(token) for why, token in world.nobodies.items()} == dict.fromkeys(world.nobodies, 401)
    expected = {
        who: line.ok if figure == "+" else 400 + int(figure)
        for who, figure in zip(COLUMNS, line.row.split(), strict=True)
    }
    assert {who: status(token) for who, token in everybody.items()} == expected

    # In the URL, only a playback token counts, and only where players come.
    plays = line.row in PLAYERS
    assert status(everybody["play this"], in_url=True) == (line.ok if plays else 401)
    for who in ("read", "write", "*, write"):
        assert status(everybody[who], in_url=True) == (403 if plays else 401), who
    assert status(world.nobodies["expired"], in_url=True) == 401


def test_a_namespace_is_named_to_nobody_who_did_not_name_it(world: World) -> None:
    for service, table in TABLES.items():
        for name, line in table.items():
            if line.row in (READ_BY_ID, WRITE_BY_ID, PLAY, CHUNK):
                for token in ("other namespace, read", "other namespace, write", "play another"):
                    answer = _ask(world, service, name, line, world.somebodies(_kind(name.split(" ")[1]))[token])
                    assert answer.status_code in (403, 404) and world.owner not in answer.text, name


def test_both_keys_are_good_while_one_takes_the_place_of_the_other(new_database: Any, object_store: Any) -> None:
    old, new = "the key that was in use before: 32 bytes", "the key that takes its place: 32 bytes"
    settings = Settings(
        postgres_url=new_database(),
        auth_secrets=f"{new},{old}",
        bucket=object_store.bucket,
        bss_url="http://127.0.0.1:1",
    )
    for create, path in ((create_bss, "/videos?owner=lab"), (create_server, "/auth/me")):
        with TestClient(create(settings)) as service:
            for key, status in ((old, 200), (new, 200), (SECRET, 401)):
                token = issue_token(key, sub="t", namespaces=["lab"], scope=Scope.READ, ttl=60)
                answer = service.get(path, headers={"Authorization": f"Bearer {token}"})
                assert answer.status_code == status, (path, key)


@pytest.mark.parametrize("service", TABLES)
def test_a_revoked_token_ends_within_seconds_also_where_nobody_was_told(
    world: World, service: str, new_database: Any, object_store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes of one service: one is told, the other one reads the table again."""
    monkeypatch.setattr(revocation, "FRESH_SECONDS", 0.5)
    settings = Settings(
        postgres_url=new_database(), auth_secret=SECRET, bucket=object_store.bucket, bss_url="http://127.0.0.1:1"
    )
    create, path = {"bss_url": (create_bss, "/videos?owner=lab"), "remote": (create_server, "/auth/me")}[service]
    headers = {"Authorization": f"Bearer {world.issue('lab')}"}
    with TestClient(create(settings)) as told, TestClient(create(settings)) as other:
        assert told.get(path, headers=headers).status_code == other.get(path, headers=headers).status_code == 200
        ids = {"ids": [token_id(headers["Authorization"].split()[1])]}
        assert told.post("/auth/revoke", json=ids, headers=headers).status_code == 200
        assert told.get(path, headers=headers).status_code == 401
        time.sleep(0.6)
        assert other.get(path, headers=headers).status_code == 401
