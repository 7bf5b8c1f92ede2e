"""A result plays until another one takes its place, whatever becomes of the attempts to make that."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi.testclient import TestClient

from dreamlake_pipeline.storage import ObjectStore

ERROR = {"code": "media_timeout", "message": "It took too long.", "hint": None}


class Video:
    """A ready video of two segments, and what runs do about it."""

    def __init__(
        self, owner: str, files: Any, pipeline: TestClient, store: ObjectStore, claim: Any, begin: Any
    ) -> None:
        self.owner, self.files, self.pipeline, self.store = owner, files, pipeline, store
        self.claim, self.begin = claim, begin
        self.id: str = files.register("/videos", "/a.mp4")["id"]
        files.api.post("/lambdas/hls-split", json={"videoId": self.id})
        self.chunks = self.publish()
        self.made(self.take(), self.chunks)

    def take(self, **more: Any) -> str:
        """A run takes the batch of what is queued; its partition."""
        [batch] = self.claim(**more)
        self.begin(batch["partition"])
        return batch["partition"]

    def publish(self) -> list[str]:
        """Store new segments and the playlists that name them, as a run does before it reports."""
        contents = [secrets.token_bytes(30) for _ in range(2)]
        chunks = [hashlib.sha256(content).hexdigest() for content in contents]
        sizes = [{"sha256": chunk, "size": 30} for chunk in chunks]
        self.pipeline.post("/pipeline/chunks/lease", json={"chunks": sizes})
        for chunk, content in zip(chunks, contents, strict=True):
            self.store.put(f"chunks/{chunk}.ts", content, content_type="video/mp2t")
        self.pipeline.post("/pipeline/chunks/stored", json={"chunks": chunks})
        folder, stream = f"{self.owner}/lab/videos/{self.id}/stream/", chunks[0][:32]
        lines = [line for chunk in chunks for line in ("#EXTINF:1.0,", f"../../../../../chunks/{chunk}.ts")]
        for name, playlist in ((f"{stream}.m3u8", lines), ("master.m3u8", ["#EXT-X-STREAM-INF:", f"{stream}.m3u8"])):
            body = "\n".join(["#EXTM3U", *playlist, ""]).encode()
            self.store.put(folder + name, body, content_type="application/vnd.apple.mpegurl")
        return chunks

    def report(self, partition: str, **result: Any) -> None:
        body = {"partition": partition, "runId": "run-1", "results": [{"id": self.id} | result]}
        answer = self.pipeline.post("/pipeline/batches/results", json=body)
        assert answer.status_code == 200, answer.text

    def finish(self, partition: str) -> None:
        answer = self.pipeline.post("/pipeline/batches/finish", json={"partition": partition, "runId": "run-1"})
        assert answer.status_code == 200, answer.text

    def made(self, partition: str, chunks: list[str], **metadata: Any) -> None:
        self.report(
            partition,
            chunks=chunks,
            sha256="ab" * 32,
            recipe=chunks[0],
            metadata={"streams": [chunks[0][:32]], "ladder": []} | metadata,
            warnings=[f"made of {chunks[0]}"],
        )
        self.finish(partition)

    def again(self) -> None:
        """Queue it as `dreamlake retry --all` does."""
        answer = self.files.api.post("/records/requeue", json={"ids": [self.id], "force": True})
        assert answer.json()["items"][0]["status"] == "queued"

    @property
    def record(self) -> dict[str, Any]:
        return self.files.api.get(f"/videos/{self.id}").json()

    def plays(self, service: TestClient) -> list[str]:
        """The segments that a browser gets to see, by a playback URL without a header; each is its chunk's bytes."""
        answer = self.files.api.get(f"/videos/{self.id}/playback")
        assert answer.status_code == 200, answer.text
        url = urlsplit(answer.json()["url"])
        master = service.get(f"{url.path}?{url.query}")
        assert master.status_code == 200, master.text
        [stream] = [line for line in master.text.splitlines() if line and not line.startswith("#")]
        assert parse_qs(urlsplit(stream).query) == parse_qs(url.query)
        media = service.get(f"/videos/{self.id}/stream/{stream}").text
        played = []
        for line in media.splitlines():
            if line and not line.startswith("#"):
                segment = service.get(line)
                assert segment.status_code == 200, segment.text
                played.append(hashlib.sha256(segment.content).hexdigest())
        return played


@pytest.fixture
def video(owner: str, files: Any, pipeline: TestClient, object_store: ObjectStore, claim: Any, begin: Any) -> Video:
    return Video(owner, files, pipeline, object_store, claim, begin)


def _retry_all(video: Video) -> str:
    video.again()
    return video.take()


def _another_ladder(video: Video) -> str:
    data = video.store.read(video.record["stagingKey"])
    file = {"kind": "video", "name": "/a.mp4", "hash": hashlib.sha256(data).hexdigest(), "size": len(data)}
    body = {"owner": video.owner, "project": "lab", "files": [file | {"ladder": [480]}]}
    assert video.files.api.post("/uploads/finish", json=body).json()["files"][0]["status"] == "queued"
    return video.take()


def _ask_for_processing(video: Video) -> str:
    assert video.files.api.post("/lambdas/hls-split", json={"videoId": video.id}).json()["status"] == "queued"
    return video.take()


def _redo(video: Video) -> str:
    partition = video.record["partition"]
    video.begin(partition, force=True)
    return partition


def _redo_alone(video: Video) -> str:
    partition = video.record["partition"]
    video.begin(partition, only=[video.id])
    return partition


STARTS: list[Callable[[Video], str]] = [_retry_all, _another_ladder, _ask_for_processing, _redo, _redo_alone]


@pytest.mark.parametrize("start", STARTS)
def test_it_plays_until_the_new_result_is_there(video: Video, service: TestClient, start: Any) -> None:
    before = video.record
    assert video.plays(service) == video.chunks
    partition = start(video)
    assert video.record["status"] == "processing" and video.record["metadata"] == before["metadata"]
    assert video.plays(service) == video.chunks
    new = video.publish()
    assert video.plays(service) == new  # the tables still know the old ones only
    video.made(partition, new, ladder=[480])
    assert video.record["status"] == "ready" and video.record["lastError"] is None
    assert video.record["readyAt"] > before["readyAt"]
    assert video.plays(service) == new


@pytest.mark.parametrize("start", STARTS)
def test_it_plays_on_when_the_new_attempt_fails(video: Video, service: TestClient, start: Any) -> None:
    before = video.record
    partition = start(video)
    video.report(partition, error=ERROR, sha256="cd" * 32, size=1, warnings=["of the failure"])
    after = video.record
    assert (after["status"], after["error"], after["lastError"]) == ("ready", None, ERROR)
    for field in ("metadata", "warnings", "sha256", "size", "readyAt"):
        assert after[field] == before[field]
    assert video.plays(service) == video.chunks
    video.finish(partition)
    assert video.record["lastError"] == ERROR

    # It is tried again as what failed is: by a plain retry, and by a run over its batch.
    partition = video.record["partition"]
    assert [item["id"] for item in video.begin(partition)["items"]] == [video.id]
    assert video.record["lastError"] is None
    video.report(partition, error=ERROR)
    video.finish(partition)
    video.files.api.post("/records/requeue", json={"ids": [video.id]})
    assert (video.record["status"], video.record["lastError"]) == ("queued", None)
    new = video.publish()
    video.made(video.take(), new, ladder=[480])
    assert (video.record["status"], video.record["lastError"]) == ("ready", None)
    assert video.plays(service) == new


def test_it_plays_on_when_no_run_brings_the_new_attempt_to_its_end(video: Video, service: TestClient) -> None:
    video.again()
    partition = video.take()
    video.publish()
    died = {"partition": partition, "attempt": 1, "runId": "run-1", "died": True, "proven": True}
    answer = video.pipeline.post("/pipeline/batches/release", json={"releases": [died], "maxAttempts": 1})
    assert answer.json() == {"partitions": [partition]}
    assert video.record["status"] == "ready"
    assert video.record["lastError"]["code"] == "crashes_worker"
    assert len(video.plays(service)) == 2


def test_a_player_that_follows_the_playlist_before_goes_on(video: Video, service: TestClient) -> None:
    url = urlsplit(video.files.api.get(f"/videos/{video.id}/playback").json()["url"])
    video.again()
    video.made(video.take(), video.publish())
    old = f"/videos/{video.id}/stream/{video.chunks[1]}.ts?{url.query}"
    assert service.get(old).status_code == 200
    stranger = secrets.token_hex(32)
    assert service.get(f"/videos/{video.id}/stream/{stranger}.ts?{url.query}").status_code == 404


def test_a_first_attempt_that_fails_has_nothing_to_play(files: Any, claim: Any, begin: Any, pipeline: Any) -> None:
    [record] = files.queued(1)
    for _ in range(2):
        partition = claim()[0]["partition"]
        begin(partition)
        body = {"partition": partition, "runId": "run-1", "results": [{"id": record, "error": ERROR}]}
        assert pipeline.post("/pipeline/batches/results", json=body).status_code == 200
        found = files.api.get(f"/text-tracks/{record}").json()
        assert (found["status"], found["error"], found["lastError"]) == ("failed", ERROR, None)
        assert files.api.get(f"/text-tracks/{record}/playback").status_code == 409
        files.api.post("/records/requeue", json={"ids": [record]})
        assert files.api.get(f"/text-tracks/{record}/playback").status_code == 409
