"""Text tracks: clean WebVTT, what is said in it, and the table of what is measured in it."""

from __future__ import annotations

import dataclasses
import time

from ..api.metadata import BadLine, Processing, Telemetry, TelemetryField, TextTrackMetadata
from ..media.run import bounds
from ..media.text.make import make_text_track
from .product import Job, Product
from .publish import publish_files, url_of


def process_text_track(job: Job) -> Product:
    """Make and store track.vtt, and data.parquet where it holds telemetry.

    Raises DreamlakeError for a file that is no text track.
    """
    started = time.perf_counter()
    made = job.workers.make(
        make_text_track,
        job.source.path,
        job.folder,
        subject=job.filename,
        bounds=bounds.TEXT.of(job.source.size),
        filename=job.filename,
    )
    table = made.telemetry
    files = {"track.vtt": made.path, "data.parquet": table.path if table else None}
    outputs = publish_files(job.store, job.record, files)
    metadata = TextTrackMetadata(
        cues=made.cues,
        duration_sec=made.end,
        start_sec=made.start,
        end_sec=made.end,
        words=made.words,
        words_per_minute=made.words_per_minute,
        language=made.language,
        encoding=made.encoding,
        format=made.format,
        telemetry=Telemetry(
            entries=table.entries,
            start_sec=table.first,
            end_sec=table.last,
            fields=[TelemetryField(**dataclasses.asdict(field)) for field in table.fields],
            data_url=url_of(job.record, "data.parquet"),
        )
        if table
        else None,
        bad_cues=made.bad_cues,
        bad_lines=[BadLine(line=bad.line, reason=bad.reason) for bad in made.bad_lines],
        warnings=list(made.warnings),
        processing=Processing(recipe=job.recipe, seconds=round(time.perf_counter() - started, 3)),
    )
    return Product(metadata, outputs)
