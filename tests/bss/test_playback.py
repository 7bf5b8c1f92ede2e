"""Playback as a browser does it: one URL, no header."""

from __future__ import annotations

import secrets
import time
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import jwt
import m3u8
import pytest

from dreamlake_pipeline.auth import Scope, issue_token, token_id

SECRET = "a secret for tests only, 32 bytes or more"
STREAM = "5" * 32


@pytest.fixture
def make_ready(pipeline, claim, begin):
    """Do to queued records what the pipeline does."""

    def make(*ids, chunks=(), metadata=None):
        partition = claim(processingGraceSeconds=0)[0]["partition"]
        begin(partition)
        leased = {"chunks": [{"sha256": chunk, "size": 3} for chunk in chunks]}
        missing = pipeline.post("/pipeline/chunks/lease", json=leased).json()["missing"]
        pipeline.post("/pipeline/chunks/stored", json={"chunks": missing})
        found = metadata or {"streams": [STREAM], "timeOrigin": {"streamStart": 132_000 / 90_000}}
        results = [{"id": record, "metadata": found, "chunks": list(chunks)} for record in ids]
        body = {"partition": partition, "runId": "run-1", "results": results}
        assert pipeline.post("/pipeline/batches/results", json=body).status_code == 200
        pipeline.post("/pipeline/batches/finish", json={"partition": partition, "runId": "run-1"})

    return make


@pytest.fixture
def video(api, files, owner, object_store, make_ready):
    """A ready video of two chunks: its id and its chunks."""
    record = files.register("/videos", "/cam/a.mp4")["id"]
    chunks = {secrets.token_hex(32): data for data in (b"one", b"two")}
    for sha256, data in chunks.items():
        object_store.put(f"chunks/{sha256}.ts", data, content_type="video/mp2t")
    lines = "".join(f"#EXTINF:6.000,\n../../../../../chunks/{sha256}.ts\n" for sha256 in chunks)
    stream = f"{owner}/lab/videos/{record}/stream"
    object_store.put(
        f"{stream}/{STREAM}.m3u8",
        f"#EXTM3U\n#EXT-X-TARGETDURATION:6\n{lines}#EXT-X-ENDLIST\n".encode(),
        content_type="application/vnd.apple.mpegurl",
    )
    master = (
        "#EXTM3U\n#EXT-X-INDEPENDENT-SEGMENTS\n"
        f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="URI",URI="{STREAM}.m3u8",DEFAULT=YES\n'
        f'#EXT-X-STREAM-INF:BANDWIDTH=100,CODECS="avc1.64001f,mp4a.40.2"\n{STREAM}.m3u8\n'
    )
    object_store.put(f"{stream}/master.m3u8", master.encode(), content_type="application/vnd.apple.mpegurl")
    object_store.put(f"{owner}/lab/videos/{record}/poster.jpg", b"jpeg", content_type="image/jpeg")
    make_ready(record, chunks=chunks)
    return record, chunks


def _uris(playlist):
    return [line for line in playlist.splitlines() if line and not line.startswith("#")]


def test_a_browser_plays_with_no_header(service, api, video, send: httpx.Client) -> None:
    record, chunks = video
    playback = api.get(f"/videos/{record}/playback").json()
    assert playback["expiresAt"].endswith("Z")

    url = playback["url"]
    master = service.get(url, headers={"Origin": "https://viewer.example"})
    assert master.status_code == 200 and master.headers["Content-Type"] == "application/vnd.apple.mpegurl"
    assert master.headers["Access-Control-Allow-Origin"] == "*"
    # No proxy may compress it: Chrome's own HLS reads no compressed playlist.
    assert "no-transform" in master.headers["Cache-Control"] and "Content-Encoding" not in master.headers
    [variant] = _uris(master.text)
    assert variant.startswith(f"{STREAM}.m3u8?token=")
    assert f'NAME="URI",URI="{variant}",DEFAULT=YES' in master.text

    media = service.get(urljoin(url, variant), headers={"Origin": "https://viewer.example"})
    assert media.status_code == 200, media.text
    assert "no-transform" in media.headers["Cache-Control"]
    assert media.headers["Access-Control-Allow-Origin"] == "*"
    assert media.text.startswith(f"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6.000,\n{service.base_url}")
    assert media.text.endswith("#EXT-X-ENDLIST\n")
    # Segments come from where the playlist does: Chromium plays no others.
    answers = [service.get(uri, headers={"Origin": "https://viewer.example"}) for uri in _uris(media.text)]
    assert [answer.content for answer in answers] == list(chunks.values())
    assert {answer.headers["Content-Type"] for answer in answers} == {"video/mp2t"}
    assert {answer.headers["Access-Control-Allow-Origin"] for answer in answers} == {"*"}
    assert {answer.headers["Content-Length"] for answer in answers} == {"3"}

    token = urlsplit(url).query
    poster = service.get(f"/videos/{record}/poster.jpg?{token}")
    assert poster.status_code == 302 and send.get(poster.headers["Location"]).content == b"jpeg"
    chunk = service.get(f"/chunks/{next(iter(chunks))}.ts?{token}")
    assert chunk.status_code == 302 and send.get(chunk.headers["Location"]).content == b"one"
    assert service.get(f"/videos/{record}/contact-sheet.jpg?{token}").status_code == 404
    assert service.get(f"/videos/{record}/stream/{'6' * 32}.m3u8?{token}").status_code == 404


def test_a_player_of_another_origin_reads_why_it_is_refused(service, api, video) -> None:
    record, _ = video
    token = urlsplit(api.get(f"/videos/{record}/playback").json()["url"]).query
    ended = issue_token(SECRET, sub="t", namespaces=[], scope=Scope.PLAY, ttl=-120, asset=record)
    stream = f"/videos/{record}/stream"
    refused = {
        f"{stream}/master.m3u8?token={ended}": 401,
        f"{stream}/master.m3u8": 401,
        f"{stream}/{'6' * 32}.m3u8?{token}": 404,
        f"{stream}/{'6' * 64}.ts?{token}": 404,
        f"{stream}/{'6' * 64}.ts?token={ended}": 401,
        f"{stream}/subtitles/{'6' * 24}.m3u8?{token}": 404,
        f"/videos/{'6' * 24}/stream/master.m3u8?{token}": 403,
    }
    for path, status in refused.items():
        answer = service.get(path, headers={"Origin": "https://viewer.example"})
        assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (status, "*"), path
        assert answer.json()["error"]["message"]


def test_hashes_that_nobody_has_are_refused_without_reading_playlists_again(service, api, video, monkeypatch) -> None:
    record, _ = video
    token = urlsplit(api.get(f"/videos/{record}/playback").json()["url"]).query
    store, reads = service.app.state.store, []
    read = store.read
    monkeypatch.setattr(store, "read", lambda key, **options: reads.append(key) or read(key, **options))
    for _ in range(5):
        assert service.get(f"/videos/{record}/stream/{secrets.token_hex(32)}.ts?{token}").status_code == 404
    assert len(reads) == 1


def test_a_bearer_gets_playlists_without_a_token_and_presigned_segments(api, video, send) -> None:
    record, chunks = video
    master = api.get(f"/videos/{record}/stream/master.m3u8")
    assert _uris(master.text) == [f"{STREAM}.m3u8"]
    media = api.get(f"/videos/{record}/stream/{STREAM}.m3u8")
    assert [send.get(uri).content for uri in _uris(media.text)] == list(chunks.values())


def test_a_playback_token_opens_its_own_asset_only(service, api, as_caller, files, video, pipeline, owner) -> None:
    record, chunks = video
    token = urlsplit(api.get(f"/videos/{record}/playback").json()["url"]).query
    other = files.register("/videos", "/other.mp4")["id"]
    stranger = secrets.token_hex(32)
    pipeline.post("/pipeline/chunks/lease", json={"chunks": [{"sha256": stranger, "size": 3}]})
    for path in (f"/videos/{other}/stream/master.m3u8", f"/videos/{other}/poster.jpg"):
        assert service.get(f"{path}?{token}").status_code == 403
    assert service.get(f"/chunks/{stranger}.ts?{token}").status_code == 404
    assert service.get(f"/videos/{record}/stream/{stranger}.ts?{token}").status_code == 404
    assert service.get(f"/videos/{other}/stream/{next(iter(chunks))}.ts?{token}").status_code == 403
    # It is no bearer token for anything else, and other tokens do not travel in URLs.
    bearer = {"Authorization": f"Bearer {token.removeprefix('token=')}"}
    for path in (f"/videos/{record}", f"/videos/{record}/raw", f"/videos?owner={owner}"):
        assert service.get(path, headers=bearer).status_code == 403
    assert service.post("/records/query", json={"ids": [record]}, headers=bearer).status_code == 403
    full = issue_token(SECRET, sub="t", namespaces=[owner], scope=Scope.READ, ttl=60)
    assert service.get(f"/videos/{record}/stream/master.m3u8?token={full}").status_code == 403
    # It gives itself no other, reads nothing but the stream, and is no way to the files themselves.
    for path in ("playback", "metadata", "raw"):
        assert service.get(f"/videos/{record}/{path}", headers=bearer).status_code == 403
        assert service.get(f"/videos/{record}/{path}?{token}").status_code == 401
    assert service.get(f"/videos/{record}/stream/master.m3u8", headers=bearer).status_code == 200
    expired = issue_token(SECRET, sub="t", namespaces=[], scope=Scope.PLAY, ttl=-120, asset=record)
    assert service.get(f"/videos/{record}/stream/master.m3u8?token={expired}").status_code == 401
    assert service.get(f"/videos/{record}/stream/master.m3u8").status_code == 401

    # Another namespace's reader reaches neither the record nor, by its hash, a chunk.
    outsider = as_caller(f"{owner}x", scope=Scope.READ)
    assert outsider.get(f"/videos/{record}/stream/master.m3u8").status_code == 404
    assert outsider.get(f"/chunks/{next(iter(chunks))}.ts").status_code == 404
    reader = as_caller(owner, scope=Scope.READ)
    assert reader.get(f"/chunks/{next(iter(chunks))}.ts").status_code == 302


def test_what_is_not_ready_does_not_play(api, files) -> None:
    record = files.register("/audio", "/a.wav")["id"]
    for path in ("stream/master.m3u8", f"stream/{STREAM}.m3u8", "playback", "waveform.png", "metadata"):
        answer = api.get(f"/audio/{record}/{path}")
        assert answer.status_code == 409 and answer.json()["error"]["code"] == "not_ready", path


def test_nothing_that_a_token_gives_outlives_it(service, api, video, owner) -> None:
    record, chunks = video
    short = {"Authorization": f"Bearer {issue_token(SECRET, sub='t', namespaces=[owner], scope=Scope.WRITE, ttl=30)}"}

    def seconds(url):
        return int(parse_qs(urlsplit(url).query)["X-Amz-Expires"][0])

    url = service.get(f"/videos/{record}/playback", headers=short).json()["url"]
    play = jwt.decode(parse_qs(urlsplit(url).query)["token"][0], options={"verify_signature": False})
    assert play["exp"] - time.time() <= 30
    token = urlsplit(url).query
    plan = {"owner": owner, "project": "lab", "files": [{"kind": "video", "name": "/n", "hash": "ab" * 32, "size": 1}]}
    for given in (
        service.get(f"/videos/{record}/poster.jpg?{token}").headers["Location"],
        service.get(f"/chunks/{next(iter(chunks))}.ts?{token}").headers["Location"],
        service.get(f"/videos/{record}/raw", headers=short).headers["Location"],
        _uris(service.get(f"/videos/{record}/stream/{STREAM}.m3u8", headers=short).text)[0],
        service.post("/uploads/plan", json=plan, headers=short).json()["files"][0]["url"],
    ):
        assert 1 <= seconds(given) <= 30
    assert seconds(api.get(f"/videos/{record}/poster.jpg").headers["Location"]) in range(31, 61)


def test_a_playback_url_ends_when_its_token_is_revoked(service, api, pipeline, video) -> None:
    record, _ = video
    url = api.get(f"/videos/{record}/playback").json()["url"]
    assert service.get(url).status_code == 200
    mine = token_id(api.headers["Authorization"].removeprefix("Bearer "))
    assert pipeline.post("/auth/revoke", json={"ids": [mine]}).json() == {"success": True}
    refused = service.get(url)
    assert refused.status_code == 401 and "revoked" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    ("route", "name", "result"),
    [("/text-tracks", "/a.srt", "track.vtt"), ("/labels", "/a.csv", "data.parquet")],
)
def test_text_and_labels_open_as_files(api, files, owner, object_store, make_ready, send, route, name, result) -> None:
    record = files.register(route, name)["id"]
    object_store.put(f"{owner}/lab{route}/{record}/{result}", b"made", content_type="text/plain")
    make_ready(record)
    assert send.get(api.get(f"{route}/{record}/playback").json()["url"]).content == b"made"
    found = api.get(f"{route}/{record}/{result}")
    assert found.status_code == 302 and send.get(found.headers["Location"]).content == b"made"


TRACK = """WEBVTT

STYLE
::cue { color: lime }

NOTE a remark

00:00:00.000 --> 00:00:06.000
Only the first.

b
00:00:05.500 --> 00:00:06.500 line:0
Both, <00:00:06.000>word by word.

00:01:00.000 --> 00:01:01.000
Behind the end.
"""


@pytest.fixture
def add_track(files, owner, object_store, make_ready):
    """A ready text track of this name; its id."""

    def add(name, *, language=None, route="/text-tracks", **more):
        record = files.register(route, name, **more)["id"]
        object_store.put(f"{owner}/lab/text-tracks/{record}/track.vtt", TRACK.encode(), content_type="text/vtt")
        make_ready(record, metadata={"language": language, "streams": []})
        return record

    return add


def _subtitles(api, record):
    """What the master playlist lists as subtitles, as a player reads it."""
    answer = api.get(f"/videos/{record}/stream/master.m3u8")
    assert answer.status_code == 200, answer.text
    master = m3u8.loads(answer.text)
    found = [media for media in master.media if media.type == "SUBTITLES"]
    assert {media.group_id for media in found} == {stream.stream_info.subtitles for stream in master.playlists} - {None}
    return found


def test_text_tracks_beside_a_video_are_its_subtitles(api, video, add_track) -> None:
    record, _ = video
    unchanged = api.get(f"/videos/{record}/stream/master.m3u8").text
    assert _subtitles(api, record) == []
    for name in (
        "/cam/A.vtt",  # another stem: case counts
        "/cam/ab.vtt",
        "/cam/a.left.vtt",  # "left" is no language
        "/cam/a.mp4.de/x.vtt",
        "/other/a.vtt",
        "/a.vtt",
    ):
        add_track(name)
    add_track("/cam/a.vtt", episode="another")
    add_track("/cam/a.csv", route="/labels")
    assert api.get(f"/videos/{record}/stream/master.m3u8").text == unchanged

    ids = {name: add_track(name) for name in ("/cam/a.de.vtt", "/cam/a.pt-br.srt", "/cam/a.vtt")}
    ids["/cam/a.srt"] = add_track("/cam/a.srt", language="de")
    found = [
        (media.uri, media.name, media.language, media.default, media.autoselect) for media in _subtitles(api, record)
    ]
    assert found == [
        (f"subtitles/{ids['/cam/a.vtt']}.m3u8", "a.vtt", None, "YES", "YES"),
        (f"subtitles/{ids['/cam/a.srt']}.m3u8", "de", "de", "NO", "YES"),
        (f"subtitles/{ids['/cam/a.de.vtt']}.m3u8", "a.de.vtt", "de", "NO", "NO"),
        (f"subtitles/{ids['/cam/a.pt-br.srt']}.m3u8", "pt-BR", "pt-BR", "NO", "YES"),
    ]

    # New content under an old name takes its place; what is deleted is gone.
    newer = add_track("/cam/a.de.vtt")
    assert api.delete(f"/text-tracks/{ids['/cam/a.vtt']}").status_code < 300
    found = [media.uri for media in _subtitles(api, record)]
    assert f"subtitles/{newer}.m3u8" in found and len(found) == 3
    assert f"subtitles/{ids['/cam/a.de.vtt']}.m3u8" not in found


def test_a_text_track_that_arrives_first_is_a_subtitle_of_the_video_too(api, add_track, request) -> None:
    track = add_track("/cam/a.srt", language="de")
    record, _ = request.getfixturevalue("video")
    assert [media.uri for media in _subtitles(api, record)] == [f"subtitles/{track}.m3u8"]


def test_subtitles_are_cut_as_the_video_is(service, api, video, add_track, object_store, owner, make_ready) -> None:
    record, _ = video
    track = add_track("/cam/a.en.vtt")
    url = api.get(f"/videos/{record}/playback").json()["url"]
    [media] = m3u8.loads(service.get(url).text).media[1:]
    url = urljoin(url, media.uri)
    playlist = service.get(url)
    assert playlist.status_code == 200 and playlist.headers["Content-Type"] == "application/vnd.apple.mpegurl"
    parsed = m3u8.loads(playlist.text)
    assert [segment.duration for segment in parsed.segments] == [6, 6] and parsed.is_endlist
    assert parsed.target_duration == 6

    first, second = (service.get(urljoin(url, segment.uri)) for segment in parsed.segments)
    assert first.status_code == 200 and first.headers["Content-Type"] == "text/vtt; charset=utf-8"
    # Cue times are on the clock of the video's segments, which starts at 132000 ticks or 1.467 s.
    head = "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:01.467,MPEGTS:132000\n\nSTYLE\n::cue { color: lime }\n\n"
    both = "b\n00:00:06.967 --> 00:00:07.967 line:0\nBoth, <00:00:07.467>word by word.\n"
    assert first.text == f"{head}00:00:01.467 --> 00:00:07.467\nOnly the first.\n\n{both}"
    assert second.text == head + both
    assert api.get(f"/videos/{record}/stream/subtitles/{track}/2.vtt").status_code == 404

    # Made again, it is read again; what did not change is not.
    key = f"{owner}/lab/text-tracks/{track}/track.vtt"
    object_store.put(key, TRACK.replace("Only", "Just").encode(), content_type="text/vtt")
    assert service.get(urljoin(url, parsed.segments[0].uri)).text == first.text
    assert api.post("/records/requeue", json={"ids": [track], "force": True}).status_code == 200
    make_ready(track, metadata={"streams": []})
    assert "Just the first." in service.get(urljoin(url, parsed.segments[0].uri)).text
    assert api.get(f"/videos/{record}/stream/subtitles/{track}/-1.vtt").status_code == 422


def test_a_playback_token_reads_its_own_subtitles_only(service, api, as_caller, files, video, add_track, owner) -> None:
    record, _ = video
    token = urlsplit(api.get(f"/videos/{record}/playback").json()["url"]).query
    own, stranger = add_track("/cam/a.vtt"), add_track("/cam/b.vtt")
    other = files.register("/videos", "/cam/b.mp4")["id"]
    subtitles = f"/videos/{record}/stream/subtitles"
    assert service.get(f"{subtitles}/{own}.m3u8?{token}").status_code == 200
    assert service.get(f"{subtitles}/{own}/0.vtt?{token}").status_code == 200
    for name in (f"{stranger}.m3u8", f"{stranger}/0.vtt"):
        assert service.get(f"{subtitles}/{name}?{token}").status_code == 404
        assert service.get(f"/videos/{other}/stream/subtitles/{name}?{token}").status_code == 403
    # The track itself, and what lies behind it, stay closed.
    for path in ("track.vtt", "data.parquet", "playback", "raw", "metadata"):
        assert service.get(f"/text-tracks/{own}/{path}?{token}").status_code in (401, 403), path
    assert service.get(f"{subtitles}/{own}/0.vtt").status_code == 401
    outsider = as_caller(f"{owner}x", scope=Scope.READ)
    assert outsider.get(f"{subtitles}/{own}/0.vtt").status_code == 404
    assert as_caller(owner, scope=Scope.READ).get(f"{subtitles}/{own}/0.vtt").status_code == 200
