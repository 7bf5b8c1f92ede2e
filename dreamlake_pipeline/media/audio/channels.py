"""Which channels of a sound are heard, and how: two of them are left and right, more have places or have none.

Channels have places when their file says so (a mask in WAV, FLAC's and Vorbis's fixed orders, 5.1 in AAC). Then they
are mixed to stereo as FFmpeg does it, by ITU-R BS.775. Without places - several microphones, a mask of 0, which is
"direct out" - all are heard alike, and count alike for the loudness.
"""

from __future__ import annotations

import re

from ..containers.probe import AudioTrack

MOST = 64  # that FFmpeg's filters take
_USUAL = re.compile(r"mono|stereo|\d+ channels")  # the last of them without places
_FRONT = {"FL", "FR", "FC"}
_PAIRS = (("FL", "FR"), ("SL", "SR"), ("BL", "BR"), ("FLC", "FRC"), ("TFL", "TFR"), ("TBL", "TBR"))


def have_places(audio: AudioTrack) -> bool:
    """Whether there are more than two channels, with places that can be mixed to stereo: some of them in front, left
    and right alike."""
    places = set(audio.places)
    return (
        audio.channels > 2
        and len(places) == audio.channels
        and not {"NONE", "UNSD", "UNK"} & places
        and bool(_FRONT & places)
        and all((left in places) == (right in places) for left, right in _PAIRS)
    )


def output_channels(audio: AudioTrack) -> int:
    """How many channels are played: one where more than two have no places."""
    return 2 if have_places(audio) else 1 if audio.channels > 2 else audio.channels


def layout(audio: AudioTrack) -> str:
    """The layout in which the sound is measured, as FFmpeg writes it."""
    if have_places(audio):
        return audio.layout
    return {1: "mono", 2: "stereo"}.get(audio.channels, f"{audio.channels}C")


def as_measured(audio: AudioTrack) -> list[str]:
    """The filters that give every channel its own place, or none, where the file's word on it makes no sense."""
    if _USUAL.fullmatch(audio.layout) or have_places(audio):
        return []
    return [f"channelmap={'|'.join(map(str, range(audio.channels)))}:{layout(audio)}"]


def as_played(audio: AudioTrack) -> list[str]:
    """The filters by which channels without places become one. Each has the same part of it, so that it can't clip."""
    if audio.channels <= 2 or have_places(audio):
        return as_measured(audio)
    parts = "+".join(f"{1 / audio.channels:.6f}*c{at}" for at in range(audio.channels))
    return [*as_measured(audio), f"pan=mono|c0={parts}"]


def reason(audio: AudioTrack) -> str | None:
    """Why the channels can't be kept as they are; None when they can."""
    if audio.channels in (1, 2):
        return None
    if have_places(audio):
        return f"audio_channels: {audio.channels} channels become stereo"
    return f"audio_channels: {audio.channels} channels without places become one, in which all are heard alike"
