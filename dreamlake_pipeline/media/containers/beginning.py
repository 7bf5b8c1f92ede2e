"""Where the pictures of a track begin that can be decoded.

A recording that was tapped, or cut without regard to keyframes, begins inside a group of pictures: those before its
first keyframe refer to pictures that are not there, and so do those that are decoded behind it but shown before it.
"""

from __future__ import annotations

from array import array
from typing import Any

import av.error
from av.video.frame import VideoFrame

# Decoders that refuse or drop what refers to missing pictures. The others make up grey ones.
_STRICT = {"h264", "hevc", "vp8", "vp9", "av1"}


_MOST = 3000  # packets of a track that are looked at for a keyframe


class Beginning:
    """Is fed the packets of a track, in decoding order, until a picture comes out.

    `frame` is that picture. `lead_in` counts the packets before the first that a decoder should be given, `left_out`
    those of them that are presented; `shown` is the time of the first picture that can be shown, in units of the
    track's time base, where that may not be the first in the file.
    """

    def __init__(self, context: Any, *, times_stored: bool) -> None:
        """`times_stored`: the container stores times of presentation."""
        self._context, self._times_stored = context, times_stored
        self._strict = context.codec.canonical_name in _STRICT
        self._times, self._presented = array("q"), array("b")  # of the packets that were fed
        self._keyframe: int | None = None  # number of the first
        self._damaged = False  # whether a keyframe could not be decoded
        self.frame: VideoFrame | None = None
        self.lead_in = self.left_out = 0
        self.shown: int | None = None

    @property
    def found(self) -> bool:
        if self.frame is None:
            return False
        return self._strict or self._keyframe is not None or len(self._times) >= _MOST

    def feed(self, packet: Any, time: int, *, keyframe: bool) -> None:
        """The next packet; `time` is that of its picture."""
        self._times.append(time)
        self._presented.append(not packet.is_discard)
        if keyframe and self._keyframe is None:
            self._keyframe = len(self._times) - 1
            if self._keyframe and not self._strict:
                self._context.flush_buffers()
                self.frame = None
        try:
            self._take(packet.decode())
        except av.error.FFmpegError:
            # A later packet may do; a file without any picture is refused at its end. Until it is flushed, the decoder
            # may hold on to this one.
            self._context.flush_buffers()
            self._damaged |= keyframe

    def finish(self) -> None:
        """After the last packet: a decoder may hold back what it has."""
        if self.frame is None:
            self._take(self._context.decode(None))

    def _take(self, frames: list[VideoFrame]) -> None:
        if not frames or self.frame is not None:
            return
        self.frame = frame = frames[0]
        if self._damaged or self._keyframe is None:
            return
        keyframe = self._keyframe
        if not self._times_stored or frame.pts is None or frame.pts not in self._times:
            self.shown, self.lead_in = self._times[keyframe] if keyframe else None, keyframe
        else:
            self.shown = frame.pts
            self.lead_in = min(self._times.index(frame.pts), keyframe) if self._strict else keyframe
        self.left_out = sum(self._presented[: self.lead_in])
