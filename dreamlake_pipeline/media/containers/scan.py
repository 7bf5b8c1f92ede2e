"""Every packet of a video, read once: the times of its pictures, its keyframes, and whether it is whole.

One picture is decoded, for what only a decoder tells (rotation, interlacing, colour); nothing else is.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import av.container
import av.error
import numpy as np
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from ...errors import Code, DreamlakeError
from . import h264
from .avi import Chunks
from .beginning import Beginning
from .bounds import MAX_PACKETS, MAX_PIXELS, cut_off, encrypted, refuse_large, refuse_long
from .crop import Crop
from .flow import Flow, FlowMeter, has_clock
from .track import VideoTrack, read_picture

_BACKWARDS = Fraction(1, 2)  # seconds by which a clock may jitter
_REORDERED = 17  # pictures that may be shown after the last one that is decoded (ITU-T H.264 C.4.5.3)
_TAIL_PACKETS = 3000  # of the last group of pictures, which is decoded where no length tells whether it is whole
_TAIL_BYTES = 128 * 2**20
_LONGEST_LAST = Fraction(60)  # seconds for which the last picture is shown at most, unless there is sound so long
_LONGEST_SOUND = Fraction(5)  # seconds of sound that one packet has at most


@dataclass(frozen=True, slots=True)
class Scanned:
    """`sound_start` is the first time of the sound that is presented, in units of its time base; None without any.
    `sound_flow` tells of holes in it."""

    video: VideoTrack
    sound_start: int | None
    sound_flow: Flow
    warnings: tuple[str, ...]


def scan(
    container: av.container.InputContainer,
    video: VideoStream,
    audio: AudioStream | None,
    subject: str,
    *,
    crop: Crop | None,
    chunks: Chunks | None,
    partial: bool,
) -> Scanned:
    """Read the packets of the video, and of the sound beside it.

    `crop` is what the container cuts off its pictures, `chunks` what the index of an AVI file lists of it.

    Raises DreamlakeError with a media code when there is no picture or one without a time, when the file is less than
    it announces, or more than `bounds` allow.
    """
    reader = _Reader(container, video, audio, subject, chunks)
    reader.read()
    found = reader.result(crop, partial=partial)
    reader.refuse_incomplete(found.video)
    return found


class _Reader:
    """What the packets that were read so far have told. Times are in units of the video's time base."""

    def __init__(
        self,
        container: av.container.InputContainer,
        video: VideoStream,
        audio: AudioStream | None,
        subject: str,
        chunks: Chunks | None,
    ) -> None:
        context = video.codec_context
        context.thread_count = 1
        context.options = {"max_pixels": str(MAX_PIXELS)}
        refuse_large(context.width, context.height, subject)
        self.container, self.video, self.audio, self.subject = container, video, audio, subject
        self.chunks = chunks
        self.format = container.format.name
        self.is_h264 = context.codec.canonical_name == "h264"
        self.header = h264.parameter_sets(context.extradata) if self.is_h264 else []
        self.length_size = h264.length_size(context.extradata) if self.is_h264 else None
        self.sps = _first_sps(self.header)
        # AVI stores no times of presentation; what FFmpeg makes up for them is not to be relied on.
        self.times_stored = self.format != "avi"

        self.beginning = Beginning(context, times_stored=self.times_stored)
        # A day of video has millions of pictures: eight bytes for each time.
        self.pts, self.keyframes = array("q"), array("q")
        self.packets = 0  # of the video
        self.end = -(2**63)  # of the picture that ends last
        self.hidden = self.idr = self.changes = self.damaged = 0
        self.starts_with_keyframe = False
        self.aspect_changed: tuple[int | None, tuple[int, int]] | None = None  # when first, and to what
        self.tail: list[Any] = []  # the packets since the last keyframe, where the container has no length
        self.tail_bytes = 0
        # Whole ticks of the streams' own clocks: fractions for every packet would take longer than reading them.
        self.decoded_at = -(2**63)
        self.sound_start: int | None = None
        self.sound_ended_at = -(2**63)
        demuxer = self.format.split(",")[0]
        self.sound_flow = (
            FlowMeter(audio, demuxer, beside_pictures=True) if audio is not None and has_clock(demuxer) else None
        )
        self.longest_sound = int(_LONGEST_SOUND / audio.time_base) if audio is not None and audio.time_base else 0

    def read(self) -> None:
        for seen, packet in enumerate(self._packets()):
            if seen >= MAX_PACKETS:
                raise DreamlakeError(Code.MEDIA_TOO_LARGE, f"{self.subject} has more than {MAX_PACKETS:,} packets.")
            if packet.has_sidedata("encryption_info"):
                raise encrypted(self.subject)
            time = packet.pts if packet.pts is not None and self.times_stored else packet.dts
            if packet.stream_index != self.video.index:
                self._see_sound(packet, time)
                continue
            self.packets += 1
            self._refuse_going_back(packet)
            if self.format == "mpegts":
                self._keep_tail(packet)
            if self.is_h264 and packet.is_keyframe and packet.has_sidedata("new_extradata"):
                self._see_header(bytes(packet.get_sidedata("new_extradata")))
            is_idr = self.is_h264 and self._see_units(packet)
            if not self.beginning.found:
                self.beginning.feed(packet, 0 if time is None else time, keyframe=packet.is_keyframe or is_idr)
            if packet.is_discard:
                self.hidden += 1
            else:
                self._see_time(packet, time)
        if not self.pts:
            raise DreamlakeError(Code.NO_VIDEO, f"{self.subject} holds a video stream without any picture.")

    def _packets(self) -> Iterator[Any]:
        streams = [stream for stream in (self.video, self.audio) if stream is not None]
        try:
            yield from (packet for packet in self.container.demux(*streams) if packet.size)
        except IndexError:  # PyAV knows the streams that were there when the file was opened
            raise DreamlakeError(
                Code.MEDIA_UNSUPPORTED,
                f"{self.subject} has streams that begin on the way, long after the others.",
                hint="Convert it, for example with `ffmpeg -i FILE -c copy FILE.mkv`.",
            ) from None

    def _see_sound(self, packet: Any, time: int | None) -> None:
        if self.sound_flow is not None:
            self.sound_flow.see(packet)
        if time is None or packet.time_base is None:
            return
        self.sound_ended_at = max(self.sound_ended_at, time + min(packet.duration or 0, self.longest_sound))
        # Priming that lies before the start of the presentation is not its start.
        if not packet.is_discard and self.sound_start is None:
            self.sound_start = time

    @property
    def sound_end(self) -> Fraction:
        """Seconds; 0 where no sound has a time."""
        time_base = self.audio.time_base if self.audio is not None else None
        return max(Fraction(0), self.sound_ended_at * time_base) if time_base else Fraction(0)

    def _refuse_going_back(self, packet: Any) -> None:
        before, now, time_base = self.decoded_at, packet.dts, packet.time_base
        if now is None or time_base is None or packet.is_discard:  # an edit list may begin anywhere before
            return
        if now < before and (before - now) * time_base > _BACKWARDS:
            raise DreamlakeError(
                Code.MEDIA_UNSUPPORTED,
                f"The clock of {self.subject} goes back from {float(before * time_base):.1f} s to "
                f"{float(now * time_base):.1f} s: it consists of several recordings.",
                hint="Upload them one by one, or join them with ffmpeg's concat demuxer.",
            )
        self.decoded_at = max(before, now)

    def _keep_tail(self, packet: Any) -> None:
        if packet.is_keyframe:
            self.tail, self.tail_bytes = [packet], packet.size
        elif 0 < len(self.tail) < _TAIL_PACKETS and self.tail_bytes + packet.size <= _TAIL_BYTES:
            self.tail.append(packet)
            self.tail_bytes += packet.size
        else:
            self.tail = []

    def _see_header(self, extradata: bytes) -> None:
        """Another description of the samples that follow, as files have that were joined (ISO/IEC 14496-12 8.5.2)."""
        self.length_size = h264.length_size(extradata)
        self.changes += h264.parameter_sets(extradata) != self.header

    def _see_units(self, packet: Any) -> bool:
        """What the NAL units of a packet of H.264 are; whether it is an IDR picture."""
        size = self.length_size
        units = h264.units_with_length(memoryview(packet), size) if size else h264.units_with_start_code(bytes(packet))
        kinds: set[int] = set()
        sets: list[memoryview] = []
        try:
            for unit in units:
                kind = h264.unit_type(unit)
                kinds.add(kind)
                if kind == h264.SPS and not sets:
                    sets.append(unit)
        except ValueError:
            self.damaged += 1
            return False
        if not packet.is_keyframe:
            return h264.IDR in kinds and not self.beginning.found
        own = _first_sps(sets)
        self.sps = self.sps or own
        self.changes += own is not None and own != self.sps
        first = self.sps.sample_aspect if self.sps is not None else None
        if own is not None and own.sample_aspect != first and self.aspect_changed is None:
            self.aspect_changed = packet.pts, own.sample_aspect
        self.idr += h264.IDR in kinds and (bool(self.header) or {h264.SPS, h264.PPS} <= kinds)
        return h264.IDR in kinds

    def _see_time(self, packet: Any, time: int | None) -> None:
        if time is None:
            raise DreamlakeError(Code.MEDIA_UNSUPPORTED, f"The pictures of {self.subject} carry no times.")
        if not self.pts:
            self.starts_with_keyframe = packet.is_keyframe
        self.pts.append(time)
        self.end = max(self.end, time + (packet.duration or 0))
        if packet.is_keyframe:
            self.keyframes.append(time)

    def result(self, crop: Crop | None, *, partial: bool) -> Scanned:
        """What all of the packets come to."""
        video, context = self.video, self.video.codec_context
        self.beginning.finish()
        if self.beginning.frame is None:
            raise DreamlakeError(Code.MEDIA_CORRUPT, f"No picture of {self.subject} can be decoded.")
        assert video.time_base is not None
        warnings: list[str] = []
        pts, keyframes = self._shown(video.time_base, warnings)
        if self.chunks is not None:
            self.end = max(self.end, self.chunks.count)  # the last ones may be empty
            if self.end + 1 < video.frames:
                warnings.append(
                    f"The header announces {video.frames:,} pictures, {float(video.frames * video.time_base):.2f} s; "
                    f"the file's index lists {self.chunks.count:,}, {float(self.end * video.time_base):.2f} s."
                )
        self._tell_aspect(video, warnings)
        track = VideoTrack(
            index=video.index,
            codec=context.codec.canonical_name,
            profile=context.profile,
            sample_aspect=video.sample_aspect_ratio or Fraction(1),
            rate=video.average_rate,
            time_base=video.time_base,
            picture=read_picture(self.beginning.frame, crop),
            only=self.beginning.frame if len(keyframes) == 1 else None,
            pts=pts,
            end=self._end(pts, video.time_base, warnings),
            hidden=self.hidden,
            keyframes=keyframes,
            idr=self.idr,
            changes=self.changes,
            damaged=self.damaged,
            starts_with_keyframe=self.starts_with_keyframe,
            sps=self.sps,
            times_stored=self.times_stored,
            crop=crop,
            lead_in=self.beginning.lead_in,
            partial=partial,
        )
        flow = self.sound_flow.result() if self.sound_flow is not None else Flow()
        return Scanned(track, self.sound_start, flow, tuple(warnings))

    def _shown(self, time_base: Fraction, warnings: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """The times of the pictures, and of the keyframes, that can be decoded, in order."""
        pts, keyframes = (np.array(times, dtype=np.int64) for times in (self.pts, self.keyframes))
        first = self.beginning.shown
        kept = pts[self.beginning.left_out :]
        if first is not None:
            kept, keyframes = kept[kept >= first], keyframes[keyframes >= first]
        if not len(kept):
            raise DreamlakeError(Code.MEDIA_CORRUPT, f"No picture of {self.subject} can be decoded.")
        if len(kept) < len(pts):
            seconds = float((int(kept.min()) - int(pts.min())) * time_base)
            warnings.append(
                f"The video begins inside a group of pictures: its first {len(pts) - len(kept)} pictures "
                f"({seconds:.2f} s) can't be decoded without those before them, and are left out."
            )
        return np.sort(kept), np.sort(keyframes)

    def _tell_aspect(self, video: VideoStream, warnings: list[str]) -> None:
        """Where the stream's own word on its pixels counts, FFmpeg goes by the first one throughout."""
        if self.aspect_changed is None or self.sps is None or video.time_base is None:
            return
        (time, (across, down)), (width, height) = self.aspect_changed, self.sps.sample_aspect
        if time is not None and down and height and video.sample_aspect_ratio in (None, Fraction(width, height)):
            at = float((time - min(self.pts, default=time)) * video.time_base)
            warnings.append(
                f"The proportions of the pixels change on the way, first at {at:.2f} s from {width}:{height} to "
                f"{across}:{down}: all is shown with the first ones."
            )

    def _end(self, pts: np.ndarray, time_base: Fraction, warnings: list[str]) -> int:
        """Where the last picture ends: as its file says, unless that is nothing, or more than anyone looks at it."""
        last, end = int(pts[-1]), self.end
        refuse_long(float((end - int(pts[0])) * time_base), self.subject, claimed=False)
        steps = np.diff(pts)
        usual = int(np.median(steps)) * time_base if len(steps) else Fraction(0)
        longest = max(_LONGEST_LAST, 2 * usual, self.sound_end - last * time_base)
        if last < end <= last + longest / time_base:
            return end
        # It is taken to last as long as the others do.
        alone = _LONGEST_LAST if end > last else 1 / (self.video.average_rate or Fraction(25))
        lasts = max(1, int(np.median(steps)) if len(steps) else round(alone / time_base))
        if end > last:
            warnings.append(
                f"The last picture claims to be shown for {float((end - last) * time_base):,.0f} s; "
                f"it is taken to last {float(lasts * time_base):.2f} s."
            )
        return last + lasts

    def refuse_incomplete(self, track: VideoTrack) -> None:
        """Raises MEDIA_TRUNCATED or MEDIA_CORRUPT when there is less than the file announces, or half a picture."""
        if _is_broken_off(self.tail):
            raise cut_off(self.subject, "its last picture can't be decoded")
        if self.format.startswith("matroska") and self.container.duration and not track.partial:
            # Of live recordings the header says nothing; where it does, the last picture or sound is there.
            declared = Fraction(self.container.duration, av.time_base)
            there = max(self.end * track.time_base, self.sound_end)
            if there < declared - max(Fraction(1), declared / 50):
                raise cut_off(
                    self.subject, f"its header announces {float(declared):.1f} s, {float(there):.1f} s are there"
                )
        if self.format == "avi":
            self._refuse_incomplete_avi(track)

    def _refuse_incomplete_avi(self, track: VideoTrack) -> None:
        """AVI's header has the number of frames, and its index lists every one; its demuxer skips what it can't read,
        and the clock stands still there."""
        frames, listed = round(track.end), self.chunks
        if listed is not None and self.packets < listed.count - listed.empty:
            raise DreamlakeError(
                Code.MEDIA_CORRUPT,
                f"{self.subject} is damaged: its index lists {listed.count - listed.empty:,} pictures, "
                f"{self.packets:,} of them can be read.",
            )
        if listed is None and frames + 1 < self.video.frames:
            raise DreamlakeError(
                Code.MEDIA_CORRUPT,
                f"{self.subject} is damaged: {float(track.end * track.time_base):.2f} s of it can be read, "
                f"its header announces {float(self.video.frames * track.time_base):.2f} s.",
            )


def _first_sps(units: list[memoryview]) -> h264.SequenceParameters | None:
    for unit in units:
        if h264.unit_type(unit) == h264.SPS:
            try:
                return h264.parse_sps(unit)
            except ValueError:
                return None
    return None


def _is_broken_off(tail: list[Any]) -> bool:
    """Whether the last group of pictures ends in one that a decoder has to make up in part."""
    if not tail:
        return False
    frames = []
    context = tail[0].stream.codec_context
    context.flush_buffers()  # it may have been told that nothing follows
    try:
        for packet in tail:
            frames += [frame.is_corrupt for frame in packet.decode()]
        frames += [frame.is_corrupt for frame in context.decode(None)]
    except av.error.FFmpegError:
        return True
    return any(frames[-_REORDERED:])
