"""A player that changes from one picture size to another at a cut finds sound and times of decoding go on."""

from __future__ import annotations

import io
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import pytest

from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.media.hls import segments
from dreamlake_pipeline.media.results import Stream
from dreamlake_pipeline.media.run import ffmpeg
from dreamlake_pipeline.media.video.make import make_video
from dreamlake_pipeline.media.video.renditions import verify_together

FPS = 25
CLIP = (
    f"-f lavfi -i testsrc2=size=160x120:rate={FPS} -f lavfi -i sine=440:sample_rate=44100 -t 7 "
    "-c:v libx264 -preset veryfast -g 40 -pix_fmt yuv420p -c:a aac"
)
# By how many pictures before it is shown a picture is decoded.
EARLY = {
    0: "-bf 0",
    1: "-bf 2 -x264-params b-pyramid=none",
    2: "-bf 2",
    4: f"-bf 2 -bsf:v setts=pts=PTS:dts=DTS-2/{FPS}/TB",
}


def demuxed(stream: Stream) -> list[tuple[int, int, list[int]]]:
    """Of each segment: when its first picture is decoded and shown, and the times of its sound, in ticks."""
    segments = []
    for segment in stream.segments:
        with av.open(io.BytesIO(segment.read()), "r", format="mpegts") as container:
            packets = [
                (packet.stream.type, packet.dts, packet.pts, packet.is_keyframe)
                for packet in container.demux()
                if packet.dts is not None and packet.pts is not None
            ]
        decoded, shown, is_keyframe = next(rest for kind, *rest in packets if kind == "video")
        assert is_keyframe
        segments.append((decoded, shown, [pts for kind, _, pts, _ in packets if kind == "audio"]))
    return segments


@pytest.mark.parametrize("pictures", EARLY)
def test_renditions_of_a_copied_video_go_on_from_each_other(tmp_path: Path, pictures: int) -> None:
    source = tmp_path / "clip.mp4"
    words = [*CLIP.split(), *EARLY[pictures].split()]
    subprocess.run([ffmpeg.build().path, "-loglevel", "error", "-nostdin", *words, str(source)], check=True, timeout=60)
    made = make_video(source, tmp_path / "out", filename=source.name, ladder=(90,))
    assert made.mode == "copy"
    rules = {check["rule"]: check["ok"] for check in made.conformance["checks"] if check["rule"].startswith("ladder:")}
    assert list(rules.values()) == [True, True]
    best, small = (demuxed(stream) for stream in made.streams)
    assert len(best) == 2
    for (decoded, shown, sound), (other_decoded, other_shown, other_sound) in zip(best, small, strict=True):
        assert round((shown - decoded) * FPS / 90_000) == pictures
        assert (other_shown, other_sound) == (shown, sound)
        assert other_decoded == pytest.approx(decoded, abs=2)
    # Nothing is missing between the segments either, whichever rendition they are of.
    assert best[1][2][0] - small[0][2][-1] == pytest.approx(1024 / 44_100 * 90_000, abs=2)


def test_renditions_that_do_not_go_on_from_each_other_are_not_published(tmp_path: Path) -> None:
    written = []
    for pictures in (0, 2):
        folder = tmp_path / str(pictures)
        folder.mkdir()
        words = [*CLIP.split(), *EARLY[pictures].split(), "-f", "hls", "-hls_time", "3", "-hls_list_size", "0"]
        command = [ffmpeg.build().path, "-loglevel", "error", "-nostdin", *words]
        names = ["-hls_segment_filename", "%05d.ts", segments.PLAYLIST]
        subprocess.run([*command, *names], cwd=folder, check=True, timeout=60)
        written.append(segments.read_back(folder, "clip.mp4"))
    streams = [
        (segments.to_stream(one, one.start + Fraction(7 * 90_000), fps=Fraction(FPS), independent=True), one)
        for one in written
    ]
    with pytest.raises(DreamlakeError, match="same sound in all renditions") as caught:
        verify_together(streams, [], [], "clip.mp4")
    assert caught.value.code is Code.OUTPUT_INVALID
    broken = {check["rule"] for check in caught.value.details["checks"]}
    assert "ladder: each segment is decoded from the same time on in all renditions" in broken
