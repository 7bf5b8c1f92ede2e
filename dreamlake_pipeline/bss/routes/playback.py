"""Playback: playlists with presigned chunk URLs, pictures, and the results of text and label tracks.

Every route takes a bearer token, or a playback token in `?token=`, which playlists hand on to what they name.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, Path, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse
from sqlalchemy import Engine

from ... import layout
from ...admission import Reader, new_router, reads
from ...api.bss import Playback, Record
from ...auth import Principal, Scope, issue_token
from ...errors import Code, DreamlakeError
from ...kinds import KINDS, Kind, KindSpec
from ...storage import ObjectStore
from .. import access, chunks, playlists, published, subtitles
from ..access import Viewer, view
from ..context import Config, Database, RecordId, Store
from ..timelines import Cues, Segments, TimelineCache

_STREAMED = (Kind.VIDEO, Kind.AUDIO)
StreamHash = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
SegmentNumber = Annotated[int, Path(ge=0, le=2**31)]
ChunkHash = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
ChunkForm = Annotated[layout.ChunkForm, Path(description="What it is: a segment, or what comes before segments.")]

routes = new_router(tags=["playback"])


class PlaylistResponse(Response):
    """A playlist as it is. A proxy that compresses it would break Chrome's own HLS; `no-transform` (RFC 9111 5.2.2.6)
    forbids it to. It has a token in it, so that caches keep it for one user at most."""

    media_type = playlists.CONTENT_TYPE

    def __init__(self, playlist: str, status_code: int = 200) -> None:
        """`status_code` is where FastAPI reads what to say of a route in the OpenAPI document."""
        super().__init__(playlist, status_code, headers={"Cache-Control": "private, no-transform"})


class SegmentResponse(StreamingResponse):
    media_type = layout.CHUNK_TYPE


class SubtitleResponse(Response):
    media_type = subtitles.CONTENT_TYPE


@routes.get("/chunks/{hash}.{form}", summary="A segment", status_code=302, response_class=RedirectResponse)
def chunk(hash: ChunkHash, form: ChunkForm, viewer: Viewer, database: Database, store: Store, config: Config) -> str:
    """A redirect to its bytes, for those who may read a record that plays it; knowing its hash is not enough."""
    with database.connect() as connection:
        if not chunks.is_readable(connection, hash, viewer):
            raise DreamlakeError(Code.NOT_FOUND, f"There is no chunk {hash}.")
    expires = viewer.seconds_left(config.url_ttl)
    return store.presign_get(layout.chunk_key(hash, form), expires=expires, content_type=form.content_type)


def _add_streams(spec: KindSpec) -> None:
    """The playlists of one kind."""

    @routes.get(
        f"/{spec.route}/{{id}}/stream/{layout.MASTER_PLAYLIST}",
        summary=f"Master playlist of {spec.label}",
        response_class=PlaylistResponse,
    )
    def master(id: RecordId, request: Request, viewer: Viewer, database: Database, store: Store) -> Response:
        record = access.find_playable(database, viewer, spec.kind, id)
        playlist = _read(store, layout.master_key(record.owner, record.project, spec.kind, id))
        if spec.kind is Kind.VIDEO:
            with database.connect() as connection:
                tracks = subtitles.of_video(connection, record)
            if tracks:
                playlist = subtitles.add_to_master(playlist, tracks)
        return PlaylistResponse(_hand_on_token(playlist, request))

    @routes.get(
        f"/{spec.route}/{{id}}/stream/{{hash}}.m3u8",
        summary=f"Media playlist of {spec.label}",
        response_class=PlaylistResponse,
    )
    def media(
        id: RecordId,
        hash: StreamHash,
        request: Request,
        viewer: Viewer,
        database: Database,
        store: Store,
        config: Config,
    ) -> Response:
        """Its segments are presigned URLs, valid for as long as a playback token.

        Asked for with a playback token, as a browser does, they are the routes of this service: Chromium plays only
        segments that come from where their playlist does.
        """
        record = access.find_playable(database, viewer, spec.kind, id)
        playlist = _read(store, layout.stream_key(record.owner, record.project, spec.kind, id, hash))
        token = request.query_params.get("token")
        expires = viewer.seconds_left(config.url_ttl)

        def reachable(uri: str) -> str:
            chunk = layout.parse_chunk(uri)
            if chunk is None:
                return uri
            if token is not None:
                return f"{request.base_url}{spec.route}/{id}/stream/{'.'.join(chunk)}?token={quote(token)}"
            return store.presign_get(layout.chunk_key(*chunk), expires=expires)

        return PlaylistResponse(playlists.replace_uris(playlist, reachable))

    @routes.get(
        f"/{spec.route}/{{id}}/stream/{{hash}}.{{form}}",
        summary=f"A segment of {spec.label}, as bytes",
        response_class=SegmentResponse,
    )
    def segment(
        id: RecordId,
        hash: ChunkHash,
        form: ChunkForm,
        request: Request,
        viewer: Viewer,
        database: Database,
        store: Store,
    ) -> Response:
        """What `/chunks/{hash}.{form}` redirects to; for players that follow no redirect to another site."""
        record = access.find_playable(database, viewer, spec.kind, id)
        with database.connect() as connection:
            is_readable = chunks.is_readable(connection, hash, viewer)
        if not is_readable and not published.names_chunk(store, request.app.state.timelines, record, hash):
            raise DreamlakeError(Code.NOT_FOUND, f"There is no segment {hash}.")
        size, blocks = store.open(layout.chunk_key(hash, form))
        # A chunk never changes, since its hash is its name. Caches may keep it for one user, and not share it.
        headers = {"Content-Length": str(size), "Cache-Control": "private, max-age=31536000, immutable"}
        return SegmentResponse(blocks, headers=headers, media_type=form.content_type)


@routes.get(
    "/videos/{id}/stream/subtitles/{track_id}.m3u8",
    summary="Media playlist of a video's subtitles",
    response_class=PlaylistResponse,
)
def subtitle_playlist(
    id: RecordId, track_id: RecordId, request: Request, viewer: Viewer, database: Database, store: Store
) -> Response:
    """Its segments are those of the video's best stream. Who may play the video may read its subtitles."""
    video = access.find_playable(database, viewer, Kind.VIDEO, id)
    track = _find_subtitles(database, video, track_id)
    playlist = subtitles.media_playlist(_read_stream(store, video), track.id)
    return PlaylistResponse(_hand_on_token(playlist, request))


@routes.get(
    "/videos/{id}/stream/subtitles/{track_id}/{number}.vtt",
    summary="A segment of a video's subtitles",
    response_class=SubtitleResponse,
)
def subtitle_segment(
    id: RecordId,
    track_id: RecordId,
    number: SegmentNumber,
    request: Request,
    viewer: Viewer,
    database: Database,
    store: Store,
) -> Response:
    """Every cue that overlaps that segment of the video; times are the track's, tied to the video's clock."""
    video = access.find_playable(database, viewer, Kind.VIDEO, id)
    track = _find_subtitles(database, video, track_id)
    stream_start = (video.metadata or {})["timeOrigin"]["streamStart"]
    shift = subtitles.clock_start(stream_start)

    def read() -> Cues:
        filename = next(iter(layout.RESULT_FILES[track.kind]))
        return Cues(_read(store, layout.result_key(track.owner, track.project, track.kind, track.id, filename)), shift)

    # A record that is processed again has another `ready_at`: what was kept of the result before is not asked for.
    kept: TimelineCache = request.app.state.timelines
    segments = kept.get((video.id, video.ready_at), lambda: Segments(_read_stream(store, video)))
    span = segments.span(number)
    if span is None:
        raise DreamlakeError(Code.NOT_FOUND, f"{video.name} has no segment {number}.")
    cues = kept.get((track.id, track.ready_at, shift), read)
    return SubtitleResponse(subtitles.segment(cues, *span, stream_start))


def _find_subtitles(database: Engine, video: Record, track_id: str) -> Record:
    with database.connect() as connection:
        tracks = subtitles.of_video(connection, video)
    found = next((track.record for track in tracks if track.record.id == track_id), None)
    if found is None:
        raise DreamlakeError(Code.NOT_FOUND, f"{video.name} has no subtitles {track_id}.")
    return found


def _read_stream(store: ObjectStore, video: Record) -> str:
    """The media playlist of a video's best stream; the others have their segments at the same times."""
    best = (video.metadata or {})["streams"][0]
    return _read(store, layout.stream_key(video.owner, video.project, video.kind, video.id, best))


def _hand_on_token(playlist: str, request: Request) -> str:
    """The playlist whose URIs carry the playback token that it was asked for with, if any."""
    token = request.query_params.get("token")
    if token is None:
        return playlist
    return playlists.replace_uris(playlist, lambda uri: f"{uri}?token={quote(token)}")


def _add_playback(spec: KindSpec) -> None:
    @routes.get(f"/{spec.route}/{{id}}/playback", summary=f"A URL that opens one of {spec.label} with no header")
    def playback(
        id: RecordId, request: Request, caller: Reader, database: Database, store: Store, config: Config
    ) -> Playback:
        """Video and audio: a playlist. Text tracks: WebVTT. Label tracks: Parquet.

        The table of a text track that holds telemetry is its `data.parquet`. The URL ends with the token that asks for
        it, at the latest; a playback token gets none.
        """
        record = access.find_playable(database, caller, spec.kind, id)
        ttl = caller.seconds_left(config.url_ttl)
        expires = int(time.time()) + ttl
        if spec.kind in _STREAMED:
            # It has the id of the token that it is made with: whoever revokes that one ends this one, too.
            token = issue_token(
                request.app.state.keys[0],
                sub=caller.sub,
                namespaces=[],
                scope=Scope.PLAY,
                ttl=ttl,
                asset=record.id,
                token_id=caller.token_id,
            )
            url = f"{request.base_url}{spec.route}/{id}/stream/{layout.MASTER_PLAYLIST}?token={token}"
        else:
            filename = next(iter(layout.RESULT_FILES[spec.kind]))
            url = _presigned(store, record, filename, ttl)
        return Playback(url=url, expires_at=datetime.fromtimestamp(expires, UTC))


def _add_result(spec: KindSpec, filename: str) -> None:
    """One file that was made from a record. Those beside a stream are for players, too."""
    admit = view if spec.kind in _STREAMED else reads

    @routes.get(
        f"/{spec.route}/{{id}}/{filename}",
        summary=f"{filename} of {spec.label}",
        status_code=302,
        response_class=RedirectResponse,
    )
    def result(
        id: RecordId, database: Database, store: Store, config: Config, viewer: Principal = Depends(admit)
    ) -> str:
        record = access.find_playable(database, viewer, spec.kind, id)
        if store.head(layout.result_key(record.owner, record.project, spec.kind, id, filename)) is None:
            raise DreamlakeError(Code.NOT_FOUND, f"{record.name} has no {filename}.")
        return _presigned(store, record, filename, viewer.seconds_left(config.url_ttl))


for _spec in KINDS.values():
    if _spec.kind in _STREAMED:
        _add_streams(_spec)
    _add_playback(_spec)
    for _filename in layout.RESULT_FILES[_spec.kind]:
        _add_result(_spec, _filename)


def _read(store: ObjectStore, key: str) -> str:
    return store.read(key).decode()


def _presigned(store: ObjectStore, record: Record, filename: str, expires: int) -> str:
    key = layout.result_key(record.owner, record.project, record.kind, record.id, filename)
    return store.presign_get(key, expires=expires, content_type=layout.RESULT_FILES[record.kind][filename])
