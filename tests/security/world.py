"""A namespace with a ready file of every kind in it, at both services, and every kind of token."""

from __future__ import annotations

import hashlib
import io
import json
import secrets
import time
from functools import cached_property
from typing import Any

import httpx
import jwt
import pyarrow as pa
import pyarrow.parquet as pq
from jwt.api_jws import PyJWS

from dreamlake_pipeline import layout
from dreamlake_pipeline.auth import Scope, issue_token
from dreamlake_pipeline.ids import new_id
from dreamlake_pipeline.kinds import KINDS, Kind
from dreamlake_pipeline.storage import ObjectStore

STREAM = "5" * 32
FILENAMES = {Kind.VIDEO: "a.mp4", Kind.AUDIO: "a.wav", Kind.TEXT_TRACK: "a.vtt", Kind.LABEL_TRACK: "a.csv"}


class World:
    """What the requests of the tests are about. `records` are ids by kind; all of them are ready."""

    def __init__(self, services: Any, store: ObjectStore, owner: str, secret: str) -> None:
        self.services, self.store, self.owner, self.secret = services, store, owner, secret
        self.http = httpx.Client(timeout=60)
        self.everything = {"Authorization": f"Bearer {services.token('*')}"}
        self.chunk = secrets.token_hex(32)
        self.records = {kind: self.register(kind) for kind in Kind}
        self._make_ready()
        self.asset = self.index("/a.mp4")
        self.episode = "run-001"
        self.index("/a.mp4", episode=self.episode)

    def post(self, url: str, body: dict[str, Any]) -> Any:
        answer = self.http.post(url, json=body, headers=self.everything)
        assert answer.is_success, answer.text
        return answer.json()

    def register(self, kind: Kind) -> str:
        """A new file of this kind in BSS; its id."""
        data = secrets.token_bytes(20)
        sha256 = hashlib.sha256(data).hexdigest()
        self.store.put(layout.staging_key(self.owner, "lab", sha256), data, content_type="application/octet-stream")
        name = f"/{FILENAMES[kind]}"
        body = {"owner": self.owner, "project": "lab", "name": name, "stagingHash": sha256}
        answer: dict[str, str] = self.post(f"{self.services.bss_url}/{kind.spec.route}", body)
        return answer["id"]

    def index(self, name: str, episode: str | None = None) -> str:
        """A new video in the index; its id there."""
        body = {"namespace": self.owner, "project": "lab", "name": name, "bssVideoId": new_id(), "episodeName": episode}
        answer: dict[str, str] = self.post(f"{self.services.remote}/assets/video", body)
        return answer["id"]

    def _make_ready(self) -> None:
        pipeline = f"{self.services.bss_url}/pipeline"
        self.post(f"{self.services.bss_url}/records/requeue", {"ids": list(self.records.values())})
        limits = {
            "maxBatches": 100,
            "maxFiles": 100,
            "maxBytes": 10**9,
            "settleSeconds": 0,
            "processingGraceSeconds": 0,
            "leaseSeconds": 3600,
            "maxAttempts": 3,
        }
        mine: list[Any] = []
        while not mine:  # a claim passes over what is locked at the moment
            offers = self.post(f"{pipeline}/batches/claim", limits)["batches"]
            mine = [offer for offer in offers if offer["owner"] == self.owner]
        [batch] = mine
        ref = {"partition": batch["partition"], "runId": "run"}
        self.post(f"{pipeline}/batches/begin", ref | {"leaseSeconds": 3600})
        self.post(f"{pipeline}/chunks/lease", {"chunks": [{"sha256": self.chunk, "size": 3}]})
        self.post(f"{pipeline}/chunks/stored", {"chunks": [self.chunk]})
        self.store.put(layout.chunk_key(self.chunk), b"one", content_type=layout.CHUNK_TYPE)
        table = {"telemetry": {"entries": 2}, "time": {"fields": ["start"], "unit": "s"}}
        metadata = {"streams": [STREAM], "timeOrigin": {"streamStart": 1.4}} | table
        results = []
        for kind, record in self.records.items():
            self._publish(kind, record)
            chunks = [self.chunk] if kind in (Kind.VIDEO, Kind.AUDIO) else []
            results.append({"id": record, "metadata": metadata, "chunks": chunks})
        self.post(f"{pipeline}/batches/results", ref | {"results": results})
        self.post(f"{pipeline}/batches/finish", ref)

    def _publish(self, kind: Kind, record: str) -> None:
        place = (self.owner, "lab", kind, record)
        for filename in layout.RESULT_FILES[kind]:
            content = _table() if filename == "data.parquet" else b"WEBVTT\n"
            self.store.put(layout.result_key(*place, filename), content, content_type="text/plain")
        media = (
            f"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6.0,\n{layout.chunk_uri(f'{self.chunk}.ts')}\n#EXT-X-ENDLIST\n"
        )
        master = f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{STREAM}.m3u8\n"
        for key, text in ((layout.stream_key(*place, STREAM), media), (layout.master_key(*place), master)):
            self.store.put(key, text.encode(), content_type="application/vnd.apple.mpegurl")

    # Tokens

    def issue(self, *namespaces: str, scope: Scope = Scope.WRITE, asset: str | None = None, ttl: float = 600) -> str:
        return issue_token(self.secret, sub="test", namespaces=list(namespaces), scope=scope, ttl=ttl, asset=asset)

    @cached_property
    def nobodies(self) -> dict[str, str | None]:
        """Tokens that speak for nobody, by what is wrong with them."""
        good = {"sub": "test", "namespaces": ["*"], "scope": "write", "jti": new_id()}
        revoked = self.issue("*")
        jti = jwt.decode(revoked, options={"verify_signature": False})["jti"]
        for url in (self.services.bss_url, self.services.remote):
            self.post(f"{url}/auth/revoke", {"ids": [jti]})
        wrong_types = ({"exp": 1e30}, {"exp": "soon"}, {"exp": True}, {"nbf": [1]}, {"namespaces": "*"}, {"sub": 7})
        return {
            "none": None,
            "garbage": "nonsense",
            "expired": self.issue("*", ttl=-120),
            "not yet valid": jwt.encode(good | {"nbf": int(time.time()) + 600}, self.secret),
            "alg none": jwt.encode(good, None, algorithm="none"),
            "wrong key": jwt.encode(good, "another secret of 32 bytes or more"),
            "wrong algorithm": jwt.encode(good, self.secret * 2, algorithm="HS512"),
            "rotated-out key": issue_token(
                "the key that was in use before, 32 bytes", sub="t", namespaces=["*"], scope=Scope.WRITE, ttl=600
            ),
            "revoked": revoked,
            **{f"claims {claims}": _encode(good | claims, self.secret) for claims in wrong_types},
        }

    def somebodies(self, kind: Kind) -> dict[str, str]:
        """Tokens that speak for somebody; those that play, for the file of this kind, and for another one."""
        play, other = self.records[kind], new_id()
        return {
            "other namespace, read": self.issue(f"{self.owner}x", scope=Scope.READ),
            "other namespace, write": self.issue(f"{self.owner}x"),
            "read": self.issue(self.owner, scope=Scope.READ),
            "write": self.issue(self.owner),
            "play this": self.issue(scope=Scope.PLAY, asset=play),
            "play another": self.issue(scope=Scope.PLAY, asset=other),
            "*, read": self.issue("*", scope=Scope.READ),
            "*, write": self.issue("*"),
        }


def _table() -> bytes:
    """The table of a track with times."""
    file = io.BytesIO()
    pq.write_table(pa.table({"_line": [1, 2], "start": [0.0, 1.0], "x": [3, 4]}), file)
    return file.getvalue()


def _encode(claims: dict[str, Any], secret: str) -> str:
    """Also what PyJWT would not sign as it is."""
    return PyJWS().encode(json.dumps(claims).encode(), secret, algorithm="HS256")


KIND_OF_ROUTE: dict[str, Kind] = {spec.route: kind for kind, spec in KINDS.items()}
