"""What is under way, by project; and which records have a result of which something has to be said."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from dreamlake_pipeline.auth import Scope


def underway(caller: Any, owner: str) -> dict[str, Any]:
    """What is told of this owner's only project; nothing while nothing is under way."""
    answer = caller.get("/records/underway")
    assert answer.status_code == 200, answer.text
    assert not answer.json()["more"]
    found = [one for one in answer.json()["items"] if one["owner"] == owner]
    assert len(found) <= 1
    return found[0] if found else {}


def results(pipeline: Any, partition: str, *found: dict[str, Any]) -> None:
    run = {"partition": partition, "runId": "run-1"}
    answer = pipeline.post("/pipeline/batches/results", json=run | {"results": list(found)})
    assert answer.status_code == 200, answer.text
    assert pipeline.post("/pipeline/batches/finish", json=run).status_code == 200


def made(id: str, *, warnings: list[str] | None = None, **metadata: Any) -> dict[str, Any]:
    return {
        "id": id,
        "sha256": "ab" * 32,
        "recipe": "r",
        "metadata": {"cues": 1} | metadata,
        "warnings": warnings or [],
    }


def test_files_are_counted_from_their_upload_to_their_end(
    api, as_caller, files, owner, claim, begin, pipeline, send
) -> None:
    assert underway(api, owner) == {}
    data = secrets.token_bytes(70)
    content = hashlib.sha256(data).hexdigest()
    file = {"kind": "text-track", "name": "/sent.srt", "hash": content, "size": len(data)}
    plan = api.post("/uploads/plan", json={"owner": owner, "project": "lab", "files": [file]}).json()["files"][0]
    assert plan["action"] == "put"
    assert underway(api, owner) == {
        "owner": owner, "project": "lab",
        "uploading": 1, "registered": 0, "queued": 0, "processing": 0, "bytes": 70,
    }  # fmt: skip
    assert send.put(plan["url"], content=data, headers=plan["headers"]).status_code == 200
    done = api.post("/uploads/finish", json={"owner": owner, "project": "lab", "files": [file]}).json()["files"][0]
    files.register("/videos", "/a.mp4")
    now = underway(api, owner)
    assert (now["uploading"], now["registered"], now["queued"], now["bytes"]) == (0, 1, 1, 120)

    # Others are told of what they reach, whether they may write or not.
    assert underway(as_caller(owner, scope=Scope.READ), owner) == now == underway(as_caller("*"), owner)
    assert underway(as_caller("somebody-else"), owner) == {}
    # Of one namespace, which has to be reached.
    for caller, expected in {api: [now], as_caller("*"): [now]}.items():
        assert caller.get("/records/underway", params={"owner": owner}).json()["items"] == expected
    assert as_caller("*").get("/records/underway", params={"owner": "somebody-else"}).json()["items"] == []
    assert as_caller("somebody-else").get("/records/underway", params={"owner": owner}).status_code == 403

    [offer] = claim()
    assert underway(api, owner)["queued"] == 1
    begin(offer["partition"])
    assert underway(api, owner)["processing"] == 1
    results(pipeline, offer["partition"], made(done["id"]))
    assert underway(api, owner)["processing"] == 0 and underway(api, owner)["registered"] == 1


def test_a_file_that_was_put_off_waits(api, files, owner, claim, begin, pipeline) -> None:
    [id] = files.queued(1)
    [offer] = claim()
    begin(offer["partition"])
    run = {"partition": offer["partition"], "runId": "run-1"}
    reason = {"code": "storage_failed", "message": "S3 is away."}
    items = [{"id": id, "reason": reason}]
    assert pipeline.post("/pipeline/batches/postpone", json=run | {"items": items}).status_code == 200
    assert (underway(api, owner)["queued"], underway(api, owner)["processing"]) == (1, 0)


def test_records_with_warnings_and_of_a_part_are_listed(api, files, owner, claim, begin, pipeline) -> None:
    plain, warned, partial, failed = files.queued(4)
    [offer] = claim()
    begin(offer["partition"])
    results(
        pipeline,
        offer["partition"],
        made(plain, partial=False),
        made(warned, warnings=["One thing."]),
        made(partial, warnings=["1 s is missing."], partial=True),
        {"id": failed, "error": {"code": "text_invalid", "message": "No cue."}},
    )

    def listed(**wanted: bool) -> list[str]:
        found = api.get("/records", params={"owner": owner, "project": "lab"} | wanted)
        return [one["id"] for one in found.json()["items"]]

    assert listed(warned=True) == sorted([warned, partial])
    assert listed(partial=True) == [partial]
    assert listed(failed=True) == [failed]
    assert listed(failed=True, partial=True) == []
    assert len(listed()) == 4
    # What another upload has taken the name of is nobody's concern any more.
    name = api.get(f"/text-tracks/{partial}").json()["name"]
    files.register("/text-tracks", name)
    assert listed(partial=True) == [] and listed(warned=True) == [warned]
