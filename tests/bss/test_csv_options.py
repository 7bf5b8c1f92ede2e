"""How CSV files are written: a file's own options, its project's, and what others do to a file that is ready."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

Finish = Callable[..., dict[str, Any]]


@pytest.fixture
def finish(api: TestClient, files: Any, owner: str) -> Finish:
    """Sends and finishes a label file with the bytes given as the client does; BSS's answer for it."""

    def done(data: bytes, name: str = "/a.csv", **more: Any) -> dict[str, Any]:
        files.stage(data)
        file = {"kind": "label-track", "name": name, "hash": hashlib.sha256(data).hexdigest(), "size": len(data)} | more
        answer = api.post("/uploads/finish", json={"owner": owner, "project": "lab", "files": [file]})
        assert answer.status_code == 200, answer.text
        return answer.json()["files"][0]

    return done


@pytest.fixture
def work(pipeline: TestClient, claim: Any, begin: Any) -> Callable[[Callable[[], None]], dict[str, Any]]:
    """Takes the one batch there is as a run does, and reports each file as made with the options that hold for it.

    `meanwhile` happens while it is at work. What the run was handed, and the summary.
    """

    def worked(meanwhile: Callable[[], None] = lambda: None) -> dict[str, Any]:
        (batch,) = claim()
        begun = begin(batch["partition"])
        meanwhile()
        projects = begun.get("csv") or {}
        results = [
            {"id": item["id"], "metadata": {"csvOptions": projects if item.get("csv") is None else item["csv"]}}
            for item in begun["items"]
        ]
        partition = {"partition": batch["partition"], "runId": "run-1"}
        assert pipeline.post("/pipeline/batches/results", json=partition | {"results": results}).status_code == 200
        summary = pipeline.post("/pipeline/batches/finish", json=partition).json()
        return begun | {"summary": summary}

    return worked


def test_a_file_keeps_its_own_options(finish: Finish, work: Any, api: TestClient) -> None:
    data = secrets.token_bytes(20)
    made = finish(data, csv={"header": "04", "delimiter": "semicolon"})
    (item,) = work()["items"]
    assert item["csv"] == {"delimiter": ";", "header": "4"}
    # Sent again without a word about it, or with the same.
    assert finish(data)["status"] == finish(data, csv={"delimiter": ";", "header": "4"})["status"] == "ready"
    assert api.get(f"/labels/{made['id']}").json()["csv"] == {"delimiter": ";", "header": "4"}


@pytest.mark.parametrize("options", [{"delimiter": "tab"}, {}])
def test_other_options_queue_a_file_that_is_ready(finish: Finish, work: Any, options: dict[str, str]) -> None:
    data = secrets.token_bytes(20)
    made = finish(data, csv={"delimiter": ";"})
    work()
    other = finish(data, csv=options)
    assert (other["id"], other["status"]) == (made["id"], "queued")
    (item,) = work()["items"]
    assert item["csv"] == options
    assert finish(data, csv=options)["status"] == "ready"


def test_options_that_say_what_was_found_out_anyway(finish: Finish, work: Any) -> None:
    data = secrets.token_bytes(20)
    finish(data)
    (item,) = work()["items"]
    assert item.get("csv") is None
    assert finish(data, csv={})["status"] == "ready"
    assert finish(data, csv={"skip": "1"})["status"] == "queued"


def test_a_project_has_options_for_files_that_say_nothing(
    finish: Finish, work: Any, api: TestClient, pipeline: TestClient, owner: str
) -> None:
    route = f"/projects/{owner}/lab/settings"
    assert api.get(route).json() == {"ladder": None, "csv": None, "types": None, "playback": None}
    put = pipeline.put(route, json={"csv": {"decimal": "comma"}})
    assert put.json() == {"ladder": None, "csv": {"decimal": ","}, "types": None, "playback": None}
    data = secrets.token_bytes(20)
    finish(data)
    begun = work()
    assert (begun["csv"], begun["items"][0].get("csv")) == ({"decimal": ","}, None)
    assert finish(data, csv={"decimal": ","})["status"] == "ready"  # as it was made
    assert finish(data, csv={"decimal": "."})["status"] == "queued"


def test_other_options_during_the_work_are_not_lost(finish: Finish, work: Any) -> None:
    data = secrets.token_bytes(20)
    made = finish(data, csv={"skip": "1"})

    def meanwhile() -> None:
        assert finish(data, csv={"skip": "2"})["status"] == "processing"

    assert work(meanwhile)["summary"]["ready"] == 0
    (item,) = work()["items"]
    assert (item["id"], item["csv"]) == (made["id"], {"skip": "2"})


def test_a_registration_may_name_options(files: Any, api: TestClient) -> None:
    key = files.stage()
    made = files.register("/labels", "/a.csv", key, csv={"skip": "1"})
    assert api.get(f"/labels/{made['id']}").json()["csv"] == {"skip": "1"}
    files.register("/labels", "/a.csv", key, csv={})
    assert api.get(f"/labels/{made['id']}").json()["csv"] == {}


@pytest.mark.parametrize("options", [{"delimiter": "ab"}, {"colour": "red"}, {"skip": 3}, "auto", ["skip=3"]])
def test_what_are_no_options_is_refused(api: TestClient, files: Any, owner: str, options: Any) -> None:
    refused = api.put(f"/projects/{owner}/lab/settings", json={"csv": options})
    assert refused.status_code == 422
    assert "csv" in refused.json()["error"]["message"]
    body = {"owner": owner, "project": "lab", "name": "/a.csv", "stagingHash": files.stage(), "csv": options}
    assert api.post("/labels", json=body).status_code == 422


def test_only_a_label_file_has_options(api: TestClient, files: Any, owner: str) -> None:
    body = {"owner": owner, "project": "lab", "name": "/a.wav", "stagingHash": files.stage(), "csv": {}}
    assert api.post("/audio", json=body).status_code == 422
    file = {"kind": "audio", "name": "/a.wav", "hash": "0" * 64, "size": 1, "csv": {}}
    assert api.post("/uploads/finish", json={"owner": owner, "project": "lab", "files": [file]}).status_code == 422
