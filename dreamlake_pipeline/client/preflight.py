"""What a file is and what is wrong with it, for everybody to see before it is sent.

Whatever is odd, the file is sent all the same, since what is there may be worth having: the pipeline salvages the good
part and says so. Only what a system left under another name (AppleDouble) is nobody's data.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from ..errors import DreamlakeError
from ..kinds import MEDIA, Kind
from ..systemfiles import APPLE_DOUBLE
from .digest import open_file
from .selection import LocalFile
from .walk import show_path

log = logging.getLogger(__name__)

# That the content decides, where the name says something else.
_STORED_AS = {
    Kind.AUDIO: "holds sound only: it is stored as audio",
    Kind.VIDEO: "holds pictures: it is stored as a video",
}
_TEXTS = (Kind.TEXT_TRACK, Kind.LABEL_TRACK)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look at a file found: the file as it is to be stored, and what is odd about it, as a sentence.

    `left_out` is why it is not to be stored at all.
    """

    file: LocalFile
    left_out: str | None = None


def look(file: LocalFile) -> Seen:
    """Look at the head and the structure of a file, no more. Never raises: sending the file tells what is wrong."""
    try:
        return _look(file)
    except (DreamlakeError, ValueError, EOFError):
        return Seen(file)
    except Exception as fault:  # also what no parser should raise: one file is no reason to leave out the others
        what = type(fault).__name__
        log.warning("%s could not be looked at (%s); it is sent all the same.", show_path(file.path), what)
        log.debug("the look at %s", show_path(file.path), exc_info=True)
        return Seen(file)


def _look(file: LocalFile) -> Seen:
    # Not at the top: a run over files that are known already needs none of it.
    from ..media.containers.holds import kind_of_content
    from ..media.containers.integrity import missing_part
    from ..media.containers.sniff import APPLE_DOUBLE as APPLE_DOUBLE_CONTAINER
    from ..media.containers.sniff import sniff_file

    with open_file(file.path) as descriptor, open(descriptor, "rb", closefd=False) as content:
        found = sniff_file(content)
        if found is None:
            is_clear = file.kind in _TEXTS  # text of any form may still be read
            return Seen(file) if is_clear else _odd(file, f"does not look like {_a(file.kind)}")
        if found.container == APPLE_DOUBLE_CONTAINER:
            return Seen(file, left_out=f"{show_path(file.path)} is a system file: {APPLE_DOUBLE}.")
        its = file.with_content(kind_of_content(content, found))
        if not _is_alike(its, its.content_kind or found.kind):
            return _odd(its, f"looks like {found.container}, not like {_a(file.kind)}")
        oddities = [_STORED_AS[its.kind]] if its.kind is not file.kind else []
        if found.demuxer and (missing := missing_part(content, found.demuxer)):
            oddities.append(f"is not whole: {missing}")
        return _odd(its, *oddities)


def _is_alike(file: LocalFile, content: Kind | None) -> bool:
    """Whether a file that looks like `content` may be of its kind: any text, and media of which it was said."""
    if content in MEDIA:
        return content is file.kind or (file.is_kind_said and file.kind in MEDIA)
    return content is file.kind or (content in _TEXTS and file.kind in _TEXTS)


def _odd(file: LocalFile, *oddities: str) -> Seen:
    return Seen(replace(file, warning=f"{show_path(file.path)} {', and '.join(oddities)}." if oddities else None))


def _a(kind: Kind) -> str:
    return {Kind.VIDEO: "a video", Kind.AUDIO: "audio"}.get(kind, f"a {kind}")
