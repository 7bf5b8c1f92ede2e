"""Rows 4 and 5, and the workers' memory: from staged objects to what plays. The pipeline is held during uploads."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from dreamlake_pipeline.stack.state import BUCKET

from . import inputs, shell, yardsticks
from .home import Home
from .measure import BenchmarkError, Pairs, PeakMemory, Sample, by_turns, sampling

_S5CMD_PART = 50 * 2**20


@dataclass(slots=True)
class Processed:
    """Both sides' times, and the most memory in bytes that a run of ours used."""

    pairs: Pairs
    peak_bytes: int = 0


def video(home: Home, *, size: int, repeats: int) -> Processed:
    """Row 4. Both sides work on the same staged object; ours is timed inside the run, by what Dagster recorded."""
    done = Processed(Pairs())
    staged: list[str] = []

    def ours(turn: int) -> Sample:
        path, project = home.scratch / f"video-{turn}.mp4", home.new_project()
        inputs.write_h264(path, size, turn, home.scratch)
        # nanio refuses a range that ends behind the object, which is what s5cmd's last one does otherwise.
        inputs.pad_mp4(path, -(-path.stat().st_size // _S5CMD_PART) * _S5CMD_PART)
        home.dreamlake("upload", path, "--episode", project)
        path.unlink()
        staged.append(_staging_key(home, project))
        with PeakMemory(home.root) as memory, sampling(home.root) as passed:
            home.release_pipeline()
            home.wait_ready(project, 1)
            cpu = passed().cpu_seconds
        home.hold_pipeline()
        done.peak_bytes = max(done.peak_bytes, memory.bytes)
        run = home.run_of(project)
        published = next(step["endTime"] for step in run["stepStats"] if step["stepKey"] == "hls_streams")
        return Sample(published - run["startTime"], cpu)

    def yardstick(turn: int) -> Sample:
        with sampling(home.root) as passed:
            yardsticks.video_pipeline(home, staged[turn], home.scratch / "theirs", f"yardstick/{secrets.token_hex(4)}/")
            return passed()

    done.pairs = by_turns(repeats, ours, yardstick)
    return done


def small_audio(home: Home, *, files: int, repeats: int) -> Processed:
    """Row 5. Ours from the moment at which the pipeline is let go, with everything staged, to the last one ready."""
    done = Processed(Pairs())

    def ours(turn: int) -> Sample:
        folder, project = home.scratch / f"ours-{turn}", home.new_project()
        inputs.write_wavs(folder, files, seed=2 * turn)
        home.dreamlake("ingest", folder, "--episode", project)
        with PeakMemory(home.root) as memory, sampling(home.root) as passed:
            home.release_pipeline()
            home.wait_ready(project, files)
            sample = passed()
        home.hold_pipeline()
        done.peak_bytes = max(done.peak_bytes, memory.bytes)
        return sample

    def yardstick(turn: int) -> Sample:
        folder = home.scratch / f"theirs-{turn}"
        inputs.write_wavs(folder, files, seed=2 * turn + 1)
        with sampling(home.root) as passed:
            shell.make_and_store(home, folder)
            return passed()

    done.pairs = by_turns(repeats, ours, yardstick)
    return done


def _staging_key(home: Home, project: str) -> str:
    name, _, owner = project.partition("@")
    with home.connect() as connection:
        query = "SELECT staging_key FROM bss.records WHERE owner = %s AND project = %s"
        found = connection.execute(query, [owner, name]).fetchone()
    if found is None:
        raise BenchmarkError(f"nothing was registered in {project}, in bucket {BUCKET}")
    return str(found[0])
