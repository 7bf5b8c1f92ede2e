"""What a video has beside its best stream: smaller pictures (the ladder), and its other sound tracks.

All of them share the best stream's clock, its span, and the times at which its segments begin, so that a player can
change between them at every segment (RFC 8216 6.2.4).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from ...errors import Code, DreamlakeError
from ...languages import normalize_language
from ..audio import channels
from ..audio.codec import FILL_GAPS, aac_options, output_rate
from ..containers import mpegts
from ..containers.probe import AudioTrack, Probe, VideoTrack
from ..hls import segments
from ..hls.conformance.report import Report
from ..hls.segments import Written
from ..hls.verify import Expected, check_streams, verify
from ..results import AudioRendition, Stream
from ..run import ffmpeg
from .damage import LEFT_OUT, damage_warning
from .resound import take_sound
from .transcode import X264, X264_DELAY, display_size, hls_clock, limits, source_node, transcode_options

MOST_TRACKS = 16  # of sound
# Their starts are an argument of ffmpeg's, which may have 128 KiB.
_MOST_SEGMENTS = 9_000
_ROUNDING = 2  # ticks of 90 kHz


@dataclass(frozen=True)
class Best:
    """The best stream, which the others follow. `end` is where playback ends, in ticks; `origin` the time in the
    source, in seconds, at which playback starts; `expected` what the stream was verified against."""

    written: Written
    stream: Stream
    end: Fraction
    origin: Fraction
    expected: Expected
    copied: bool

    @property
    def seconds(self) -> Fraction:
        return (self.end - self.written.start) / mpegts.CLOCK


def ladder_sizes(ladder: Sequence[int], video: VideoTrack) -> list[tuple[int, int]]:
    """Width and height of each step of the ladder below the video's own height, the largest first; all even."""
    width, height = display_size(video)
    steps = sorted({step // 2 * 2 for step in ladder if 2 <= step // 2 * 2 < height}, reverse=True)
    return [(max(2, round(Fraction(width * step, height) / 2) * 2), step) for step in steps]


def make_ladder(
    source: Path,
    out: Path,
    found: Probe,
    best: Best,
    ladder: Sequence[int],
    sound: dict[str, Any],
    subject: str,
    *,
    lenient: bool,
) -> list[tuple[Stream, Written]]:
    """A stream for each step of the ladder, with the very sound of the best stream in every segment.

    `sound` are the options by which that was written, `lenient` whether damage in it was passed over.
    """
    video, audio = found.video, found.audio
    assert video is not None and found.sniffed.demuxer is not None
    sizes = ladder_sizes(ladder, video)
    if not sizes:
        return []
    # One process for all of them: the source is decoded once.
    node = source_node(found, **(LEFT_OUT if lenient else {}))
    inputs = [node[str(track.index)] for track in (video, audio) if track is not None]
    cwd = out / "ladder"
    cwd.mkdir()
    outputs = []
    for width, height in sizes:
        (cwd / f"{height}p").mkdir()
        options = transcode_options(video, (width, height))
        if best.copied:
            options |= _like_a_copy(best, X264_DELAY if options.get("bf") != 0 else 0)
        outputs.append(segments.hls_output(*inputs, folder=f"{height}p", **options, **sound, **hls_clock()))
    allowed = limits(source, video, len(outputs))
    ffmpeg.run(outputs, source=source, cwd=cwd, limits=allowed, subject=subject, lenient=lenient)

    made = []
    for _, height in sizes:
        folder = cwd / f"{height}p"
        written = segments.read_back(folder, subject)
        _refuse_shifted(best, written, _ROUNDING, f"{height}p", subject)
        if audio is not None:
            for path, part, whose, donor in zip(
                written.paths, written.parts, best.written.paths, best.written.parts, strict=True
            ):
                take_sound(path, part, whose, donor)
            written = segments.read_back(folder, subject)
        stream = segments.to_stream(
            written,
            written.start + best.end - best.written.start,
            fps=best.stream.fps,
            independent=True,
        )
        verify(written, stream, best.expected, subject)
        made.append((stream, written))
    return made


def _like_a_copy(best: Best, usual: int) -> dict[str, Any]:
    """The options by which keyframes are where the source has them, and decoded as long before they are shown.

    `usual` is by how many pictures earlier they would be decoded. Else the times of decoding would jump where a player
    changes between the two, which Chromium takes for a new timeline: pictures and sound drift apart there.
    """
    head = best.written.parts[0].of_type(mpegts.H264)
    assert head is not None and best.stream.fps is not None
    delay = Fraction(head.pts[0] - head.dts[0], mpegts.CLOCK)
    pictures = round(delay * best.stream.fps)
    options: dict[str, Any] = {"force_key_frames": "source"}
    if pictures == 0:
        options["bf"] = 0
    elif pictures == 1 < usual:
        options["x264-params"] = f"{X264}:b-pyramid=none"
    elif pictures > usual:
        more = delay - usual / best.stream.fps
        options["bsf:v"] = f"setts=pts=PTS:dts=DTS-{float(more):.6f}/TB"
    return options


def make_alternates(
    source: Path, out: Path, found: Probe, best: Best, warnings: list[str], subject: str
) -> list[tuple[AudioTrack, Stream, Written]]:
    """A stream of sound for each of the other tracks, as long as the video: silence where the track has nothing."""
    assert found.video is not None and found.sniffed.demuxer is not None
    tracks = found.alternates[: MOST_TRACKS - 1]
    if tracks and len(best.written.begins) > _MOST_SEGMENTS:
        warnings.append("The other sound tracks are left out: the video has too many segments for them to follow.")
        return []
    made = []
    for track in tracks:
        folder = out / f"sound-{track.index}"
        folder.mkdir()
        node = ffmpeg.source_input(found.sniffed.demuxer, threads=1, **LEFT_OUT)
        what = f"Stream {track.index}, audio ({track.codec}),"
        filters = [
            *channels.as_played(track),
            f"asetpts=PTS-({best.origin})/TB",
            f"{FILL_GAPS}:first_pts=0",
            "apad",
            f"atrim=end={float(best.seconds):.6f}",
        ]
        output = segments.cut_output(
            node[str(track.index)],
            best.written.begins,
            copyts=None,
            **aac_options(track) | {"af": ",".join(filters)},
            **{"bsf:a": segments.DROP_PRIMING},
            **hls_clock(Fraction(best.written.start, mpegts.CLOCK)),
        )
        allowed = limits(source, found.video)
        try:
            done = ffmpeg.run([output], source=source, cwd=folder, limits=allowed, subject=subject, lenient=True)
        except DreamlakeError as error:
            if error.code is not Code.MEDIA_CORRUPT:
                raise
            warnings.append(f"{what} can't be decoded and is left out: it is damaged.")
            continue
        warnings += damage_warning(done, track, float(best.seconds), what)
        written = segments.read_back(folder, subject)
        rate = output_rate(track)
        frame = Fraction(segments.AAC_FRAME, rate)
        _refuse_shifted(best, written, round(frame * mpegts.CLOCK), f"sound track {track.index}", subject)
        stream = segments.to_stream(written, written.start + best.end - best.written.start, fps=None, independent=True)
        expected = Expected(
            duration=best.seconds,
            tolerance=frame,
            samples=best.seconds * rate,
            samples_tolerance=2 * segments.AAC_FRAME,
        )
        verify(written, stream, expected, subject)
        made.append((track, stream, written))
    return made


def _refuse_shifted(best: Best, written: Written, ticks: int, what: str, subject: str) -> None:
    """Raises OUTPUT_INVALID when segments begin more than some ticks later or earlier than those of the best stream."""
    apart = [abs(a - b) for a, b in zip(written.begins, best.written.begins, strict=False)]
    if len(written.begins) != len(best.written.begins) or max(apart) > ticks:
        raise DreamlakeError(
            Code.OUTPUT_INVALID,
            f"The result of {subject} failed its verification: the segments of its {what} are not in step.",
        )


def name_tracks(first: AudioTrack, others: Sequence[tuple[AudioTrack, Stream]]) -> tuple[AudioRendition, ...]:
    """The tracks as a master playlist lists them, each with a name of its own; none when there is only one."""
    if not others:
        return ()
    names: list[str] = []
    renditions = []
    for number, (track, stream) in enumerate([(first, None), *others], 1):
        language = normalize_language(track.language or "")
        name = re.sub(r"[\x00-\x1f\x7f\"]", " ", track.title or "").strip()[:100] or language or f"Track {number}"
        if name in names:
            name = f"{name} {number}"
        names.append(name)
        renditions.append(AudioRendition(name, language, track.index, track.codec, stream))
    return tuple(renditions)


def verify_together(
    streams: Sequence[tuple[Stream, Written]], audio: Sequence[AudioRendition], others: Sequence[Written], subject: str
) -> dict[str, Any]:
    """The report on the master playlist with all that it names; raises DreamlakeError(OUTPUT_INVALID)."""
    report = Report()
    made = iter(others)
    check_streams(streams, [(one, next(made) if one.stream is not None else None) for one in audio], report)
    _check_changes(streams, report)
    report.raise_if_broken(subject)
    return report.as_dict()


def _check_changes(streams: Sequence[tuple[Stream, Written]], report: Report) -> None:
    """What a player that changes the rendition at a segment relies on, beyond what playlists tell."""
    if len(streams) < 2:
        return
    (best, first), *others = streams
    if first.audio is not None:
        report.must(
            "ladder: each segment has the same sound in all renditions",
            all(_sound(written) == _sound(first) for _, written in others),
        )
    frame = mpegts.CLOCK / best.fps if best.fps else 0
    apart = [abs(a - b) for _, written in others for a, b in zip(_decoded(written), _decoded(first), strict=True)]
    report.should(
        "ladder: each segment is decoded from the same time on in all renditions",
        max(apart) * 2 <= frame,
        f"{max(apart) / mpegts.CLOCK:.3f} s apart at most",
    )


def _sound(written: Written) -> list[list[int]]:
    """The times of the sound in each segment."""
    return [sound.pts if (sound := part.of_type(mpegts.AAC_ADTS)) else [] for part in written.parts]


def _decoded(written: Written) -> list[int]:
    """When the first picture of each segment is decoded, in ticks on one line."""
    pictures = [part.of_type(mpegts.H264) for part in written.parts]
    first = [found.dts[0] for found in pictures if found is not None and found.dts]
    return [mpegts.unwrap([time], start)[0] for time, start in zip(first, written.starts, strict=True)]
