"""Ladders: a video's own, its project's, and what another one does to a video that is ready."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient

from dreamlake_pipeline.auth import Scope

Finish = Callable[..., dict[str, Any]]


@pytest.fixture
def finish(api: TestClient, files: Any, owner: str) -> Finish:
    """Sends and finishes a video (or one with the bytes given) as the client does; BSS's answer for it."""

    def done(data: bytes, name: str = "/a.mp4", **more: Any) -> dict[str, Any]:
        files.stage(data)
        file = {"kind": "video", "name": name, "hash": hashlib.sha256(data).hexdigest(), "size": len(data)} | more
        answer = api.post("/uploads/finish", json={"owner": owner, "project": "lab", "files": [file]})
        assert answer.status_code == 200, answer.text
        return answer.json()["files"][0]

    return done


@pytest.fixture
def work(pipeline: TestClient, claim: Any, begin: Any) -> Callable[[Callable[[], None]], dict[str, Any]]:
    """Takes the one batch there is as a run does, and reports every video as made with the ladder that holds for it.

    `meanwhile` happens while it is at work. What the run was handed, and the summary.
    """

    def worked(meanwhile: Callable[[], None] = lambda: None) -> dict[str, Any]:
        (batch,) = claim()
        begun = begin(batch["partition"])
        meanwhile()
        results = [
            {"id": item["id"], "metadata": {"ladder": item.get("ladder") or begun.get("ladder") or []}}
            for item in begun["items"]
        ]
        partition = {"partition": batch["partition"], "runId": "run-1"}
        assert pipeline.post("/pipeline/batches/results", json=partition | {"results": results}).status_code == 200
        summary = pipeline.post("/pipeline/batches/finish", json=partition).json()
        return begun | {"summary": summary}

    return worked


def test_a_video_keeps_its_own_ladder(finish: Finish, work: Any, api: TestClient) -> None:
    data = secrets.token_bytes(20)
    made = finish(data, ladder=[480, 1080, 480])
    (item,) = work()["items"]
    assert item["ladder"] == [1080, 480]
    # Nothing said, or the same again: it stays as it is.
    assert finish(data)["status"] == finish(data, ladder=[1080, 480])["status"] == "ready"
    assert api.get(f"/videos/{made['id']}").json()["ladder"] == [1080, 480]


@pytest.mark.parametrize("ladder", [[720], []])
def test_another_ladder_queues_a_video_that_is_ready(finish: Finish, work: Any, ladder: list[int]) -> None:
    data = secrets.token_bytes(20)
    made = finish(data, ladder=[1080, 480])
    work()
    other = finish(data, ladder=ladder)
    assert (other["id"], other["created"], other["status"]) == (made["id"], False, "queued")
    (item,) = work()["items"]
    assert item["ladder"] == ladder
    assert finish(data, ladder=ladder)["status"] == "ready"


def test_a_video_that_has_what_is_asked_for_is_not_made_again(
    finish: Finish, work: Any, pipeline: TestClient, owner: str
) -> None:
    assert pipeline.put(f"/projects/{owner}/lab/settings", json={"ladder": [480]}).status_code == 200
    data = secrets.token_bytes(20)
    finish(data)
    begun = work()
    assert (begun["ladder"], begun["items"][0].get("ladder")) == ([480], None)
    assert finish(data, ladder=[480])["status"] == "ready"
    assert finish(data, ladder=[480, 240], process=False)["status"] == "ready"


def test_another_ladder_during_the_work_is_not_lost(finish: Finish, work: Any, api: TestClient) -> None:
    data, steady = secrets.token_bytes(20), secrets.token_bytes(20)
    made = finish(data, ladder=[480])
    finish(steady, "/steady.mp4", ladder=[480])

    def change() -> None:
        assert finish(data, ladder=[720])["status"] == "processing"

    assert work(change)["summary"] | {"partition": ""} == {"partition": "", "ready": 1, "failed": 0, "unfinished": 0}
    assert api.get(f"/videos/{made['id']}").json()["status"] == "queued"
    (item,) = work()["items"]
    assert (item["id"], item["ladder"]) == (made["id"], [720])
    assert api.get(f"/videos/{made['id']}").json()["status"] == "ready"


def test_a_registration_may_name_a_ladder(files: Any, api: TestClient) -> None:
    key = files.stage()
    made = files.register("/videos", "/a.mp4", key, ladder=[480])
    assert files.register("/videos", "/a.mp4", key)["id"] == made["id"]
    assert api.get(f"/videos/{made['id']}").json()["ladder"] == [480]
    files.register("/videos", "/a.mp4", key, ladder=[])
    assert api.get(f"/videos/{made['id']}").json()["ladder"] == []


def test_a_projects_ladder(api: TestClient, as_caller: Any, owner: str) -> None:
    route = f"/projects/{owner}/new/settings"
    assert api.get(route).json()["ladder"] is None
    for ladder in ([720, 480], [], None):
        assert api.put(route, json={"ladder": ladder}).json()["ladder"] == ladder == api.get(route).json()["ladder"]
    reader, stranger = as_caller(owner, scope=Scope.READ), as_caller("somebody-else")
    assert reader.get(route).status_code == 200
    assert reader.put(route, json={"ladder": [480]}).status_code == 403
    assert stranger.get(route).status_code == stranger.put(route, json={}).status_code == 403
    assert api.get(route).json()["ladder"] is None


@pytest.mark.parametrize("ladder", [[721], [0], [-2], [8194], ["720p"], "720", list(range(100, 118, 2))])
def test_what_is_no_ladder_is_refused(api: TestClient, files: Any, owner: str, ladder: Any) -> None:
    refused = api.put(f"/projects/{owner}/lab/settings", json={"ladder": ladder})
    assert refused.status_code == 422
    assert "ladder" in refused.json()["error"]["message"]
    body = {"owner": owner, "project": "lab", "name": "/a.mp4", "stagingHash": files.stage(), "ladder": ladder}
    assert api.post("/videos", json=body).status_code == 422


def test_only_a_video_has_a_ladder(api: TestClient, files: Any, owner: str) -> None:
    body = {"owner": owner, "project": "lab", "name": "/a.wav", "stagingHash": files.stage(), "ladder": [480]}
    assert api.post("/audio", json=body).status_code == 422
    file = {"kind": "audio", "name": "/a.wav", "hash": "0" * 64, "size": 1, "ladder": [480]}
    assert api.post("/uploads/finish", json={"owner": owner, "project": "lab", "files": [file]}).status_code == 422


def test_ladders_change_while_batches_finish(
    finish: Finish, pipeline: TestClient, claim: Any, begin: Any, api: TestClient, owner: str
) -> None:
    data = [secrets.token_bytes(20) for _ in range(4)]
    for round_, ladder in enumerate([[240], [480], [720]]):
        ids = [finish(item, f"/{n}.mp4", ladder=ladder)["id"] for n, item in enumerate(data)]
        (batch,) = claim()
        partition = {"partition": batch["partition"], "runId": f"run-{round_}"}
        begin(batch["partition"], f"run-{round_}")
        results = [{"id": id, "metadata": {"ladder": ladder}} for id in ids]
        pipeline.post("/pipeline/batches/results", json=partition | {"results": results})
        # The batch ends while every file in it is sent again, in another order, with another ladder.
        files = [
            {"kind": "video", "name": f"/{n}.mp4", "hash": hashlib.sha256(item).hexdigest(), "size": 20, "ladder": [96]}
            for n, item in enumerate(data)
        ]
        with ThreadPoolExecutor(4) as threads:
            ended = threads.submit(pipeline.post, "/pipeline/batches/finish", json=partition)
            sent = [
                threads.submit(
                    api.post,
                    "/uploads/finish",
                    json={"owner": owner, "project": "lab", "files": files[at:] + files[:at]},
                )
                for at in range(3)
            ]
        assert [answer.result().status_code for answer in (ended, *sent)] == [200] * 4
        # Whichever came first: what was made with the other ladder is not taken for done.
        assert {api.get(f"/videos/{id}").json()["status"] for id in ids} == {"queued"}
        (again,) = claim()
        begin(again["partition"], "again")
        partition = {"partition": again["partition"], "runId": "again"}
        results = [{"id": id, "metadata": {"ladder": [96]}} for id in ids]
        pipeline.post("/pipeline/batches/results", json=partition | {"results": results})
        assert pipeline.post("/pipeline/batches/finish", json=partition).json()["ready"] == 4
