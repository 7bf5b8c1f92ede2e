"""Audio files, and videos that turn out to hold sound only: HLS in the chunk pool, loudness, and a waveform."""

from __future__ import annotations

import time
from functools import partial

from ..api.metadata import AudioMetadata, Chunks, Loudness, Mode, Processing, SoundOnlyMetadata
from ..kinds import Kind
from ..media.audio.make import make_long_audio, make_short_audio
from ..media.audio.short import MOST_BYTES, may_be_short
from ..media.results import AudioResult
from ..media.run import bounds
from .hls import hashes_of, segments_of, source_of, time_origin_of
from .pool import store_chunks
from .product import Job, Product
from .publish import publish_files, publish_streams, url_of


def process_audio(job: Job) -> Product:
    """Make, verify and store everything of an audio file. Raises DreamlakeError for one that can't be made into HLS.

    The record may be a video's, whose content turned out to be sound only.
    """
    started = time.perf_counter()
    made = make(job)
    chunks = store_chunks(job.pipeline, job.store, job.record.owner, segments_of(made.streams))
    return publish(job, made, chunks, time.perf_counter() - started)


def make(job: Job) -> AudioResult:
    """Make and verify in a worker process; what is short and plain without ffmpeg."""
    short = _make_short(job) if job.source.size <= MOST_BYTES else None
    return short or job.workers.make(
        make_long_audio,
        job.source.path,
        job.folder,
        subject=job.filename,
        bounds=bounds.AUDIO.of(job.source.size),
        filename=job.filename,
    )


def _make_short(job: Job) -> AudioResult | None:
    data = job.source.read()
    if not may_be_short(data):
        return None
    return job.workers.run(
        make_short_audio, subject=job.filename, bounds=bounds.SHORT_AUDIO, data=data, filename=job.filename
    )


def publish(job: Job, made: AudioResult, chunks: Chunks, seconds: float) -> Product:
    """Store playlists and waveform of what was made in `seconds`; its chunks are in the pool."""
    started = time.perf_counter()
    is_video = job.record.kind is Kind.VIDEO
    model = partial(SoundOnlyMetadata, ladder=list(job.ladder), playback=job.playback) if is_video else AudioMetadata
    warnings = [f"{job.filename} holds no picture: its sound is played alone."] if is_video else []
    outputs = publish_streams(job.store, job.record, made.streams)
    waveform = {"waveform.png": made.waveform_png, "waveform.json": made.waveform_json}
    outputs |= publish_files(job.store, job.record, waveform)
    metadata = model(
        duration_sec=made.duration,
        sample_rate=made.sample_rate,
        channels=made.channels,
        codec=made.codec,
        streams=[stream.hash for stream in made.streams],
        chunks=chunks,
        loudness=Loudness(
            integrated=made.integrated,
            range=made.loudness_range,
            true_peak=made.true_peak,
            why=made.unmeasured,
        ),
        peak_db=made.peak_db,
        rms_db=made.rms_db,
        waveform_url=url_of(job.record, "waveform.json"),
        waveform_image_url=url_of(job.record, "waveform.png"),
        time_origin=time_origin_of(made.time_origin),
        source=source_of(job.source.name, made.container, made.source_streams),
        conformance=made.conformance,
        kind_by_content=Kind.AUDIO if is_video else Kind.VIDEO if _has_pictures(made) else None,
        warnings=[*warnings, *made.warnings],
        partial=made.partial,
        processing=Processing(
            recipe=job.recipe,
            mode=Mode(made.mode),
            transcode_reasons=list(made.transcode_reasons),
            seconds=round(seconds + time.perf_counter() - started, 3),
        ),
    )
    return Product(metadata, outputs, hashes_of(made.streams), made.waveform_png)


def _has_pictures(made: AudioResult) -> bool:
    """Whether the file has pictures beside the sound that was asked of it; cover art is none."""
    pictures = (stream for stream in made.source_streams if stream["type"] == "video")
    return any("attached_pic" not in stream.get("disposition", []) for stream in pictures)
