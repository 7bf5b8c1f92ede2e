"""What of a file is fetched: its raw bytes, or what was made from it."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from ...errors import Code, DreamlakeError
from ...kinds import Kind
from ...layout import RESULT_FILES


class What(StrEnum):
    RAW = "raw"  # the file as it was uploaded
    PARQUET = "parquet"  # the table of a label track, or of the telemetry in a text track
    VTT = "vtt"  # a text track as WebVTT
    POSTER = "poster"  # a picture of a video
    WAVEFORM = "waveform"  # a picture of the sound of an audio file, or of a video without pictures
    META = "meta"  # the record as JSON, with what was found in the file
    PLAYLIST = "playlist"  # an HLS playlist of URLs that need no token, and end with the one that asks for it

    @property
    def suffix(self) -> str:
        """What stands behind the file's own name locally."""
        return _FORMS[self].suffix

    @property
    def stored_as(self) -> str:
        """What `POST /records/urls` calls it; empty where it is not stored under a name of its own."""
        return _FORMS[self].stored_as

    def is_of(self, kind: Kind) -> bool:
        """Whether files of this kind may have it."""
        match self:
            case What.RAW | What.META:
                return True
            case What.PLAYLIST:
                return kind in (Kind.VIDEO, Kind.AUDIO)
            case _:
                return self.stored_as in RESULT_FILES[kind]


def check_what(text: str) -> What:
    """The member of that name. Raises USAGE."""
    try:
        return What(text)
    except ValueError:
        raise DreamlakeError(Code.USAGE, f"{text!r} is none of {', '.join(What)}.") from None


class _Form(NamedTuple):
    stored_as: str
    suffix: str


_FORMS = {
    What.RAW: _Form("raw", ""),
    What.PARQUET: _Form("data.parquet", ".parquet"),
    What.VTT: _Form("track.vtt", ".vtt"),
    What.POSTER: _Form("poster.jpg", ".poster.jpg"),
    What.WAVEFORM: _Form("waveform.png", ".waveform.png"),
    What.META: _Form("", ".meta.json"),
    What.PLAYLIST: _Form("", ".m3u8"),
}
