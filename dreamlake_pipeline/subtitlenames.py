"""What the names of subtitle files say, as players expect it beside a video: `front.en.forced.srt`, `front.pt-BR.vtt`.

Between the video's stem and the extension stand a language (a BCP 47 tag, an ISO 639-2 code, its English or own name)
and flags, in any order. `hi` is Hindi where it is the only language, and else "hearing impaired".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from .languages import language_named, normalize_language

_DEFAULT = frozenset({"default"})
_FORCED = frozenset({"forced", "foreign"})
_FOR_THE_DEAF = frozenset({"sdh", "cc", "hoh"})
_FLAGS = _DEFAULT | _FORCED | _FOR_THE_DEAF
_HINDI = "hi"
# More suffixes than this are part of the name.
_MOST_SUFFIXES = 4


@dataclass(frozen=True, slots=True)
class SubtitleName:
    """`language` is a BCP 47 tag. `forced` subtitles are for what even those need who understand the language;
    `for_the_deaf` ones tell of sounds too (SDH, closed captions). `default` ones are to be shown by themselves.
    """

    language: str | None = None
    forced: bool = False
    for_the_deaf: bool = False
    default: bool = False


def read_suffixes(text: str) -> SubtitleName | None:
    """What `en.forced` says; None where a part of it is neither a language nor a flag. Empty text says nothing."""
    if not text:
        return SubtitleName()
    language: str | None = None
    flags: set[str] = set()
    for part in text.split("."):
        found, own = _read_part(part)
        if found is None and not own:
            return None
        flags |= own
        if found is None:
            continue
        if language is None:
            language = found
        elif found == _HINDI or language == _HINDI:
            language, flags = found if language == _HINDI else language, flags | {"sdh"}
        else:
            return None
    return SubtitleName(language, bool(flags & _FORCED), bool(flags & _FOR_THE_DEAF), bool(flags & _DEFAULT))


def language_of_filename(filename: str) -> str | None:
    """The language that a name's last suffixes before the extension tell, flags passed over."""
    suffixes = PurePosixPath(filename).suffixes[:-1][-_MOST_SUFFIXES:]
    found = None
    for first in range(len(suffixes) - 1, -1, -1):
        name = read_suffixes("".join(suffixes[first:])[1:])
        if name is None:
            break
        found = name.language or found
    return found


def _read_part(part: str) -> tuple[str | None, set[str]]:
    """The language and the flags of a part such as `en`, `forced`, or `en-sdh`."""
    lowered = part.strip().lower()
    if lowered in _FLAGS:
        return None, {lowered}
    if named := language_named(lowered):
        return named, set()
    *tag, last = re.split("([-_])", part)
    if tag and last.lower() in _FLAGS:
        language = normalize_language("".join(tag[:-1])) or language_named("".join(tag[:-1]))
        return language, {last.lower()} if language else set()
    return normalize_language(part), set()
