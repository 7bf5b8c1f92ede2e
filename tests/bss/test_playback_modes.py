"""For which browsers videos are made: a video's own word, its project's, and what another one does to a ready one."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from dreamlake_pipeline import layout
from dreamlake_pipeline.bss import chunks

Finish = Callable[..., dict[str, Any]]


@pytest.fixture
def finish(api: TestClient, files: Any, owner: str) -> Finish:
    """Sends and finishes a video with these bytes as the client does; BSS's answer for it."""

    def done(data: bytes, **more: Any) -> dict[str, Any]:
        files.stage(data)
        file = {"kind": "video", "name": "/a.mp4", "hash": hashlib.sha256(data).hexdigest(), "size": len(data)} | more
        answer = api.post("/uploads/finish", json={"owner": owner, "project": "lab", "files": [file]})
        assert answer.status_code == 200, answer.text
        return answer.json()["files"][0]

    return done


@pytest.fixture
def work(pipeline: TestClient, claim: Any, begin: Any) -> Callable[..., dict[str, Any]]:
    """Takes the one batch there is as a run does, and reports every video as made for the browsers that it is for; the
    item. `meanwhile` happens while it is at work."""

    def worked(meanwhile: Callable[[], Any] = lambda: None) -> dict[str, Any]:
        (batch,) = claim()
        begun = begin(batch["partition"])
        meanwhile()
        (item,) = begun["items"]
        made = {"playback": item.get("playback") or begun.get("playback") or "everywhere"}
        partition = {"partition": batch["partition"], "runId": "run-1"}
        results = partition | {"results": [{"id": item["id"], "metadata": made}]}
        assert pipeline.post("/pipeline/batches/results", json=results).status_code == 200
        assert pipeline.post("/pipeline/batches/finish", json=partition).status_code == 200
        return item | made

    return worked


def test_a_video_is_made_for_what_it_says_and_again_for_another(finish: Finish, work: Any) -> None:
    data = secrets.token_bytes(20)
    finish(data, playback="modern")
    assert work()["playback"] == "modern"
    assert finish(data)["status"] == finish(data, playback="modern")["status"] == "ready"
    assert finish(data, playback="everywhere")["status"] == "queued"
    assert work()["playback"] == "everywhere"


def test_a_projects_word_holds_where_a_video_says_nothing(
    finish: Finish, work: Any, pipeline: TestClient, api: TestClient, owner: str
) -> None:
    route = f"/projects/{owner}/lab/settings"
    assert api.get(route).json()["playback"] is None
    assert pipeline.put(route, json={"playback": "modern"}).json()["playback"] == "modern"
    data = secrets.token_bytes(20)
    finish(data)
    assert work()["playback"] == "modern"
    # What it has is what is asked for.
    assert finish(data, playback="modern")["status"] == "ready"
    assert pipeline.put(route, json={"playback": "cinema"}).status_code == 422


def test_another_word_during_the_work_is_not_lost(finish: Finish, work: Any, api: TestClient) -> None:
    data = secrets.token_bytes(20)
    made = finish(data)
    assert work(lambda: finish(data, playback="modern"))["playback"] == "everywhere"
    assert api.get(f"/videos/{made['id']}").json()["status"] == "queued"
    assert work()["playback"] == "modern"
    assert api.get(f"/videos/{made['id']}").json()["status"] == "ready"


@pytest.mark.parametrize(
    ("first", "then", "becomes"),
    [
        ("modern", "everywhere", "both"),
        ("everywhere", "modern", "both"),
        (None, "modern", "both"),
        ("modern", "modern", "modern"),
        ("both", "modern", "both"),
    ],
)
def test_retry_makes_the_other_form_beside_the_one_that_is_there(
    finish: Finish, work: Any, api: TestClient, first: str | None, then: str, becomes: str
) -> None:
    made = finish(secrets.token_bytes(20), playback=first)
    work()
    asked = {"ids": [made["id"]], "force": True, "playback": then}
    (record,) = api.post("/records/requeue", json=asked).json()["items"]
    assert (record["status"], record["playback"]) == ("queued", becomes)
    assert work()["playback"] == becomes


def test_what_was_never_made_is_made_for_what_retry_says(finish: Finish, work: Any, api: TestClient) -> None:
    made = finish(secrets.token_bytes(20), process=False)
    api.post("/records/requeue", json={"ids": [made["id"]], "playback": "modern"})
    assert work()["playback"] == "modern"


def test_only_a_video_has_it(api: TestClient, files: Any, owner: str) -> None:
    key = files.stage()
    body = {"name": "/a.wav", "owner": owner, "project": "lab", "stagingHash": key.rsplit("/", 1)[-1]}
    refused = api.post("/audio", json=body | {"playback": "modern"})
    assert refused.status_code == 422 and "playback" in refused.text


def test_a_chunk_has_its_form(pipeline: TestClient, service: Any) -> None:
    hashes = {secrets.token_hex(32): str(form) for form in layout.ChunkForm}
    leased = [{"sha256": sha256, "size": 9, "form": form} for sha256, form in hashes.items()]
    assert pipeline.post("/pipeline/chunks/lease", json={"chunks": leased}).json()["missing"] == sorted(hashes)
    with service.app.state.database.connect() as connection:
        keys = chunks.keys(connection, hashes)
    assert keys == {sha256: f"chunks/{sha256}.{form}" for sha256, form in hashes.items()}


def test_a_chunk_is_told_by_its_first_bytes_and_parsed_by_its_name() -> None:
    sha256 = "a" * 64
    for head, form in (
        (b"\0\0\0\x18ftyp", "mp4"),
        (b"\0\0\1\0moof", "m4s"),
        (b"G@\x11\x10\0\x42\xf0\x25", "ts"),
        (b"", "ts"),
    ):
        assert layout.chunk_form(head) == form
        name = f"{sha256}.{form}"
        assert layout.parse_chunk(layout.chunk_uri(name)) == (sha256, form)
        assert layout.chunk_key(sha256, layout.ChunkForm(form)) == f"chunks/{name}"
    assert layout.parse_chunk(f"{sha256}.exe") is None and layout.parse_chunk("chunks/readme.txt") is None
    playlist = f'#EXTM3U\n#EXT-X-MAP:URI="../{sha256}.mp4"\n#EXTINF:6.0,\n../{sha256}.m4s\n#EXT-X-ENDLIST\n'
    assert layout.chunk_uris(playlist) == [f"../{sha256}.mp4", f"../{sha256}.m4s"]
