"""All that a master playlist names."""

from __future__ import annotations

from collections.abc import Mapping

from .fragments import check_fragments
from .master import Master, check_alignment, check_figures, check_master
from .playlists import Playlist, check_playlist
from .report import Report
from .segments import Chunk, Measured, check_chunks


def check_hls(master: str, playlists: Mapping[str, str], chunks: Mapping[str, Chunk], report: Report) -> None:
    """A master playlist with all that it names: media playlists and chunks by the URIs that name them.

    Subtitle playlists are checked if they are there; their segments by `check_subtitles`.
    """
    found = Master(master)
    media = {uri: Playlist(text, uri) for uri, text in playlists.items()}
    report.must(
        "master: every playlist that it names is there",
        all(uri in media for uri in found.stream_uris),
        ", ".join(uri for uri in found.stream_uris if uri not in media),
    )
    check_master(found, report)
    streams: dict[str, Measured] = {}
    for playlist in media.values():
        check_playlist(playlist.text, report, playlist.name)
        if playlist.uri not in found.subtitle_uris:
            measured = (
                check_chunks(playlist, chunks, found.independent, report)
                if playlist.map is None
                else check_fragments(playlist, chunks, report)
            )
            if measured:
                streams[playlist.uri] = measured
    check_figures(found, streams, report)
    check_alignment(found, media, streams, report)
