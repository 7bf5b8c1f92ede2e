"""Label tracks: Parquet with inferred types, and statistics of every field."""

from __future__ import annotations

import time

from pydantic_core import to_json

from ..api.bounded import shortened
from ..api.metadata import BadLine, CsvForm, FieldStats, LabelTimeMetadata, LabelTrackMetadata, Processing
from ..media.labels.make import LabelResult, make_label_track
from ..media.labels.times import LabelTime
from ..media.run import bounds
from .product import Job, Product
from .publish import publish_files, url_of

_MOST_SKIPPED = 100  # lines that the metadata names
_MOST_FIELDS = 100  # that the metadata describes; all of them are in fields.json then
_MOST_NAME_CHARS = 200  # of a name in the source
_MOST_FIELD_BYTES = 32 * 2**10


def process_label_track(job: Job) -> Product:
    """Make and store data.parquet, and a plot and series.parquet if there is a time field. Raises DreamlakeError if
    there is no entry."""
    started = time.perf_counter()
    made = job.workers.make(
        make_label_track,
        job.source.path,
        job.folder,
        subject=job.filename,
        bounds=bounds.LABELS.of(job.source.size),
        filename=job.filename,
        csv_options=dict(job.csv),
    )
    fields = [
        FieldStats(
            name=field.name,
            source=field.source,
            type=field.type,
            nulls=field.nulls,
            distinct=field.distinct,
            distinct_above=field.distinct_above,
            min=field.min,
            max=field.max,
        )
        for field in made.fields
    ]
    described = to_json([field.wire() for field in fields], inf_nan_mode="null")
    are_many = len(fields) > _MOST_FIELDS or len(described) > _MOST_FIELD_BYTES
    files = {
        "data.parquet": made.path,
        "series.parquet": made.series,
        "plot.png": made.plot,
        "fields.json": described if are_many else None,
    }
    outputs = publish_files(job.store, job.record, files)
    metadata = LabelTrackMetadata(
        entries=made.entries,
        fields=_first(fields) if are_many else fields,
        fields_total=len(fields) if are_many else None,
        fields_url=url_of(job.record, "fields.json") if are_many else None,
        time_field=made.time.column if made.time else None,
        start=made.time.start if made.time else None,
        end=made.time.end if made.time else None,
        duration_sec=made.time.duration if made.time else None,
        time=_describe_time(made.time) if made.time else None,
        series_url=url_of(job.record, "series.parquet") if made.series else None,
        plot_url=url_of(job.record, "plot.png") if made.plot else None,
        encoding=made.encoding,
        format=made.format,
        csv=_form(made),
        csv_options=dict(job.csv),
        bad_entries=made.bad_entries,
        bad_lines=[BadLine(line=bad.line, reason=bad.reason) for bad in made.bad_lines],
        warnings=list(made.warnings),
        processing=Processing(recipe=job.recipe, seconds=round(time.perf_counter() - started, 3)),
    )
    return Product(metadata, outputs, preview=made.plot.read_bytes() if made.plot else None)


def _first(fields: list[FieldStats]) -> list[FieldStats]:
    """The first fields that the metadata have room for."""
    shown, left = [], _MOST_FIELD_BYTES
    for field in fields[:_MOST_FIELDS]:
        if field.source is not None:
            field = field.model_copy(update={"source": shortened(field.source, _MOST_NAME_CHARS)})
        left -= len(field.wire_json())
        if left < 0:
            break
        shown.append(field)
    return shown


def _form(made: LabelResult) -> CsvForm | None:
    form = made.form
    if form is None:
        return None
    return CsvForm(
        delimiter=form.dialect.delimiter_name,
        quote=form.dialect.quote,
        escape=form.dialect.escape,
        decimal=form.dialect.decimal,
        thousands=form.dialect.thousands,
        comment=form.dialect.comment,
        header_line=form.header_line,
        units_line=form.units_line,
        units=made.units,
        first_line=form.first_line,
        skipped=[BadLine(line=line, reason=what) for line, what in sorted(form.skipped.items())[:_MOST_SKIPPED]],
        agreement=form.agreement,
        certainty=form.certainty,
    )


def _describe_time(time: LabelTime) -> LabelTimeMetadata:
    return LabelTimeMetadata(
        fields=list(time.fields),
        unit=time.unit,
        origin=time.origin,
        why=time.why,
        left_out=time.left_out,
        goes_back=time.goes_back,
    )
