"""A video with two sound tracks and a ladder, from its staged bytes to what players fetch."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import m3u8
import numpy as np
import pytest

from dreamlake_pipeline import layout
from dreamlake_pipeline.api.metadata import SoundOnlyMetadata, model_of
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.media.recipe import recipe_of
from dreamlake_pipeline.media.run import ffmpeg
from dreamlake_pipeline.processing.hold import Hold
from dreamlake_pipeline.processing.work import Workshop, process_item
from dreamlake_pipeline.remote.pipeline import PipelineClient
from dreamlake_pipeline.storage import ObjectStore

CLIP = (
    "-f lavfi -i testsrc2=size=160x120:rate=25:duration=2 -f lavfi -i sine=440:duration=2 "
    "-f lavfi -i sine=880:duration=2 -map 0 -map 1 -map 2 -c:v libx264 -preset ultrafast -g 25 -pix_fmt yuv420p "
    "-c:a aac -metadata:s:a:1 language=fra"
)


@pytest.fixture
def video(tmp_path: Path) -> bytes:
    path = tmp_path / "clip.mkv"
    subprocess.run([ffmpeg.build().path, "-loglevel", "error", *CLIP.split(), str(path)], check=True, timeout=60)
    return path.read_bytes()


def test_every_stream_is_published_and_copied(
    video: bytes, hold: Callable[[dict[str, bytes]], Hold], pipeline: PipelineClient, object_store: ObjectStore
) -> None:
    shop = Workshop(pipeline, object_store, ladder=(60, 720))
    first, second = hold({"/one.mkv": video, "/two.mkv": video}).begin().items
    made = process_item(shop, first)
    twin = process_item(shop, second, made)
    assert made.result is not None and twin.result is not None
    assert made.result.recipe == recipe_of(Kind.VIDEO, (60, 720)) != recipe_of(Kind.VIDEO)

    for outcome in (made, replace(twin, record=second)):
        assert outcome.result is not None and outcome.result.metadata is not None
        metadata = outcome.result.metadata
        best, small, sound = metadata["streams"]
        assert [
            (track["default"], track.get("stream"), track.get("language")) for track in metadata["audioTracks"]
        ] == [
            (True, None, None),
            (False, sound, "fr"),
        ]
        where = (outcome.record.owner, outcome.record.project, Kind.VIDEO, outcome.record.id)
        master = m3u8.loads(object_store.read(layout.master_key(*where)).decode())
        assert [playlist.uri for playlist in master.playlists] == [f"{best}.m3u8", f"{small}.m3u8"]
        assert [playlist.stream_info.resolution for playlist in master.playlists] == [(160, 120), (80, 60)]
        assert [media.uri for media in master.media] == [None, f"{sound}.m3u8"]
        named = set()
        for stream in metadata["streams"]:
            playlist = m3u8.loads(object_store.read(layout.stream_key(*where, stream)).decode())
            named |= {layout.chunk_of_uri(segment.uri) for segment in playlist.segments}
        assert named == set(outcome.result.chunks)
        for chunk in named:
            assert hashlib.sha256(object_store.read(layout.chunk_key(chunk))).hexdigest() == chunk


def test_the_record_says_when_the_name_is_wrong(
    video: bytes, hold: Callable[[dict[str, bytes]], Hold], pipeline: PipelineClient, object_store: ObjectStore
) -> None:
    [item] = hold({"/wrong.mp4": video}).begin().items
    outcome = process_item(Workshop(pipeline, object_store), item)
    assert outcome.result is not None and outcome.result.metadata is not None
    source = outcome.result.metadata["source"]
    assert (source["container"], source["extensionAgrees"]) == ("matroska", False)


def test_the_record_of_a_file_that_is_cut_off_says_so(
    video: bytes, hold: Callable[[dict[str, bytes]], Hold], pipeline: PipelineClient, object_store: ObjectStore
) -> None:
    [item] = hold({"/part.mkv": video[: len(video) * 3 // 4]}).begin().items
    outcome = process_item(Workshop(pipeline, object_store), item)
    assert outcome.error is None and outcome.result is not None and outcome.result.metadata is not None
    assert outcome.result.metadata["partial"] is True
    assert outcome.result.warnings[0].startswith("Only the first 1.") and "of 2.0 s" in outcome.result.warnings[0]


SOUND = "-f lavfi -i sine=440:duration=2"
COVER = "-f lavfi -i color=red:s=64x64:r=25:d=0.04 -c:v png -disposition:v attached_pic"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("memo.mp4", f"{SOUND} -c:a aac"),
        ("recorder.webm", f"{SOUND} -c:a libopus"),
        ("studio.mkv", f"{SOUND} -c:a flac"),
        ("quick.mov", f"{SOUND} -c:a pcm_s16le"),
        ("song.mp4", f"{SOUND} {COVER} -c:a aac"),
    ],
)
def test_a_video_of_sound_only_becomes_an_audio_rendition_under_its_record(
    name: str,
    options: str,
    tmp_path: Path,
    hold: Callable[[dict[str, bytes]], Hold],
    pipeline: PipelineClient,
    object_store: ObjectStore,
) -> None:
    path = tmp_path / name
    subprocess.run([ffmpeg.build().path, "-loglevel", "error", *options.split(), str(path)], check=True, timeout=60)
    first, second = hold({f"/{name}": path.read_bytes(), f"/again-{name}": path.read_bytes()}).begin().items
    shop = Workshop(pipeline, object_store, ladder=(480,))
    made = process_item(shop, first)
    twin = process_item(shop, second, made)
    for record, outcome in ((first, made), (second, twin)):
        assert outcome.error is None and outcome.result is not None and outcome.result.metadata is not None
        metadata = outcome.result.metadata
        assert record.kind is Kind.VIDEO and model_of(record.kind, metadata) is SoundOnlyMetadata
        assert (metadata["kindByContent"], metadata["hasAudio"], metadata["ladder"]) == ("audio", True, [480])
        assert metadata["durationSec"] == pytest.approx(2, abs=0.05)
        assert metadata["loudness"]["integrated"] == pytest.approx(-21.1, abs=1)  # a sine of an eighth of full scale
        assert "holds no picture" in outcome.result.warnings[0]
        where = (record.owner, record.project, Kind.VIDEO, record.id)
        [variant] = m3u8.loads(object_store.read(layout.master_key(*where)).decode()).playlists
        assert variant.stream_info.codecs == "mp4a.40.2" and variant.stream_info.resolution is None
        playlist = m3u8.loads(object_store.read(layout.stream_key(*where, metadata["streams"][0])).decode())
        assert sum(segment.duration for segment in playlist.segments) == pytest.approx(2, abs=0.05)
        assert metadata["waveformUrl"] == f"/videos/{record.id}/waveform.json"
        assert object_store.head(layout.result_key(*where, "waveform.png")) is not None
    assert made.preview is not None and made.preview.startswith(b"\x89PNG")


def test_audio_that_has_pictures_says_so(
    video: bytes, hold: Callable[[dict[str, bytes]], Hold], pipeline: PipelineClient, object_store: ObjectStore
) -> None:
    [item] = hold({"/clip.wav": video}).begin().items
    outcome = process_item(Workshop(pipeline, object_store), item)
    assert outcome.error is None and outcome.result is not None and outcome.result.metadata is not None
    assert item.kind is Kind.AUDIO and outcome.result.metadata["kindByContent"] == "video"
    assert outcome.result.warnings[0] == "Stream 0, video (h264), is not part of the playable version."


def test_a_picture_track_that_never_got_a_picture_leaves_the_sound(
    tmp_path: Path, hold: Callable[[dict[str, bytes]], Hold], pipeline: PipelineClient, object_store: ObjectStore
) -> None:
    """As conferences and recorders write it while the camera is off."""
    path = tmp_path / "off.mkv"
    with av.open(str(path), "w") as out:
        picture = out.add_stream("mjpeg", rate=25)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuvj420p"
        sound = out.add_stream("aac", rate=48_000, layout="mono")
        for number in range(94):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), "float32"), format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 48_000, 1024 * number, Fraction(1, 48_000)
            out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
    [item] = hold({"/off.mkv": path.read_bytes()}).begin().items
    outcome = process_item(Workshop(pipeline, object_store), item)
    assert outcome.error is None and outcome.result is not None and outcome.result.metadata is not None
    assert outcome.result.metadata["kindByContent"] == "audio"
    assert outcome.result.metadata["durationSec"] == pytest.approx(2, abs=0.05)
