"""Pictures and samples of what browsers play, as numpy arrays, by the time of playback.

They come from the segments of the best stream: the same times, whatever the source was, and no demuxer of this machine
reads what somebody uploaded. Only the segments of the time that is asked for are fetched. numpy and PyAV are imported
only when something is decoded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ..errors import Code, DreamlakeError
from .streaming import Reading, Segment

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from av.audio.frame import AudioFrame
    from av.container import InputContainer
    from av.frame import Frame as DecodedFrame

# Seconds around the wanted time whose segments are fetched as well: EXTINF is rounded, sound begins a little before or
# after its segment does, and a decoder's first packet of AAC lacks what comes before it.
MARGIN = 0.5

Decoded = TypeVar("Decoded", bound="DecodedFrame")

_MOST_BYTES = 4 * 2**30  # that one call puts into memory
_TICK = 1e-5  # seconds: MPEG-TS counts in 1/90000, to which a time is rounded
_WRAP = 2**33 / 90_000  # seconds after which the times of MPEG-TS start again (ISO/IEC 13818-1, 2.4.3.7)


class Frame(NamedTuple):
    """One picture of a video: when it is shown, in seconds of playback, and its pixels (height, width, 3), RGB."""

    time: float
    picture: npt.NDArray[np.uint8]


class Frames(NamedTuple):
    """Pictures of a video: `times` in seconds of playback, shape (n,), and `pictures`, (n, height, width, 3), RGB."""

    times: npt.NDArray[np.float64]
    pictures: npt.NDArray[np.uint8]


class Sound(NamedTuple):
    """Sound: `samples` between -1 and 1, of shape (n, channels), and how many of them a second has."""

    samples: npt.NDArray[np.float32]
    rate: int


def decode_frames(segments: list[Segment], stream_start: float, start: float, stop: float) -> Iterator[Frame]:
    """The pictures whose time is in [start, stop), in order. `stream_start` is the PTS of playback time 0, in seconds.

    Raises MEDIA_CORRUPT, and what reading raises.
    """
    import numpy as np

    with _opened(segments) as container:
        for decoded, time in _timed(container.decode(video=0), segments[0].start, stream_start):
            if time >= stop - _TICK:
                return
            if time >= start - _TICK:
                yield Frame(max(time, 0.0), np.asarray(decoded.to_ndarray(format="rgb24"), np.uint8))


def collect_frames(frames: Iterable[Frame], expected: int) -> Frames:
    """The pictures as one array, where about so many are `expected`. Raises REQUEST_TOO_LARGE beyond 4 GiB."""
    import numpy as np

    times: list[float] = []
    pictures: npt.NDArray[np.uint8] = np.empty((0, 0, 0, 3), np.uint8)
    for time, picture in frames:
        if len(times) == len(pictures):
            count = max(2 * len(times), expected, 1)
            if len(times) * picture.nbytes > _MOST_BYTES or (not times and expected * picture.nbytes > _MOST_BYTES):
                raise _too_many(f"about {max(expected, len(times)):,} pictures of {picture.nbytes:,} bytes")
            grown = np.empty((count, *picture.shape), np.uint8)
            grown[: len(times)] = pictures if times else 0
            pictures = grown
        pictures[len(times)] = picture
        times.append(time)
    return Frames(np.array(times, np.float64), pictures[: len(times)])


def decode_sound(segments: list[Segment], stream_start: float, start: float, stop: float, rate: int | None) -> Sound:
    """The samples of [start, stop), `rate` of them a second, by default as the stream has; where it has none, silence.

    Raises MEDIA_CORRUPT, REQUEST_TOO_LARGE beyond 4 GiB, and what reading raises.
    """
    import numpy as np

    samples: npt.NDArray[np.float32] = np.empty((0, 0), np.float32)
    its_rate = rate or 0
    with _opened(segments) as container:
        for decoded, time in _timed(_resampled(container.decode(audio=0), rate), segments[0].start, stream_start):
            if time >= stop:
                break
            piece = decoded.to_ndarray().T  # (samples, channels): planes of floats
            if not samples.shape[1]:
                its_rate = decoded.sample_rate
                count = round((stop - start) * its_rate)
                if count * piece.shape[1] * 4 > _MOST_BYTES:
                    raise _too_many(f"{count:,} samples of {piece.shape[1]} channels")
                samples = np.zeros((count, piece.shape[1]), np.float32)
            at = round((time - start) * its_rate)
            first, last = max(at, 0), min(at + len(piece), len(samples))
            if first < last:
                samples[first:last] = piece[first - at : last - at]
    return Sound(samples, its_rate)


def _resampled(frames: Iterator[AudioFrame], rate: int | None) -> Iterator[AudioFrame]:
    """The frames as planes of floats, `rate` samples a second; by default as many as they have."""
    import av

    resampler: av.AudioResampler | None = None
    for frame in frames:
        if resampler is None:
            resampler = av.AudioResampler(format="fltp", rate=rate or frame.sample_rate)
        yield from resampler.resample(frame)
    if resampler is not None:
        yield from resampler.resample(None)


@contextmanager
def _opened(segments: list[Segment]) -> Iterator[InputContainer]:
    """The segments as one stream of MPEG-TS, or of fragmented MP4. Whatever of it cannot be decoded raises
    MEDIA_CORRUPT."""
    import av

    init = segments[0].init if segments else None
    urls = [*([] if init is None else [init]), *(one.url for one in segments)]
    with Reading(urls) as reading:
        try:
            with av.open(reading, "r", format="mpegts" if init is None else "mov") as container:
                for stream in container.streams.video:
                    stream.thread_type = "AUTO"
                yield container
        except (av.FFmpegError, IndexError) as fault:
            raise DreamlakeError(
                Code.MEDIA_CORRUPT, f"What is stored of this stream cannot be decoded ({fault})."
            ) from fault


def _timed(frames: Iterator[Decoded], near: float, stream_start: float) -> Iterator[tuple[Decoded, float]]:
    """The frames with their times of playback, the first of which is near to `near`."""
    for frame in frames:
        if frame.pts is None or frame.time_base is None:
            continue
        time = float(frame.pts * frame.time_base) - stream_start
        time += round((near - time) / _WRAP) * _WRAP
        near = time
        yield frame, time


def _too_many(what: str) -> DreamlakeError:
    return DreamlakeError(
        Code.REQUEST_TOO_LARGE,
        f"That would be {what}: more than {_MOST_BYTES // 2**30} GiB.",
        hint="Ask for a shorter time (start, stop), or for one picture after the other (each_frame).",
    )
