"""Row 6 and the growth of cost: what Dagster, BSS and the index cost for a file, with no media work (noop.py)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from dreamlake_pipeline import layout
from dreamlake_pipeline.api.bss import FinishedFile
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.remote.bss import MOST_PER_CALL
from dreamlake_pipeline.remote.server import asset_of
from dreamlake_pipeline.stack.state import BUCKET

from . import inputs
from .home import Home
from .measure import Sample, sampling

DEFINITIONS = "benchmarks.noop"
_FOLDER = 100


def process(home: Home, *, files: int) -> Sample:
    """Stages and registers so many files while the pipeline is held; from its release to the last one ready."""
    project = home.new_project()
    stage(home, project, files)
    with sampling(home.root) as passed:
        home.release_pipeline()
        home.wait_ready(project, files, every=0.1 if files <= 10_000 else 1.0)
        sample = passed()
    home.hold_pipeline()
    return sample


def stage(home: Home, project: str, files: int) -> None:
    """The objects are written where the S3 server keeps them; records and index as a client makes them, in bulk."""
    name, _, owner = project.partition("@")
    with home.client() as client:
        for start in range(0, files, MOST_PER_CALL):
            part = range(start, min(files, start + MOST_PER_CALL))
            contents = dict(_contents(home, project, part))
            inputs.place_objects(home.stack.objects, BUCKET, layout.staging_prefix(owner, name), contents)
            finished = client.bss.finish_uploads(
                owner,
                name,
                [
                    FinishedFile(
                        kind=Kind.AUDIO,
                        name=f"/run-{number // _FOLDER:05}/mic-{number:06}.wav",
                        hash=content_hash,
                        size=len(content),
                    )
                    for number, (content_hash, content) in zip(part, contents.items(), strict=True)
                ],
            )
            records = client.bss.query([file.id for file in finished if file.id])
            client.index.register_batch([asset_of(record) for record in records])


def _contents(home: Home, project: str, numbers: range) -> Iterator[tuple[str, bytes]]:
    """Files that differ in a few bytes, by their hashes."""
    path = home.scratch / "one.wav"
    if not path.exists():
        inputs.write_wav(path, 4000, seed=1)
    content = path.read_bytes()
    for number in numbers:
        mark = hashlib.sha256(f"{project} {number}".encode()).digest()
        one = content[: -len(mark)] + mark
        yield hashlib.sha256(one).hexdigest(), one
