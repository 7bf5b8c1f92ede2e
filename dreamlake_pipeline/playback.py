"""For which browsers a video is made, as people write it and programs hold it.

Wherever that may be said (a file, a project), `None` says nothing and leaves it to the next wider one; where nobody
says anything, it is EVERYWHERE.
"""

from __future__ import annotations

from enum import StrEnum

from .errors import Code, DreamlakeError


class PlaybackMode(StrEnum):
    """EVERYWHERE: H.264 in MPEG-TS. MODERN: what browsers of today play is copied into fragmented MP4, and what can't
    be copied is made as for EVERYWHERE. BOTH: one master playlist lists both."""

    EVERYWHERE = "everywhere"
    MODERN = "modern"
    BOTH = "both"


def read_playback(text: str) -> PlaybackMode:
    """The mode of this name. Raises DreamlakeError(USAGE)."""
    try:
        return PlaybackMode(text.strip().lower())
    except ValueError:
        raise DreamlakeError(
            Code.USAGE, f"{text!r} is no way to play a video. There are {', '.join(PlaybackMode)}."
        ) from None
