"""The four kinds of file, and everything that is spelled once per kind.

This table is the only place that names a file extension or a route segment of a kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from posixpath import splitext

from .errors import Code, DreamlakeError


class Kind(StrEnum):
    VIDEO = "video"
    AUDIO = "audio"
    TEXT_TRACK = "text-track"
    LABEL_TRACK = "label-track"

    @property
    def spec(self) -> KindSpec:
        return KINDS[self]


@dataclass(frozen=True, slots=True)
class KindSpec:
    """How one kind is spelled in each system.

    `route` is BSS's route and the S3 folder of its results; `id_field` is the key under which BSS
    answers with the record's id; `bss_id_field` the one under which DreamLake Server takes it.
    `asks` is true where a client must ask for processing (`POST /lambdas/…`); the other kinds are
    queued as soon as they are registered.
    """

    kind: Kind
    extensions: dict[str, str]  # extension with its dot -> content type
    route: str
    id_field: str
    bss_id_field: str
    label: str  # plural, for people
    asks: bool


KINDS: dict[Kind, KindSpec] = {
    spec.kind: spec
    for spec in (
        KindSpec(
            Kind.VIDEO,
            {
                ".mp4": "video/mp4",
                ".mov": "video/quicktime",
                ".avi": "video/x-msvideo",
                ".mkv": "video/x-matroska",
                ".webm": "video/webm",
                ".m4v": "video/x-m4v",
                ".qt": "video/quicktime",
                ".3gp": "video/3gpp",
                ".3g2": "video/3gpp2",
                ".mk3d": "video/x-matroska",
                ".ts": "video/mp2t",
                ".mts": "video/mp2t",
                ".m2ts": "video/mp2t",
                ".m2t": "video/mp2t",
            },
            "videos",
            "videoId",
            "bssVideoId",
            "videos",
            asks=True,
        ),
        KindSpec(
            Kind.AUDIO,
            {
                ".wav": "audio/wav",
                ".mp3": "audio/mpeg",
                ".flac": "audio/flac",
                ".aac": "audio/aac",
                ".ogg": "audio/ogg",
                ".oga": "audio/ogg",
                ".opus": "audio/ogg",
                ".m4a": "audio/mp4",
                ".m4b": "audio/mp4",
                ".mka": "audio/x-matroska",
                ".weba": "audio/webm",
                ".wave": "audio/wav",
                ".mp2": "audio/mpeg",
                ".mpga": "audio/mpeg",
                ".ac3": "audio/ac3",
                ".eac3": "audio/eac3",
                ".ec3": "audio/eac3",
                ".amr": "audio/amr",
            },
            "audio",
            "audioId",
            "bssAudioId",
            "audio files",
            asks=True,
        ),
        KindSpec(
            Kind.TEXT_TRACK,
            {".vtt": "text/vtt", ".srt": "application/x-subrip"},
            "text-tracks",
            "textTrackId",
            "bssTextTrackId",
            "text tracks",
            asks=False,
        ),
        KindSpec(
            Kind.LABEL_TRACK,
            {
                ".jsonl": "application/x-ndjson",
                ".csv": "text/csv",
                ".ndjson": "application/x-ndjson",
                ".tsv": "text/tab-separated-values",
            },
            "labels",
            "labelId",
            "bssLabelId",
            "label tracks",
            asks=False,
        ),
    )
}

MEDIA = (Kind.VIDEO, Kind.AUDIO)  # kinds whose content may turn out to be the other one

_BY_EXTENSION = {extension: spec.kind for spec in KINDS.values() for extension in spec.extensions}

KNOWN_EXTENSIONS: tuple[str, ...] = tuple(_BY_EXTENSION)

# Extensions that text has as well, which is no media then: TypeScript (also its modules) and Qt's translations.
_SHARED_WITH_TEXT = frozenset({".ts", ".mts"})


def check_kind(kind: Kind | str) -> Kind:
    """The kind that is meant. Raises DreamlakeError(UNKNOWN_KIND)."""
    try:
        return Kind(kind)
    except ValueError:
        raise DreamlakeError(
            Code.UNKNOWN_KIND, f"{kind!r} is no kind of file.", hint=f"Kinds: {', '.join(Kind)}."
        ) from None


def kind_of(name: str) -> Kind | None:
    """The kind that the file name's extension stands for, whatever its case; None when it is not one of ours."""
    return _BY_EXTENSION.get(extension_of(name))


def may_be_text(name: str) -> bool:
    """Whether media and text that is none of ours (source code) have the extension: the content has to say which."""
    return extension_of(name) in _SHARED_WITH_TEXT


def content_type_of(name: str) -> str:
    """The content type for a file name; `application/octet-stream` for extensions that are not ours."""
    extension = extension_of(name)
    kind = _BY_EXTENSION.get(extension)
    return KINDS[kind].extensions[extension] if kind else "application/octet-stream"


def extension_of(name: str) -> str:
    """The extension, with its dot and in lower case; of a name that has none, nothing that could be taken for one of
    ours."""
    dot = name.rfind(".")
    if dot <= 0 or name[dot - 1] in "./":  # what begins with dots may have no extension
        return splitext(name)[1].lower()
    return name[dot:].lower()
