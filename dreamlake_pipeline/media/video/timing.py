"""When a video's playback starts and ends, and how many pictures a second it has, by what was written of it.

Times of what was written are ticks of 90 kHz; those of its source, in units of the track's time base.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from ..containers.mpegts import CLOCK
from ..containers.probe import AudioTrack, VideoTrack
from ..results import TimeOrigin

_ROUNDING = 2  # ticks
_TRAILING_SOUND = Fraction(1, 2)  # seconds of sound behind the last picture that are worth a word


def lead(ticks: int | Fraction) -> Fraction:
    """Seconds by which sound comes before the first picture; what rounding makes of none is none."""
    return Fraction(ticks) / CLOCK if ticks > _ROUNDING else Fraction(0)


def origin(video: VideoTrack, audio: AudioTrack | None, lead: Fraction) -> Fraction:
    """The time in the source, in seconds, at which playback starts: `lead` before the first picture."""
    found = video.start * video.time_base - lead
    if not video.times_stored and audio is not None and audio.start is not None:
        # Where a decoder puts the first picture is a guess; nothing starts before both tracks do.
        return max(found, min(video.start * video.time_base, audio.start * audio.time_base))
    return found


def time_origin(video: VideoTrack, origin: Fraction, start: int | Fraction) -> TimeOrigin:
    """Playback starts with the first picture, or with sound that comes before it: at `origin` seconds in the source,
    and at `start` on the clock of the segments."""
    pts = round(origin / video.time_base)
    return TimeOrigin(
        source_start=float(pts * video.time_base),
        pts=pts,
        time_base=str(video.time_base),
        stream_start=float(Fraction(start) / CLOCK),
    )


def end(
    last_shown: int | Fraction, sound_end: int | Fraction | None, video: VideoTrack, last: int, warnings: list[str]
) -> Fraction:
    """Where playback ends: with the last picture, which is shown at `last_shown` and is at `last` in the source, or
    with the sound, at `sound_end`, when that goes on markedly longer."""
    pictures = last_shown + (video.end - last) * video.time_base * CLOCK
    if sound_end is None:
        return pictures
    longer = (sound_end - pictures) / CLOCK
    if longer > _TRAILING_SOUND:
        warnings.append(f"The sound goes on for {float(longer):.1f} s after the last picture.")
        return Fraction(sound_end)
    if longer < -2 * _TRAILING_SOUND:
        warnings.append(f"The sound ends {float(-longer):.1f} s before the last picture.")
    return pictures


def trail(end: Fraction, first_picture: int | Fraction, video: VideoTrack) -> Fraction:
    """Seconds of sound behind the last picture that count towards the duration."""
    return max(Fraction(0), (end - first_picture) / CLOCK - video.duration)


def rate(video: VideoTrack, frames: int) -> Fraction:
    """Frames a second as measured, or the rate that the file declares where the two agree to one in 500."""
    measured = video.measured_rate * Fraction(max(1, frames - 1), max(1, video.frames - 1))
    if video.rate and abs(measured / video.rate - 1) < Fraction(1, 500):
        return video.rate
    return Fraction(measured).limit_denominator(100_000)


def shown_rate(times: Sequence[int], usual: Fraction) -> Fraction:
    """Frames a second of what was written, shown at `times`, or the `usual` rate of the source where the two agree to
    one in 500."""
    span = max(times) - min(times)
    measured = Fraction((len(times) - 1) * CLOCK, span) if span else usual
    return usual if abs(measured / usual - 1) < Fraction(1, 500) else measured.limit_denominator(100_000)
