"""`File`: one file of a DreamLake, and what is in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..api.bss import Record, Status
from ..api.common import ErrorBody
from ..api.server import MOST_OFFSET_SEC, Asset, AssetChange
from ..checked import checked
from ..errors import Code, DreamlakeError
from ..kinds import Kind
from ..layout import RESULT_FILES
from ..remote.patience import Patience
from .cues import Cue, cues_of
from .decoding import MARGIN, Frame, Frames, Sound, collect_frames, decode_frames, decode_sound
from .download import download
from .streaming import Segment, read_url, segments_of
from .tables import read_table
from .target import Target

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from .dreamlake import DreamLake

_HIGHEST_RATE = 768_000

_DOWNLOAD_SECONDS = 120.0  # that a download waits for services that are away

_NOUNS = {
    Kind.VIDEO: "a video",
    Kind.AUDIO: "an audio file",
    Kind.TEXT_TRACK: "a text track",
    Kind.LABEL_TRACK: "a label track",
}


@checked
class File:
    """A file as it was when it was looked up, or when `refresh`, `wait` or `retry` looked again.

    `DreamLake.file` and `DreamLake.files` make it. Methods that ask for what a kind does not have raise
    INVALID_REQUEST; before a file is processed, they raise NOT_READY, and when it failed, with the reason. All methods
    raise DreamlakeError alone, NOT_FOUND once the file is deleted.
    """

    def __init__(self, lake: DreamLake, record: Record) -> None:
        self._lake = lake
        self.record = record
        """All that BSS knows of the file."""

    # What it is

    @property
    def bss_id(self) -> str:
        """The id of its record in BSS."""
        return self.record.id

    @property
    def name(self) -> str:
        """Its path in the project or episode, such as `/camera/front.mp4`."""
        return self.record.name

    @property
    def namespace(self) -> str:
        return self.record.owner

    @property
    def project(self) -> str:
        return self.record.project

    @property
    def episode(self) -> str | None:
        """None for a file that belongs to the project itself."""
        return self.record.episode

    @property
    def place(self) -> str:
        """Where it is, in one word: `cups@lab:run-001/camera/front.mp4`."""
        return f"{Target(self.project, self.namespace, self.episode)}{self.name}"

    @property
    def kind(self) -> Kind:
        return self.record.kind

    @property
    def status(self) -> Status:
        return self.record.status

    @property
    def size(self) -> int | None:
        """In bytes."""
        return self.record.size

    @property
    def sha256(self) -> str | None:
        """Of its bytes; as promised at the upload until they were read."""
        return self.record.sha256 or self.record.staging_hash

    @property
    def error(self) -> ErrorBody | None:
        """Why it failed (`code`, `message`, `hint`); also of a last attempt that failed beside an earlier result."""
        return self.record.error or self.record.last_error

    @property
    def warnings(self) -> list[str]:
        """What was odd about it, a sentence each."""
        return self.record.warnings

    @property
    def metadata(self) -> dict[str, Any]:
        """What was found in it (`durationSec`, `fps`, …; api/metadata.py); empty until it is processed."""
        return self.record.metadata or {}

    # When it is

    @property
    def time_offset(self) -> float | None:
        """By how many seconds it is later than its own times say, as somebody found; None: nobody said so."""
        return self._entry().time_offset_sec

    def shift(self, seconds: float | None) -> None:
        """Say by how many seconds it is later than its own times say, in place of what was said; None: nobody knows.

        The offset stays with its name, whatever is uploaded under it, and goes along when it is moved.
        """
        if seconds is not None and not abs(seconds) <= MOST_OFFSET_SEC:
            raise DreamlakeError(
                Code.USAGE, f"{seconds} seconds are no offset.", hint=f"{MOST_OFFSET_SEC:,.0f} at most."
            )
        change = AssetChange(time_offset_sec=None if seconds is None else float(seconds))
        self._lake.index.change_asset(self.kind, self._entry().id, change)

    # What is in it

    def frames(self, start: float = 0.0, stop: float | None = None) -> Frames:
        """The pictures of a video whose time is in [start, stop), in seconds of playback; without `stop`, to its end.

        They are those of the stream that browsers play, in its size. Raises REQUEST_TOO_LARGE beyond 4 GiB.
        """
        frames = self.each_frame(start, stop)
        seconds = max(0.0, min(self._duration() if stop is None else stop, self._duration()) - start)
        return collect_frames(frames, math.ceil(seconds * (self.metadata.get("fps") or 0)) + 1)

    def each_frame(self, start: float = 0.0, stop: float | None = None) -> Iterator[Frame]:
        """The same, one after the other: as many as there are, in little memory."""
        self._require(Kind.VIDEO, what="frames() has no pictures to read")
        if self.metadata.get("kindByContent") == Kind.AUDIO:
            raise DreamlakeError(Code.NO_VIDEO, f"{self.name} holds sound alone.", hint="audio() reads it.")
        end = _check_times(start, stop)
        segments = self._segments(self.metadata["streams"][0], start, end)
        return decode_frames(segments, self._stream_start(), start, end)

    def audio(self, start: float = 0.0, stop: float | None = None, *, rate: int | None = None, track: int = 0) -> Sound:
        """The sound of [start, stop), in seconds of playback, of an audio file or a video; without `stop`, to its end.

        It is that of the stream that browsers play (AAC); `download` has the samples as they were uploaded. `rate` is
        how many samples a second shall have, by default as many as the audio file or the video's stream has; `track`
        the number of one of several sound tracks (`metadata["audioTracks"]`). Raises REQUEST_TOO_LARGE beyond 4 GiB.
        """
        self._require(Kind.AUDIO, Kind.VIDEO, what="audio() has no sound to read")
        stream = self._sound_stream(track)
        end = min(_check_times(start, stop), max(self._duration(), start))
        rate = _check_rate(rate) if rate is not None else self.metadata.get("sampleRate")
        return decode_sound(self._segments(stream, start, end), self._stream_start(), start, end, rate)

    def labels(self) -> pd.DataFrame:
        """The entries of a label track, typed as in its Parquet; `_line` is the line of the source."""
        found: pd.DataFrame = self.arrow().to_pandas()
        return found

    def arrow(self) -> pa.Table:
        """The same as an Arrow table."""
        self._require(Kind.LABEL_TRACK, what="labels() has no entries to read")
        return read_table(self.playback_url())

    def telemetry(self) -> pd.DataFrame:
        """What a camera wrote into a text track, as a table: a row a cue, with its `start` and `end` in seconds.

        Raises NOT_FOUND for a text track that holds nothing of that kind.
        """
        self._require(Kind.TEXT_TRACK, what="telemetry() has no cues to read")
        found: pd.DataFrame = read_table(self._lake.bss.result_url(self.kind, self.bss_id, "data.parquet")).to_pandas()
        return found

    def text(self) -> str:
        """A text track as WebVTT, in UTF-8."""
        self._require(Kind.TEXT_TRACK, what="text() has no cues to read")
        return read_url(self.playback_url()).decode()

    def cues(self) -> list[Cue]:
        """The cues of a text track."""
        return cues_of(self.text())

    def download(self, path: str | Path = ".", on_bytes: Callable[[int], None] = lambda _: None) -> Path:
        """Write the file as it was uploaded to `path`, or into it where it is a folder; where it is then.

        What is there is replaced, once all bytes have arrived and their SHA-256 is right.
        """
        given = check_path(path)
        is_folder = given.is_dir() or str(path).endswith("/")
        target = given / self.name.rpartition("/")[2] if is_folder else given
        if is_folder:
            _make_folder(given)
        patience = Patience(_DOWNLOAD_SECONDS)
        download(self._lake.services.patient_bss(patience), self.record, target, patience, on_bytes)
        return target

    def result(self, filename: str) -> bytes:
        """A file that was made from it: `poster.jpg`, `waveform.png`, `plot.png`, … (docs/sdk.md). Raises NOT_FOUND."""
        if filename not in RESULT_FILES[self.kind]:
            known = ", ".join(RESULT_FILES[self.kind])
            raise DreamlakeError(
                Code.NOT_FOUND, f"No {filename!r} is made of {_NOUNS[self.kind]}.", hint=f"Made: {known}."
            )
        self._require(*Kind, what="nothing is made of it")
        return read_url(self._lake.bss.result_url(self.kind, self.bss_id, filename))

    def playback_url(self) -> str:
        """A URL that needs no token, for some hours: of a playlist (HLS), a WebVTT or a Parquet file."""
        self._require(*Kind, what="it cannot be played")
        return self._lake.bss.playback(self.kind, self.bss_id).url

    # What is done with it

    def refresh(self) -> File:
        """Look again what is known of it; the same File."""
        found = self._lake.bss.query([self.bss_id])
        if not found:
            raise DreamlakeError(Code.NOT_FOUND, f"{self.place} is no longer there.")
        self.record = found[0]
        return self

    def wait(self, timeout: float | None = None) -> File:
        """Wait until it is ready or failed (`status`, `error`); the same File.

        Raises TIMED_OUT when `timeout` seconds have passed; processing goes on.
        """
        self._lake.wait(self.bss_id, timeout=timeout)
        if not self.refresh().status.is_final:
            raise DreamlakeError(Code.TIMED_OUT, f"{self.place} is still {self.status} after {timeout:g} seconds.")
        return self

    def retry(self, *, everything: bool = False) -> File:
        """Process it again if it failed or was never processed, with `everything` also if it is ready; the same File.

        `wait` waits for it.
        """
        self._lake.retry(ids=self.bss_id, everything=everything)
        return self.refresh()

    def delete(self) -> None:
        """Delete it; see `DreamLake.delete`."""
        self._lake.delete(self.record)

    # How it is shown

    def __repr__(self) -> str:
        return f"<File {self.place} ({self.kind}, {self.status})>"

    def _repr_html_(self) -> str:
        from .notebook import show_file

        return show_file(self)

    # Parts of the above

    def _require(self, *kinds: Kind, what: str) -> None:
        """Raise unless it is of one of these kinds, and has a result."""
        if self.kind not in kinds:
            wanted = " or ".join(_NOUNS[kind].partition(" ")[2] for kind in kinds)
            article = _NOUNS[kinds[0]].partition(" ")[0]
            raise DreamlakeError(
                Code.INVALID_REQUEST, f"{self.name} is {_NOUNS[self.kind]}, not {article} {wanted}: {what}."
            )
        if not self.record.is_playable and not self.refresh().record.is_playable:
            if self.error is not None:
                raise DreamlakeError(
                    Code.NOT_READY, f"{self.place} has no result, it failed: {self.error.message}", hint=self.error.hint
                )
            raise DreamlakeError(Code.NOT_READY, f"{self.place} is {self.status}.", hint="wait() waits for it.")

    def _entry(self) -> Asset:
        """Its entry in the index, as it is now. Raises NOT_FOUND."""
        if (entry := self._lake.index.entry_of(self.record)) is None:
            raise DreamlakeError(Code.NOT_FOUND, f"{self.place} is not in the index, or has other content by now.")
        return entry

    def _duration(self) -> float:
        return float(self.metadata.get("durationSec") or 0.0)

    def _stream_start(self) -> float:
        return float(self.metadata["timeOrigin"]["streamStart"])

    def _segments(self, stream: str, start: float, stop: float) -> list[Segment]:
        return segments_of(self._lake.services, self.record, stream, start=start - MARGIN, end=stop + MARGIN)

    def _sound_stream(self, track: int) -> str:
        """The hash of the stream that has a sound track. Raises NO_AUDIO, NOT_FOUND."""
        streams: list[str] = self.metadata["streams"]
        if self.kind is Kind.VIDEO and not self.metadata.get("hasAudio"):
            raise DreamlakeError(Code.NO_AUDIO, f"{self.name} has no sound.")
        tracks: list[dict[str, Any]] = self.metadata.get("audioTracks") or [{}]
        if not 0 <= track < len(tracks):
            raise DreamlakeError(Code.NOT_FOUND, f"{self.name} has {len(tracks)} sound tracks, and no number {track}.")
        return tracks[track].get("stream") or streams[0]


def _check_times(start: float, stop: float | None) -> float:
    """The end of the time. Raises USAGE."""
    end = math.inf if stop is None else stop
    if not (0 <= start < math.inf and start <= end):
        raise DreamlakeError(Code.USAGE, f"From {start:g} to {end:g} seconds is no time.", hint="0 <= start <= stop")
    return end


def _check_rate(rate: int) -> int:
    """Samples a second. Raises USAGE."""
    if not 1 <= rate <= _HIGHEST_RATE:
        raise DreamlakeError(Code.USAGE, f"{rate} samples a second are none.", hint=f"1 to {_HIGHEST_RATE:,}.")
    return rate


def check_path(path: str | Path) -> Path:
    """A path of this machine. Raises USAGE for what can be none."""
    if not str(path) or "\0" in str(path):
        raise DreamlakeError(Code.USAGE, f"{str(path)!r} is no path of this machine.")
    return Path(path)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise DreamlakeError(Code.FILE_UNREADABLE, f"{folder} cannot be made: {fault.strerror or fault}.") from None
