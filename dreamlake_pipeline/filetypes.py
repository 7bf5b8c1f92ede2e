"""What kind the files of some extensions are, as a person says it: `--type .dat=audio` of an ingest, or of a project.

Types are pairs of an extension and a kind. They come before what an extension stands for by itself (kinds.py) and
before what the content tells; those of a run come before those that its project keeps.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from .errors import Code, DreamlakeError
from .kinds import Kind

Types = Mapping[str, Kind]
"""`{".dat": Kind.AUDIO}`: extensions with their dot, in lower case."""

_EXTENSION = re.compile(r"[^\s./\\=*?\x00-\x1f\x7f]{1,32}")
_MOST = 200


def parse_types(words: Iterable[str]) -> dict[str, Kind]:
    """`[".dat=audio", "m4z=video"]` as types. Raises DreamlakeError(USAGE)."""
    given: dict[str, str] = {}
    for word in words:
        extension, equals, kind = word.rpartition("=")
        if not equals:
            what = "a kind, and does not say of which files" if word in list(Kind) else "no EXT=KIND"
            raise DreamlakeError(Code.USAGE, f"{word} is {what}.", hint="Say it of an extension: --type .dat=audio.")
        if extension in given:
            raise DreamlakeError(Code.USAGE, f"The type of {extension} is given twice.")
        given[extension] = kind
    return check_types(given)


def check_types(types: Mapping[str, Kind | str]) -> dict[str, Kind]:
    """The types in the one way in which each is written, sorted by extension. Raises DreamlakeError(USAGE)."""
    if len(types) > _MOST:
        raise DreamlakeError(Code.USAGE, f"These are more than the {_MOST} types that there may be.")
    checked: dict[str, Kind] = {}
    for text, kind in types.items():
        bare = text.strip().removeprefix("*").removeprefix(".").lower()
        if not _EXTENSION.fullmatch(bare):
            raise DreamlakeError(Code.USAGE, f"{text!r} is no extension such as .dat.")
        if kind not in list(Kind):
            raise DreamlakeError(Code.USAGE, f"{str(kind)!r} is no kind of file.", hint=f"Kinds: {', '.join(Kind)}.")
        checked[f".{bare}"] = Kind(kind)
    return dict(sorted(checked.items()))


def show_types(types: Types) -> str:
    """The types as people write them behind `--type`."""
    return " ".join(f"{extension}={kind}" for extension, kind in types.items()) or "none"
