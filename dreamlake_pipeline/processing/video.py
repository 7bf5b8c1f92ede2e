"""Videos: HLS in the chunk pool, a poster and a contact sheet. One that holds sound only is made as audio is."""

from __future__ import annotations

import time

from ..api.metadata import AudioTrack, Chunks, Mode, Processing, Rendition, VideoMetadata
from ..media.results import SoundOnly, VideoResult
from ..media.run import bounds
from ..media.video.make import make_long_video, make_short_video
from ..media.video.short import MOST_BYTES, may_be_short
from ..playback import PlaybackMode
from .audio import process_audio
from .hls import hashes_of, segments_of, source_of, time_origin_of
from .pool import EarlyChunks, store_chunks
from .product import Job, Product
from .publish import publish_files, publish_streams, url_of


def process_video(job: Job) -> Product:
    """Make, verify and store everything of a video. Raises DreamlakeError for a file that can't be made into HLS."""
    started = time.perf_counter()
    made = make_short(job)
    if made is not None:
        chunks = store_chunks(job.pipeline, job.store, job.record.owner, segments_of(made.streams))
        return publish(job, made, chunks, time.perf_counter() - started)
    try:
        return _process_long(job)
    except SoundOnly:
        return process_audio(job)


def make_short(job: Job) -> VideoResult | None:
    """Make and verify a short video that needs no ffmpeg, in a worker process; None for any other."""
    if job.ladder or job.playback is not PlaybackMode.EVERYWHERE or job.source.size > MOST_BYTES:
        return None
    data = job.source.read()
    if not may_be_short(data):
        return None
    return job.workers.run(
        make_short_video, subject=job.filename, bounds=bounds.SHORT_VIDEO, data=data, filename=job.filename
    )


def _process_long(job: Job) -> Product:
    started = time.perf_counter()
    with EarlyChunks(job.pipeline, job.store, job.record.owner) as pool:
        made = job.workers.make(
            make_long_video,
            job.source.path,
            job.folder,
            subject=job.filename,
            bounds=bounds.VIDEO.of(job.source.size),
            filename=job.filename,
            ladder=job.ladder,
            playback=job.playback,
            on_segment=pool.add,
        )
        chunks = pool.finish(segments_of(made.all_streams))
    return publish(job, made, chunks, time.perf_counter() - started)


def publish(job: Job, made: VideoResult, chunks: Chunks, seconds: float) -> Product:
    """Store playlists and pictures of what was made in `seconds`; its chunks are in the pool."""
    started = time.perf_counter()
    outputs = publish_streams(job.store, job.record, made.streams, made.audio)
    pictures = {"poster.jpg": made.poster, "contact-sheet.jpg": made.contact_sheet}
    outputs |= publish_files(job.store, job.record, pictures)
    metadata = VideoMetadata(
        duration_sec=made.duration,
        length=made.frames,
        fps=made.fps,
        width=made.width,
        height=made.height,
        codec=made.codec,
        has_audio=made.has_audio,
        streams=[stream.hash for stream in made.all_streams],
        renditions=[
            Rendition(
                stream=stream.hash,
                width=stream.width,
                height=stream.height,
                bandwidth=stream.bandwidth,
                average_bandwidth=stream.average_bandwidth,
                codecs=stream.codecs,
            )
            for stream in made.streams
        ],
        ladder=list(job.ladder),
        playback=job.playback,
        audio_tracks=[
            AudioTrack(
                name=track.name,
                language=track.language,
                index=track.index,
                codec=track.codec,
                default=track.stream is None,
                stream=track.stream.hash if track.stream else None,
            )
            for track in made.audio
        ],
        chunks=chunks,
        poster_url=url_of(job.record, "poster.jpg") if made.poster else None,
        contact_sheet_url=url_of(job.record, "contact-sheet.jpg") if made.contact_sheet else None,
        time_origin=time_origin_of(made.time_origin),
        source=source_of(job.source.name, made.container, made.source_streams),
        conformance=made.conformance,
        partial=made.partial,
        warnings=list(made.warnings),
        processing=Processing(
            recipe=job.recipe,
            mode=Mode(made.mode),
            transcode_reasons=list(made.transcode_reasons),
            seconds=round(seconds + time.perf_counter() - started, 3),
        ),
    )
    return Product(metadata, outputs, hashes_of(made.all_streams), made.poster)
