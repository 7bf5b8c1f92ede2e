"""The life of a batch: claimed, begun, reported, finished; offered again when its run died."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from .conftest import LIMITS, Files

METADATA = {"cues": 3, "durationSec": 1.5, "odd": "a\x00b", "nothing": None}


@pytest.fixture(autouse=True)
def _nothing_else_waits(pipeline):
    """What other tests left queued, or leased for a while, takes no place here."""
    with pipeline.app.state.database.begin() as connection:
        connection.execute(
            text("""
            UPDATE records SET status = 'registered', created_at = now(), waiting_until = NULL
            WHERE status = 'queued'""")
        )
        connection.execute(text("UPDATE batches SET state = 'closed', closed_at = now() WHERE state = 'open'"))


@pytest.fixture
def report(pipeline):
    def reported(partition, *results, run_id="run-1"):
        body = {"partition": partition, "runId": run_id, "results": list(results)}
        return pipeline.post("/pipeline/batches/results", json=body)

    return reported


@pytest.fixture
def finish(pipeline):
    def finished(partition, run_id="run-1"):
        return pipeline.post("/pipeline/batches/finish", json={"partition": partition, "runId": run_id})

    return finished


def _result(record_id, **more):
    return {"id": record_id, "sha256": "ab" * 32, "recipe": "r1", "metadata": METADATA} | more


def _random_text(length, first="!"):
    """Text that does not compress, without a slash or a dot."""
    alphabet = [chr(ord(first) + n) for n in range(90) if first != "!" or chr(ord(first) + n) not in "./"]
    return "".join(random.choices(alphabet, k=length))


def _ids(items):
    return [item["id"] for item in items["items"]]


def test_from_queue_to_ready(api, files, owner, claim, begin, report, finish, pipeline) -> None:
    good, bad = files.queued(2)
    [offer] = claim()
    assert offer == {
        "partition": offer["partition"], "owner": owner, "project": "lab", "attempt": 1, "files": 2, "bytes": 100,
        "kinds": ["text-track"],
    }  # fmt: skip
    assert offer["partition"].startswith(f"{owner}/lab/20")
    assert claim() == []
    assert api.get(f"/text-tracks/{good}").json()["status"] == "queued"

    items = begin(offer["partition"])
    assert _ids(items) == [good, bad] and items["attempt"] == 1 and items["isWhole"]
    assert {item["status"] for item in items["items"]} == {"processing"}
    beat = {"partition": offer["partition"], "runId": "run-1", "leaseSeconds": 60}
    assert pipeline.post("/pipeline/batches/heartbeat", json=beat).json().keys() == {"othersWait"}

    error = {"code": "text_invalid", "message": "There is no cue in /a.srt."}
    answer = report(
        offer["partition"], _result(good, warnings=["odd"], size=50), {"id": bad, "error": error, "sha256": "cd" * 32}
    )
    assert answer.json() == {"success": True, "passedOver": []}
    # Failed at once; ready only when it is indexed.
    assert api.get(f"/text-tracks/{bad}").json()["error"] == error | {"hint": None}
    record = api.get(f"/text-tracks/{good}").json()
    assert record["status"] == "processing" and record["readyAt"] is None
    assert record["metadata"] == METADATA | {"odd": "a\ufffdb"} and record["warnings"] == ["odd"]

    summary = {"partition": offer["partition"], "ready": 1, "failed": 1, "unfinished": 0}
    assert finish(offer["partition"]).json() == summary
    assert finish(offer["partition"]).json() == summary
    record = api.get(f"/text-tracks/{good}").json()
    assert record["status"] == "ready" and record["readyAt"] and record["partition"] == offer["partition"]
    assert record["sha256"] == "ab" * 32 and record["attempts"] == 1
    assert api.get(f"/text-tracks/{good}/metadata").json()["cues"] == 3
    assert _ids(pipeline.get("/pipeline/batches/items", params={"partition": offer["partition"]}).json()) == [good, bad]

    lookup = {"owner": owner, "keys": [{"kind": "text-track", "sha256": "ab" * 32, "recipe": r} for r in ("r2", "r1")]}
    known = pipeline.post("/pipeline/results/lookup", json=lookup).json()["items"]
    assert known[0] is None and known[1]["id"] == good
    elsewhere = pipeline.post("/pipeline/results/lookup", json=lookup | {"owner": owner + "x"}).json()
    assert elsewhere == {"items": [None, None]}


def test_a_run_that_lost_its_batch_changes_nothing(api, files, claim, begin, report, finish, pipeline) -> None:
    mine, other = files.queued(2)
    [first] = claim()
    partition = first["partition"]
    begin(partition, "zombie")
    begin(partition, "run-2")
    assert report(partition, _result(mine), run_id="run-2").status_code == 200
    before = api.get(f"/text-tracks/{mine}").json()

    by_zombie = {"partition": partition, "runId": "zombie"}
    reason = {"code": "storage_failed", "message": "S3 is away."}
    error = {"code": "text_invalid", "message": "No cue."}
    for route, more in {
        "heartbeat": {"leaseSeconds": 60},
        "results": {"results": [{"id": mine, "error": error}, _result(other)]},
        "give-back": {"ids": [mine, other]},
        "postpone": {"items": [{"id": mine, "reason": reason}, {"id": other, "reason": reason}]},
        "finish": {},
    }.items():
        refused = pipeline.post(f"/pipeline/batches/{route}", json=by_zombie | more)
        assert refused.status_code == 409 and refused.json()["error"]["code"] == "conflict", route
    assert api.get(f"/text-tracks/{mine}").json() == before
    assert api.get(f"/text-tracks/{other}").json()["status"] == "processing"
    report(partition, _result(other), run_id="run-2")
    assert finish(partition, "run-2").json()["ready"] == 2


def test_what_was_reported_before_a_crash_stays_done(api, files, claim, begin, report, finish) -> None:
    done, *undone = files.queued(3)
    [offer] = claim()
    begin(offer["partition"], leaseSeconds=0)
    report(offer["partition"], _result(done))
    offers = claim()
    assert [(one["attempt"], one["files"]) for one in offers if one["partition"] == offer["partition"]] == [(2, 1)]
    halves = [one for one in offers if one["partition"] != offer["partition"]]
    assert [(one["attempt"], one["files"]) for one in halves] == [(1, 1), (1, 1)]
    assert _ids(begin(offer["partition"], "run-2")) == []
    assert finish(offer["partition"], "run-2").json() == {
        "partition": offer["partition"], "ready": 1, "failed": 0, "unfinished": 0,
    }  # fmt: skip
    for half in halves:
        [item] = _ids(begin(half["partition"], "run-3"))
        report(half["partition"], _result(item), run_id="run-3")
        assert finish(half["partition"], "run-3").json()["ready"] == 1
        undone.remove(item)
    assert undone == []
    assert api.get(f"/text-tracks/{done}").json()["attempts"] == 1


def test_the_index_is_told_of_what_failed_though_its_run_dies(files, claim, begin, report, pipeline) -> None:
    files.queued(3)
    [offer] = claim()
    good, bad, left = _ids(begin(offer["partition"]))
    report(offer["partition"], _result(good), {"id": bad, "error": {"code": "media_corrupt", "message": "It is torn."}})
    told = pipeline.post("/pipeline/deletions/pending", json={"minAgeSeconds": 0}).json()["items"]
    assert [(one["recordId"], one["restored"]) for one in told if one["recordId"] in (good, bad, left)] == [(bad, True)]


def test_an_offer_that_no_run_takes_costs_nothing(api, files, claim, begin) -> None:
    [record] = files.queued(1)
    offers = [claim(leaseSeconds=0, maxAttempts=1)[0]["attempt"] for _ in range(4)]
    assert offers == [1, 2, 3, 4]
    assert api.get(f"/text-tracks/{record}").json()["status"] == "queued"
    # A run may begin again what it has begun.
    [again] = claim(leaseSeconds=0)
    for _ in range(3):
        assert len(_ids(begin(again["partition"]))) == 1
    assert api.get(f"/text-tracks/{record}").json()["status"] == "processing"


def test_a_heartbeat_keeps_the_batch(files, claim, begin, pipeline) -> None:
    files.queued(1)
    [offer] = claim(leaseSeconds=0)
    begin(offer["partition"], leaseSeconds=0)
    beat = {"partition": offer["partition"], "runId": "run-1", "leaseSeconds": 60}
    assert pipeline.post("/pipeline/batches/heartbeat", json=beat).status_code == 200
    assert claim() == []


def test_rerunning_a_partition_redoes_what_is_not_ready(api, files, claim, begin, report, finish) -> None:
    good, bad, unfinished = files.queued(3)
    [offer] = claim()
    partition = offer["partition"]
    begin(partition)
    report(partition, _result(good), {"id": bad, "error": {"code": "text_invalid", "message": "No cue."}})
    assert finish(partition).json()["unfinished"] == 1
    # Still open: what failed in this batch is not tried again by itself.
    again = begin(partition)
    assert _ids(again) == [unfinished] and not again["isWhole"]
    report(partition, _result(unfinished))
    assert finish(partition).json() == {"partition": partition, "ready": 2, "failed": 1, "unfinished": 0}

    closed = report(partition, _result(good))
    assert closed.status_code == 409 and "closed" in closed.json()["error"]["message"]
    assert _ids(begin(partition, "run-2")) == [bad]
    report(partition, _result(bad), run_id="run-2")
    assert finish(partition, "run-2").json() == {"partition": partition, "ready": 3, "failed": 0, "unfinished": 0}

    assert _ids(begin(partition, "run-3")) == []
    assert finish(partition, "run-3").json()["ready"] == 3
    assert _ids(begin(partition, "run-4", only=[good])) == [good]
    assert api.get(f"/text-tracks/{good}").json()["status"] == "processing"
    # Begun again but not reported: its old result does not count.
    assert finish(partition, "run-4").json()["unfinished"] == 1
    assert _ids(begin(partition, "run-5", force=True)) == [good, bad, unfinished]


def test_results_are_all_or_nothing_and_only_for_items_of_the_batch(api, files, claim, begin, report) -> None:
    ours, gone = files.queued(2)
    [offer] = claim()
    stranger = files.register("/text-tracks", "/later.srt")["id"]
    begin(offer["partition"])
    assert report(offer["partition"], _result(stranger)).status_code == 200
    assert api.get(f"/text-tracks/{stranger}").json()["metadata"] is None
    dangling = report(offer["partition"], _result(ours, chunks=["ef" * 32]))
    assert dangling.status_code == 409 and "ef" * 32 in dangling.json()["error"]["message"]
    assert api.get(f"/text-tracks/{ours}").json()["metadata"] is None

    # A record that was deleted meanwhile does not harm its neighbours.
    api.delete(f"/text-tracks/{gone}")
    assert report(offer["partition"], _result(ours), _result(gone)).status_code == 200
    assert api.get(f"/text-tracks/{ours}").json()["metadata"]["cues"] == 3


def test_batches_wait_until_a_project_has_settled(files, claim) -> None:
    files.queued(1)
    [first] = claim(settleSeconds=30)  # after a pause, somebody waits for it
    assert first["files"] == 1
    files.queued(2)
    assert claim(settleSeconds=30) == []
    [full] = claim(settleSeconds=30, maxFiles=2)
    assert full["files"] == 2
    files.queued(1)
    assert claim(settleSeconds=30) == []
    time.sleep(0.25)
    assert len(claim(settleSeconds=0.2)) == 1


def test_no_more_batches_are_leased_than_there_is_room_for(files, claim, begin, finish, report) -> None:
    files.queued(3)
    one = {"maxFiles": 1, "maxBatches": 1}
    [first] = claim(**one, maxOpen=1)
    assert claim(**one, maxOpen=1) == []
    assert len(claim(**one, maxOpen=2)) == 1
    assert claim(**one, maxOpen=2) == []
    [item] = _ids(begin(first["partition"]))
    report(first["partition"], _result(item))
    finish(first["partition"])
    assert len(claim(**one, maxOpen=2)) == 1


def _owner(pipeline, object_store, name):
    return Files(pipeline, object_store, name)


def test_one_owner_does_not_take_the_places_of_others(files, pipeline, object_store, owner, claim) -> None:
    files.queued(4)
    one = {"maxFiles": 1}
    assert len(claim(**one, maxOpenPerOwner=2)) == 2
    assert claim(**one, maxOpenPerOwner=2) == []
    other = _owner(pipeline, object_store, f"{owner}-b")
    other.queued(1)
    offers = pipeline.post("/pipeline/batches/claim", json=LIMITS | one | {"maxOpenPerOwner": 2}).json()["batches"]
    assert [offer["owner"] for offer in offers if offer["owner"].startswith(owner)] == [other.owner]
    assert len(claim(**one, maxOpenPerOwner=3)) == 1


def test_an_owner_whose_batches_lapsed_gets_no_more_places_than_others(files, claim) -> None:
    files.queued(3)
    assert len(claim(maxFiles=1, leaseSeconds=0)) == 3
    time.sleep(0.05)
    assert len(claim(maxFiles=1, maxOpenPerOwner=2)) == 2
    assert claim(maxFiles=1, maxOpenPerOwner=2) == []
    assert len(claim(maxFiles=1, maxOpenPerOwner=4)) == 1


def test_the_owner_with_the_fewest_batches_comes_first(files, pipeline, object_store, owner, claim) -> None:
    files.queued(3)
    one = LIMITS | {"maxFiles": 1, "maxBatches": 1}

    def next_owner():
        [offer] = pipeline.post("/pipeline/batches/claim", json=one).json()["batches"]
        return offer["owner"]

    assert next_owner() == owner
    other = _owner(pipeline, object_store, f"{owner}-b")
    other.queued(1)  # later than all of the first one's
    assert [next_owner() for _ in range(3)] == [other.owner, owner, owner]


def test_a_run_is_told_that_others_wait_and_gives_back_what_it_has_not_begun(
    api, files, pipeline, object_store, owner, claim, begin, report, finish
) -> None:
    first, second, third = files.queued(3)
    [offer] = claim()
    begin(offer["partition"])
    beat = {"partition": offer["partition"], "runId": "run-1", "leaseSeconds": 60}

    other = _owner(pipeline, object_store, f"{owner}-b")
    [waiting] = other.queued(1)
    # A moment's wait is nobody's concern; the clock is the database's, so the file is made to have waited.
    with pipeline.app.state.database.begin() as connection:
        connection.execute(
            text("UPDATE records SET queued_at = now() - interval '1 minute' WHERE id = :id"), {"id": waiting}
        )
    assert pipeline.post("/pipeline/batches/heartbeat", json=beat).json() == {"othersWait": True}

    report(offer["partition"], _result(first))
    back = {"partition": offer["partition"], "runId": "run-1", "ids": [first, second, third]}
    assert pipeline.post("/pipeline/batches/give-back", json=back | {"runId": "run-2"}).status_code == 409
    assert pipeline.post("/pipeline/batches/give-back", json=back).status_code == 200
    assert finish(offer["partition"]).json() == {
        "partition": offer["partition"], "ready": 1, "failed": 0, "unfinished": 0,
    }  # fmt: skip
    assert api.get(f"/text-tracks/{second}").json()["status"] == "queued"
    [again] = claim()
    assert again["partition"] != offer["partition"] and again["attempt"] == 1
    assert _ids(begin(again["partition"])) == [second, third]


def test_nobody_waits_whose_batch_is_worked_on(files, pipeline, object_store, owner, claim, begin) -> None:
    files.queued(1)
    [offer] = claim()
    begin(offer["partition"])
    other = _owner(pipeline, object_store, f"{owner}-b")
    other.queued(2)
    one = {"maxFiles": 1, "maxBatches": 1}
    [theirs] = pipeline.post("/pipeline/batches/claim", json=LIMITS | one).json()["batches"]
    begin(theirs["partition"])
    with pipeline.app.state.database.begin() as connection:
        connection.execute(text("UPDATE records SET queued_at = now() - interval '1 minute' WHERE status = 'queued'"))
    held = {"partition": offer["partition"], "runId": "run-1", "leaseSeconds": 60}
    assert pipeline.post("/pipeline/batches/heartbeat", json=held).json() == {"othersWait": False}


def test_batches_are_bounded_by_files_and_bytes(files, claim) -> None:
    files.queued(5)
    assert [batch["files"] for batch in claim(maxFiles=2)] == [2, 2, 1]
    files.queued(3)
    assert [batch["bytes"] for batch in claim(maxBytes=120)] == [100, 50]
    files.queued(1)
    # A file that is larger than a batch may be is a batch of its own.
    assert [batch["files"] for batch in claim(maxBytes=1)] == [1]
    files.queued(2)
    assert len(claim(maxFiles=1, maxBatches=1)) <= 1


def test_what_nobody_asked_for_is_queued_after_a_grace(api, files, claim) -> None:
    video = files.register("/videos", "/a.mp4")["id"]
    assert claim() == []
    [offer] = claim(processingGraceSeconds=0)
    assert offer["files"] == 1
    assert api.get(f"/videos/{video}").json()["partition"] == offer["partition"]


def test_two_sensors_at_once_get_disjoint_work(files, claim) -> None:
    files.queued(30)
    start = threading.Barrier(4)

    def sensor(_):
        start.wait()
        return claim(maxFiles=3)

    with ThreadPoolExecutor(4) as pool:
        batches = [batch for offered in pool.map(sensor, range(4)) for batch in offered]
    batches += claim(maxFiles=3)
    assert len({batch["partition"] for batch in batches}) == len(batches)
    assert sum(batch["files"] for batch in batches) == 30


def test_adopting_what_nobody_registered(api, files, owner, object_store, pipeline, claim) -> None:
    keys = [f"{owner}/lab/staging/{rest}" for rest in ("robot/run 1/a.MP4", "cd" * 32, "notes.txt")]
    for key in keys:
        object_store.put(key, b"data", content_type="application/octet-stream")
    known = f"{owner}/lab/staging/{files.stage()}"
    files.register("/videos", "/known.mp4", known.rsplit("/", 1)[1])
    asked = {"keys": [*keys, known]}
    assert pipeline.post("/pipeline/staged/unknown", json=asked).json() == {"keys": keys}

    base = {"owner": owner, "project": "lab", "size": 4, "etag": "e1"}
    objects = [
        base | {"key": keys[0], "kind": "video", "name": "/robot/run 1/a.MP4"},
        base | {"key": keys[1], "kind": "text-track", "name": "/a.srt", "episode": "run 1"},
        base | {"key": keys[2], "reason": "notes.txt is of no known kind"},
    ]
    adopt = {"objects": objects}
    assert pipeline.post("/pipeline/staged/adopt", json=adopt).json() == {"registered": 2, "ignored": 1}
    assert pipeline.post("/pipeline/staged/adopt", json=adopt).json()["registered"] == 0
    assert pipeline.post("/pipeline/staged/unknown", json=asked).json() == {"keys": []}
    changed = {"keys": [keys[2]], "etags": ["e2"]}
    assert pipeline.post("/pipeline/staged/unknown", json=changed).json() == {"keys": [keys[2]]}

    [video] = api.get("/videos", params={"owner": owner, "status": "queued"}).json()["items"]
    assert video["stagingHash"] is None and video["stagingKey"] == keys[0] and video["contentType"] == "video/mp4"
    assert claim()[0]["files"] == 2
    longest = {
        "key": f"{owner}/lab/staging/" + _random_text(1024 - len(f"{owner}/lab/staging/")),
        "kind": "video",
        "name": "/" + _random_text(1023),
        "episode": _random_text(255, "\U00010000"),
    }
    assert pipeline.post("/pipeline/staged/adopt", json={"objects": [base | longest]}).json()["registered"] == 1
    assert pipeline.post("/pipeline/staged/adopt", json={"objects": [base | longest]}).json()["registered"] == 0
    foreign = [objects[0] | {"key": f"{owner}/other/staging/x"}]
    assert pipeline.post("/pipeline/staged/adopt", json={"objects": foreign}).status_code == 422


def test_an_upload_under_way_accounts_for_its_key(api, owner, pipeline) -> None:
    body = {"owner": owner, "project": "lab", "hash": "12" * 32}
    upload = api.post("/videos/upload/multipart/init", json=body).json()
    unknown = {"keys": [upload["key"]]}
    assert pipeline.post("/pipeline/staged/unknown", json=unknown).json() == {"keys": []}
    api.post("/videos/upload/multipart/abort", json={"uploadId": upload["uploadId"], "key": upload["key"]})
    assert pipeline.post("/pipeline/staged/unknown", json=unknown).json() == unknown


def test_items_are_asked_for_by_kind_and_come_whole(api, files, claim, begin, pipeline) -> None:
    [track] = files.queued(1)
    labels = files.register("/labels", "/a.csv", episode=None)["id"]
    [offer] = claim()
    assert len(_ids(begin(offer["partition"]))) == 2

    def items(**kind):
        answer = pipeline.get("/pipeline/batches/items", params={"partition": offer["partition"], **kind})
        assert answer.status_code == 200
        return answer.json()["items"]

    assert {item["id"] for item in items()} == {track, labels}
    [item] = items(kind="label-track")
    assert item == api.get(f"/labels/{labels}").json()
    assert items(kind="video") == []
