"""Damage in the sound of a video whose pictures are whole: silence takes its place, and a warning says how much."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ffmpeg as ffmpeg_python

from ...errors import Code, DreamlakeError
from ..containers.probe import AudioTrack, Probe
from ..run import ffmpeg
from .transcode import limits, source_node

# Options of the input by which damage that its demuxer knows of reaches no decoder.
LEFT_OUT: dict[str, Any] = {"fflags": "discardcorrupt"}


def pictures_are_whole(source: Path, folder: Path, found: Probe, subject: str, *, copied: bool) -> bool:
    """Whether the pictures can be read, and decoded unless they are `copied`, without one error."""
    assert found.video is not None
    how = {"c:v": "copy"} if copied else {}
    output = ffmpeg_python.output(source_node(found)[str(found.video.index)], "-", f="null", **how)
    try:
        finished = ffmpeg.run([output], source=source, cwd=folder, limits=limits(source, found.video), subject=subject)
    except DreamlakeError as error:
        if error.code is not Code.MEDIA_CORRUPT:
            raise
        return False
    counted = ffmpeg.decoded(finished, found.video.index)
    return copied or (counted is not None and not counted.errors)


def damage_warning(finished: ffmpeg.Finished, audio: AudioTrack, length: float, what: str) -> list[str]:
    """What a run that did not stop for damage left out of the sound, which is `length` seconds long: one warning, or
    none. `what` names the sound in it."""
    counted, seconds = ffmpeg.decoded(finished, audio.index), audio.flow.damaged
    if counted is not None:
        seconds += length * counted.errors / max(1, counted.packets)
    return [f"{what} is damaged: about {seconds:.2f} s of it can't be decoded, and is silent."] if seconds else []
